//! DynamoDB's numbers: decimals of up to 38 digits, without rounding.

use std::cmp::Ordering;
use std::fmt;

/// The most digits that a number has.
const DIGITS: u32 = 38;
/// The least and the greatest power of ten of a number's first digit.
const EXPONENTS: std::ops::RangeInclusive<i32> = -130..=125;

/// A decimal: `mantissa × 10^exponent`, without zeros at the end of the mantissa.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    is_negative: bool,
    mantissa: u128,
    exponent: i32,
}

/// Why a text is no number of DynamoDB's, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    /// It is not a number at all.
    #[error("The parameter cannot be converted to a numeric value")]
    NotANumber,
    /// It has too many digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooPrecise,
    /// It is too far from zero.
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    /// It is too near to zero.
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
}

impl Number {
    const ZERO: Self = Self { is_negative: false, mantissa: 0, exponent: 0 };

    /// Reads a number as JSON and DynamoDB write it.
    pub(crate) fn parse(text: &str) -> Result<Self, NumberError> {
        let (is_negative, unsigned) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
            return Err(NumberError::NotANumber);
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let trimmed = significant.trim_end_matches('0');
        let zeros = i64::try_from(significant.len() - trimmed.len()).unwrap_or(i64::MAX);
        if trimmed.len() > DIGITS as usize {
            return Err(NumberError::TooPrecise);
        }
        let mantissa = if trimmed.is_empty() { 0 } else { trimmed.parse().map_err(|_| NumberError::NotANumber)? };
        let exponent = exponent + zeros - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        Self::new(is_negative, mantissa, exponent)
    }

    fn new(is_negative: bool, mut mantissa: u128, mut exponent: i64) -> Result<Self, NumberError> {
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        while mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent += 1;
        }
        if mantissa.ilog10() >= DIGITS {
            return Err(NumberError::TooPrecise);
        }
        let first = exponent + i64::from(mantissa.ilog10());
        if first > i64::from(*EXPONENTS.end()) {
            return Err(NumberError::Overflow);
        }
        if first < i64::from(*EXPONENTS.start()) {
            return Err(NumberError::Underflow);
        }
        let exponent = i32::try_from(exponent).map_err(|_| NumberError::Underflow)?;
        Ok(Self { is_negative, mantissa, exponent })
    }

    /// Adds two numbers.
    pub(crate) fn plus(self, other: Self) -> Result<Self, NumberError> {
        if self.mantissa == 0 {
            return Ok(other);
        }
        if other.mantissa == 0 {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let shift = u32::try_from(high.exponent - low.exponent).map_err(|_| NumberError::TooPrecise)?;
        let scaled = 10u128.checked_pow(shift).and_then(|factor| high.mantissa.checked_mul(factor));
        let scaled = scaled.ok_or(NumberError::TooPrecise)?;
        let exponent = i64::from(low.exponent);
        if high.is_negative == low.is_negative {
            let sum = scaled.checked_add(low.mantissa).ok_or(NumberError::TooPrecise)?;
            return Self::new(high.is_negative, sum, exponent);
        }
        match scaled.cmp(&low.mantissa) {
            Ordering::Less => Self::new(low.is_negative, low.mantissa - scaled, exponent),
            _ => Self::new(high.is_negative, scaled - low.mantissa, exponent),
        }
    }

    /// Subtracts a number.
    pub(crate) fn minus(self, other: Self) -> Result<Self, NumberError> {
        self.plus(other.negated())
    }

    fn negated(self) -> Self {
        Self { is_negative: self.mantissa != 0 && !self.is_negative, ..self }
    }

    /// How many bytes it counts for in the size of an item.
    pub(crate) fn size_bytes(self) -> usize {
        if self.mantissa == 0 {
            return 1;
        }
        // Two digits a byte, in pairs that begin at even powers of ten, and one byte for sign and exponent.
        let digits = self.mantissa.ilog10() as usize + 1;
        let is_odd_end = self.exponent.rem_euclid(2) == 1;
        (digits + usize::from(is_odd_end)).div_ceil(2) + 1 + usize::from(self.is_negative)
    }

    /// Appends bytes that sort as the numbers do.
    pub(crate) fn write_key(self, key: &mut Vec<u8>) {
        if self.mantissa == 0 {
            key.push(0x80);
            return;
        }
        let digits = self.mantissa.to_string();
        let first = self.exponent + i32::try_from(digits.len()).unwrap_or_default() - 1;
        let biased = u8::try_from(first + 130).unwrap_or_default();
        let mut bytes = vec![0xC0, biased];
        bytes.extend(digits.bytes().map(|digit| digit - b'0' + 1));
        bytes.push(0);
        if self.is_negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        key.extend(bytes);
    }

    /// Reads the bytes that [`Number::write_key`] has written.
    pub(crate) fn read_key(key: &[u8]) -> Option<Self> {
        let is_negative = match key {
            [0x80] => return Some(Self::ZERO),
            [first, ..] => *first < 0x80,
            [] => return None,
        };
        let plain = |byte: &u8| if is_negative { !*byte } else { *byte };
        let (digits, biased) = (key.get(2..key.len() - 1)?, plain(key.get(1)?));
        let mantissa = digits.iter().try_fold(0_u128, |mantissa, digit| {
            mantissa.checked_mul(10)?.checked_add(u128::from(plain(digit).checked_sub(1)?))
        })?;
        let exponent = i64::from(biased) - 130 - i64::try_from(digits.len()).ok()? + 1;
        Self::new(is_negative, mantissa, exponent).ok()
    }

    /// Returns the whole part, `None` where that is not of 64 bits.
    pub(crate) fn whole(self) -> Option<i64> {
        let magnitude = match u32::try_from(self.exponent) {
            Ok(exponent) => self.mantissa.checked_mul(10_u128.checked_pow(exponent)?)?,
            Err(_) => 10_u128.checked_pow(self.exponent.unsigned_abs()).map_or(0, |scale| self.mantissa / scale),
        };
        let magnitude = i64::try_from(magnitude).ok()?;
        Some(if self.is_negative { -magnitude } else { magnitude })
    }
}

