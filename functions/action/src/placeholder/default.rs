//! `$Default`: the default of a declared field in place of its placeholder.

use serde_json::Value;

use super::evaluate::text_of;
use super::opening::Limits;
use super::syntax::{Expression, Part, Source, Template};
use crate::failure::Violation;

/// Puts the default of a field, which can have placeholders of its own, in the place of `$Default` in a value for it;
/// tells whether there was any.
pub(crate) fn with_default(value: &mut Value, default: &Value) -> Result<bool, Violation> {
    let Value::String(text) = value else { return Ok(false) };
    if !text.contains("$Default") {
        return Ok(false);
    }
    let mut limits = Limits::default();
    let template = Template::parse(text, &mut limits)?;
    if template.literal().is_some() {
        return Ok(false);
    }
    *value = match template.parts.as_slice() {
        [Part::Open(expression)] if is_default(expression) => default.clone(),
        _ => {
            let mut replaced = Template { parts: Vec::new() };
            fill_text(template, default, &mut replaced, &mut limits)?;
            replaced.to_string().into()
        }
    };
    Ok(true)
}

fn is_default(expression: &Expression) -> bool {
    matches!(expression, Expression::Reference(reference) if reference.source == Source::Default)
}

fn fill_text(template: Template, default: &Value, to: &mut Template, limits: &mut Limits) -> Result<(), Violation> {
    for part in template.parts {
        match part {
            Part::Open(expression) if is_default(&expression) => match default {
                Value::String(text) => Template::parse(text, limits)?.parts.into_iter().for_each(|part| to.push(part)),
                other => to.push(Part::Text(text_of(other).into_owned())),
            },
            Part::Open(expression) => to.push(Part::Open(filled(expression, default, limits)?)),
            text @ Part::Text(_) => to.push(text),
        }
    }
    Ok(())
}

fn filled(expression: Expression, default: &Value, limits: &mut Limits) -> Result<Expression, Violation> {
    let all = |items: Vec<Expression>, limits: &mut Limits| {
        items.into_iter().map(|item| filled(item, default, limits)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match expression {
        expression if is_default(&expression) => as_expression(default, limits)?,
        Expression::Measure(measure, of) => Expression::Measure(measure, Box::new(filled(*of, default, limits)?)),
        Expression::Operation(operator, arguments) => Expression::Operation(operator, all(arguments, limits)?),
        Expression::Array(items) => Expression::Array(all(items, limits)?),
        Expression::Object(members) => {
            let members = members.into_iter().map(|(name, member)| Ok((name, filled(member, default, limits)?)));
            Expression::Object(members.collect::<Result<_, Violation>>()?)
        }
        Expression::Text(template) => {
            let mut text = Template { parts: Vec::new() };
            fill_text(template, default, &mut text, limits)?;
            Expression::Text(text)
        }
        other => other,
    })
}

fn as_expression(value: &Value, limits: &mut Limits) -> Result<Expression, Violation> {
    Ok(match value {
        Value::String(text) => {
            let mut template = Template::parse(text, limits)?;
            match template.parts.pop() {
                Some(Part::Open(expression)) if template.parts.is_empty() => expression,
                last => {
                    template.parts.extend(last);
                    Expression::Text(template)
                }
            }
        }
        Value::Array(items) => {
            Expression::Array(items.iter().map(|item| as_expression(item, limits)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| Ok((name.clone(), as_expression(member, limits)?)));
            Expression::Object(members.collect::<Result<_, Violation>>()?)
        }
        scalar => Expression::Literal(scalar.clone()),
    })
}

impl Template {
    fn push(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (Some(Part::Text(text)), Part::Text(more)) => text.push_str(&more),
            (_, part) => self.parts.push(part),
        }
    }
}
