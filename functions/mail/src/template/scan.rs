//! The tags of a template's text, read before the parser sees it, so that no text can nest deeper than the parser can go.

use std::borrow::Cow;

/// How many blocks may stand in each other; each `{{else if …}}` counts as one.
const BLOCK_LIMIT: usize = 24;
/// How many sub-expressions one tag may have.
const SUBEXPRESSION_LIMIT: usize = 48;
/// How many tags a text may have.
const TAG_LIMIT: usize = 5_000;

/// Checks the tags of a text: how many there are and how they nest, and that all are of a kind that is supported.
///
/// Returns it with `{{{…}}}` in place of `{{&…}}`, in which the parser takes no parameters.
pub(super) fn check(text: &str) -> Result<Cow<'_, str>, String> {
    let mut scan = Scan { text, at: 0, blocks: Vec::new(), tags: 0, ampersands: Vec::new() };
    match scan.run() {
        Ok(()) => Ok(with_braces(text, &scan.ampersands)),
        Err(rule) => {
            let before = text.get(..scan.at.min(text.len())).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            Err(format!("{rule} (line {line})"))
        }
    }
}

/// Puts braces in place of each ampersand and before its closing braces.
fn with_braces<'a>(text: &'a str, ampersands: &[(usize, usize)]) -> Cow<'a, str> {
    if ampersands.is_empty() {
        return text.into();
    }
    let (mut written, mut rest, mut at) = (String::with_capacity(text.len() + ampersands.len()), text, 0);
    for (ampersand, end) in ampersands {
        let (before, tag) = rest.split_at(ampersand - at);
        let (inside, after) = tag.split_at(end - ampersand);
        written.extend([before, "{", inside.get(1..).unwrap_or_default(), "}"]);
        (rest, at) = (after, *end);
    }
    written.push_str(rest);
    written.into()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    blocks: Vec<Block<'a>>,
    tags: usize,
    /// Where the ampersand of each `{{&…}}` is, and where what closes it begins.
    ampersands: Vec<(usize, usize)>,
}

