//! Why a pattern was refused.

use std::fmt;

/// A pattern that EventBridge would not accept, or that is over a limit of this crate.
///
/// The text is meant for the person who wrote the pattern: it names the field and the rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event pattern is not valid at {}: {reason}", Place(.path))]
pub struct PatternError {
    path: String,
    reason: String,
}

impl PatternError {
    pub(crate) fn new(path: &str, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }

    /// The dotted path of the field whose rule is wrong; empty for the pattern as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// A path for people: the empty one is the whole pattern.
struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("the top") } else { write!(f, "\"{}\"", self.0) }
    }
}
