//! Comparisons with a sign: `n>=5` and `n=ge=5` are `ge(n,5)`.

/// A comparison as it is written.
pub(super) struct Signed<'a> {
    pub(super) field: &'a str,
    /// The operator that the sign stands for.
    pub(super) operator: &'static str,
    pub(super) value: &'a str,
}

/// The operators that may stand between two equals signs.
const NAMED: [&str; 11] = ["eq", "ne", "gt", "ge", "lt", "le", "like", "in", "out", "contains", "excludes"];

/// Reads a comparison with a sign; `None` if there is no sign in the text.
///
/// HTTP clients encode some of the signs, so that these are read as well.
pub(super) fn read(text: &str) -> Option<Signed<'_>> {
    let (at, first, rest) = text.char_indices().find_map(|(at, _)| {
        let (sign, rest) = sign(&text[at..])?;
        // An exclamation mark alone is none.
        (sign != '!' || equals(rest).is_some()).then_some((at, sign, rest))
    })?;
    let field = &text[..at];
    let (operator, value) = match (first, equals(rest)) {
        ('>', Some(value)) => ("ge", value),
        ('>', None) => ("gt", rest),
        ('<', Some(value)) => ("le", value),
        ('<', None) => ("lt", rest),
        ('!', Some(value)) => ("ne", value),
        (_, Some(value)) => ("eq", value),
        (_, None) => named(rest).unwrap_or(("eq", rest)),
    };
    Some(Signed { field, operator, value })
}

/// Reads `ge=5` after an equals sign.
fn named(rest: &str) -> Option<(&'static str, &str)> {
    let of = |name: &'static str| Some((name, equals(rest.strip_prefix(name)?)?));
    NAMED.into_iter().find_map(of)
}

fn equals(text: &str) -> Option<&str> {
    sign(text).filter(|(sign, _)| *sign == '=').map(|(_, rest)| rest)
}

/// Reads a sign at the start of a text.
fn sign(text: &str) -> Option<(char, &str)> {
    let encoded = [("%3D", '='), ("%3C", '<'), ("%3E", '>'), ("%21", '!')];
    let plain = text.chars().next().filter(|first| "=<>!".contains(*first)).map(|first| (first, &text[1..]));
    plain.or_else(|| {
        let (start, rest) = text.split_at_checked(3)?;
        let (_, sign) = encoded.into_iter().find(|(code, _)| code.eq_ignore_ascii_case(start))?;
        Some((sign, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_stand_for_operators() {
        let check = |text: &str, expected: Option<(&str, &str, &str)>| {
            let read = read(text).map(|signed| (signed.field, signed.operator, signed.value));
            assert_eq!(read, expected, "{text}");
        };
        check("n>=5", Some(("n", "ge", "5")));
        check("n>5", Some(("n", "gt", "5")));
        check("n<=5", Some(("n", "le", "5")));
        check("n<5", Some(("n", "lt", "5")));
        check("n=5", Some(("n", "eq", "5")));
        check("n==5", Some(("n", "eq", "5")));
        check("n!=5", Some(("n", "ne", "5")));
        check("n=ge=5", Some(("n", "ge", "5")));
        check("n=like=a=b", Some(("n", "like", "a=b")));
        check("n=in=", Some(("n", "in", "")));
        check("n=near=5", Some(("n", "eq", "near=5")));
        check("n%3E%3D5", Some(("n", "ge", "5")));
        check("n%3e=5", Some(("n", "ge", "5")));
        check("a!b=5", Some(("a!b", "eq", "5")));
        check("=", Some(("", "eq", "")));
        check("n", None);
        check("n!", None);
        check("é%3", None);
    }
}
