//! The operators: what `$Add(…)` to `$Find(…)` make of their arguments.

use std::borrow::Cow;

use serde_json::Value;

use super::budget::Budget;
use super::comparison::Comparison;
use super::evaluate::text_of;
use super::syntax::Operator;
use super::{date, number};
use crate::failure::Violation;

/// The arguments of an operator, as many as it takes.
struct Arguments<'a> {
    operator: Operator,
    values: &'a [Cow<'a, Value>],
}

/// Applies an operator to its arguments.
pub(super) fn apply(operator: Operator, values: &[Cow<'_, Value>], budget: &mut Budget) -> Result<Value, Violation> {
    let arguments = Arguments { operator, values };
    match operator {
        Operator::Add => arguments.folded(number::add),
        Operator::Subtract => arguments.folded(number::subtract),
        Operator::Concat => arguments.concat(budget),
        Operator::Substring => arguments.substring(),
        Operator::Trim => Ok(arguments.text(0)?.trim().into()),
        Operator::Split => arguments.split(budget),
        Operator::Pick => arguments.pick(),
        Operator::Join if values.len() == 2 => arguments.concat(budget),
        Operator::Join => arguments.join(),
        Operator::Uppercase => Ok(arguments.text(0)?.to_uppercase().into()),
        Operator::Lowercase => Ok(arguments.text(0)?.to_lowercase().into()),
        Operator::Replace => arguments.replace(budget),
        Operator::Dateformat => arguments.date(budget),
        Operator::Filter => {
            let (items, comparison) = arguments.comparison()?;
            Ok(items.iter().filter(|item| comparison.holds(item)).cloned().collect())
        }
        Operator::Find => {
            let (items, comparison) = arguments.comparison()?;
            Ok(items.iter().find(|item| comparison.holds(item)).cloned().unwrap_or_default())
        }
    }
}

impl<'a> Arguments<'a> {
    fn folded(
        &self,
        combine: impl Fn(number::Number, number::Number) -> Option<number::Number>,
    ) -> Result<Value, Violation> {
        let mut numbers = (0..self.values.len()).map(|at| self.number(at));
        let first = numbers.next().unwrap_or_else(|| Err(self.wrong("takes numbers")))?;
        let result = numbers.try_fold(first, |left, right| {
            combine(left, right?).ok_or_else(|| self.wrong("makes a number that is too large"))
        })?;
        result.to_value().ok_or_else(|| self.wrong("makes a number that is too large"))
    }

    fn concat(&self, budget: &mut Budget) -> Result<Value, Violation> {
        let items = self.array(0)?;
        if let Some(wrong) = items.iter().find(|item| item.is_array() || item.is_object() || item.is_null()) {
            return Err(self.takes(0, "an array of strings, numbers and booleans", wrong));
        }
        let texts: Vec<Cow<'_, str>> = items.iter().map(text_of).collect();
        let separator = if self.values.len() > 1 { self.text(1)? } else { "" };
        let size_bytes = texts.iter().map(|text| text.len()).sum::<usize>() + separator.len() * texts.len();
        budget.work(size_bytes, &|| self.operator.to_string())?;
        Ok(texts.join(separator).into())
    }

    fn substring(&self) -> Result<Value, Violation> {
        let text = self.text(0)?;
        let length = text.chars().count();
        let position = |at: usize| Ok::<_, Violation>(clamped(self.whole(at)?, length));
        let start = position(1)?;
        let end = if self.values.len() > 2 { position(2)? } else { length };
        Ok(text.chars().skip(start).take(end.saturating_sub(start)).collect::<String>().into())
    }

    fn split(&self, budget: &mut Budget) -> Result<Value, Violation> {
        let (text, separator) = (self.text(0)?, self.text(1)?);
        let pieces = if separator.is_empty() { text.chars().count() } else { text.matches(separator).count() + 1 };
        budget.work(text.len() + pieces * size_of::<Value>(), &|| self.operator.to_string())?;
        if separator.is_empty() {
            return Ok(text.chars().map(String::from).collect());
        }
        Ok(text.split(separator).collect())
    }

    fn pick(&self) -> Result<Value, Violation> {
        let missing = || self.wrong("picks what does not exist");
        match &*self.values[0] {
            Value::Array(items) => {
                position(self.whole(1)?, items.len()).map(|at| items[at].clone()).ok_or_else(missing)
            }
            Value::String(text) => {
                let at = position(self.whole(1)?, text.chars().count()).ok_or_else(missing)?;
                Ok(text.chars().skip(at).take(1).collect::<String>().into())
            }
            Value::Object(members) => members.get(self.text(1)?).cloned().ok_or_else(missing),
            other => Err(self.takes(0, "an array, a string or an object", other)),
        }
    }

    fn join(&self) -> Result<Value, Violation> {
        let mut joined = Vec::new();
        for part in self.array(0)? {
            match part {
                Value::Array(items) => joined.extend(items.iter().cloned()),
                other => return Err(self.takes(0, "an array of arrays", other)),
            }
        }
        Ok(joined.into())
    }

    fn replace(&self, budget: &mut Budget) -> Result<Value, Violation> {
        let (text, from, to) = (self.text(0)?, self.text(1)?, self.text(2)?);
        if from.is_empty() {
            return Err(self.wrong("replaces an empty string, which is everywhere and nowhere"));
        }
        let size_bytes = text.len() + text.matches(from).count() * to.len();
        budget.work(size_bytes, &|| self.operator.to_string())?;
        Ok(text.replace(from, to).into())
    }

    fn date(&self, budget: &mut Budget) -> Result<Value, Violation> {
        let time = date::time(&self.values[0]).ok_or_else(|| self.wrong(date::RULE))?;
        let format = self.text(1)?;
        // No token makes more of itself than this.
        budget.work(format.len() * date::MOST_BYTES_PER_BYTE, &|| self.operator.to_string())?;
        Ok(date::formatted(&time, format).into())
    }

    fn comparison(&self) -> Result<(&'a [Value], Comparison<'a>), Violation> {
        let comparison = Comparison::new(self.text(1)?, &self.values[2]).map_err(|rule| self.wrong(&rule))?;
        Ok((self.array(0)?, comparison))
    }

    fn text(&self, at: usize) -> Result<&'a str, Violation> {
        self.values[at].as_str().ok_or_else(|| self.takes(at, "a string", &self.values[at]))
    }

    fn array(&self, at: usize) -> Result<&'a [Value], Violation> {
        self.values[at].as_array().map(Vec::as_slice).ok_or_else(|| self.takes(at, "an array", &self.values[at]))
    }

    fn number(&self, at: usize) -> Result<number::Number, Violation> {
        number::Number::of(&self.values[at]).ok_or_else(|| self.takes(at, "a number", &self.values[at]))
    }

    fn whole(&self, at: usize) -> Result<i128, Violation> {
        self.number(at)?.whole().ok_or_else(|| self.takes(at, "a whole number", &self.values[at]))
    }

    fn takes(&self, at: usize, what: &str, given: &Value) -> Violation {
        self.wrong(&format!("takes {what} as argument {}, not {}", at + 1, type_of(given)))
    }

    fn wrong(&self, rule: &str) -> Violation {
        Violation { selector: self.operator.to_string(), rule: rule.to_owned() }
    }
}

/// Names the type of a value.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Returns the position of an index, which counts from the end if it is negative.
fn position(index: i128, length: usize) -> Option<usize> {
    let from_start = if index < 0 { index.checked_add(i128::try_from(length).ok()?)? } else { index };
    usize::try_from(from_start).ok().filter(|at| *at < length)
}

/// Returns the position of an index as [`position`] does, or the nearest end.
fn clamped(index: i128, length: usize) -> usize {
    position(index, length).unwrap_or(if index < 0 { 0 } else { length })
}