fn parse_exponent(text: &str) -> Result<i64, NumberError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::NotANumber);
    }
    // Whatever is longer is far beyond the range on either side.
    let magnitude = unsigned.trim_start_matches('0').get(..6).unwrap_or(unsigned).parse::<i64>().unwrap_or(999_999);
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

impl fmt::Display for Number {
    /// Writes the number as DynamoDB does: plain, however many zeros that takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative {
            f.write_str("-")?;
        }
        let digits = self.mantissa.to_string();
        if self.exponent >= 0 {
            let zeros = usize::try_from(self.exponent).unwrap_or_default();
            return write!(f, "{digits}{}", "0".repeat(zeros));
        }
        let places = usize::try_from(-self.exponent).unwrap_or_default();
        match digits.len().checked_sub(places) {
            Some(0) | None => write!(f, "0.{}{digits}", "0".repeat(places - digits.len())),
            Some(whole) => write!(f, "{}.{}", &digits[..whole], &digits[whole..]),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        self.write_key(&mut left);
        other.write_key(&mut right);
        left.cmp(&right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_written_plainly() {
        let check = |text: &str, expected: &str| assert_eq!(Number::parse(text).unwrap().to_string(), expected);
        check("0", "0");
        check("-0.0", "0");
        check("007", "7");
        check("1.50", "1.5");
        check("-1e3", "-1000");
        check("12E-4", "0.0012");
        check("123.456e1", "1234.56");
        check("99999999999999999999999999999999999999", "99999999999999999999999999999999999999");
        check("1E125", &format!("1{}", "0".repeat(125)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let check = |text: &str, expected: NumberError| assert_eq!(Number::parse(text), Err(expected), "{text}");
        for text in ["", "-", ".", "1.2.3", "a", "1e", "e1", " 1", "1 ", "NaN", "Infinity", "0x1", "--1"] {
            check(text, NumberError::NotANumber);
        }
        check("123456789012345678901234567890123456789", NumberError::TooPrecise);
        check("1e126", NumberError::Overflow);
        check("1e-131", NumberError::Underflow);
        check("1e99999999999", NumberError::Overflow);
    }

    proptest! {
        #[test]
        fn whole_numbers_add_and_sort_as_integers_do(left: i64, right: i64) {
            let number = |value: i128| Number::parse(&value.to_string()).unwrap();
            let (a, b) = (i128::from(left), i128::from(right));
            prop_assert_eq!(number(a).plus(number(b)).unwrap(), number(a + b));
            prop_assert_eq!(number(a).minus(number(b)).unwrap(), number(a - b));
            prop_assert_eq!(number(a).cmp(&number(b)), left.cmp(&right));
            prop_assert_eq!(number(a).whole(), Some(left));
        }

        #[test]
        fn keys_are_read_as_they_were_written(mantissa: i64, exponent in -100i32..100) {
            let number = Number::parse(&format!("{mantissa}e{exponent}")).unwrap();
            let mut key = Vec::new();
            number.write_key(&mut key);
            prop_assert_eq!(Number::read_key(&key), Some(number));
        }

        #[test]
        fn fractions_sort_as_they_should(left in -1_000_000i64..1_000_000, right in -1_000_000i64..1_000_000, places in 0u32..6) {
            let number = |value: i64| Number::parse(&format!("{value}e-{places}")).unwrap();
            prop_assert_eq!(number(left).cmp(&number(right)), left.cmp(&right));
            let again = Number::parse(&number(left).to_string()).unwrap();
            prop_assert_eq!(again, number(left));
        }
    }
}
