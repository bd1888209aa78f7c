//! Parses texts: literal text, placeholders with their stages, operators with their arguments.

use serde_json::{Number, Value};

use super::opening::{Limits, MAX_EXPRESSIONS, Opening, opening};
use super::syntax::{Expression, Name, Operator, Part, Reference, Source, Template};
use crate::failure::Violation;

/// The most stages of a placeholder.
pub(super) const MAX_STAGES: usize = 32;
/// The most arguments of an operator, and items of an array.
pub(super) const MAX_ITEMS: usize = 1_000;
/// The longest stage, in bytes.
const MAX_STAGE_BYTES: usize = 256;
/// How deep operators, arrays and quoted strings nest.
const MAX_DEPTH: usize = 32;

impl Template {
    /// Parses a text, or says what in it cannot be read.
    pub(super) fn parse(text: &str, limits: &mut Limits) -> Result<Self, Violation> {
        let mut parts = Parts::default();
        let mut parser = Parser { text, rest: text, limits };
        while let Some(at) = parser.rest.find('$') {
            let (before, after) = (&parser.rest[..at], &parser.rest[at + 1..]);
            let Some(opening) = opening(after, parser.limits) else {
                parts.literal.push_str(&parser.rest[..=at]);
                parser.rest = after;
                continue;
            };
            let unescaped = before.trim_end_matches('\\');
            let backslashes = before.len() - unescaped.len();
            parts.literal.push_str(&before[..before.len() - backslashes.div_ceil(2)]);
            if backslashes % 2 == 1 {
                parts.literal.push('$');
                parser.rest = after;
                continue;
            }
            let expression = parser.opened(opening, 1)?;
            let is_open_ended = matches!(&expression, Expression::Reference(of) if of.source.takes_all_braces());
            parts.open(expression);
            if is_open_ended {
                parts.literal.push_str(parser.escaped_brace());
            }
        }
        parts.literal.push_str(parser.rest);
        Ok(parts.finish())
    }
}

/// The parts of a text as they are found.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    literal: String,
}

impl Parts {
    fn open(&mut self, expression: Expression) {
        self.flush();
        self.parts.push(Part::Open(expression));
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.literal)));
        }
    }

    fn finish(mut self) -> Template {
        self.flush();
        Template { parts: self.parts }
    }
}

struct Parser<'t, 'l> {
    text: &'t str,
    rest: &'t str,
    limits: &'l mut Limits,
}

