//! Where in a source its author sees what the engine tells by line and column.
//!
//! The engine counts bytes, in the first line from 0 on and with what stands before the source; of an error of syntax it
//! knows the line only. Authors see UTF-16 code units from 1 on, as editors and other engines count.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rquickjs::{Ctx, Function, Result};

use super::compile::{BODY_START, Kind};
use super::examine;
use super::package::{Format, Package};
use super::script::{Limits, Script};

/// What stands before a module, so that the engine counts the bytes of all its lines from 1 on.
pub(super) const MODULE_START: &str = " ";
/// The longest source in which the column of an error of syntax is searched, as that compiles parts of it.
const SEARCHED_BYTES: usize = 1024 * 1024;
/// How many bytes may be compiled to look at every token of a line; where that is not enough, halves are looked at.
const COMPILED_BYTES: usize = 16 * 1024 * 1024;
/// The start of what the engine says of a text in quotes that does not end, which is at fault from its first quote on.
const ENDLESS: &str = "unexpected end of string";

/// A position in a source, which begins with line 1 and column 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What an engine says of a part of a source that it cannot compile: a line, and why.
pub(super) type Complaint = (usize, String);

/// Finds the error of syntax that the engine reports in a line.
///
/// `complaint` tells what is wrong with a part of the source. The engine says the same of all parts that end after the
/// token at fault, and something else of those before: they are incomplete, which is an error after their last line.
pub(super) fn of_syntax_error(
    source: &str,
    line: usize,
    message: &str,
    complaint: impl Fn(&str) -> Option<Complaint>,
) -> Position {
    let Some((start, text)) = line_of(source, line) else { return end(source) };
    let at = |offset: usize| Position { line, column: units(&text[..offset]) + 1 };
    if source.len() > SEARCHED_BYTES {
        return at(text.len() - text.trim_start().len());
    }
    let is_at_fault = |end: &usize| {
        let part = format!("{}\n\n", &source[..start + end]);
        complaint(&part).is_some_and(|(said_of, said)| said_of == line && said == message)
    };
    let ends = token_ends(text);
    let first = match ends.len() * source.len() <= COMPILED_BYTES {
        true => ends.iter().rposition(|end| !is_at_fault(end)).map_or(0, |last| last + 1),
        false => ends.partition_point(|end| !is_at_fault(end)),
    };
    let Some(end) = ends.get(first) else { return at(text.len()) };
    let before = first.checked_sub(1).map_or(0, |before| ends[before]);
    let token = text[before..*end].trim_start();
    let start = match token.chars().next_back() {
        // A text in quotes may have spaces.
        Some(quote @ ('"' | '\'')) if !message.starts_with(ENDLESS) => text[..end - 1].rfind(quote),
        _ => None,
    };
    at(start.unwrap_or(end - token.len()))
}

/// The column that an author sees where the engine tells a line and column.
pub(super) fn column(source: &str, line: usize, column: usize, before: &str) -> usize {
    let Some((_, text)) = line_of(source, line) else { return column };
    units(&text[..text.floor_char_boundary(offset(line, column, before))]) + 1
}

/// How many bytes of the line stand before that column.
fn offset(line: usize, column: usize, before: &str) -> usize {
    column.saturating_sub(if line == 1 { before.len() } else { 1 })
}

/// A line and where it begins.
fn line_of(source: &str, line: usize) -> Option<(usize, &str)> {
    let mut start = 0;
    for (number, text) in source.split('\n').enumerate() {
        if number + 1 == line {
            return Some((start, text.strip_suffix('\r').unwrap_or(text)));
        }
        start += text.len() + 1;
    }
    None
}

