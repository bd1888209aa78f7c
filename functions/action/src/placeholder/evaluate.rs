//! Resolves parsed texts; what comes out of a source is data and is never parsed.

use std::borrow::Cow;

use serde_json::{Map, Value};
use shared::json::size_bytes;

use super::budget::Budget;
use super::syntax::{Expression, Measure, Part, Reference, Source, Template};
use super::{Sources, operator};
use crate::failure::Violation;

/// Where the data of an auth can be sent, which a stage can say.
const CONTEXTS: [&str; 5] = ["header", "headers", "body", "query", "params"];

/// Resolves the texts of one value.
pub(super) struct Evaluator<'s> {
    pub(super) sources: &'s Sources,
    pub(super) budget: Budget,
}

impl<'s> Evaluator<'s> {
    /// Resolves a text; one that is exactly one placeholder keeps the type of its value.
    pub(super) fn text(&mut self, template: &Template) -> Result<Value, Violation> {
        match template.parts.as_slice() {
            [Part::Open(expression)] => {
                let value = self.expression(expression)?;
                self.budget.output(size_bytes(&*value), &|| name(expression))?;
                Ok(value.into_owned())
            }
            _ => self.joined(template, Budget::output).map(Value::String),
        }
    }

    /// Resolves a text to a text, and pays for its parts as said.
    fn joined(
        &mut self,
        template: &Template,
        pay: impl Fn(&mut Budget, usize, &dyn Fn() -> String) -> Result<(), Violation>,
    ) -> Result<String, Violation> {
        let mut joined = String::new();
        for part in &template.parts {
            match part {
                Part::Text(text) => {
                    pay(&mut self.budget, text.len(), &|| "a text".to_owned())?;
                    joined.push_str(text);
                }
                Part::Open(expression) => {
                    let value = self.expression(expression)?;
                    pay(&mut self.budget, size_bytes(&*value), &|| name(expression))?;
                    joined.push_str(&text_of(&value));
                }
            }
        }
        Ok(joined)
    }

    fn expression(&mut self, expression: &Expression) -> Result<Cow<'s, Value>, Violation> {
        match expression {
            Expression::Reference(reference) => self.reference(reference),
            Expression::Measure(measure, of) => {
                let value = self.expression(of)?;
                self.budget.work(size_bytes(&*value), &|| measure.to_string())?;
                measured(*measure, &value).map(Cow::Owned)
            }
            Expression::Operation(operator, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    let value = self.expression(argument)?;
                    self.budget.work(size_bytes(&*value), &|| operator.to_string())?;
                    values.push(value);
                }
                operator::apply(*operator, &values, &mut self.budget).map(Cow::Owned)
            }
            Expression::Array(items) => {
                let items = items.iter().map(|item| self.owned(item)).collect::<Result<_, _>>()?;
                Ok(Cow::Owned(Value::Array(items)))
            }
            Expression::Object(members) => {
                let members = members.iter().map(|(name, member)| Ok((name.clone(), self.owned(member)?)));
                Ok(Cow::Owned(Value::Object(members.collect::<Result<Map<_, _>, Violation>>()?)))
            }
            Expression::Text(template) => self.joined(template, Budget::work).map(|text| Cow::Owned(text.into())),
            Expression::Literal(value) => Ok(Cow::Owned(value.clone())),
        }
    }

    fn owned(&mut self, expression: &Expression) -> Result<Value, Violation> {
        let value = self.expression(expression)?;
        self.budget.work(size_bytes(&*value), &|| name(expression))?;
        Ok(value.into_owned())
    }

    fn reference(&self, reference: &Reference) -> Result<Cow<'s, Value>, Violation> {
        let sources = self.sources;
        let stages = reference.stages.as_slice();
        let wrong = |rule: &str| violation(reference, rule);
        let walk =
            |value, stages: &[String]| walked(value, stages).map(Cow::Borrowed).ok_or_else(|| wrong("does not exist"));
        match (reference.source, stages) {
            (Source::Auth, [field]) => {
                let auth = sources.default_auth.as_ref().ok_or_else(|| wrong("needs an auth, and the app has none"))?;
                let data = sources.auths.get(auth.as_str()).ok_or_else(|| wrong("has no credentials here"))?;
                walk(data, std::slice::from_ref(field))
            }
            (Source::Auth, [tag, stages @ ..]) => {
                let data = sources.auths.get(tag).ok_or_else(|| wrong("names an auth that does not exist here"))?;
                auth_field(data, stages).map(Cow::Borrowed).ok_or_else(|| wrong("does not exist"))
            }
            (Source::Secret, [key]) => {
                let secret = sources.secrets.get(key).ok_or_else(|| wrong("does not exist"))?;
                Ok(Cow::Owned(Value::from(secret.as_str())))
            }
            (Source::Session, stages) => {
                let (tag, data) =
                    sources.session.as_ref().ok_or_else(|| wrong("needs a session, and there is none"))?;
                let names_tag = stages.first().is_some_and(|stage| stage == tag.as_str());
                walk(data, &stages[usize::from(names_tag)..])
            }
            (Source::Input, stages) => {
                walk(sources.input.as_ref().ok_or_else(|| wrong("cannot be used here"))?, stages)
            }
            (Source::Variable, stages) => self.of_app(&sources.variables, reference, stages),
            (Source::Constant, stages) => self.of_app(&sources.constants, reference, stages),
            (Source::Response, stages) => {
                walk(sources.response.as_ref().ok_or_else(|| wrong("needs an answer, and there is none"))?, stages)
            }
            (Source::Default, _) => {
                sources.default.as_ref().map(Cow::Borrowed).ok_or_else(|| wrong("has no declared default here"))
            }
            (Source::Now, _) => Ok(Cow::Owned(sources.now.as_millisecond().into())),
            (Source::Value, stages) => {
                let value = stages.first().and_then(|at| sources.values.get(at.parse::<usize>().ok()?));
                value.map(Cow::Borrowed).ok_or_else(|| wrong("does not exist: only steps of dispatchers have values"))
            }
            (Source::Sequence, _) => Err(not_supported(reference)),
            (Source::Auth | Source::Secret, _) => Err(wrong("does not exist")),
        }
    }

    fn of_app(
        &self,
        values: &'s std::collections::BTreeMap<String, Map<String, Value>>,
        reference: &Reference,
        stages: &[String],
    ) -> Result<Cow<'s, Value>, Violation> {
        let [app, key, stages @ ..] = stages else { return Err(violation(reference, "does not exist")) };
        let values =
            values.get(app).ok_or_else(|| violation(reference, "names an app that is not the one of this run"))?;
        let value = values.get(key).and_then(|value| walked(value, stages));
        value.map(Cow::Borrowed).ok_or_else(|| violation(reference, "does not exist"))
    }
}

