//! Strings compared without regard to case.
//!
//! A character matches another when it is its lower or its upper case, character by character as EventBridge does
//! it; "ß" therefore also accepts "SS", and nothing is normalised.

/// What is left of the text after the rule; `None` when it does not start so.
pub(crate) fn strip_prefix<'t>(text: &'t str, rule: &str) -> Option<&'t str> {
    rule.chars().try_fold(text, |left, char| strip_char(left, char, |text, case| text.strip_prefix(case)))
}

/// What is left of the text before the rule; `None` when it does not end so.
pub(crate) fn strip_suffix<'t>(text: &'t str, rule: &str) -> Option<&'t str> {
    rule.chars().rev().try_fold(text, |left, char| strip_char(left, char, |text, case| text.strip_suffix(case)))
}

/// Whether the two are equal but for case.
pub(crate) fn equals(text: &str, rule: &str) -> bool {
    strip_prefix(text, rule).is_some_and(str::is_empty)
}

fn strip_char<'t>(text: &'t str, char: char, strip: impl Fn(&'t str, &str) -> Option<&'t str>) -> Option<&'t str> {
    let lower = Case::of(char.to_lowercase());
    strip(text, lower.as_str()).or_else(|| strip(text, Case::of(char.to_uppercase()).as_str()))
}

/// One case of a character, which may be up to three characters, without an allocation.
struct Case {
    bytes: [u8; 12],
    len: usize,
}

impl Case {
    fn of(chars: impl Iterator<Item = char>) -> Self {
        let mut case = Self { bytes: [0; 12], len: 0 };
        for char in chars {
            case.len += char.encode_utf8(&mut case.bytes[case.len..]).len();
        }
        case
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("written by encode_utf8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_at_the_start_the_end_or_throughout() {
        let check = |text, rule, expected| assert_eq!(equals(text, rule), expected, "{text} {rule}");
        check("Alice", "aLICE", true);
        check("alic", "alice", false);
        check("alices", "alice", false);
        check("ÄÖÜ", "äöü", true);
        check("STRASSE", "straße", true);
        check("\u{212a}", "k", false);
        check("ΐ", "ΐ", true);
        check("", "", true);
        assert_eq!(strip_prefix("EventBridge", "eventb"), Some("ridge"));
        assert_eq!(strip_suffix("photo.PNG", ".png"), Some("photo"));
        assert_eq!(strip_suffix("png", ".png"), None);
        assert_eq!(strip_suffix("FUSS", "fuß"), Some(""));
    }
}
