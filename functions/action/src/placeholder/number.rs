//! Numbers of operators: whole ones are exact, others are those of IEEE 754.

use std::cmp::Ordering;

use serde_json::Value;

/// Up to here every whole number has its own float.
const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// A number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    /// Reads a number, which can be written as a text.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::of_json(number),
            Value::String(text) => Self::of_json(&text.trim().parse().ok()?),
            _ => None,
        }
    }

    /// Reads a JSON number.
    pub(super) fn of_json(number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Self::Whole).or_else(|| number.as_f64().map(Self::Float))
    }

    /// Returns a whole number as that.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    pub(super) fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(whole) => Some(whole),
            Self::Float(float) => (float.fract() == 0.0 && float.abs() <= EXACT_LIMIT).then_some(float as i128),
        }
    }

    /// Returns the number as JSON, without a fraction where it has none; `None` if it is out of range.
    pub(super) fn to_value(self) -> Option<Value> {
        match self.whole() {
            Some(whole) => {
                let number = i64::try_from(whole).map(Value::from);
                number.or_else(|_| u64::try_from(whole).map(Value::from)).ok()
            }
            None => serde_json::Number::from_f64(self.float()).map(Value::Number),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as in all arithmetic with floats")]
    fn float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }

    /// Compares two numbers by what they are, not by how they are written.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self.whole(), other.whole()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => self.float().partial_cmp(&other.float()),
        }
    }
}

/// Adds two numbers, unless the result is out of range.
pub(super) fn add(left: Number, right: Number) -> Option<Number> {
    combined(left, right, i128::checked_add, |left, right| left + right)
}

/// Subtracts a number from another, unless the result is out of range.
pub(super) fn subtract(left: Number, right: Number) -> Option<Number> {
    combined(left, right, i128::checked_sub, |left, right| left - right)
}

fn combined(
    left: Number,
    right: Number,
    whole: impl Fn(i128, i128) -> Option<i128>,
    float: impl Fn(f64, f64) -> f64,
) -> Option<Number> {
    match (left, right) {
        (Number::Whole(left), Number::Whole(right)) => whole(left, right).map(Number::Whole),
        (left, right) => {
            Some(float(left.float(), right.float())).filter(|result| result.is_finite()).map(Number::Float)
        }
    }
}