/// A block that is open.
struct Block<'a> {
    name: &'a str,
    /// Where its tag is.
    at: usize,
    /// How many parts it has: itself, and each `{{else …}}`.
    parts: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(found) = self.rest().find("{{") {
            let is_escaped = self.is_escaped(found);
            self.at += found + 2;
            if is_escaped {
                if self.rest().starts_with("{{") {
                    self.at += 2;
                }
                continue;
            }
            self.tags += 1;
            if self.tags > TAG_LIMIT {
                return Err(format!("a template may have at most {TAG_LIMIT} tags"));
            }
            self.tag()?;
        }
        match self.blocks.pop() {
            Some(Block { name, at, .. }) => {
                self.at = at;
                Err(format!("the block `{{{{#{name} …}}}}` is not closed: `{{{{/{name}}}}}` is missing"))
            }
            None => Ok(()),
        }
    }

    /// Tells whether exactly one backslash precedes the braces; two or more escape themselves.
    fn is_escaped(&self, found: usize) -> bool {
        let before = self.rest().get(..found).unwrap_or_default();
        before.ends_with('\\') && !before.ends_with("\\\\")
    }

    fn tag(&mut self) -> Result<(), String> {
        if self.rest().starts_with("{{") {
            return Err("raw blocks, `{{{{…}}}}`, are not supported".to_owned());
        }
        if self.rest().starts_with('!') {
            return self.comment();
        }
        let start = self.rest().trim_start_matches(['~', ' ', '\t', '\n', '\r']);
        self.at = self.text.len() - start.len();
        let (sigil, start) = match start.chars().next() {
            Some(sigil @ ('#' | '/' | '^' | '>' | '*' | '{' | '&')) => (sigil, start.get(1..).unwrap_or_default()),
            _ => (' ', start),
        };
        let name = start.trim_start();
        let begin = self.at;
        match sigil {
            '#' if name.starts_with(['>', '*']) => return Err(unsupported(name)),
            '>' | '*' => return Err(unsupported(&format!("{sigil}"))),
            '#' => self.blocks.push(Block { name: word(name), at: self.at, parts: 1 }),
            '/' if self.blocks.pop().is_none() => {
                return Err(format!("`{{{{/{name}}}}}` closes no block", name = word(name)));
            }
            '^' => self.count_else("^")?,
            _ if sigil == ' ' && word(name) == "else" => self.count_else("else")?,
            _ => {}
        }
        if sigil != ' ' {
            self.at += 1;
        }
        if self.blocks.iter().map(|block| block.parts).sum::<usize>() > BLOCK_LIMIT {
            return Err(format!("blocks may stand in each other at most {BLOCK_LIMIT} deep"));
        }
        self.expression()?;
        if sigil == '&' {
            let inside = self.text.get(begin..self.at).and_then(|tag| tag.strip_suffix("}}")).unwrap_or_default();
            self.ampersands.push((begin, begin + inside.strip_suffix('~').unwrap_or(inside).len()));
        }
        Ok(())
    }

    fn count_else(&mut self, name: &str) -> Result<(), String> {
        let block = self.blocks.last_mut().ok_or_else(|| format!("`{{{{{name}}}}}` stands in no block"))?;
        block.parts += 1;
        Ok(())
    }

    fn comment(&mut self) -> Result<(), String> {
        let end = if self.rest().starts_with("!--") { self.rest().find("--}}").map(|end| end + 4) } else { None };
        let end = end.or_else(|| self.rest().find("}}").map(|end| end + 2));
        self.at += end.ok_or("a comment is not closed")?;
        Ok(())
    }

    /// Passes what is in a tag, up to its closing braces.
    fn expression(&mut self) -> Result<(), String> {
        let mut subexpressions = 0;
        while let Some(character) = self.rest().chars().next() {
            match character {
                '}' if self.rest().starts_with("}}") => {
                    self.at += 2;
                    return Ok(());
                }
                '"' | '\'' => self.string(character)?,
                '[' => self.segment()?,
                '{' => return Err("objects cannot be written in a tag".to_owned()),
                '(' if subexpressions == SUBEXPRESSION_LIMIT => {
                    return Err(format!("a tag may have at most {SUBEXPRESSION_LIMIT} sub-expressions"));
                }
                '(' => {
                    subexpressions += 1;
                    self.at += 1;
                }
                _ => self.at += character.len_utf8(),
            }
        }
        Err("a tag is not closed".to_owned())
    }

    fn string(&mut self, quote: char) -> Result<(), String> {
        let mut is_escaped = false;
        let end = self.rest().char_indices().skip(1).find(|&(_, character)| {
            let ends = character == quote && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            ends
        });
        self.at += end.map(|(index, _)| index + 1).ok_or("a text in quotes is not closed")?;
        Ok(())
    }

    /// Passes a name in brackets, `[first name]`.
    fn segment(&mut self) -> Result<(), String> {
        let inside = self.rest().get(1..).and_then(|rest| rest.split_once(']')).map(|(inside, _)| inside);
        let inside = inside.ok_or("a name in brackets is not closed")?;
        if inside.contains(['[', '{', '}', '"', '\'', '(']) {
            return Err("arrays cannot be written in a tag".to_owned());
        }
        self.at += inside.len() + 2;
        Ok(())
    }
}

/// Returns the word with which the rest of a tag begins.
fn word(rest: &str) -> &str {
    rest.split(|next: char| next.is_whitespace() || matches!(next, '}' | '~' | '(')).next().unwrap_or_default()
}