fn end(source: &str) -> Position {
    let last = source.rsplit('\n').next().unwrap_or_default();
    Position { line: source.split('\n').count(), column: units(last) + 1 }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Where tokens of a line may end: nowhere inside of a word, or of a sign with several characters.
fn token_ends(text: &str) -> Vec<usize> {
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$' | '\\');
    let is_sign = |character: char| "=><!&|+-*?./^%~#@".contains(character);
    let pairs = text.char_indices().zip(text.chars().skip(1).map(Some).chain([None]));
    let goes_on = |one: char, next: char| is_word(one) && is_word(next) || is_sign(one) && is_sign(next);
    pairs
        .filter(|((_, one), next)| !one.is_whitespace() && !next.is_some_and(|next| goes_on(*one, next)))
        .map(|((at, one), _)| at + one.len_utf8())
        .collect()
}

/// The sources of a script, for the positions in its stacks.
pub(super) struct Positions {
    file_name: String,
    source: Arc<str>,
    /// What kind of script the source is; none for a package.
    kind: Option<Kind>,
    package: Package,
    limits: Limits,
    /// Those that stacks have named.
    seen: RefCell<HashMap<String, Option<Seen>>>,
}

#[derive(Clone, Copy)]
struct Seen {
    /// What stands before the source.
    before: &'static str,
    /// Whether bytes are as good as UTF-16 code units.
    is_ascii: bool,
}

impl Positions {
    /// Those of a script, whose text is of this kind.
    pub(super) fn new(script: &Script, kind: Option<Kind>) -> Self {
        let Script { source, files, file_name, limits, .. } = script;
        let package = Package::new(files.clone());
        let (source, file_name) = (source.clone(), file_name.clone());
        Self { file_name, source, kind, package, limits: *limits, seen: RefCell::default() }
    }

    /// A function that tells the column that an author sees, by the name of a file, the line and the engine's column.
    pub(super) fn into_function<'js>(self, ctx: &Ctx<'js>) -> Result<Function<'js>> {
        Function::new(ctx.clone(), move |file: String, line: usize, column: usize| self.column(&file, line, column))
    }

    fn column(&self, file: &str, line: usize, column: usize) -> usize {
        let Some(seen) = self.seen(file) else { return column };
        match seen.is_ascii {
            true => offset(line, column, seen.before) + 1,
            false => self.text(file).map_or(column, |text| self::column(&text, line, column, seen.before)),
        }
    }

    fn seen(&self, file: &str) -> Option<Seen> {
        if let Some(seen) = self.seen.borrow().get(file) {
            return *seen;
        }
        let seen = self.text(file).and_then(|text| {
            let before = match self.kind_of(file)? {
                Kind::Module => MODULE_START,
                Kind::Body => BODY_START,
            };
            Some(Seen { before, is_ascii: text.is_ascii() })
        });
        self.seen.borrow_mut().insert(file.to_owned(), seen);
        seen
    }

    fn kind_of(&self, file: &str) -> Option<Kind> {
        if self.kind.is_some() {
            return self.kind;
        }
        match self.package.format(file) {
            Format::Json | Format::Native => None,
            Format::Module | Format::CommonJs | Format::Script => examine::kind(&self.package, file, self.limits).ok(),
        }
    }

    fn text(&self, file: &str) -> Option<String> {
        match self.kind {
            Some(_) => (file == self.file_name).then(|| self.source.to_string()),
            None => self.package.text(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_sees_characters_from_one_on() {
        let check = |source: &str, (line, engines): (usize, usize), before: &str, expected: usize| {
            assert_eq!(column(source, line, engines, before), expected, "{source} {line}:{engines}");
        };
        check("throw 1", (1, 1), MODULE_START, 1);
        check("f(); throw 1", (1, 6), MODULE_START, 6);
        check("f(); throw 1", (1, BODY_START.len() + 5), BODY_START, 6);
        check("a\n  b", (2, 3), BODY_START, 3);
        check("'é'; b", (1, BODY_START.len() + 6), BODY_START, 6);
        check("a\n'é😀'; b", (2, 11), BODY_START, 8);
        check("a", (7, 3), BODY_START, 3);
    }

    #[test]
    fn tokens_end_at_words_and_signs() {
        let check = |text: &str, expected: &[usize]| assert_eq!(token_ends(text), expected, "{text}");
        check("a => bc;", &[1, 4, 7, 8]);
        check("f(1)  ", &[1, 2, 3, 4]);
        check("é.x", &[2, 3, 4]);
        check("", &[]);
    }
}
