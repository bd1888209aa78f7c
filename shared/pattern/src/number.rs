//! Numbers as they are compared: by value, as doubles of IEEE 754.

use serde_json::Number;

const SIGN: u64 = 1 << 63;

/// A double as a whole number of the same order, so that 300, 300.0 and 3.0e2 are equal and neighbours differ by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Double(i64);

impl Double {
    pub(crate) const NEGATIVE_INFINITY: Self = Self::new(f64::NEG_INFINITY);
    pub(crate) const INFINITY: Self = Self::new(f64::INFINITY);

    /// The double that is nearest to a number; `None` when the number is beyond all of them.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        number.as_f64().filter(|float| float.is_finite()).map(Self::new)
    }

    fn to_f64(self) -> f64 {
        let magnitude = f64::from_bits(self.0.unsigned_abs());
        if self.0 < 0 { -magnitude } else { magnitude }
    }

    /// Both zeros are zero; of the others those below zero count down from it.
    const fn new(float: f64) -> Self {
        let bits = float.to_bits();
        let magnitude = (bits & !SIGN).cast_signed();
        Self(if bits & SIGN == 0 { magnitude } else { -magnitude })
    }
}

impl Double {
    /// The double itself.
    pub(crate) fn float(self) -> f64 {
        let magnitude = f64::from_bits(self.0.unsigned_abs());
        if self.0 < 0 { -magnitude } else { magnitude }
    }

    /// The next greater double, unless that is infinite.
    pub(crate) fn next_up(self) -> Option<Self> {
        Some(Self(self.0 + 1)).filter(|next| self < Self::INFINITY && *next < Self::INFINITY)
    }

    /// The next smaller double, unless that is infinite.
    pub(crate) fn next_down(self) -> Option<Self> {
        Some(Self(self.0 - 1)).filter(|next| self > Self::NEGATIVE_INFINITY && *next > Self::NEGATIVE_INFINITY)
    }
}

/// An interval of numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    min: Double,
    max: Double,
}

impl Range {
    pub(crate) fn contains(self, number: Double) -> bool {
        (self.min..=self.max).contains(&number)
    }

    /// Returns numbers of which those in the range are examples of it, the one to prefer first: what lies nearest to a
    /// number, rounded to the inside, or else what is in the middle or at an end.
    pub(crate) fn examples(self, near: Option<f64>) -> Vec<f64> {
        let (low, high) = (self.min.to_f64(), self.max.to_f64());
        let middle = low / 2.0 + high / 2.0;
        let round = (middle * 1_000.0).round() / 1_000.0;
        let (from_low, from_high) = ([low.ceil(), round, middle, low], [high.floor(), round, middle, high]);
        let is_above = near.map_or(low.is_infinite(), |near| near > high);
        let sides = if is_above { [from_high, from_low] } else { [from_low, from_high] };
        let inside = near.filter(|near| (low..=high).contains(near));
        let numbers = inside.into_iter().chain(sides.into_iter().flatten());
        numbers.filter(|number| number.is_finite()).collect()
    }

    pub(crate) fn exactly(value: Double) -> Self {
        Self { min: value, max: value }
    }

    /// The least and the greatest number.
    pub(crate) fn ends(self) -> [Double; 2] {
        [self.min, self.max]
    }

    /// The numbers between two bounds; `None` unless the lower is less than the upper.
    pub(crate) fn between(lower: Bound, upper: Bound) -> Option<Self> {
        (lower.at < upper.at).then(|| Self {
            min: Double(lower.at.0 + i64::from(lower.open)),
            max: Double(upper.at.0 - i64::from(upper.open)),
        })
    }
}

/// One end of a range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) at: Double,
    /// Whether the end itself is outside.
    pub(crate) open: bool,
}

#[cfg(test)]
mod tests {
    use proptest::num::f64::{NEGATIVE, POSITIVE, SUBNORMAL, ZERO};
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Double {
        Double::of(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn one_value_has_many_spellings() {
        let check = |one, other| assert_eq!(parsed(one), parsed(other), "{one} {other}");
        check("0", "-0.0");
        check("300", "300.0");
        check("300", "3.0e2");
        check("0.1", "0.1000");
        check("1767323045678", "1.767323045678e12");
        check("9007199254740993", "9007199254740992");
        check("18446744073709551615", "18446744073709551616");
    }

    fn double() -> impl Strategy<Value = f64> {
        prop_oneof![
            POSITIVE | NEGATIVE | SUBNORMAL | ZERO,
            any::<i64>().prop_map(|whole| whole as f64),
            (-9_i64..9).prop_map(|small| small as f64 / 4.0),
        ]
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_doubles(a in double(), b in double()) {
            prop_assert_eq!(Double::new(a).cmp(&Double::new(b)), a.partial_cmp(&b).unwrap());
        }

        #[test]
        fn an_open_end_leaves_out_itself_alone(at in double()) {
            let number = Double::new(at);
            let above = Range::between(Bound { at: number, open: true }, Bound { at: Double::INFINITY, open: false });
            let below =
                Range::between(Bound { at: Double::NEGATIVE_INFINITY, open: false }, Bound { at: number, open: true });
            let (above, below) = (above.unwrap(), below.unwrap());
            prop_assert!(!above.contains(number) && !below.contains(number));
            prop_assert!(above.contains(Double::new(at.next_up())) && below.contains(Double::new(at.next_down())));
        }
    }
}
