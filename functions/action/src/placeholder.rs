//! Placeholders such as `$Auth{tag}{token}` and operators such as `$Concat([…], ' ')`: parsed, looked through, resolved.
//!
//! What a placeholder resolves to is never looked at for placeholders again.

mod budget;
mod comparison;
mod date;
mod default;
mod evaluate;
mod number;
mod opening;
mod operator;
mod parse;
#[cfg(test)]
mod property_tests;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};
use shared::json::depth;

pub(crate) use self::default::with_default;

use self::budget::Budget;
use self::evaluate::Evaluator;
use self::opening::Limits;
use self::syntax::{Expression, Part, Source, Template};
use crate::failure::Violation;
use crate::tag::Tag;

/// What the placeholders of a value refer to and has to be read before they can be resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    /// The auths, as in `$Auth{tag}{token}`; the short form `$Auth{field}` is [`References::default_auth`].
    pub(crate) auths: BTreeSet<String>,
    /// Whether a field of the auth of the access tag is asked for without naming it.
    pub(crate) default_auth: bool,
    /// The keys of secrets.
    pub(crate) secrets: BTreeSet<String>,
    /// Whether the session is asked for.
    pub(crate) session: bool,
    /// Whether there is a `$Value{n}`, which nobody but a dispatcher writes.
    pub(crate) values: bool,
}

/// What placeholders resolve to.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The caller's input for `$Input{…}`, already resolved; `None` where it may not be used.
    pub(crate) input: Option<Value>,
    /// The values of the event and of earlier steps for `$Value{n}`, which the dispatcher has put aside.
    pub(crate) values: Vec<Value>,
    /// The data of auths by tag, for `$Auth{tag}{…}`.
    pub(crate) auths: BTreeMap<String, Value>,
    /// The tag of the auth of the access tag, for `$Auth{field}`.
    pub(crate) default_auth: Option<Tag>,
    /// The secrets by key.
    pub(crate) secrets: BTreeMap<String, String>,
    /// The tag and the data of the session.
    pub(crate) session: Option<(Tag, Value)>,
    /// The values of the access tag's variables, by app (or access tag) and key.
    pub(crate) variables: BTreeMap<String, Map<String, Value>>,
    /// The constants, by app (or access tag) and key.
    pub(crate) constants: BTreeMap<String, Map<String, Value>>,
    /// The answer of the app for `$Response{…}`, where there is one already.
    pub(crate) response: Option<Value>,
    /// The declared default of the field that is being resolved, for `$Default`.
    pub(crate) default: Option<Value>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// How deep a value may nest when its placeholders are resolved.
const DEPTH_LIMIT: usize = 96;

/// Collects what the placeholders in a value refer to; names the first that cannot be read.
pub(crate) fn references(value: &Value) -> Result<References, Violation> {
    let (mut references, mut limits) = (References::default(), Limits::default());
    each_text(value, &mut |text| references.read(&Template::parse(text, &mut limits)?))?;
    Ok(references)
}

/// Tells whether a text has a placeholder or an operator in it, so that its value is not known yet.
pub(crate) fn is_open(value: &Value) -> bool {
    let mut limits = Limits::default();
    let is_closed = each_text(value, &mut |text| match Template::parse(text, &mut limits) {
        Ok(template) if template.literal().is_some_and(|literal| literal == text) => Ok(()),
        _ => Err(()),
    });
    is_closed.is_err()
}

/// Resolves the placeholders in a value, or names the first that cannot be; a text that is exactly one keeps the type of
/// what it resolves to.
pub(crate) fn resolve(value: &Value, sources: &Sources) -> Result<Value, Violation> {
    let mut evaluator = Evaluator { sources, budget: Budget::default() };
    let resolved = resolved(value, &mut evaluator, &mut Limits::default())?;
    match depth(&resolved) {
        0..=DEPTH_LIMIT => Ok(resolved),
        _ => {
            let rule = format!("nests more than {DEPTH_LIMIT} levels deep with its placeholders resolved");
            Err(Violation { selector: "$Input".to_owned(), rule })
        }
    }
}

fn resolved(value: &Value, evaluator: &mut Evaluator<'_>, limits: &mut Limits) -> Result<Value, Violation> {
    match value {
        Value::String(text) if text.contains('$') => evaluator.text(&Template::parse(text, limits)?),
        Value::Array(items) => items.iter().map(|item| resolved(item, evaluator, limits)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| Ok((name.clone(), resolved(member, evaluator, limits)?)));
            Ok(Value::Object(members.collect::<Result<_, _>>()?))
        }
        plain => Ok(plain.clone()),
    }
}

/// Visits every text of a value in which something can stand, until one is refused.
fn each_text<E>(value: &Value, visit: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    match value {
        Value::String(text) if text.contains('$') => visit(text),
        Value::Array(items) => items.iter().try_for_each(|item| each_text(item, visit)),
        Value::Object(members) => members.values().try_for_each(|member| each_text(member, visit)),
        _ => Ok(()),
    }
}

impl References {
    fn read(&mut self, template: &Template) -> Result<(), Violation> {
        template.parts.iter().try_for_each(|part| match part {
            Part::Text(_) => Ok(()),
            Part::Open(expression) => self.read_expression(expression),
        })
    }

    fn read_expression(&mut self, expression: &Expression) -> Result<(), Violation> {
        match expression {
            Expression::Reference(reference) => {
                match (reference.source, reference.stages.as_slice()) {
                    (Source::Auth, [_]) => self.default_auth = true,
                    (Source::Auth, [tag, ..]) => drop(self.auths.insert(tag.clone())),
                    (Source::Secret, [key]) => drop(self.secrets.insert(key.clone())),
                    (Source::Session, _) => self.session = true,
                    (Source::Value, _) => self.values = true,
                    (Source::Sequence, _) => return Err(evaluate::not_supported(reference)),
                    _ => {}
                }
                Ok(())
            }
            Expression::Measure(_, of) => self.read_expression(of),
            Expression::Operation(_, items) | Expression::Array(items) => {
                items.iter().try_for_each(|item| self.read_expression(item))
            }
            Expression::Object(members) => members.iter().try_for_each(|(_, member)| self.read_expression(member)),
            Expression::Text(template) => self.read(template),
            Expression::Literal(_) => Ok(()),
        }
    }
}

impl Template {
    /// Returns the text of a template without placeholders and operators.
    fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}
