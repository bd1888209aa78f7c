//! Fills in templates whose texts have placeholders of their own: values are put aside and not written into the text.
//!
//! The function that resolves `$Secret{KEY}` and the like finds `$Value{n}` in place of `{{ … }}`, and the value in a
//! list. So no value can make such a placeholder, change one, or be taken for one.

use serde_json::{Map, Value};
use shared::event::command::{OWN_VALUE, own_value};
use shared::json::size_bytes;

use super::budget::Budget;
use super::{Failure, Part, Scope, Template, TemplateValue};

impl TemplateValue {
    /// Fills in the values at the expense of the budget, each as `$Value{n}` for its position among `values`.
    pub(crate) fn fill_aside(
        &self,
        scope: &Scope<'_>,
        values: &mut Vec<Value>,
        budget: &mut Budget,
    ) -> Result<Value, Failure> {
        match self {
            Self::Text(template) => template.fill_aside(scope, values, budget),
            Self::List(items) => {
                let filled = items.iter().map(|item| item.fill_aside(scope, values, budget));
                filled.collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(members) => {
                let filled =
                    members.iter().map(|(name, member)| Ok((name.clone(), member.fill_aside(scope, values, budget)?)));
                filled.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            Self::Plain(value) => {
                budget.output(size_bytes(value))?;
                Ok(value.clone())
            }
        }
    }
}

impl Template {
    pub(super) fn fill_aside(
        &self,
        scope: &Scope<'_>,
        values: &mut Vec<Value>,
        budget: &mut Budget,
    ) -> Result<Value, Failure> {
        if let [Part::Placeholder(placeholder)] = self.parts.as_slice() {
            let value = placeholder.value(scope, &mut budget.placeholder())?;
            budget.output(size_bytes(&*value))?;
            return texts_aside(value.into_owned(), values, budget);
        }
        let mut text = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(literal) => {
                    let is_before_value = at + 1 < self.parts.len();
                    // A backslash before a placeholder would make a text of it.
                    let unescaped = literal.trim_end_matches('\\').len();
                    let backslashes = if is_before_value { &literal[unescaped..] } else { "" };
                    budget.output(literal.len() + backslashes.len())?;
                    text.push_str(literal);
                    text.push_str(backslashes);
                }
                Part::Placeholder(placeholder) => {
                    let value = placeholder.value(scope, &mut budget.placeholder())?;
                    budget.output(size_bytes(&*value))?;
                    text.push_str(&put_aside(value.into_owned(), values, budget)?);
                }
            }
        }
        Ok(Value::String(text))
    }

    /// Whether the author wrote `$Value{` among the literal text, which stands for values that are filled in alone.
    pub(crate) fn has_own_value(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(OWN_VALUE)))
    }
}

/// Puts the texts of a value aside that could be read as placeholders, so that everything else keeps its form.
fn texts_aside(value: Value, values: &mut Vec<Value>, budget: &mut Budget) -> Result<Value, Failure> {
    match value {
        Value::String(text) if text.contains('$') => put_aside(Value::String(text), values, budget).map(Value::String),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| texts_aside(item, values, budget));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, member)| Ok((name, texts_aside(member, values, budget)?)));
            members.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        plain => Ok(plain),
    }
}

/// Adds a value to the list, and returns what stands for it.
fn put_aside(value: Value, values: &mut Vec<Value>, budget: &mut Budget) -> Result<String, Failure> {
    let written = own_value(values.len());
    budget.output(written.len())?;
    values.push(value);
    Ok(written)
}
