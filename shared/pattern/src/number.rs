//! Numbers as EventBridge compares them: by value, from -5e9 to 5e9, to six decimals.

use serde_json::Number;

/// One million: numbers are compared as whole millionths.
const SCALE: i64 = 1_000_000;
const LIMIT: i64 = 5_000_000_000;

/// A number in millionths, so that 300, 300.0 and 3.0e2 are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Millionths(i64);

impl Millionths {
    pub(crate) const MIN: Self = Self(-LIMIT * SCALE);
    pub(crate) const MAX: Self = Self(LIMIT * SCALE);

    /// The number's value, or `None` when it is out of range or has more than six decimals.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        if let Some(whole) = number.as_i64() {
            return (-LIMIT..=LIMIT).contains(&whole).then(|| Self(whole * SCALE));
        }
        Self::of_float(number.as_f64()?)
    }

    /// Finds the decimal of six places that this float is the nearest to.
    ///
    /// Near the limit a product with a million may be one off, so the neighbours are tried as well; the way back
    /// is exact, because both sides of the division are whole numbers below 2^53.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "whole and below 2^53 here")]
    fn of_float(float: f64) -> Option<Self> {
        if !(-(LIMIT as f64)..=LIMIT as f64).contains(&float) {
            return None;
        }
        let near = (float * SCALE as f64).round() as i64;
        let found = [near, near - 1, near + 1].into_iter().find(|n| *n as f64 / SCALE as f64 == float);
        found.map(Self).filter(|n| (Self::MIN..=Self::MAX).contains(n))
    }
}

/// An interval of numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    min: Millionths,
    max: Millionths,
}

impl Range {
    pub(crate) fn contains(self, number: Millionths) -> bool {
        (self.min..=self.max).contains(&number)
    }

    pub(crate) fn exactly(value: Millionths) -> Self {
        Self { min: value, max: value }
    }

    /// The numbers between two bounds; `None` unless the lower is less than the upper.
    pub(crate) fn between(lower: Bound, upper: Bound) -> Option<Self> {
        (lower.at < upper.at).then(|| Self {
            min: Millionths(lower.at.0 + i64::from(lower.open)),
            max: Millionths(upper.at.0 - i64::from(upper.open)),
        })
    }
}

/// One end of a range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) at: Millionths,
    /// Whether the end itself is outside.
    pub(crate) open: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<i64> {
        let number: Number = serde_json::from_str(text).unwrap();
        Millionths::of(&number).map(|n| n.0)
    }

    #[test]
    fn a_number_is_compared_by_its_value_to_six_decimals() {
        let check = |text, expected| assert_eq!(parsed(text), expected, "{text}");
        check("0", Some(0));
        check("-0.0", Some(0));
        check("300", Some(300_000_000));
        check("300.0", Some(300_000_000));
        check("3.0e2", Some(300_000_000));
        check("301.8", Some(301_800_000));
        check("0.000001", Some(1));
        check("1e-6", Some(1));
        check("0.0000001", None);
        check("5000000000", Some(5_000_000_000_000_000));
        check("-5e9", Some(-5_000_000_000_000_000));
        check("5000000001", None);
        check("5000000000.000001", None);
        check("4999999999.999999", Some(4_999_999_999_999_999));
        check("123456789012", None);
        check("18446744073709551615", None);
        check("1e300", None);
    }

    proptest! {
        #[test]
        fn every_decimal_of_six_places_keeps_its_value(n in -5_000_000_000_000_000_i64..=5_000_000_000_000_000) {
            let sign = if n < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:06}", n.abs() / SCALE, n.abs() % SCALE);
            prop_assert_eq!(parsed(&text), Some(n));
        }
    }
}
