//! What a `$` begins: a known name with its bracket, a misspelt one, or nothing.

use shared::nearest::nearest;

use super::syntax::{NAMES, Name, Source};

/// The most placeholders, operators and arguments in all texts of a value.
pub(super) const MAX_EXPRESSIONS: usize = 50_000;
/// How many names that are not known are compared with those that are, in all texts of a value.
const MAX_COMPARISONS: usize = 1_000;
/// No known name, however misspelt, is longer.
const MAX_NAME_BYTES: usize = 14;

/// What parsing the texts of one value may still cost.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) expressions: usize,
    comparisons: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { expressions: MAX_EXPRESSIONS, comparisons: MAX_COMPARISONS }
    }
}

/// What a `$` begins.
#[derive(Clone, Copy)]
pub(super) enum Opening<'t> {
    /// A name, and the text after it.
    Known(Name, &'t str),
    /// What was perhaps meant to be a name.
    Misspelt(&'t str, &'static str),
}

/// Tells whether a `$` before this text means something, or was perhaps meant to.
pub(super) fn opens(after_dollar: &str) -> bool {
    opening(after_dollar, &mut Limits::default()).is_some()
}

/// Finds out what a `$` before this text begins, if anything.
pub(super) fn opening<'t>(after_dollar: &'t str, limits: &mut Limits) -> Option<Opening<'t>> {
    let end = after_dollar.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(after_dollar.len());
    let (name, rest) = after_dollar.split_at(end);
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return None;
    }
    let is_followed = rest.starts_with(['{', '(']);
    match Name::find(name) {
        Some(known @ Name::Source(Source::Now | Source::Default)) => {
            let goes_on = rest.starts_with(|char: char| char.is_alphanumeric() || char == '_');
            (!goes_on).then_some(Opening::Known(known, rest))
        }
        Some(known) => is_followed.then_some(Opening::Known(known, rest)),
        None if is_followed && limits.comparisons > 0 => {
            limits.comparisons -= 1;
            let meant = nearest(name, NAMES.iter().map(|(known, _)| *known))?;
            Some(Opening::Misspelt(name, meant))
        }
        None => None,
    }
}
