//! Template values: `{{ … }}` in an action's fields, filled in from the event and from earlier steps.
//!
//! A placeholder is a path with filters and no code: `{{ event.content.email | default("nobody") }}`. A string that is
//! exactly one placeholder keeps the value's type. What is filled in is data and is never read as a template again.
//! `\{{` is two literal braces.

mod filter;
mod parse;

use std::fmt;

use serde_json::{Map, Value, json};
use shared::event::StepError;
use shared::json::size_bytes;

use filter::Filter;

/// What placeholders see.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    /// The event that started the run.
    pub(crate) event: &'a Value,
    /// The steps that are over.
    pub(crate) steps: Vec<StepResult<'a>>,
}

/// The result of an earlier step.
#[derive(Debug, Clone)]
pub(crate) struct StepResult<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: &'static str,
    pub(crate) output: Option<&'a Value>,
    pub(crate) error: Option<&'a StepError>,
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A value is missing or of a type that a filter does not accept; says which.
    Template(String),
    /// The result is larger than any command can be.
    TooLarge,
}

/// A value with its templates parsed.
#[derive(Debug)]
pub(crate) enum TemplateValue {
    /// A value without templates.
    Plain(Value),
    /// A string with placeholders.
    Text(Template),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

/// A parsed string.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, PartialEq)]
struct Placeholder {
    path: Path,
    filters: Vec<Filter>,
}

/// The path to a value, starting at `event` or at a step.
#[derive(Debug, Clone, PartialEq)]
struct Path {
    root: Root,
    segments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Root {
    Event,
    Step(String),
}

impl Template {
    /// Returns the names of the steps whose results the template uses.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(Placeholder { path: Path { root: Root::Step(name), .. }, .. }) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns the outermost fields of the event that the template uses.
    pub(crate) fn event_fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(Placeholder { path: Path { root: Root::Event, segments }, .. }) => {
                segments.first().map(String::as_str)
            }
            _ => None,
        })
    }

    /// Fills in the values; `budget_bytes` shrinks by the size of the result.
    fn fill(&self, scope: &Scope<'_>, budget_bytes: &mut usize) -> Result<Value, Failure> {
        if let [Part::Placeholder(placeholder)] = self.parts.as_slice() {
            let value = placeholder.value(scope)?;
            spend(budget_bytes, size_bytes(&value))?;
            return Ok(value);
        }
        let mut text = String::new();
        for part in &self.parts {
            let piece = match part {
                Part::Text(piece) => piece.clone(),
                Part::Placeholder(placeholder) => text_of(placeholder.value(scope)?),
            };
            spend(budget_bytes, piece.len())?;
            text.push_str(&piece);
        }
        Ok(Value::String(text))
    }
}

impl TemplateValue {
    /// Parses every template within a value, or says what is wrong with one.
    pub(crate) fn parse(value: Value) -> Result<Self, String> {
        let parsed = match value {
            Value::String(text) if text.contains("{{") => Self::Text(Template::parse(&text)?),
            Value::Array(items) => Self::List(items.into_iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, member)| Ok((name, Self::parse(member)?)));
                Self::Object(members.collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain),
        };
        Ok(parsed)
    }

    /// Fills in the values; `budget_bytes` shrinks by the size of the result.
    pub(crate) fn fill(&self, scope: &Scope<'_>, budget_bytes: &mut usize) -> Result<Value, Failure> {
        match self {
            Self::Text(template) => template.fill(scope, budget_bytes),
            Self::List(items) => {
                items.iter().map(|item| item.fill(scope, budget_bytes)).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(members) => {
                let filled = members.iter().map(|(name, member)| Ok((name.clone(), member.fill(scope, budget_bytes)?)));
                filled.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            Self::Plain(value) => {
                spend(budget_bytes, size_bytes(value))?;
                Ok(value.clone())
            }
        }
    }
}

impl Placeholder {
    fn value(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        let missing = || Failure::Template(format!("`{}` does not exist", self.path));
        let mut value = self.path.find(scope);
        for filter in &self.filters {
            value = match (filter, value) {
                (Filter::Default(fallback), None | Some(Value::Null)) => Some(fallback.clone()),
                (_, None) => return Err(missing()),
                (filter, Some(value)) => {
                    let wrong = |why| Failure::Template(format!("`{}`: {why}", self.path));
                    Some(filter.apply(value).map_err(wrong)?)
                }
            };
        }
        value.ok_or_else(missing)
    }
}

impl Path {
    fn find(&self, scope: &Scope<'_>) -> Option<Value> {
        match &self.root {
            Root::Event => walk(scope.event, &self.segments).cloned(),
            Root::Step(name) => {
                let step = scope.steps.iter().find(|step| step.name == name)?;
                match self.segments.split_first() {
                    Some((field, rest)) if field == "output" => walk(step.output?, rest).cloned(),
                    _ => walk(&step.to_value(), &self.segments).cloned(),
                }
            }
        }
    }
}

impl StepResult<'_> {
    /// Returns the result as templates and conditions see it.
    pub(crate) fn to_value(&self) -> Value {
        let mut value = json!({"status": self.status});
        if let Some(output) = self.output {
            value["output"] = output.clone();
        }
        if let Some(error) = self.error {
            value["error"] = json!(error);
        }
        value
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Event => f.write_str("event")?,
            Root::Step(name) => write!(f, "steps.{name}")?,
        }
        self.segments.iter().try_for_each(|segment| write!(f, ".{segment}"))
    }
}

