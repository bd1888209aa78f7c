//! Templates as they are parsed: only what is known may stand in them, and it is checked before they are kept.

use std::collections::{BTreeMap, BTreeSet};

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path, PathSeg, Template, TemplateErrorReason};
use serde_json::Value;
use shared::nearest;

use super::helper::{self, Known, Place, Signature, TextCall};
use super::input::{Input, Inputs, Kind};
use super::render::Scene;
use super::scan;

/// The variables that blocks define.
const BLOCK_VARIABLES: [&str; 4] = ["first", "index", "key", "last"];

/// A template that is known to be valid, with what it needs from elsewhere.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) template: Template,
    /// The calls of `t` whose keys are written in it.
    pub(super) texts: BTreeSet<TextCall>,
}

/// Parses a template, or says what is wrong with it; with a scene its calls are tried as well.
pub(super) fn parse(text: &str, inputs: &Inputs, trial: Option<&Scene>) -> Result<Parsed, String> {
    let text = scan::check(text)?;
    let mut template = Template::compile(&text).map_err(|error| {
        let place = error.pos().map_or_else(String::new, |(line, column)| format!(" (line {line}, column {column})"));
        // The parser lists what else could stand there in the words of its grammar.
        let reason = match error.reason() {
            TemplateErrorReason::InvalidSyntax(_) => "what stands here is not valid in Handlebars".to_owned(),
            reason => reason.to_string(),
        };
        format!("{reason}{place}")
    })?;
    let mut check = Check { inputs, trial, texts: BTreeSet::new() };
    check.template(&mut template, 0)?;
    Ok(Parsed { template, texts: check.texts })
}

struct Check<'a> {
    inputs: &'a Inputs,
    trial: Option<&'a Scene>,
    texts: BTreeSet<TextCall>,
}