impl<'t> Parser<'t, '_> {
    /// Reads what a `$`, which is next, begins.
    fn opened(&mut self, opening: Opening<'t>, depth: usize) -> Result<Expression, Violation> {
        let (name, rest) = match opening {
            Opening::Known(name, rest) => (name, rest),
            Opening::Misspelt(name, meant) => {
                let rule = format!("is unknown: did you mean `${meant}`? (`\\${name}` is the text itself)");
                return Err(violation(format!("${name}"), rule));
            }
        };
        self.pay(name)?;
        self.rest = rest;
        match name {
            Name::Source(source) => self.reference(source).map(Expression::Reference),
            Name::Measure(measure) => {
                self.expect("{", name, "takes a placeholder in braces")?;
                self.skip_space();
                let of = self.expression(name, depth + 1)?;
                self.skip_space();
                self.expect("}", name, "is not closed by `}`")?;
                Ok(Expression::Measure(measure, Box::new(of)))
            }
            Name::Operator(operator) => self.operation(operator, depth),
        }
    }

    fn reference(&mut self, source: Source) -> Result<Reference, Violation> {
        let name = Name::Source(source);
        let (least, most) = source.stages();
        if most == 0 {
            if !self.take("()") && self.rest.starts_with(['{', '(']) {
                return Err(self.wrong(name, "has neither stages nor arguments"));
            }
            return Ok(Reference { source, stages: Vec::new() });
        }
        if self.rest.starts_with('(') {
            return Err(self.wrong(name, "takes stages in braces, not arguments in parentheses"));
        }
        let mut stages = Vec::new();
        while self.rest.starts_with('{') && (stages.is_empty() || source.takes_all_braces()) {
            if stages.len() == most {
                let rule = format!("has more than {most} stage{} (`\\{{` is a text)", if most == 1 { "" } else { "s" });
                return Err(self.wrong(name, &rule));
            }
            stages.push(self.stage(name)?);
        }
        if stages.len() < least {
            return Err(violation(written(name, &stages), format!("has fewer than {least} stages")));
        }
        if source == Source::Value && !stages[0].bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong(name, "takes the position of a value"));
        }
        Ok(Reference { source, stages })
    }

    /// Reads `{stage}`.
    fn stage(&mut self, name: Name) -> Result<String, Violation> {
        let inner = &self.rest[1..];
        let Some((stage, rest)) = inner.split_once('}') else {
            return Err(self.wrong(name, "is not closed by `}`"));
        };
        let nests = stage.contains('{')
            || stage.match_indices('$').any(|(at, _)| {
                let after = &stage[at + 1..];
                matches!(opening(after, self.limits), Some(Opening::Known(..)))
            });
        let rule = match stage {
            "" => "has an empty stage".to_owned(),
            _ if nests => "has a placeholder or a brace within a stage, which must be a literal name".to_owned(),
            _ if stage.len() > MAX_STAGE_BYTES => format!("has a stage of more than {MAX_STAGE_BYTES} bytes"),
            _ if stage.chars().any(char::is_control) => "has a control character in a stage".to_owned(),
            stage => {
                self.rest = rest;
                return Ok(stage.to_owned());
            }
        };
        Err(self.wrong(name, &rule))
    }

    fn operation(&mut self, operator: Operator, depth: usize) -> Result<Expression, Violation> {
        let name = Name::Operator(operator);
        self.expect("(", name, "takes arguments in parentheses")?;
        let arguments = self.list(name, ")", depth, Self::expression)?;
        let (least, most) = operator.arguments();
        if !(least..=most).contains(&arguments.len()) {
            let takes = match (least, most) {
                (least, most) if least == most => format!("{least}"),
                (least, MAX_ITEMS) => format!("at least {least}"),
                (least, most) => format!("{least} or {most}"),
            };
            return Err(violation(name.to_string(), format!("takes {takes} arguments, not {}", arguments.len())));
        }
        Ok(Expression::Operation(operator, arguments))
    }

    /// Reads items with commas between them, and what closes them.
    fn list<T>(
        &mut self,
        name: Name,
        close: &str,
        depth: usize,
        mut item: impl FnMut(&mut Self, Name, usize) -> Result<T, Violation>,
    ) -> Result<Vec<T>, Violation> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(close) {
            return Ok(items);
        }
        loop {
            if items.len() == MAX_ITEMS {
                return Err(self.wrong(name, &format!("has more than {MAX_ITEMS} items in a list")));
            }
            items.push(item(self, name, depth + 1)?);
            self.skip_space();
            if self.take(close) {
                return Ok(items);
            }
            self.expect(",", name, &format!("has neither `,` nor `{close}`"))?;
        }
    }

    /// Reads an argument of `name`.
    fn expression(&mut self, name: Name, depth: usize) -> Result<Expression, Violation> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(name, &format!("nests more than {MAX_DEPTH} levels deep")));
        }
        self.pay(name)?;
        self.skip_space();
        match self.rest.chars().next() {
            Some('$') => match opening(&self.rest[1..], self.limits) {
                Some(opening) => self.opened(opening, depth),
                None => Err(self.wrong(name, "has something that is neither a placeholder nor an operator")),
            },
            Some(quote @ ('\'' | '"')) => self.quoted(name, quote, depth).map(Expression::Text),
            Some('[') => {
                self.take("[");
                self.list(name, "]", depth, Self::expression).map(Expression::Array)
            }
            Some('{') => {
                self.take("{");
                self.list(name, "}", depth, Self::member).map(Expression::Object)
            }
            Some('-' | '0'..='9') => self.number(name),
            _ => self.word(name),
        }
    }

    /// Reads `name: argument` of an object; the name can be quoted.
    fn member(&mut self, name: Name, depth: usize) -> Result<(String, Expression), Violation> {
        self.skip_space();
        let key = match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => match self.quoted(name, quote, depth)?.parts.as_mut_slice() {
                [] => String::new(),
                [Part::Text(key)] => std::mem::take(key),
                _ => return Err(self.wrong(name, "has a placeholder in the name of an object's member")),
            },
            _ => self.letters(|char| char.is_alphanumeric() || matches!(char, '_' | '-')).to_owned(),
        };
        self.skip_space();
        self.expect(":", name, "has an object whose member has no `:`")?;
        Ok((key, self.expression(name, depth)?))
    }

    /// Reads a quoted string.
    fn quoted(&mut self, name: Name, quote: char, depth: usize) -> Result<Template, Violation> {
        let mut parts = Parts::default();
        self.rest = &self.rest[1..];
        loop {
            let special = self.rest.find([quote, '\\', '$']).unwrap_or(self.rest.len());
            let (literal, rest) = self.rest.split_at(special);
            parts.literal.push_str(literal);
            self.rest = rest;
            let mut chars = rest.chars();
            match chars.next() {
                None => return Err(self.wrong(name, "has a string that is not closed")),
                Some('\\') => {
                    let Some(char) = chars.next().and_then(unescaped) else {
                        return Err(self.wrong(name, "has an unknown escape in a string (`\\\\` is a backslash)"));
                    };
                    parts.literal.push(char);
                    self.rest = chars.as_str();
                }
                Some('$') => match opening(chars.as_str(), self.limits) {
                    Some(opening) => parts.open(self.opened(opening, depth + 1)?),
                    None => {
                        parts.literal.push('$');
                        self.rest = chars.as_str();
                    }
                },
                Some(_) => {
                    self.rest = chars.as_str();
                    return Ok(parts.finish());
                }
            }
        }
    }

    fn number(&mut self, name: Name) -> Result<Expression, Violation> {
        let text = self.letters(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '+' | '-'));
        let number = text.parse::<Number>().map_err(|_| self.wrong(name, "has a number that cannot be read"))?;
        Ok(Expression::Literal(Value::Number(number)))
    }

    fn word(&mut self, name: Name) -> Result<Expression, Violation> {
        for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
            let after = self.rest.strip_prefix(word);
            if after.is_some_and(|after| !after.starts_with(|char: char| char.is_alphanumeric() || char == '_')) {
                self.take(word);
                return Ok(Expression::Literal(value));
            }
        }
        let rule = "has no argument: it must be a placeholder, an operator, a quoted string, a number, `true`, `false`, \
                    `null`, an array or an object";
        Err(self.wrong(name, rule))
    }

    /// Reads backslashes before a brace that would otherwise be read as a stage, and returns what they stand for.
    fn escaped_brace(&mut self) -> &'t str {
        let after = self.rest.trim_start_matches('\\');
        let backslashes = self.rest.len() - after.len();
        if backslashes == 0 || !after.starts_with('{') {
            return "";
        }
        let literal = &self.rest[backslashes - backslashes / 2..=backslashes];
        self.rest = &after[1..];
        literal
    }

    fn letters(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|char| !is_part(char)).unwrap_or(self.rest.len());
        let (letters, rest) = self.rest.split_at(end);
        self.rest = rest;
        letters
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str, name: Name, rule: &str) -> Result<(), Violation> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(name, rule)) }
    }

    fn pay(&mut self, name: Name) -> Result<(), Violation> {
        let left = self.limits.expressions.checked_sub(1);
        self.limits.expressions = left.ok_or_else(|| {
            let rule = format!("comes after {MAX_EXPRESSIONS} placeholders and arguments, and there can be no more");
            violation(name.to_string(), rule)
        })?;
        Ok(())
    }

    /// Says what is wrong with the text at the current position, which is not repeated: it may be confidential.
    fn wrong(&self, name: Name, rule: &str) -> Violation {
        let read = &self.text[..self.text.len() - self.rest.len()];
        violation(name.to_string(), format!("{rule} (at character {})", read.chars().count() + 1))
    }
}

/// What a backslash and this character stand for in a quoted string.
fn unescaped(char: char) -> Option<char> {
    match char {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '\\' | '\'' | '"' | '$' | '{' | '/' => Some(char),
        _ => None,
    }
}

fn written(name: Name, stages: &[String]) -> String {
    let stages: String = stages.iter().map(|stage| format!("{{{stage}}}")).collect();
    format!("{name}{stages}")
}

fn violation(selector: String, rule: String) -> Violation {
    Violation { selector, rule }
}