fn walk<'v>(value: &'v Value, segments: &[String]) -> Option<&'v Value> {
    segments.iter().try_fold(value, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Renders a value inside text: strings as they are, everything else as JSON.
fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn spend(budget_bytes: &mut usize, size_bytes: usize) -> Result<(), Failure> {
    *budget_bytes = budget_bytes.checked_sub(size_bytes).ok_or(Failure::TooLarge)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill_in(value: &Value, event: &Value, output: &Value) -> Result<Value, Failure> {
        let error = StepError::invocation("Broken", "it broke");
        let good = StepResult { name: "create-cb", status: "succeeded", output: Some(output), error: None };
        let bad = StepResult { name: "my bad.step", status: "failed", output: None, error: Some(&error) };
        let also = StepResult { name: "createCb", ..good.clone() };
        let scope = Scope { event, steps: vec![good, bad, also] };
        TemplateValue::parse(value.clone()).map_err(Failure::Template)?.fill(&scope, &mut 10_000)
    }

    fn example(template: &str) -> Result<Value, Failure> {
        let event = json!({
            "type": "user_created",
            "content": {"email": "Ada@Example.org", "n": 3, "ok": true, "nothing": null, "tags": ["a", "b"], "a-b": {"c": 1}},
        });
        let output = json!({"url": "https://example.org/cb", "id": "42", "list": [{"x": 1}, {"x": 2}]});
        fill_in(&json!(template), &event, &output)
    }

    #[test]
    fn placeholders_are_filled_in() {
        let check = |template: &str, expected: Value| assert_eq!(example(template), Ok(expected), "{template}");
        check("plain", json!("plain"));
        check("{{ event.content.email }}", json!("Ada@Example.org"));
        check("{{event.content.n}}", json!(3));
        check("{{ event.content.tags }}", json!(["a", "b"]));
        check("{{ event.content.nothing }}", json!(null));
        check("n = {{ event.content.n }}, {{ event.content.ok }}", json!("n = 3, true"));
        check("tags: {{ event.content.tags }}", json!(r#"tags: ["a","b"]"#));
        check("{{ event.content.a-b.c }}", json!(1));
        check("{{ event.content.tags.1 }}", json!("b"));
        check("{{ event.content.tags[0] }}", json!("a"));
        check(r#"{{ event["content"]['email'] }}"#, json!("Ada@Example.org"));
        check("{{ steps.create-cb.output.url }}", json!("https://example.org/cb"));
        check("{{ steps.create-cb.output.list[1].x }}", json!(2));
        check("{{ steps.create-cb.status }}", json!("succeeded"));
        check(r#"{{ steps["my bad.step"].error.name }}"#, json!("Broken"));
        check("{{field `step` `create-cb` `output` `id`}}", json!("42"));
        check(r#"{{ field "step" "create-cb" "output" "id" }}"#, json!("42"));
        check("{{.step.createCb.output.id}}", json!("42"));
        check("{{ event.content.email | lower }}", json!("ada@example.org"));
        check(r#"{{ event.content.gone | default("x") }}"#, json!("x"));
        check("{{ event.content.nothing | default(7) }}", json!(7));
        check("{{ steps.create-cb.output.gone.deeper | default(null) }}", json!(null));
        check("{{ event.content.tags | join('+') | upper }}", json!("A+B"));
        check("{{ event.content.tags | length }}", json!(2));
        check("{{ event.content.tags | last }}", json!("b"));
        check("{{ event.content.tags | json }}", json!(r#"["a","b"]"#));
        check(r"\{{ event.content.n }}", json!("{{ event.content.n }}"));
        check("}} {", json!("}} {"));
        check("$Input{name}", json!("$Input{name}"));
        check(r#"{{ event.content.gone | default("}}") }}"#, json!("}}"));
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        let check = |template: &str, part: &str| match example(template) {
            Err(Failure::Template(message)) => assert!(message.contains(part), "{template}: {message}"),
            other => panic!("{template}: {other:?}"),
        };
        check("{{ event.content.gone }}", "`event.content.gone` does not exist");
        check("{{ steps.create-cb.error.name }}", "`steps.create-cb.error.name` does not exist");
        check("{{ event.content.tags[2] }}", "`event.content.tags.2`");
        check("{{ event.content.n | upper }}", "`event.content.n`: upper");
        check("{{ event.content.gone | upper | default('x') }}", "does not exist");
        check("{{ event.content.email", "not closed");
        check("{{ }}", "empty");
        check("{{ env.HOME }}", "`env`");
        check("{{ steps }}", "step");
        check("{{ steps.create-cb.secret }}", "`secret`");
        check("{{ event.content.n | shout }}", "`shout`");
        check("{{ event.content.n | default }}", "default");
        check("{{ event..n }}", "name");
        check("{{ event.n + 1 }}", "event.n + 1");
        check("{{ 1 }}", "`1`");
        check("{{ event.content.n event.content.n }}", "event.content.n");
        check("{{field `step`}}", "step");
    }

    #[test]
    fn the_result_has_a_limit() {
        let event = json!({"big": "x".repeat(600)});
        let many = json!(vec!["{{ event.big }}"; 20]);
        assert_eq!(fill_in(&many, &event, &json!({})), Err(Failure::TooLarge));
        let long = json!("{{ event.big }} ".repeat(20));
        assert_eq!(fill_in(&long, &event, &json!({})), Err(Failure::TooLarge));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(json!("{{ event.secret }}")),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn escaped(text: &str) -> String {
        text.replace("{{", r"\{{")
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}", inner in ".{0,40}") {
            let _ = Template::parse(&text);
            let _ = Template::parse(&format!("{{{{{inner}}}}}"));
            let _ = Template::parse(&format!("{{{{ event.a{inner} }}}}"));
        }

        #[test]
        fn escaped_text_is_itself(text in r"[a{}\\ ]{0,16}") {
            prop_assert_eq!(fill_in(&json!(escaped(&text)), &json!({}), &json!({})), Ok(json!(text)));
        }

        #[test]
        fn one_placeholder_keeps_type_and_content(key in ".{0,8}", value in any_json()) {
            let quoted = serde_json::to_string(&key).unwrap();
            let event = json!({ key.clone(): value });
            let template = json!(format!("{{{{ event[{quoted}] }}}}"));
            prop_assert_eq!(fill_in(&template, &event, &json!({})), Ok(value.clone()));
            let output = json!({ key: value });
            let template = json!(format!("{{{{ field \"step\" \"create-cb\" \"output\" {quoted} }}}}"));
            prop_assert_eq!(fill_in(&template, &json!({}), &output), Ok(value));
        }

        #[test]
        fn what_is_filled_in_is_never_a_template(value in "[a-z{} .]{0,20}") {
            let event = json!({"v": value, "secret": "s"});
            let expected = format!("<{value}>");
            prop_assert_eq!(fill_in(&json!("<{{ event.v }}>"), &event, &json!({})), Ok(json!(expected)));
        }
    }
}