impl Check<'_> {
    /// Checks a template within so many blocks of which each has its own names; outside of all, names are those of inputs.
    fn template(&mut self, template: &mut Template, blocks: usize) -> Result<(), String> {
        for index in 0..template.elements.len() {
            let place = template.mapping.get(index).map(|place| (place.0, place.1));
            let Some(element) = template.elements.get_mut(index) else { break };
            self.element(element, blocks).map_err(|rule| match place {
                Some((line, column)) if !rule.ends_with(')') => format!("{rule} (line {line}, column {column})"),
                _ => rule,
            })?;
        }
        Ok(())
    }

    fn element(&mut self, element: &mut TemplateElement, blocks: usize) -> Result<(), String> {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => Ok(()),
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => self.expression(call, blocks),
            TemplateElement::HelperBlock(call) => self.block(call, blocks),
            _ => Err("partials and decorators are not supported".to_owned()),
        }
    }

    fn expression(&mut self, call: &mut HelperTemplate, blocks: usize) -> Result<(), String> {
        let is_value = call.params.is_empty() && call.hash.is_empty();
        match &mut call.name {
            Parameter::Path(path) if is_value && helper::signature(raw(path)).is_none() => {
                self.path(path, blocks).map(drop)
            }
            Parameter::Path(_) | Parameter::Name(_) => self.call(call, Place::Value, blocks).map(drop),
            Parameter::Subexpression(_) => Err("a tag must begin with a name, not with `(`".to_owned()),
            _ => Err("a tag must begin with a name".to_owned()),
        }
    }

    fn block(&mut self, call: &mut HelperTemplate, blocks: usize) -> Result<(), String> {
        let (signature, _) = self.call(call, Place::Block, blocks)?;
        if call.block_param.is_some() && !signature.changes_context {
            return Err(format!("`{}` has no block parameters, `as |…|`", name_of(call)));
        }
        if let Some(template) = &mut call.template {
            self.template(template, blocks + usize::from(signature.changes_context))?;
        }
        match &mut call.inverse {
            Some(template) => self.template(template, blocks),
            None => Ok(()),
        }
    }

    /// Checks that a helper exists and is called as it can be; returns what is known of its value, too.
    fn call(
        &mut self,
        call: &mut HelperTemplate,
        place: Place,
        blocks: usize,
    ) -> Result<(&'static Signature, Known), String> {
        let name = name_of(call);
        let Some(signature) = helper::signature(&name) else {
            return Err(nearest::unknown("helper", &name, helper::names()));
        };
        signature.check(&name, place, call.params.len(), call.hash.keys().map(String::as_str))?;
        if name == "t"
            && let Some(Parameter::Literal(Value::String(key))) = call.params.first()
        {
            self.texts.insert(TextCall { key: key.clone(), arguments: call.hash.keys().cloned().collect() });
        }
        let mut parameters = Vec::with_capacity(call.params.len());
        for parameter in &mut call.params {
            parameters.push(self.parameter(parameter, blocks)?);
        }
        let mut options = BTreeMap::new();
        for (option, value) in &mut call.hash {
            options.insert(option.as_str(), self.parameter(value, blocks)?);
        }
        let known = match self.trial {
            Some(scene) => helper::try_call(signature, scene, &parameters, &options)?,
            None => Known::Nothing,
        };
        Ok((signature, known))
    }

    /// Checks a parameter, and returns what is known of it.
    fn parameter(&mut self, parameter: &mut Parameter, blocks: usize) -> Result<Known, String> {
        match parameter {
            Parameter::Path(path) => self.path(path, blocks),
            Parameter::Literal(Value::Array(_) | Value::Object(_)) => {
                Err("arrays and objects cannot be written in a tag".to_owned())
            }
            Parameter::Literal(value) if self.trial.is_some() => Ok(Known::Value(value.clone())),
            Parameter::Literal(_) => Ok(Known::Nothing),
            Parameter::Subexpression(subexpression) => match &mut *subexpression.element {
                TemplateElement::Expression(call) => self.call(call, Place::Value, blocks).map(|(_, known)| known),
                _ => Err("only helpers can be called in parentheses".to_owned()),
            },
            _ => Err("a parameter must be a value, a path or a helper in parentheses".to_owned()),
        }
    }

    /// Checks that what a path names can be there, and makes `@inputs` name the inputs; returns what is known of it.
    fn path(&self, path: &mut Path, blocks: usize) -> Result<Known, String> {
        let written = raw(path).to_owned();
        if written.matches("../").count() > blocks {
            return Err(format!(
                "`{written}` leads out of the template: it stands in {blocks} blocks that have names of their own"
            ));
        }
        if let Path::Local((level, name, _)) = &*path {
            let rest = written.strip_prefix(&format!("@{name}")).filter(|_| *level == 0);
            match (name.as_str(), rest) {
                ("inputs" | "root", Some(rest)) => {
                    let rest = rest.strip_prefix(['.', '/']).filter(|rest| !rest.is_empty()).unwrap_or("this");
                    let found = Path::parse(&format!("@root/{rest}")).map_err(|error| error.to_string())?;
                    let Path::Relative((segments, _)) = found else { return Err(unknown_variable(name)) };
                    *path = Path::Relative((segments, written));
                }
                (name, _) if BLOCK_VARIABLES.contains(&name) && written.ends_with(name) => return Ok(Known::Nothing),
                _ => return Err(unknown_variable(name)),
            }
        }
        let Path::Relative((segments, written)) = &*path else { return Ok(Known::Nothing) };
        let names = segments.iter().filter_map(|segment| match segment {
            PathSeg::Named(name) => Some(name.as_str()),
            _ => None,
        });
        let is_plain = segments.iter().all(|segment| matches!(segment, PathSeg::Named(_)));
        if written.starts_with('@') || (blocks == 0 && is_plain) {
            let found = declared(self.inputs, names, written)?;
            return Ok(found.filter(|_| is_plain).map_or(Known::Nothing, Known::Kind));
        }
        Ok(Known::Nothing)
    }
}

