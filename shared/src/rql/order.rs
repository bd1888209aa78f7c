//! The order of a sorted list.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Number, Value};

use super::{Field, operand};

/// How many nanoseconds a millisecond has.
pub(super) const NANOSECONDS: i128 = 1_000_000;
/// The place of texts among the kinds of values.
const TEXT_RANK: u8 = 3;

/// Which end of the order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

/// What an item has in a field, as it is compared with what the others have.
enum Key<'a> {
    Value(&'a Value),
    Time(Timestamp),
}

/// Sorts items by the values that each has in the fields of the query; where these are equal, the order stays.
///
/// A field whose texts are all times is in the order of the times, however they are written.
pub(super) fn sort<T>(items: &mut Vec<(T, Vec<Value>)>, by: &[(Field, Direction)]) {
    if by.is_empty() {
        return;
    }
    let mut keys: Vec<Vec<Key<'_>>> = items.iter().map(|_| Vec::with_capacity(by.len())).collect();
    for column in 0..by.len() {
        let column_keys: Option<Vec<Key<'_>>> = items.iter().map(|(_, values)| time_key(&values[column])).collect();
        let column_keys =
            column_keys.unwrap_or_else(|| items.iter().map(|(_, values)| Key::Value(&values[column])).collect());
        keys.iter_mut().zip(column_keys).for_each(|(keys, key)| keys.push(key));
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|left, right| by_keys(by, &keys[*left], &keys[*right]));
    drop(keys);
    let mut places: Vec<Option<(T, Vec<Value>)>> = std::mem::take(items).into_iter().map(Some).collect();
    items.extend(order.into_iter().filter_map(|at| places[at].take()));
}

/// Reads a value as a time; what is no text keeps its place before or after all texts.
fn time_key(value: &Value) -> Option<Key<'_>> {
    match value {
        Value::String(text) => operand::instant(text).map(Key::Time),
        other => Some(Key::Value(other)),
    }
}

/// Orders two items by the first field in which they differ.
fn by_keys(by: &[(Field, Direction)], left: &[Key<'_>], right: &[Key<'_>]) -> Ordering {
    let orders = by.iter().zip(left.iter().zip(right)).map(|((_, direction), (left, right))| {
        let order = match (left, right) {
            (Key::Time(left), Key::Time(right)) => left.cmp(right),
            (Key::Value(left), Key::Value(right)) => values(left, right),
            (Key::Time(_), Key::Value(right)) => TEXT_RANK.cmp(&rank(right)),
            (Key::Value(left), Key::Time(_)) => rank(left).cmp(&TEXT_RANK),
        };
        if *direction == Direction::Descending { order.reverse() } else { order }
    });
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Orders numbers as numbers, without rounding either.
pub(super) fn numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        (Some(left), None) => Some(whole_with(left, right.as_f64()?)),
        (None, Some(right)) => Some(whole_with(right, left.as_f64()?).reverse()),
        (None, None) => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// Orders a time against a number of milliseconds since 1970.
pub(super) fn time_with(time: Timestamp, milliseconds: &Number) -> Option<Ordering> {
    let nanoseconds = time.as_nanosecond();
    match milliseconds.as_i128() {
        Some(whole) => Some(nanoseconds.cmp(&whole.saturating_mul(NANOSECONDS))),
        None => Some(whole_with(nanoseconds, milliseconds.as_f64()? * NANOSECONDS as f64)),
    }
}

/// Orders a whole number against one that may not be whole; every whole number of JSON is far within the range.
fn whole_with(left: i128, right: f64) -> Ordering {
    let floor = right.floor();
    // The conversion saturates, which keeps the order.
    match left.cmp(&(floor as i128)) {
        Ordering::Equal if right > floor => Ordering::Less,
        order => order,
    }
}

/// Nothing comes before booleans, then numbers, text, and everything that has no order of its own.
fn values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => numbers(left, right).unwrap_or(Ordering::Equal),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => TEXT_RANK,
        Value::Array(_) | Value::Object(_) => 4,
    }
}
