//! Secrets in what is shown: every occurrence of a value that came from a credential is masked.
//!
//! A text is searched as it is and as what it reads as once URLs, forms, JSON, XML and HTML are decoded, also one within
//! another, so that it does not matter which characters were encoded and how. Base64 and hexadecimal are searched for
//! as such, and what has a secret once it is decoded is masked as a whole. Upper and lower case are the same.

mod packed;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use self::view::{View, views};
use crate::credential::Credentials;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";
/// From this length on, in bytes, a value is masked wherever it occurs, also within words.
const ANYWHERE_BYTES: usize = 6;
/// From this length on a text is masked where it is a word of its own; what is shorter could not be told from other text.
const WORD_BYTES: usize = 4;
/// Members of a token that are no secrets, and would be found everywhere.
const PLAIN_MEMBERS: [&str; 4] = ["token_type", "expires_in", "scope", "expires_at"];

/// The values that must not be shown. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Masks(Option<Arc<Patterns>>);

struct Patterns {
    /// Absent if there are too many to be searched for; then nothing at all can be shown.
    search: Option<AhoCorasick>,
    /// How each pattern of the search is spelt.
    spellings: Vec<Spelling>,
}

/// How a pattern spells a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Plain,
    /// A word of its own only.
    Word,
    /// In base64, where the characters on both sides have bits of it.
    Base64,
}

impl Masks {
    /// The values of these credentials.
    pub(crate) fn of(credentials: &Credentials) -> Self {
        let mut values = BTreeSet::new();
        credentials.secrets.values().for_each(|secret| add(secret, &mut values));
        credentials.auths.values().chain(&credentials.hidden).for_each(|value| collect(value, &mut values));
        Self::new(&values)
    }

    /// The texts and numbers in a value.
    pub(crate) fn within(value: &Value) -> Self {
        let mut values = BTreeSet::new();
        collect(value, &mut values);
        Self::new(&values)
    }

    fn new(values: &BTreeSet<String>) -> Self {
        let (mut patterns, mut spellings) = (Vec::new(), Vec::new());
        for value in values {
            if value.len() < ANYWHERE_BYTES {
                patterns.push(value.clone());
                spellings.push(Spelling::Word);
                continue;
            }
            patterns.extend([value.clone(), value.bytes().map(|byte| format!("{byte:02x}")).collect()]);
            spellings.extend([Spelling::Plain; 2]);
            let encoded = in_base64(value.as_bytes());
            spellings.extend(encoded.iter().map(|_| Spelling::Base64));
            patterns.extend(encoded);
        }
        if patterns.is_empty() {
            return Self::default();
        }
        let mut search = AhoCorasick::builder();
        let search = search.ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(&patterns).ok();
        Self(Some(Arc::new(Patterns { search, spellings })))
    }

    /// Masks them in a text, plain and as they are written in URLs, forms, JSON, markup, base64 and hexadecimal.
    pub(crate) fn text(&self, text: &str) -> String {
        let Some(patterns) = &self.0 else { return text.to_owned() };
        let Some(search) = &patterns.search else { return MASK.to_owned() };
        let mut found: Vec<Range<usize>> = Vec::new();
        for view in views(text) {
            patterns.find(search, &view, &mut found);
            for run in packed::runs(view.bytes()) {
                if patterns.is_within(search, &packed::readings(&view.bytes()[run.clone()])) {
                    found.push(view.origin(run));
                }
            }
        }
        masked(text, found)
    }

    /// Masks them in the texts, names and numbers of a value.
    pub(crate) fn value(&self, value: &Value) -> Value {
        if self.0.is_none() {
            return value.clone();
        }
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(name, member)| (self.text(name), self.value(member))).collect())
            }
            Value::Number(number) => {
                let text = number.to_string();
                let masked = self.text(&text);
                if masked == text { value.clone() } else { masked.into() }
            }
            other => other.clone(),
        }
    }
}

impl Patterns {
    /// Tells whether one of these texts has a secret, however it is written there.
    fn is_within(&self, search: &AhoCorasick, texts: &[String]) -> bool {
        let mut found = Vec::new();
        texts.iter().any(|text| {
            views(text).iter().for_each(|view| self.find(search, view, &mut found));
            !found.is_empty()
        })
    }

    /// Adds where in the text behind a view secrets are.
    fn find(&self, search: &AhoCorasick, view: &View<'_>, found: &mut Vec<Range<usize>>) {
        let bytes = view.bytes();
        for matched in search.find_overlapping_iter(bytes) {
            let (mut start, mut end) = (matched.start(), matched.end());
            match self.spellings.get(matched.pattern().as_usize()) {
                Some(Spelling::Word) if is_in_word(bytes, start, end) => continue,
                Some(Spelling::Base64) => {
                    start -= usize::from(start > 0 && is_base64(bytes[start - 1]));
                    end += usize::from(end < bytes.len() && is_base64(bytes[end]));
                }
                _ => {}
            }
            found.push(view.origin(start..end));
        }
    }
}

/// Adds the texts and numbers in a value.
fn collect(value: &Value, values: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => add(text, values),
        Value::Number(number) if number.to_string().len() >= ANYWHERE_BYTES => add(&number.to_string(), values),
        Value::Array(items) => items.iter().for_each(|item| collect(item, values)),
        Value::Object(members) => {
            let secret = members.iter().filter(|(name, _)| !PLAIN_MEMBERS.contains(&name.as_str()));
            secret.for_each(|(_, member)| collect(member, values));
        }
        _ => {}
    }
}

/// Adds a text as it is and without the space around it, which does not survive everywhere; of several lines each.
fn add(text: &str, values: &mut BTreeSet<String>) {
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= ANYWHERE_BYTES);
    let whole = [text, text.trim()].into_iter().filter(|value| value.len() >= WORD_BYTES);
    values.extend(whole.chain(lines).map(str::to_owned));
}

/// What base64 has of a value at each of the three places at which it can begin, without the characters that depend on
/// what is around it.
fn in_base64(value: &[u8]) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for before in 0..3 {
        let bytes = [&b"\0\0"[..before], value].concat();
        // Each byte before it takes a character and the beginning of another one.
        let own = [0, 2, 3][before]..bytes.len() * 8 / 6;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.extend(engine.encode(&bytes).get(own.clone()).map(str::to_owned));
        }
    }
    forms
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

fn is_in_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_of_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    is_of_word(start.checked_sub(1).and_then(|before| bytes.get(before))) || is_of_word(bytes.get(end))
}

/// Writes [`MASK`] in place of these parts of a text, once for those that touch.
fn masked(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_unstable_by_key(|range| range.start);
    let (mut shown, mut at, mut is_masked) = (String::with_capacity(text.len()), 0, false);
    for range in found {
        let (start, end) = (text.floor_char_boundary(range.start), text.ceil_char_boundary(range.end));
        if start > at {
            shown.push_str(&text[at..start]);
            is_masked = false;
        }
        if end > at || !is_masked {
            if !is_masked {
                shown.push_str(MASK);
            }
            is_masked = true;
            at = at.max(end);
        }
    }
    shown.push_str(&text[at..]);
    shown
}