/// Checks that the inputs have what a path names, and returns its type.
fn declared<'a>(inputs: &Inputs, names: impl Iterator<Item = &'a str>, written: &str) -> Result<Option<Kind>, String> {
    let (mut members, mut found): (Option<&Inputs>, Option<&Input>) = (Some(inputs), None);
    for name in names {
        if let Some(known) = members {
            let Some(input) = known.get(name) else {
                if known.is_empty() {
                    return Err(format!("`{written}` names the input `{name}`, and none is declared"));
                }
                let unknown = nearest::unknown("input", name, known.keys().map(String::as_str));
                return Err(format!("`{written}` names the {unknown}"));
            };
            found = Some(input);
        } else {
            let items = found.and_then(|input| input.items.as_deref());
            found = match items {
                Some(items) if name.parse::<usize>().is_ok() => Some(items),
                Some(_) => return Err(format!("`{written}` names `{name}` of an array, which only has positions")),
                None => return Err(format!("`{written}` names `{name}` of what is neither an object nor an array")),
            };
        }
        members = found.filter(|input| input.kind == Kind::Object).and_then(|input| input.properties.as_ref());
    }
    Ok(found.map(|input| input.kind))
}

fn unknown_variable(name: &str) -> String {
    let known = BLOCK_VARIABLES.into_iter().chain(["inputs"]);
    let known: Vec<String> = known.map(|known| format!("@{known}")).collect();
    nearest::unknown("variable", &format!("@{name}"), known.iter().map(String::as_str))
}

fn raw(path: &Path) -> &str {
    match path {
        Path::Relative((_, raw)) | Path::Local((_, _, raw)) => raw,
    }
}

