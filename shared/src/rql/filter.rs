//! The conditions of a query, and whether they hold for an item.

use std::cmp::Ordering;

use serde_json::Value;

use super::Field;
use super::operand::Operand;

/// The first and the last millisecond since 1970 of a span of time, each if it has one.
pub type Span = (Option<i64>, Option<i64>);

/// The span in which there is no time.
const NEVER: Span = (Some(1), Some(0));

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    /// One of the field's values stands in this relation to the operand.
    Compare(Field, Comparison, Operand),
    /// One of the field's values equals one of the operands.
    In(Field, Vec<Operand>),
    /// One of the field's values has this text in it.
    Like(Field, String),
    /// The field is there.
    Present(Field),
    /// One of the field's elements meets the condition.
    Element(Field, Box<Self>),
    /// The condition does not hold.
    Not(Box<Self>),
    /// Every condition holds.
    All(Vec<Self>),
    /// At least one condition holds.
    Any(Vec<Self>),
}

/// A relation between a field and an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Filter {
    /// Tells whether the condition holds for an item.
    pub(crate) fn holds(&self, item: &Value) -> bool {
        match self {
            Self::Compare(field, comparison, operand) => field.any_in(item, |value| comparison.holds(value, operand)),
            Self::In(field, operands) => field.any_in(item, |value| operands.iter().any(|one| one.equals(value))),
            Self::Like(field, text) => {
                field.any_in(item, |value| value.as_str().is_some_and(|value| value.contains(text.as_str())))
            }
            Self::Present(field) => field.values_in(item).iter().any(|value| !value.is_null()),
            Self::Element(field, filter) => field.any_in(item, |value| filter.holds(value)),
            Self::Not(filter) => !filter.holds(item),
            Self::All(filters) => filters.iter().all(|filter| filter.holds(item)),
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(item)),
        }
    }

    /// Returns the condition with the texts that a field is compared with in lower case.
    pub(super) fn lowered(self, name: &str) -> Self {
        let all = |filters: Vec<Self>| filters.into_iter().map(|filter| filter.lowered(name)).collect();
        match self {
            Self::Compare(field, comparison, operand) if field.is(name) => {
                Self::Compare(field, comparison, operand.lowered())
            }
            Self::In(field, operands) if field.is(name) => {
                Self::In(field, operands.into_iter().map(Operand::lowered).collect())
            }
            Self::Like(field, text) if field.is(name) => Self::Like(field, text.to_lowercase()),
            Self::Not(filter) => Self::Not(Box::new(filter.lowered(name))),
            Self::All(filters) => Self::All(all(filters)),
            Self::Any(filters) => Self::Any(all(filters)),
            other => other,
        }
    }

    /// Returns the text that the field must equal for this condition to hold.
    pub(super) fn exact_text(&self, name: &str) -> Option<&str> {
        match self {
            Self::Compare(field, Comparison::Equal, operand) if field.is(name) => operand.exact_text(),
            Self::All(filters) => filters.iter().find_map(|filter| filter.exact_text(name)),
            _ => None,
        }
    }

    /// Returns the texts of which the field must equal one for this condition to hold.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        match self {
            Self::Compare(field, Comparison::Equal, operand) if field.is(name) => Some(vec![operand.exact_text()?]),
            Self::In(field, operands) if field.is(name) => operands.iter().map(Operand::exact_text).collect(),
            Self::Any(filters) => {
                let texts: Option<Vec<Vec<&str>>> = filters.iter().map(|filter| filter.texts(name)).collect();
                Some(texts?.concat())
            }
            _ => None,
        }
    }

    /// Returns the least and the greatest whole number of milliseconds since 1970 for which the condition holds, if it is
    /// a condition of this field alone and holds for just those between.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        let Self::Compare(field, comparison, operand) = self else { return None };
        if !field.is(name) {
            return None;
        }
        let (whole, is_whole) = operand.whole_millisecond()?;
        let millisecond =
            |whole: i128| Some(i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX }));
        Some(match (comparison, is_whole) {
            (Comparison::Equal, true) => (millisecond(whole), millisecond(whole)),
            (Comparison::Equal, false) => NEVER,
            (Comparison::Greater, _) | (Comparison::GreaterOrEqual, false) => (millisecond(whole + 1), None),
            (Comparison::GreaterOrEqual, true) => (millisecond(whole), None),
            (Comparison::Less, true) => (None, millisecond(whole - 1)),
            (Comparison::Less, false) | (Comparison::LessOrEqual, _) => (None, millisecond(whole)),
        })
    }

    /// Tells whether the condition asks for a field of the item that passes the test.
    pub(crate) fn any_field(&self, test: &impl Fn(&Field) -> bool) -> bool {
        match self {
            Self::Compare(field, ..) | Self::In(field, _) | Self::Like(field, _) | Self::Present(field) => test(field),
            Self::Element(field, _) => test(field),
            Self::Not(filter) => filter.any_field(test),
            Self::All(filters) | Self::Any(filters) => filters.iter().any(|filter| filter.any_field(test)),
        }
    }

    /// Returns the least and the greatest time in milliseconds since 1970 that the field can have where the condition
    /// holds, as far as it says so.
    pub(super) fn time_bounds(&self, name: &str) -> Option<(Option<i64>, Option<i64>)> {
        match self {
            Self::Compare(field, comparison, operand) if field.is(name) => {
                let time = operand.millisecond()?;
                Some(match comparison {
                    Comparison::Equal => (Some(time), Some(time)),
                    Comparison::Greater | Comparison::GreaterOrEqual => (Some(time), None),
                    Comparison::Less | Comparison::LessOrEqual => (None, Some(time)),
                })
            }
            _ => None,
        }
    }
}

impl Comparison {
    fn holds(self, value: &Value, operand: &Operand) -> bool {
        let order = || operand.compare(value);
        match self {
            Self::Equal => operand.equals(value),
            Self::Greater => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Self::Less => order() == Some(Ordering::Less),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
        }
    }
}

impl Field {
    /// Tells whether this is the path of the field.
    pub(super) fn is(&self, name: &str) -> bool {
        name.split('.').eq(self.0.iter().map(String::as_str))
    }

    /// Returns the value to sort by; null where there is none.
    pub(super) fn first_in<'a>(&self, item: &'a Value) -> &'a Value {
        self.values_in(item).first().copied().unwrap_or(&Value::Null)
    }

    /// Tells whether one of the field's values passes the test; an array stands for its elements, a missing field for null.
    fn any_in(&self, item: &Value, test: impl Fn(&Value) -> bool) -> bool {
        let values = self.values_in(item);
        let passes = |value: &&Value| match value {
            Value::Array(elements) => elements.iter().any(&test),
            value => test(value),
        };
        if values.is_empty() { test(&Value::Null) } else { values.iter().any(passes) }
    }

    /// Returns what the path leads to: one value, or several where it passes through arrays.
    fn values_in<'a>(&self, item: &'a Value) -> Vec<&'a Value> {
        let mut values = vec![item];
        for segment in &self.0 {
            values = values.into_iter().flat_map(|value| members(value, segment)).collect();
        }
        values
    }
}

fn members<'a>(value: &'a Value, segment: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(members) => members.get(segment).into_iter().collect(),
        Value::Array(elements) => match segment.parse::<usize>() {
            Ok(index) => elements.get(index).into_iter().collect(),
            Err(_) => elements.iter().filter_map(|element| element.get(segment)).collect(),
        },
        _ => Vec::new(),
    }
}
