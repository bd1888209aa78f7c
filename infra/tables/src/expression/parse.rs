//! The grammar that all kinds of expressions share: tokens, paths, values.

use super::token::{self, Token};
use super::{Path, References, Segment, invalid};
use crate::error::Error;
use crate::reserved;
use crate::value::Value;

/// How deep parentheses and NOT may nest.
pub(super) const NESTING_LIMIT: usize = 64;

/// Reads one expression.
pub(crate) struct Parser<'r> {
    tokens: Vec<Token>,
    at: usize,
    kind: &'static str,
    references: &'r mut References,
}

impl<'r> Parser<'r> {
    /// Splits the text of an expression of this kind.
    pub(crate) fn new(text: &str, kind: &'static str, references: &'r mut References) -> Result<Self, Error> {
        Ok(Self { tokens: token::split(text, kind)?, at: 0, kind, references })
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn is_call(&self) -> bool {
        matches!((self.peek(), self.tokens.get(self.at + 1)), (Some(Token::Word(_)), Some(Token::Sign("("))))
    }

    pub(super) fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Takes a keyword, in whatever case, if it is next.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    /// Takes a sign if it is next.
    pub(super) fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Whether this token is next.
    pub(super) fn is_at(&self, token: usize) -> bool {
        self.at == token
    }

    /// Returns where the group ends whose parenthesis is next.
    pub(super) fn group_end(&self) -> Option<usize> {
        let mut open = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token {
                Token::Sign("(") => open += 1,
                Token::Sign(")") => open = open.checked_sub(1)?,
                _ => {}
            }
            if open == 0 {
                return (at > self.at).then_some(at);
            }
        }
        None
    }

    /// The error that what is next cannot stand here.
    pub(super) fn unexpected(&self) -> Error {
        let text = |at: usize| self.tokens.get(at).map_or_else(|| "<EOF>".to_owned(), Token::text);
        let near: Vec<String> =
            (self.at.saturating_sub(1)..=self.at + 1).filter(|at| *at < self.tokens.len()).map(text).collect();
        token::syntax(self.kind, &text(self.at), &near.join(" "))
    }

    pub(super) fn end(&self) -> Result<(), Error> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn refused(&self, message: impl AsRef<str>) -> Error {
        invalid(self.kind, message.as_ref())
    }

    /// Reads a path.
    pub(super) fn path(&mut self) -> Result<Path, Error> {
        let mut segments = vec![self.name()?];
        loop {
            if self.sign(".") {
                segments.push(self.name()?);
            } else if self.sign("[") {
                let Some(Token::Number(index)) = self.peek() else { return Err(self.unexpected()) };
                segments.push(Segment::Index(*index));
                self.at += 1;
                self.expect("]")?;
            } else {
                return Ok(Path(segments));
            }
        }
    }

    fn name(&mut self) -> Result<Segment, Error> {
        match self.peek() {
            Some(Token::Name(reference)) => {
                let name = self.references.name(&reference.clone(), self.kind)?;
                self.at += 1;
                Ok(Segment::Name(name))
            }
            Some(Token::Word(word)) => {
                if reserved::is_reserved(word) {
                    let message = format!("Attribute name is a reserved keyword; reserved keyword: {word}");
                    return Err(self.refused(message));
                }
                let name = word.clone();
                self.at += 1;
                Ok(Segment::Name(name))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Reads a value if one is next.
    pub(super) fn value(&mut self) -> Result<Option<Value>, Error> {
        let Some(Token::Value(reference)) = self.peek() else { return Ok(None) };
        let value = self.references.value(&reference.clone(), self.kind)?;
        self.at += 1;
        Ok(Some(value))
    }

    /// Reads a list of paths to the end.
    pub(super) fn paths(mut self) -> Result<Vec<Path>, Error> {
        let mut paths = vec![self.path()?];
        while self.sign(",") {
            paths.push(self.path()?);
        }
        self.end()?;
        Ok(paths)
    }
}