fn name_of(call: &HelperTemplate) -> String {
    match &call.name {
        Parameter::Name(name) => name.clone(),
        Parameter::Path(path) => raw(path).to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::super::language::Language;
    use super::*;

    fn scene() -> Scene {
        let language = Language::parse(None).unwrap();
        Scene::new(language, TimeZone::UTC, Timestamp::UNIX_EPOCH, Arc::default())
    }

    /// Parses a text with some inputs, and tries its calls.
    pub(in crate::template) fn check(text: &str, expected: Result<(), &str>) {
        let inputs = json!({
            "name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
            "order": {"type": "object", "properties": {"lines": {"type": "array", "items": {
                "type": "object", "properties": {"price": {"type": "number"}}
            }}}},
        });
        let parsed = parse(text, &serde_json::from_value(inputs).unwrap(), Some(&scene()));
        assert_eq!(parsed.map(drop), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn what_a_template_names_must_exist() {
        check("{{@inputs.name}} {{name}} {{@root.name}} {{@inputs.tags.[0]}} {{@inputs.order.lines.0.price}}", Ok(()));
        let leads_out = |text: &str, path: &str, blocks: usize, column: usize| {
            let rule = format!(
                "`{path}` leads out of the template: it stands in {blocks} blocks that have names of their own \
                 (line 1, column {column})"
            );
            check(text, Err(&rule));
        };
        leads_out("{{../name}}", "../name", 0, 1);
        leads_out("{{#each @inputs.tags}}{{../../name}}{{/each}}", "../../name", 1, 23);
        leads_out("{{#each @inputs.tags}}{{#if this}}{{../../name}}{{/if}}{{/each}}", "../../name", 1, 35);
        leads_out("{{#each @inputs.tags}}{{@../../key}}{{/each}}", "@../../key", 1, 23);
        check("{{#each @inputs.tags}}{{#if this}}{{../name}}{{/if}}{{else}}{{name}}{{/each}}", Ok(()));
        check("{{#each @inputs.tags as |tag|}}{{tag}}{{this}}{{@index}}{{@inputs.name}}{{../name}}{{/each}}", Ok(()));
        check("{{#with @inputs.order}}{{lines}}{{else}}{{name}}{{/with}}", Ok(()));
        check("{{#if (or (not name) (eq name 'x'))}}a{{else if tags}}b{{/if}}", Ok(()));
        let known = "`@inputs.nam` names the unknown input `nam`: did you mean `name`? (line 1, column 1)";
        check("{{@inputs.nam}}", Err(known));
        check(
            "{{#if name}}{{nam}}{{/if}}",
            Err("`nam` names the unknown input `nam`: did you mean `name`? (line 1, column 13)"),
        );
        check("\n {{@input.name}}", Err("unknown variable `@input`: did you mean `@inputs`? (line 2, column 2)"));
        check(
            "{{@inputs.tags.length}}",
            Err("`@inputs.tags.length` names `length` of an array, which only has positions (line 1, column 1)"),
        );
        check(
            "{{@inputs.name.first}}",
            Err("`@inputs.name.first` names `first` of what is neither an object nor an array (line 1, column 1)"),
        );
        check(
            "{{#each @inputs.tags}}{{@inputs.tagz}}{{/each}}",
            Err("`@inputs.tagz` names the unknown input `tagz`: did you mean `tags`? (line 1, column 23)"),
        );
    }

    #[test]
    fn helpers_are_called_as_they_can_be() {
        check("{{sum 1 2}} {{join tags sep='; '}} {{#eq name 'x'}}y{{/eq}}", Ok(()));
        check("{{summ 1 2}}", Err("unknown helper `summ`: did you mean `sum`? (line 1, column 1)"));
        check("{{gte 1 2}}", Err("unknown helper `gte`: did you mean `ge`? (line 1, column 1)"));
        check("{{eq name}}", Err("`eq` takes 2 parameters, not 1 (line 1, column 1)"));
        check("{{sum}}", Err("`sum` takes at least 1 parameter, not 0 (line 1, column 1)"));
        check("{{if name}}", Err("`if` must be a block, `{{#if …}}…{{/if}}` (line 1, column 1)"));
        check("{{#sum 1}}x{{/sum}}", Err("`sum` cannot be a block (line 1, column 1)"));
        check(
            "{{join tags separator='x'}}",
            Err("`join` has the unknown option `separator`: must be one of `sep` (line 1, column 1)"),
        );
        check("{{(sum 1 2)}}", Err("a tag must begin with a name, not with `(` (line 1, column 1)"));
        check("{{#if name as |x|}}{{/if}}", Err("`if` has no block parameters, `as |…|` (line 1, column 1)"));
        check(
            "{{#if name}}x{{/unless}}",
            Err("helper \"if\" was opened, but \"unless\" is closing (line 1, column 14)"),
        );
    }

    #[test]
    fn what_is_not_read_is_said_in_plain_words() {
        let rule = |column| format!("what stands here is not valid in Handlebars (line 1, column {column})");
        for text in
            ["{{}}", "{{sum 1 2", "a {{x y=}} b", "{{#}}x{{/}}", "{{x | y}}", "{{name.}}", "{{t 'a' name}}x{{= y}}"]
        {
            let refused = parse(text, &Inputs::new(), None).unwrap_err();
            assert!(!refused.contains("expression") && !refused.contains('_'), "{text}: {refused}");
        }
        check("{{}}", Err(&rule(3)));
        check("{{#if name}}x", Err("the block `{{#if …}}` is not closed: `{{/if}}` is missing (line 1)"));
    }

    #[test]
    fn what_the_engine_has_beyond_the_helpers_is_not_there() {
        for text in ["{{log name}}", "{{len name}}", "{{#name}}x{{/name}}", "{{raw name}}", "{{helperMissing name}}"] {
            let rule =
                parse(text, &serde_json::from_value(json!({"name": {"type": "string"}})).unwrap(), None).unwrap_err();
            assert!(rule.starts_with("unknown helper"), "{text}: {rule}");
        }
    }

    #[test]
    fn the_keys_of_translations_are_found() {
        let text = "{{t 'a'}}{{#if (eq (t \"b\" x=(t 'c')) 'x')}}{{{t 'd'}}}{{/if}}{{t name}}";
        let inputs = serde_json::from_value(json!({"name": {"type": "string"}})).unwrap();
        let texts = parse(text, &inputs, None).unwrap().texts;
        let called: Vec<(&str, usize)> = texts.iter().map(|call| (call.key.as_str(), call.arguments.len())).collect();
        assert_eq!(called, [("a", 0), ("b", 1), ("c", 0), ("d", 0)]);
    }
}