/// Refuses what belongs to workflows, which dispatchers do in another way.
pub(super) fn not_supported(reference: &Reference) -> Violation {
    violation(
        reference,
        "is not supported: in a dispatcher, `{{ steps.NAME.output }}` is the output of an earlier step",
    )
}

/// Renders a value inside text: strings as they are, everything else as JSON.
pub(super) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Finds a field of an auth's data, where the first stage may say only where the field is sent.
fn auth_field<'v>(data: &'v Value, stages: &[String]) -> Option<&'v Value> {
    walked(data, stages).or_else(|| match stages {
        [context, field @ ..] if !field.is_empty() && CONTEXTS.contains(&context.as_str()) => {
            let other = match context.as_str() {
                "header" => "headers",
                "headers" => "header",
                same => same,
            };
            data.get(other).and_then(|part| walked(part, field)).or_else(|| walked(data, field))
        }
        _ => None,
    })
}

fn walked<'v>(value: &'v Value, stages: &[String]) -> Option<&'v Value> {
    stages.iter().try_fold(value, |value, stage| match value {
        Value::Object(members) => members.get(stage),
        Value::Array(items) => {
            let index = stage.strip_prefix('[').and_then(|stage| stage.strip_suffix(']')).unwrap_or(stage);
            items.get(index.parse::<usize>().ok()?)
        }
        _ => None,
    })
}

fn measured(measure: Measure, value: &Value) -> Result<Value, Violation> {
    let count = match (measure, value) {
        (_, Value::Array(items)) => items.len(),
        (Measure::Size, Value::Object(members)) => members.len(),
        (Measure::Length, Value::String(text)) => text.chars().count(),
        (measure, other) => {
            let takes = match measure {
                Measure::Size => "takes an array or an object",
                Measure::Length => "takes an array or a string",
            };
            let rule = format!("{takes}, not {}", operator::type_of(other));
            return Err(Violation { selector: measure.to_string(), rule });
        }
    };
    Ok(count.into())
}

/// Names an expression without its literals, which may be confidential.
fn name(expression: &Expression) -> String {
    match expression {
        Expression::Reference(reference) => reference.to_string(),
        Expression::Measure(measure, _) => measure.to_string(),
        Expression::Operation(operator, _) => operator.to_string(),
        _ => "an argument".to_owned(),
    }
}

fn violation(reference: &Reference, rule: &str) -> Violation {
    let selector = match reference.stages.is_empty() {
        true => reference.source.to_string(),
        false => reference.to_string(),
    };
    Violation { selector, rule: rule.to_owned() }
}
