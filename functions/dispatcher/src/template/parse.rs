//! Parses templates: text, placeholders, paths in their three notations, filters.

use serde_json::Value;
use shared::nearest::nearest;

use super::filter::Filter;
use super::{Part, Path, Placeholder, Root, Template};
use crate::event::ENVELOPE_FIELDS;

/// What a path starts with.
const ROOTS: [&str; 3] = ["event", "steps", "step"];
/// What a name is quoted with.
const QUOTES: [char; 3] = ['`', '"', '\''];
/// The most filters of a placeholder.
const MAX_FILTERS: usize = 16;
/// The fields of a step.
const STEP_FIELDS: [&str; 3] = ["output", "error", "status"];
/// How much of an invalid placeholder an error repeats.
const SHOWN_CHARS: usize = 60;

impl Template {
    /// Parses a string, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let (before, inner) = (&rest[..at], &rest[at + 2..]);
            if !is_placeholder(inner) {
                // The second brace may be the first of a placeholder.
                literal.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
                continue;
            }
            let unescaped = before.trim_end_matches('\\');
            let backslashes = before.len() - unescaped.len();
            literal.push_str(&before[..before.len() - backslashes.div_ceil(2)]);
            if backslashes % 2 == 1 {
                literal.push_str("{{");
                rest = inner;
                continue;
            }
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            let mut reader = Reader { text: inner, rest: inner };
            let hint = |why| format!("{why} (`\\{{{{` begins a text)");
            parts.push(Part::Placeholder(reader.placeholder().map_err(hint)?));
            rest = reader.rest;
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// Describes what stays as text although it was perhaps meant to be a placeholder.
    pub(crate) fn look_alikes(text: &str) -> impl Iterator<Item = String> {
        text.match_indices("{{").filter_map(|(at, _)| {
            let inner = &text[at + 2..];
            if is_placeholder(inner) {
                return None;
            }
            let start = inner.trim_start().trim_start_matches('.');
            let (root, after) = start.split_at(start.find(|char| !is_name_part(char)).unwrap_or(start.len()));
            let meant = match root {
                "field" => Some("step".to_owned()),
                root if ENVELOPE_FIELDS.contains(&root) => Some(format!("event.{root}")),
                root => nearest(root, ROOTS).map(str::to_owned),
            };
            let is_path =
                after.starts_with(['.', '[', '`']) || after.trim_start().starts_with('`') || ROOTS.contains(&root);
            let shown = shown(inner);
            let shown = shown.split("}}").next().unwrap_or_default().trim();
            meant.filter(|_| is_path).map(|meant| format!("`{{{{ {shown} }}}}` stays as text: did you mean `{meant}`?"))
        })
    }
}

/// Whether double braces before this text open a placeholder; anything else in braces belongs to some other language.
fn is_placeholder(inner: &str) -> bool {
    let inner = inner.trim_start();
    if let Some(names) = inner.strip_prefix("field").map(str::trim_start)
        && let Some(quote) = names.chars().next().filter(|char| QUOTES.contains(char))
    {
        let name = &names[1..];
        return ROOTS.iter().any(|root| name.strip_prefix(root).is_some_and(|after| after.starts_with(quote)));
    }
    let path = inner.strip_prefix('.').unwrap_or(inner);
    let (root, after) = path.split_at(path.find(|char| !is_name_part(char)).unwrap_or(path.len()));
    let after = after.trim_start();
    match root {
        "event" => after.starts_with(['.', '[', '|']) || after.starts_with("}}"),
        "steps" | "step" => after.starts_with(['.', '[']),
        _ => false,
    }
}

fn is_name_part(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '$' | '@')
}

/// Reads one placeholder after its opening braces.
struct Reader<'t> {
    text: &'t str,
    rest: &'t str,
}

