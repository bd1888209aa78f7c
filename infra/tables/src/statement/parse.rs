//! The grammar that all statements share: tables, paths, values, conditions.

use std::sync::Arc;
use std::vec::IntoIter;

use super::token::{self, Token};
use crate::error::Error;
use crate::expression::condition::{Comparison, Condition, Operand};
use crate::expression::update::Term;
use crate::expression::{Path, Segment};
use crate::number::Number;
use crate::request::Returned;
use crate::value::{Item, Value};

/// How deep values, parentheses and NOT may nest.
const NESTING_LIMIT: usize = 64;

/// Words that are not names unless they are quoted.
const KEYWORDS: [&str; 22] = [
    "ALL",
    "AND",
    "BETWEEN",
    "DELETE",
    "FALSE",
    "FROM",
    "IN",
    "INSERT",
    "INTO",
    "IS",
    "MISSING",
    "MODIFIED",
    "NOT",
    "NULL",
    "OR",
    "REMOVE",
    "RETURNING",
    "SELECT",
    "SET",
    "TRUE",
    "VALUE",
    "WHERE",
];

/// Reads one statement.
pub(super) struct Parser {
    tokens: Arc<[Token]>,
    at: usize,
    parameters: IntoIter<Value>,
}

impl Parser {
    /// Splits a statement; the parameters take the places of its `?` in their order.
    pub(super) fn new(text: &str, parameters: Vec<Value>) -> Result<Self, Error> {
        let tokens = token::tokens(text)?;
        if tokens.iter().filter(|token| **token == Token::Sign("?")).count() != parameters.len() {
            return Err(Error::validation("Number of parameters in request and statement don't match."));
        }
        Ok(Self { tokens, at: 0, parameters: parameters.into_iter() })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Takes a keyword, in whatever case, if it is next.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_keyword(&mut self, word: &str) -> Result<(), Error> {
        if self.keyword(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    /// Takes a sign if it is next.
    pub(super) fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    /// Takes the name of a function and its parenthesis if they are next.
    pub(super) fn call(&mut self, name: &str) -> bool {
        let is_call = self.tokens.get(self.at + 1) == Some(&Token::Sign("("));
        let found = is_call && self.keyword(name);
        self.at += usize::from(found);
        found
    }

    /// The error that something else should be next.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let found = self.peek().map_or_else(|| "the end".to_owned(), Token::text);
        self.refused(&format!("Expected {expected} but got {found}"))
    }

    #[expect(clippy::unused_self, reason = "it reads as the errors of this statement")]
    pub(super) fn refused(&self, why: &str) -> Error {
        token::refused(why)
    }

    /// Refuses what is left over.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.sign(";");
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    /// Reads the name of a table.
    pub(super) fn table(&mut self) -> Result<String, Error> {
        self.name()
    }

    fn name(&mut self) -> Result<String, Error> {
        let name = match self.peek() {
            Some(Token::Name(name)) if !name.is_empty() => name.clone(),
            Some(Token::Word(word)) if !KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word)) => {
                word.clone()
            }
            _ => return Err(self.unexpected("a name")),
        };
        self.at += 1;
        Ok(name)
    }

    /// Reads a path.
    pub(super) fn path(&mut self) -> Result<Path, Error> {
        let mut segments = vec![Segment::Name(self.name()?)];
        loop {
            if self.sign(".") {
                segments.push(Segment::Name(self.name()?));
            } else if self.sign("[") {
                let index = match self.peek() {
                    Some(Token::Number(number)) => number.parse().ok(),
                    _ => None,
                };
                segments.push(Segment::Index(index.ok_or_else(|| self.unexpected("an index"))?));
                self.at += 1;
                self.expect("]")?;
            } else {
                return Ok(Path(segments));
            }
        }
    }

    /// Reads a value: a literal, or the next parameter.
    pub(super) fn value(&mut self) -> Result<Value, Error> {
        self.nested_value(0)
    }

    fn is_at_value(&self) -> bool {
        match self.peek() {
            Some(Token::Text(_) | Token::Number(_)) => true,
            Some(Token::Sign(sign)) => matches!(*sign, "?" | "-" | "[" | "{" | "<<"),
            Some(Token::Word(word)) => ["TRUE", "FALSE", "NULL"].iter().any(|known| known.eq_ignore_ascii_case(word)),
            _ => false,
        }
    }

