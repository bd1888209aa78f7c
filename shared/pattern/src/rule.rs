//! The rules that one value of an event can be tested with.

use std::hash::{Hash, Hasher};

use serde_json::Value;

use crate::cidr::Cidr;
use crate::number::{Double, Range};
use crate::text;
use crate::wildcard::Wildcard;

/// One element of the array that a pattern has at a field.
#[derive(Debug)]
pub(crate) enum Rule {
    Null,
    Bool(bool),
    Number(Double),
    String(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    EqualsIgnoreCase(Box<str>),
    PrefixIgnoreCase(Box<str>),
    SuffixIgnoreCase(Box<str>),
    Wildcard(Wildcard),
    Numeric(Range),
    Cidr(Cidr),
    /// `exists: true`.
    Present,
    /// `exists: false`, which no value satisfies.
    Absent,
    AnythingBut(Vec<Self>),
}

impl Rule {
    /// Whether a value, which is neither object nor array, satisfies the rule.
    pub(crate) fn accepts(&self, leaf: &Value) -> bool {
        match (self, leaf) {
            (Self::Present, _) | (Self::Null, Value::Null) => true,
            (Self::AnythingBut(rules), _) => !rules.iter().any(|rule| rule.accepts(leaf)),
            (Self::Bool(expected), Value::Bool(bool)) => expected == bool,
            (Self::Number(expected), Value::Number(number)) => Double::of(number) == Some(*expected),
            (Self::Numeric(range), Value::Number(number)) => Double::of(number).is_some_and(|n| range.contains(n)),
            (_, Value::String(text)) => self.accepts_text(text),
            _ => false,
        }
    }

    /// The only values that the rule can be asked about, in words; `None` where it can be asked about every value.
    pub(crate) fn domain(&self) -> Option<&'static str> {
        match self {
            Self::Numeric(_) => Some("numbers"),
            Self::Cidr(_) => Some("IP addresses"),
            Self::Prefix(_)
            | Self::Suffix(_)
            | Self::EqualsIgnoreCase(_)
            | Self::PrefixIgnoreCase(_)
            | Self::SuffixIgnoreCase(_)
            | Self::Wildcard(_) => Some("strings"),
            _ => None,
        }
    }

    /// Whether the rule can be asked about a value.
    fn can_judge(&self, leaf: &Value) -> bool {
        match (self, leaf) {
            (Self::Numeric(_), Value::Number(number)) => Double::of(number).is_some(),
            (Self::Numeric(_), _) => false,
            (Self::Cidr(_), leaf) => leaf.as_str().is_some_and(Cidr::is_address),
            (rule, leaf) => rule.domain().is_none() || leaf.is_string(),
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            Self::String(expected) => **expected == *text,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
            Self::EqualsIgnoreCase(expected) => text::equals(text, expected),
            Self::PrefixIgnoreCase(prefix) => text::strip_prefix(text, prefix).is_some(),
            Self::SuffixIgnoreCase(suffix) => text::strip_suffix(text, suffix).is_some(),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::Cidr(block) => block.contains(text),
            _ => false,
        }
    }
}

/// All that a pattern requires of one field: one of the rules must hold.
#[derive(Debug)]
pub(crate) struct Clause {
    /// The names of the fields down to this one, joined by dots.
    pub(crate) path: Box<str>,
    pub(crate) rules: Vec<Rule>,
    /// The rules as they were written.
    pub(crate) source: Value,
}

impl Clause {
    /// Whether one of the rules accepts this value.
    pub(crate) fn accepts(&self, leaf: &Value) -> bool {
        self.rules.iter().any(|rule| rule.accepts(leaf))
    }

    /// Whether one of the rules can be asked about this value.
    pub(crate) fn can_judge(&self, leaf: &Value) -> bool {
        self.rules.iter().any(|rule| rule.can_judge(leaf))
    }

    /// Whether the clause also holds when the field is absent.
    pub(crate) fn accepts_absence(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::Absent))
    }
}

/// Clauses with the same source are the same.
impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.source == other.source
    }
}

impl Eq for Clause {}

impl Hash for Clause {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
        self.source.hash(state);
    }
}