impl Reader<'_> {
    fn placeholder(&mut self) -> Result<Placeholder, String> {
        self.skip_space();
        let names = if self.takes_field() { self.field_form()? } else { self.dotted_form()? };
        let path = path(names)?;
        let mut filters = Vec::new();
        loop {
            self.skip_space();
            if self.take("}}") {
                return Ok(Placeholder { path, filters });
            }
            if !self.take("|") {
                return Err(self.unexpected());
            }
            if filters.len() == MAX_FILTERS {
                return Err(format!("`{path}` has more than {MAX_FILTERS} filters"));
            }
            filters.push(self.filter()?);
        }
    }

    /// Whether the placeholder is of the form ``field `step` `name` …``.
    fn takes_field(&mut self) -> bool {
        let Some(rest) = self.rest.strip_prefix("field") else { return false };
        let is_field = rest.trim_start().starts_with(QUOTES);
        if is_field {
            self.rest = rest;
        }
        is_field
    }

    fn field_form(&mut self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        loop {
            self.skip_space();
            match self.rest.chars().next() {
                Some(char) if QUOTES.contains(&char) => names.push(self.quoted()?),
                _ => return Ok(names),
            }
        }
    }

    fn dotted_form(&mut self) -> Result<Vec<String>, String> {
        self.take(".");
        let mut names = vec![self.name()?];
        loop {
            if self.take("[") {
                names.push(self.bracketed()?);
            } else if self.take(".") {
                names.push(self.name()?);
            } else {
                return Ok(names);
            }
        }
    }

    fn bracketed(&mut self) -> Result<String, String> {
        self.skip_space();
        let name = match self.rest.chars().next() {
            Some(char) if QUOTES.contains(&char) => self.quoted()?,
            _ => self.name()?,
        };
        self.skip_space();
        if self.take("]") { Ok(name) } else { Err(self.unexpected()) }
    }

    fn name(&mut self) -> Result<String, String> {
        let end = self.rest.find(|char| !is_name_part(char)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(format!("a name is missing: {}", self.unexpected()));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn filter(&mut self) -> Result<Filter, String> {
        self.skip_space();
        let name = self.name()?;
        if !self.take("(") {
            return Filter::named(&name, None);
        }
        self.skip_space();
        let argument = self.literal()?;
        self.skip_space();
        if !self.take(")") {
            return Err(self.unexpected());
        }
        Filter::named(&name, Some(argument))
    }

    fn literal(&mut self) -> Result<Value, String> {
        if self.rest.starts_with(QUOTES) {
            return self.quoted().map(Value::String);
        }
        let end = self.rest.find([')', '}', ' ']).unwrap_or(self.rest.len());
        let (literal, rest) = self.rest.split_at(end);
        let value = serde_json::from_str(literal).map_err(|_| self.unexpected())?;
        self.rest = rest;
        Ok(value)
    }

    /// Reads a quoted string: in double quotes as JSON, in other quotes verbatim.
    fn quoted(&mut self) -> Result<String, String> {
        if self.rest.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
            let text = texts.next().and_then(Result::ok).ok_or_else(|| self.unexpected())?;
            self.rest = &self.rest[texts.byte_offset()..];
            return Ok(text);
        }
        let mut chars = self.rest.chars();
        let quote = chars.next().unwrap_or_default();
        let (text, rest) = chars.as_str().split_once(quote).ok_or_else(|| self.unexpected())?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn unexpected(&self) -> String {
        let Some(end) = self.text.find("}}") else {
            return format!("`{{{{{}` is not closed by `}}}}`", shown(self.text));
        };
        let inside = shown(self.text[..end].trim());
        format!("`{inside}` is not a path with filters: unexpected `{}`", shown(self.rest))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

fn path(names: Vec<String>) -> Result<Path, String> {
    let mut names = names.into_iter();
    let root = names.next().unwrap_or_default();
    match root.as_str() {
        "event" => Ok(Path { root: Root::Event, segments: names.collect() }),
        "steps" | "step" => {
            let step = names.next().ok_or_else(|| format!("`{root}` must be followed by the name of a step"))?;
            let segments: Vec<String> = names.collect();
            match segments.first() {
                Some(field) if !STEP_FIELDS.contains(&field.as_str()) => {
                    Err(format!("a step has `output`, `error` and `status`, not `{field}`"))
                }
                _ => Ok(Path { root: Root::Step(step), segments }),
            }
        }
        _ => Err(format!("a path starts with `event` or `steps`, not with `{root}`")),
    }
}