    fn nested_value(&mut self, nesting: usize) -> Result<Value, Error> {
        if nesting > NESTING_LIMIT {
            return Err(self.refused("a value nests too deep"));
        }
        for (word, value) in [("TRUE", Value::Bool(true)), ("FALSE", Value::Bool(false)), ("NULL", Value::Null)] {
            if self.keyword(word) {
                return Ok(value);
            }
        }
        let Some(token) = self.peek().cloned() else { return Err(self.unexpected("a value")) };
        match token {
            Token::Text(text) => {
                self.at += 1;
                Ok(Value::S(text))
            }
            Token::Number(_) => self.number(""),
            Token::Sign("-") => {
                self.at += 1;
                self.number("-")
            }
            Token::Sign("?") => {
                self.at += 1;
                self.parameters.next().ok_or_else(|| self.refused("a parameter is missing"))
            }
            Token::Sign("[") => self.elements("[", "]", nesting).map(Value::L),
            Token::Sign("<<") => Value::set(self.elements("<<", ">>", nesting)?),
            Token::Sign("{") => self.members(nesting).map(Value::M),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn number(&mut self, sign: &str) -> Result<Value, Error> {
        let Some(Token::Number(digits)) = self.peek() else { return Err(self.unexpected("a number")) };
        let number = Number::parse(&format!("{sign}{digits}"));
        self.at += 1;
        number.map(Value::N).map_err(|error| Error::validation(error.to_string()))
    }

    fn elements(&mut self, open: &str, close: &str, nesting: usize) -> Result<Vec<Value>, Error> {
        self.expect(open)?;
        let mut elements = Vec::new();
        if self.sign(close) {
            return Ok(elements);
        }
        loop {
            elements.push(self.nested_value(nesting + 1)?);
            if !self.sign(",") {
                self.expect(close)?;
                return Ok(elements);
            }
        }
    }

    /// Reads the item of an INSERT.
    pub(super) fn item(&mut self) -> Result<Item, Error> {
        self.members(0)
    }

    fn members(&mut self, nesting: usize) -> Result<Item, Error> {
        self.expect("{")?;
        let mut members = Item::new();
        if self.sign("}") {
            return Ok(members);
        }
        loop {
            let name = match self.peek() {
                Some(Token::Text(name) | Token::Name(name)) => name.clone(),
                _ => return Err(self.unexpected("the name of an attribute in quotation marks")),
            };
            self.at += 1;
            self.expect(":")?;
            let value = self.nested_value(nesting + 1)?;
            if members.insert(name.clone(), value).is_some() {
                return Err(self.refused(&format!("the attribute `{name}` is named twice")));
            }
            if !self.sign(",") {
                self.expect("}")?;
                return Ok(members);
            }
        }
    }

    /// Reads what a SET assigns.
    pub(super) fn term(&mut self) -> Result<Term, Error> {
        if self.call("list_append") {
            let first = self.operand_of_term()?;
            self.expect(",")?;
            let second = self.operand_of_term()?;
            self.expect(")")?;
            self.check_type(&[&first, &second], "list_append", "L")?;
            return Ok(Term::ListAppend(Box::new(first), Box::new(second)));
        }
        let first = self.operand_of_term()?;
        let Some(sign) = ["+", "-"].into_iter().find(|sign| self.sign(sign)) else {
            return match first {
                Term::Path(_) => Err(self.unexpected("a value, + or -")),
                value => Ok(value),
            };
        };
        let second = self.operand_of_term()?;
        self.check_type(&[&first, &second], sign, "N")?;
        let (first, second) = (Box::new(first), Box::new(second));
        Ok(if sign == "+" { Term::Plus(first, second) } else { Term::Minus(first, second) })
    }

    fn operand_of_term(&mut self) -> Result<Term, Error> {
        if self.is_at_value() { self.value().map(Term::Value) } else { self.path().map(Term::Path) }
    }

    fn check_type(&self, terms: &[&Term], operator: &str, kind: &str) -> Result<(), Error> {
        let other = terms.iter().find_map(|term| match term {
            Term::Value(value) if value.kind() != kind => Some(value.kind()),
            _ => None,
        });
        other.map_or(Ok(()), |other| Err(operand_type(operator, other)))
    }

    /// Reads a WHERE clause if there is one; returns what its outermost ANDs join.
    pub(super) fn conditions(&mut self) -> Result<Vec<Condition>, Error> {
        let mut joined = Vec::new();
        if self.keyword("WHERE") {
            split(self.either(0)?, &mut joined);
        }
        Ok(joined)
    }

    fn either(&mut self, nesting: usize) -> Result<Condition, Error> {
        let mut condition = self.both(nesting)?;
        while self.keyword("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.both(nesting)?));
        }
        Ok(condition)
    }

    fn both(&mut self, nesting: usize) -> Result<Condition, Error> {
        let mut condition = self.single(nesting)?;
        while self.keyword("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.single(nesting)?));
        }
        Ok(condition)
    }

    fn single(&mut self, nesting: usize) -> Result<Condition, Error> {
        if nesting > NESTING_LIMIT {
            return Err(self.refused("the WHERE clause nests too deep"));
        }
        if self.keyword("NOT") {
            return Ok(negated(self.single(nesting + 1)?));
        }
        if self.sign("(") {
            let condition = self.either(nesting + 1)?;
            self.expect(")")?;
            return Ok(condition);
        }
        let functions = ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"];
        match functions.into_iter().find(|name| self.call(name)) {
            Some(name) => self.function(name),
            None => self.relation(),
        }
    }

    fn function(&mut self, name: &str) -> Result<Condition, Error> {
        let path = self.path()?;
        let condition = match name {
            "attribute_exists" => Condition::Exists(path),
            "attribute_not_exists" => negated(Condition::Exists(path)),
            _ => {
                self.expect(",")?;
                match (name, self.value()?) {
                    ("attribute_type", Value::S(kind)) => Condition::Type(path, kind),
                    ("begins_with", value @ (Value::S(_) | Value::B(_))) => {
                        Condition::BeginsWith(path, Operand::Value(value))
                    }
                    ("contains", value) => Condition::Contains(path, Operand::Value(value)),
                    (_, value) => return Err(operand_type(name, value.kind())),
                }
            }
        };
        self.expect(")")?;
        Ok(condition)
    }

    fn relation(&mut self) -> Result<Condition, Error> {
        let left = self.operand()?;
        if self.keyword("IS") {
            return self.is(left);
        }
        let is_not = self.keyword("NOT");
        if self.keyword("BETWEEN") {
            let low = self.ordered("BETWEEN")?;
            self.expect_keyword("AND")?;
            let high = self.ordered("BETWEEN")?;
            return Ok(negated_if(is_not, Condition::Between(left, low, high)));
        }
        if self.keyword("IN") {
            let list = if self.peek() == Some(&Token::Sign("(")) {
                self.elements("(", ")", 0)?
            } else {
                self.elements("[", "]", 0)?
            };
            let list = list.into_iter().map(Operand::Value).collect();
            return Ok(negated_if(is_not, Condition::In(left, list)));
        }
        let comparison = match self.peek() {
            Some(Token::Sign("!=")) => Some(Comparison::NotEqual),
            Some(Token::Sign(sign)) => Comparison::of(sign),
            _ => None,
        };
        let comparison = comparison.filter(|_| !is_not).ok_or_else(|| self.unexpected("a comparison"))?;
        let sign = self.peek().map(Token::text).unwrap_or_default();
        self.at += 1;
        let right = match comparison {
            Comparison::Equal | Comparison::NotEqual => self.operand()?,
            _ => self.ordered(&sign)?,
        };
        Ok(Condition::Compare(left, comparison, right))
    }

    fn is(&mut self, left: Operand) -> Result<Condition, Error> {
        let is_not = self.keyword("NOT");
        let Operand::Path(path) = left else { return Err(self.refused("only a path can be MISSING or NULL")) };
        if self.keyword("MISSING") {
            return Ok(negated_if(!is_not, Condition::Exists(path)));
        }
        self.expect_keyword("NULL")?;
        Ok(negated_if(is_not, Condition::Type(path, "NULL".to_owned())))
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        if self.call("size") {
            let path = self.path()?;
            self.expect(")")?;
            return Ok(Operand::Size(path));
        }
        if self.is_at_value() { self.value().map(Operand::Value) } else { self.path().map(Operand::Path) }
    }

    /// Reads an operand; a value of the request must have an order.
    fn ordered(&mut self, operator: &str) -> Result<Operand, Error> {
        match self.operand()? {
            Operand::Value(value) if !matches!(value, Value::S(_) | Value::N(_) | Value::B(_)) => {
                Err(operand_type(operator, value.kind()))
            }
            operand => Ok(operand),
        }
    }

    /// Reads what a write returns.
    pub(super) fn returned(&mut self) -> Result<Returned, Error> {
        if !self.keyword("RETURNING") {
            return Ok(Returned::None);
        }
        let is_all = self.keyword("ALL");
        if !is_all {
            self.expect_keyword("MODIFIED")?;
        }
        let is_old = self.keyword("OLD");
        if !is_old {
            self.expect_keyword("NEW")?;
        }
        self.expect("*")?;
        Ok(match (is_all, is_old) {
            (true, true) => Returned::AllOld,
            (true, false) => Returned::AllNew,
            (false, true) => Returned::UpdatedOld,
            (false, false) => Returned::UpdatedNew,
        })
    }
}

fn operand_type(operator: &str, kind: &str) -> Error {
    Error::validation(format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
    ))
}

fn negated(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn negated_if(is_not: bool, condition: Condition) -> Condition {
    if is_not { negated(condition) } else { condition }
}

/// Takes apart what the outermost ANDs join.
fn split(condition: Condition, joined: &mut Vec<Condition>) {
    match condition {
        Condition::And(left, right) => {
            split(*left, joined);
            split(*right, joined);
        }
        single => joined.push(single),
    }
}