fn unsupported(sigil: &str) -> String {
    let kind = if sigil.starts_with('>') { "partials, `{{> …}}`," } else { "decorators, `{{* …}}`," };
    format!("{kind} are not supported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_where_the_parser_finds_them() {
        let check = |text: &str, expected: Result<(), &str>| {
            assert_eq!(check(text).map(drop), expected.map_err(str::to_owned), "{text}");
        };
        check("Hello {{@inputs.name}}, {{{ raw }}} {{~x~}} {{& y}}", Ok(()));
        check(r"\{{ not a tag [{( \{{{{ neither }} \\{{tag}}", Ok(()));
        check("{{! it's a comment }} {{!-- }} it's one [{( --}}", Ok(()));
        check(r#"{{t "it's }} here" a='"[{(' b=@inputs.[first name]}}"#, Ok(()));
        check("{{#if a}}x{{else if b}}y{{^}}z{{/if}}", Ok(()));
        check("{{> header}}", Err("partials, `{{> …}}`, are not supported (line 1)"));
        check("a\n{{#> header}}{{/header}}", Err("partials, `{{> …}}`, are not supported (line 2)"));
        check("{{#*inline \"a\"}}{{/inline}}", Err("decorators, `{{* …}}`, are not supported (line 1)"));
        check("{{{{raw}}}} {{x}} {{{{/raw}}}}", Err("raw blocks, `{{{{…}}}}`, are not supported (line 1)"));
        check("{{join [1,[2]]}}", Err("arrays cannot be written in a tag (line 1)"));
        check("{{join {\"a\": 1}}}", Err("objects cannot be written in a tag (line 1)"));
        check("{{x", Err("a tag is not closed (line 1)"));
        check("{{t 'x}}", Err("a text in quotes is not closed (line 1)"));
        check("{{! x", Err("a comment is not closed (line 1)"));
        check(
            "a\n{{#if x}}\n{{#each y}}{{/each}}",
            Err("the block `{{#if …}}` is not closed: `{{/if}}` is missing (line 2)"),
        );
        check("{{~#if~}}", Err("the block `{{#if …}}` is not closed: `{{/if}}` is missing (line 1)"));
        check("{{#if a}}x{{/if}}\n{{/if}}", Err("`{{/if}}` closes no block (line 2)"));
        for (text, name) in [("{{else}}", "else"), ("{{else if a}}", "else"), ("{{^}}", "^")] {
            check(text, Err(&format!("`{{{{{name}}}}}` stands in no block (line 1)")));
        }
        check("{{elsewhere}}", Ok(()));
    }

    #[test]
    fn an_ampersand_is_written_as_a_third_brace() {
        let written = |text: &str, expected: &str| assert_eq!(check(text).as_deref(), Ok(expected));
        written("{{x}} {{{y}}}", "{{x}} {{{y}}}");
        written("a {{&x}} {{ & t 'é}}' }} b", "a {{{x}}} {{ { t 'é}}' }}} b");
        written("{{~&x~}}{{&y}}", "{{~{x}~}}{{{y}}}");
        written(r"\{{&x}} {{! &x }}", r"\{{&x}} {{! &x }}");
    }

    #[test]
    fn what_nests_too_deeply_is_refused_before_it_is_parsed() {
        let check = |text: &str, is_ok: bool| assert_eq!(check(text).is_ok(), is_ok, "{}", text.len());
        let nested = |depth: usize| format!("{}{}", "{{#if a}}".repeat(depth), "{{/if}}".repeat(depth));
        check(&nested(BLOCK_LIMIT), true);
        check(&nested(BLOCK_LIMIT + 1), false);
        check(&nested(100_000), false);
        check(&format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}".repeat(BLOCK_LIMIT)), false);
        check(&format!("{{{{not {}a{}}}}}", "(not ".repeat(48), ")".repeat(48)), true);
        check(&format!("{{{{not {}a{}}}}}", "(not ".repeat(49), ")".repeat(49)), false);
        check(&format!("{{{{x ']' {}", "[".repeat(100_000)), false);
        check(&"{{x}}".repeat(TAG_LIMIT), true);
        check(&"{{x}}".repeat(TAG_LIMIT + 1), false);
        check(&"{{#if a}}{{/if}}".repeat(1_000), true);
    }
}
