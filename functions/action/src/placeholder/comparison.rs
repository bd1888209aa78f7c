//! The comparisons of `$Filter` and `$Find`.

use std::cmp::Ordering;

use serde_json::Value;

use super::number::Number;

const SIGNS: [&str; 6] = [">", "<", ">=", "<=", "==", "!=="];

/// What an item of an array must be.
#[derive(Debug)]
pub(super) struct Comparison<'v> {
    sign: &'static str,
    value: &'v Value,
}

impl<'v> Comparison<'v> {
    /// Reads a comparison, or says which signs there are.
    pub(super) fn new(sign: &str, value: &'v Value) -> Result<Self, String> {
        let known = SIGNS.into_iter().find(|known| *known == sign);
        // The sign may have come from an input, which no error repeats.
        let rule = || format!("takes one of `{}` as argument 2", SIGNS.join("`, `"));
        Ok(Self { sign: known.ok_or_else(rule)?, value })
    }

    /// Tells whether an item is what it must be: an object is if one of its members is, and for `!==` if none is equal.
    pub(super) fn holds(&self, item: &Value) -> bool {
        match item {
            Value::Object(members) if !self.value.is_object() && self.sign == "!==" => {
                members.values().all(|member| self.holds_for(member))
            }
            Value::Object(members) if !self.value.is_object() => members.values().any(|member| self.holds_for(member)),
            item => self.holds_for(item),
        }
    }

    fn holds_for(&self, item: &Value) -> bool {
        let ordering = ordering(item, self.value);
        match self.sign {
            ">" => ordering == Some(Ordering::Greater),
            "<" => ordering == Some(Ordering::Less),
            ">=" => ordering.is_some_and(Ordering::is_ge),
            "<=" => ordering.is_some_and(Ordering::is_le),
            "==" => is_equal(item, self.value),
            _ => !is_equal(item, self.value),
        }
    }
}

/// Orders two numbers or two strings; values of other types, or of two types, have no order.
fn ordering(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Number::of_json(left)?.compare(Number::of_json(right)?),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn is_equal(left: &Value, right: &Value) -> bool {
    left == right || ordering(left, right) == Some(Ordering::Equal)
}
