//! What texts with placeholders consist of, and how they are written.

use std::fmt;

use serde_json::Value;

use super::{opening, parse};

/// A parsed text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    pub(super) parts: Vec<Part>,
}

/// A part of a text; no two parts that follow each other are literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Literal text.
    Text(String),
    /// A placeholder or an operator.
    Open(Expression),
}

/// What resolves to a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Reference(Reference),
    /// `$Size{…}` or `$Length{…}` of a value.
    Measure(Measure, Box<Self>),
    Operation(Operator, Vec<Self>),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// A quoted string, with placeholders of its own.
    Text(Template),
    /// A number, `true`, `false` or `null`.
    Literal(Value),
}

/// A placeholder: where a value comes from, and the way to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    pub(super) source: Source,
    pub(super) stages: Vec<String>,
}

/// Where the value of a placeholder comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Auth,
    Secret,
    Session,
    Input,
    Variable,
    Constant,
    Response,
    Default,
    Now,
    Value,
    Sequence,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Size,
    Length,
}

/// What is done with values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Concat,
    Substring,
    Trim,
    Split,
    Pick,
    Join,
    Uppercase,
    Lowercase,
    Replace,
    Dateformat,
    Filter,
    Find,
}

/// A name that a `$` can stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Source(Source),
    Measure(Measure),
    Operator(Operator),
}

/// Every name as it is written.
pub(super) const NAMES: [(&str, Name); 27] = [
    ("Auth", Name::Source(Source::Auth)),
    ("Secret", Name::Source(Source::Secret)),
    ("Session", Name::Source(Source::Session)),
    ("Input", Name::Source(Source::Input)),
    ("Variable", Name::Source(Source::Variable)),
    ("Constant", Name::Source(Source::Constant)),
    ("Response", Name::Source(Source::Response)),
    ("Default", Name::Source(Source::Default)),
    ("Now", Name::Source(Source::Now)),
    ("Value", Name::Source(Source::Value)),
    ("Sequence", Name::Source(Source::Sequence)),
    ("Size", Name::Measure(Measure::Size)),
    ("Length", Name::Measure(Measure::Length)),
    ("Add", Name::Operator(Operator::Add)),
    ("Subtract", Name::Operator(Operator::Subtract)),
    ("Concat", Name::Operator(Operator::Concat)),
    ("Substring", Name::Operator(Operator::Substring)),
    ("Trim", Name::Operator(Operator::Trim)),
    ("Split", Name::Operator(Operator::Split)),
    ("Pick", Name::Operator(Operator::Pick)),
    ("Join", Name::Operator(Operator::Join)),
    ("Uppercase", Name::Operator(Operator::Uppercase)),
    ("Lowercase", Name::Operator(Operator::Lowercase)),
    ("Replace", Name::Operator(Operator::Replace)),
    ("Dateformat", Name::Operator(Operator::Dateformat)),
    ("Filter", Name::Operator(Operator::Filter)),
    ("Find", Name::Operator(Operator::Find)),
];

impl Name {
    /// Finds the name that is written like this.
    pub(super) fn find(text: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == text).map(|(_, name)| *name)
    }
}

impl Source {
    /// The fewest and the most stages.
    pub(super) fn stages(self) -> (usize, usize) {
        match self {
            Self::Auth | Self::Session | Self::Input | Self::Response | Self::Sequence => (1, parse::MAX_STAGES),
            Self::Variable | Self::Constant => (2, parse::MAX_STAGES),
            Self::Secret | Self::Value => (1, 1),
            Self::Default | Self::Now => (0, 0),
        }
    }

    /// Whether every pair of braces after it is one of its stages; else the text goes on after the first.
    pub(super) fn takes_all_braces(self) -> bool {
        !matches!(self, Self::Value | Self::Default | Self::Now)
    }
}

impl Operator {
    /// The fewest and the most arguments.
    pub(super) fn arguments(self) -> (usize, usize) {
        match self {
            Self::Add | Self::Subtract => (1, parse::MAX_ITEMS),
            Self::Trim | Self::Uppercase | Self::Lowercase => (1, 1),
            Self::Concat | Self::Join => (1, 2),
            Self::Split | Self::Pick | Self::Dateformat => (2, 2),
            Self::Substring => (2, 3),
            Self::Replace | Self::Filter | Self::Find => (3, 3),
        }
    }
}

impl Reference {
    /// Whether braces that follow would be read as a further stage.
    fn is_open_ended(&self) -> bool {
        self.source.takes_all_braces()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, name)| name == self).map_or("", |(text, _)| text);
        write!(f, "${name}")
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Name::Source(*self).fmt(f)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Name::Measure(*self).fmt(f)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Name::Operator(*self).fmt(f)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        self.stages.iter().try_for_each(|stage| write!(f, "{{{stage}}}"))?;
        // Without them, a letter that follows would belong to the name.
        f.write_str(if self.stages.is_empty() { "()" } else { "" })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => reference.fmt(f),
            Self::Measure(measure, of) => write!(f, "{measure}{{{of}}}"),
            Self::Operation(operator, arguments) => {
                write!(f, "{operator}(")?;
                list(f, arguments, |f, argument| argument.fmt(f))?;
                f.write_str(")")
            }
            Self::Array(items) => {
                f.write_str("[")?;
                list(f, items, |f, item| item.fmt(f))?;
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                list(f, members, |f, (name, member)| write!(f, "'{}': {member}", quoted(name)))?;
                f.write_str("}")
            }
            Self::Text(template) => {
                f.write_str("'")?;
                template.parts.iter().try_for_each(|part| match part {
                    Part::Text(text) => f.write_str(&quoted(text)),
                    Part::Open(expression) => expression.fmt(f),
                })?;
                f.write_str("'")
            }
            Self::Literal(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut follows_stages = false;
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Open(expression) => {
                    expression.fmt(f)?;
                    follows_stages = matches!(expression, Expression::Reference(of) if of.is_open_ended());
                }
                Part::Text(text) => {
                    let is_before_open = at + 1 < self.parts.len();
                    f.write_str(&escaped(text, follows_stages, is_before_open))?;
                    follows_stages = false;
                }
            }
        }
        Ok(())
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    items.iter().enumerate().try_for_each(|(at, item)| {
        f.write_str(if at == 0 { "" } else { ", " })?;
        write(f, item)
    })
}

/// Writes literal text so that it is read as that: backslashes count only before what would mean something.
fn escaped(text: &str, follows_stages: bool, is_before_open: bool) -> String {
    let mut written = String::new();
    let mut backslashes = 0;
    let mut follows_stages = follows_stages;
    for (at, char) in text.char_indices() {
        if (char == '$' && opening::opens(&text[at + 1..])) || (char == '{' && follows_stages) {
            written.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if char == '\\' { backslashes + 1 } else { 0 };
        follows_stages &= char == '\\';
        written.push(char);
    }
    if is_before_open {
        written.extend(std::iter::repeat_n('\\', backslashes));
    }
    written
}

/// Writes literal text between single quotes.
fn quoted(text: &str) -> String {
    let mut written = String::new();
    for (at, char) in text.char_indices() {
        let is_special = match char {
            '\\' | '\'' => true,
            '{' => at == 0,
            '$' => opening::opens(&text[at + 1..]),
            _ => false,
        };
        if is_special {
            written.push('\\');
        }
        written.push(char);
    }
    written
}
