//! `*` in strings.

/// A wildcard rule: the literal pieces between its asterisks.
///
/// With one kind of wildcard, taking the earliest place for every middle piece is always right, so there is no
/// backtracking and a match is linear in the text for each piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard {
    first: Box<str>,
    /// The pieces after each asterisk; the last of them ends the text. Empty for a rule without asterisks.
    rest: Box<[Box<str>]>,
}

impl Wildcard {
    /// Reads a rule, in which `\*` and `\\` stand for themselves; the error says what is wrong with it.
    pub(crate) fn parse(rule: &str) -> Result<Self, String> {
        let mut pieces = vec![String::new()];
        let mut after_asterisk = false;
        let mut chars = rule.char_indices();
        while let Some((at, char)) = chars.next() {
            if char == '*' {
                if after_asterisk {
                    return Err(format!("consecutive wildcard characters at position {}", at - 1));
                }
                pieces.push(String::new());
            } else if let Some(piece) = pieces.last_mut() {
                piece.push(if char == '\\' { escaped(at, chars.next())? } else { char });
            }
            after_asterisk = char == '*';
        }
        let mut pieces = pieces.into_iter().map(String::into_boxed_str);
        Ok(Self { first: pieces.next().unwrap_or_default(), rest: pieces.collect() })
    }

    /// Returns the shortest text that matches.
    pub(crate) fn shortest(&self) -> String {
        self.rest.iter().fold(self.first.to_string(), |text, piece| text + piece)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else {
            return *self.first == *text;
        };
        let Some(mut left) = text.strip_prefix(&*self.first) else {
            return false;
        };
        for piece in middle {
            match left.find(&**piece) {
                Some(at) => left = &left[at + piece.len()..],
                None => return false,
            }
        }
        left.ends_with(&**last)
    }

    /// The text before the first asterisk, and the texts after each.
    pub(crate) fn pieces(&self) -> (&str, &[Box<str>]) {
        (&self.first, &self.rest)
    }

    /// What every matching text starts with, perhaps nothing.
    pub(crate) fn prefix(&self) -> &str {
        &self.first
    }

    /// What every matching text ends with, perhaps nothing.
    pub(crate) fn suffix(&self) -> &str {
        self.rest.last().unwrap_or(&self.first)
    }
}

fn escaped(at: usize, next: Option<(usize, char)>) -> Result<char, String> {
    match next {
        Some((_, char @ ('*' | '\\'))) => Ok(char),
        _ => Err(format!("invalid escape character at position {at}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_asterisk_stands_for_any_characters() {
        let check = |rule, text, expected| {
            assert_eq!(Wildcard::parse(rule).unwrap().matches(text), expected, "{rule} on {text}");
        };
        check("*", "", true);
        check("*", "anything", true);
        check("", "", true);
        check("", "x", false);
        check("Simple*Service", "SimpleQueueService", true);
        check("Simple*Service", "SimpleService", true);
        check("Simple*Service", "SimpleServices", false);
        check("*/lib/*", "/usr/lib/x", true);
        check("*/lib/*", "lib", false);
        check("a*a", "a", false);
        check("ab*ba", "aba", false);
        check("a*b*b", "ab", false);
        check("a*b*b", "abb", true);
        check(r"a\*b", "a*b", true);
        check(r"a\*b", "axb", false);
        check(r"a\\*", r"a\x", true);
        check(r"*\**", "a*b", true);
        check("é*ü", "éü", true);
    }

    #[test]
    fn a_doubled_asterisk_or_an_unknown_escape_is_refused() {
        let check = |rule, error: &str| assert_eq!(Wildcard::parse(rule).unwrap_err(), error);
        check("a**b", "consecutive wildcard characters at position 1");
        check("**", "consecutive wildcard characters at position 0");
        check(r"a\b", "invalid escape character at position 1");
        check(r"ab\", "invalid escape character at position 2");
    }

    #[test]
    fn many_asterisks_on_a_long_text_take_no_time() {
        let rule = Wildcard::parse(&format!("{}c", "a*".repeat(2_000))).unwrap();
        assert!(!rule.matches(&"a".repeat(100_000)));
    }

    /// Every way to spend the text, the slow and obvious way.
    fn naive(rule: &[char], text: &[char]) -> bool {
        match rule.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some((char, rest)) => text.first() == Some(char) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_pieces_agree_with_trying_everything(rule in "([ab]{0,2}\\*){0,4}[ab]{0,2}", text in "[ab]{0,10}") {
            prop_assume!(!rule.contains("**"));
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let wildcard = Wildcard::parse(&rule).unwrap();
            prop_assert_eq!(wildcard.matches(&text), naive(&chars(&rule), &chars(&text)));
            if wildcard.matches(&text) {
                prop_assert!(text.starts_with(wildcard.prefix()) && text.ends_with(wildcard.suffix()));
            }
        }
    }
}
