//! Updates: `SET`, `REMOVE`, `ADD` and `DELETE`.

use super::token::Token;
use super::{Parser, Path, References, Segment, check_apart};
use crate::error::Error;
use crate::value::{Item, Value};

const KIND: &str = "UpdateExpression";

/// An update.
#[derive(Debug, Clone, Default)]
pub(crate) struct Update {
    set: Vec<(Path, Term)>,
    remove: Vec<Path>,
    add: Vec<(Path, Value)>,
    delete: Vec<(Path, Value)>,
}

/// What a path is set to.
#[derive(Debug, Clone)]
pub(crate) enum Term {
    Path(Path),
    Value(Value),
    IfNotExists(Path, Box<Self>),
    ListAppend(Box<Self>, Box<Self>),
    Plus(Box<Self>, Box<Self>),
    Minus(Box<Self>, Box<Self>),
}

impl Update {
    /// Parses an `UpdateExpression`.
    pub(crate) fn parse(text: &str, references: &mut References) -> Result<Self, Error> {
        let mut parser = Parser::new(text, KIND, references)?;
        let mut update = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        while parser.peek().is_some() {
            let clause = ["SET", "REMOVE", "ADD", "DELETE"].into_iter().find(|word| parser.keyword(word));
            let clause = clause.ok_or_else(|| parser.unexpected())?;
            if seen.contains(&clause) {
                return Err(
                    parser.refused(format!("The \"{clause}\" section can only be used once in an update expression;"))
                );
            }
            seen.push(clause);
            loop {
                update.action(clause, &mut parser)?;
                if !parser.sign(",") {
                    break;
                }
            }
        }
        update.check()?;
        Ok(update)
    }

    /// Sets a path.
    pub(crate) fn set(&mut self, path: Path, term: Term) {
        self.set.push((path, term));
    }

    /// Removes a path.
    pub(crate) fn remove(&mut self, path: Path) {
        self.remove.push(path);
    }

    /// Adds a number to a number, or elements to a set.
    pub(crate) fn add(&mut self, path: Path, value: Value) {
        self.add.push((path, value));
    }

    /// Takes elements out of a set.
    pub(crate) fn delete(&mut self, path: Path, value: Value) {
        self.delete.push((path, value));
    }

    /// Refuses paths of which one leads through another.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_apart(KIND, self.paths())
    }

    /// Returns the paths that it changes.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let (set, remove) = (self.set.iter().map(|(path, _)| path), self.remove.iter());
        let (add, delete) = (self.add.iter().map(|(path, _)| path), self.delete.iter().map(|(path, _)| path));
        set.chain(remove).chain(add).chain(delete)
    }

    fn action(&mut self, clause: &str, parser: &mut Parser<'_>) -> Result<(), Error> {
        let path = parser.path()?;
        match clause {
            "SET" => {
                parser.expect("=")?;
                self.set.push((path, term(parser)?));
            }
            "REMOVE" => self.remove.push(path),
            _ => {
                let value = parser.value()?.ok_or_else(|| parser.unexpected())?;
                let is_set = matches!(value, Value::Ss(_) | Value::Ns(_) | Value::Bs(_));
                if !is_set && (clause == "DELETE" || !matches!(value, Value::N(_))) {
                    let message = format!(
                        "Incorrect operand type for operator or function; operator: {clause}, operand type: {}",
                        type_name(&value)
                    );
                    return Err(parser.refused(message));
                }
                let list = if clause == "ADD" { &mut self.add } else { &mut self.delete };
                list.push((path, value));
            }
        }
        Ok(())
    }

    /// Returns the item as it is afterwards; every term sees it as it was before.
    pub(crate) fn apply(&self, before: &Item) -> Result<Item, Error> {
        let mut after = before.clone();
        for (path, term) in &self.set {
            set(&mut after, path, term.get(before)?)?;
        }
        for (path, value) in &self.add {
            let sum = match (path.get(before), value) {
                (None, value) => value.clone(),
                (Some(Value::N(left)), Value::N(right)) => {
                    Value::N(left.plus(*right).map_err(|error| Error::validation(error.to_string()))?)
                }
                (Some(Value::Ss(left)), Value::Ss(right)) => Value::Ss(union(left, right)),
                (Some(Value::Ns(left)), Value::Ns(right)) => Value::Ns(union(left, right)),
                (Some(Value::Bs(left)), Value::Bs(right)) => Value::Bs(union(left, right)),
                _ => return Err(Error::validation("An operand in the update expression has an incorrect data type")),
            };
            set(&mut after, path, sum)?;
        }
        for (path, value) in &self.delete {
            let left = match (path.get(before), value) {
                // Nothing to take away, but the way must be there.
                (None, _) => {
                    remove(&mut after, path)?;
                    continue;
                }
                (Some(Value::Ss(left)), Value::Ss(right)) => Value::Ss(difference(left, right)),
                (Some(Value::Ns(left)), Value::Ns(right)) => Value::Ns(difference(left, right)),
                (Some(Value::Bs(left)), Value::Bs(right)) => Value::Bs(difference(left, right)),
                _ => return Err(Error::validation("An operand in the update expression has an incorrect data type")),
            };
            let is_empty = matches!(&left, Value::Ss(set) if set.is_empty())
                || matches!(&left, Value::Ns(set) if set.is_empty())
                || matches!(&left, Value::Bs(set) if set.is_empty());
            if is_empty { remove(&mut after, path)? } else { set(&mut after, path, left)? }
        }
        // From the end of lists, so that no index moves before it is used.
        let mut paths: Vec<&Path> = self.remove.iter().collect();
        paths.sort();
        for path in paths.into_iter().rev() {
            remove(&mut after, path)?;
        }
        Ok(after)
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::S(_) => "STRING",
        Value::N(_) => "NUMBER",
        Value::B(_) => "BINARY",
        Value::Bool(_) => "BOOLEAN",
        Value::Null => "NULL",
        Value::L(_) => "LIST",
        Value::M(_) => "MAP",
        Value::Ss(_) | Value::Ns(_) | Value::Bs(_) => "SET",
    }
}

fn union<T: Ord + Clone>(left: &[T], right: &[T]) -> Vec<T> {
    let mut all = [left, right].concat();
    all.sort_unstable();
    all.dedup();
    all
}

fn difference<T: PartialEq + Clone>(left: &[T], right: &[T]) -> Vec<T> {
    left.iter().filter(|element| !right.contains(element)).cloned().collect()
}

fn term(parser: &mut Parser<'_>) -> Result<Term, Error> {
    let left = operand(parser)?;
    let Some(sign) = ["+", "-"].into_iter().find(|sign| parser.sign(sign)) else { return Ok(left) };
    let right = operand(parser)?;
    for term in [&left, &right] {
        check_value(parser, term, sign, "N")?;
    }
    let (left, right) = (Box::new(left), Box::new(right));
    Ok(if sign == "+" { Term::Plus(left, right) } else { Term::Minus(left, right) })
}

/// Refuses a value of the request that has another type than its operator takes.
fn check_value(parser: &Parser<'_>, term: &Term, operator: &str, kind: &str) -> Result<(), Error> {
    match term {
        Term::Value(value) if value.kind() != kind => {
            let message = format!(
                "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {}",
                value.kind()
            );
            Err(parser.refused(message))
        }
        _ => Ok(()),
    }
}

fn operand(parser: &mut Parser<'_>) -> Result<Term, Error> {
    if let Some(value) = parser.value()? {
        return Ok(Term::Value(value));
    }
    if !parser.is_call() {
        return parser.path().map(Term::Path);
    }
    let Some(Token::Word(name)) = parser.take() else { return Err(parser.unexpected()) };
    parser.expect("(")?;
    let term = match name.as_str() {
        "if_not_exists" => {
            let path = parser.path()?;
            parser.expect(",")?;
            Term::IfNotExists(path, Box::new(operand(parser)?))
        }
        "list_append" => {
            let first = operand(parser)?;
            parser.expect(",")?;
            let second = operand(parser)?;
            for term in [&first, &second] {
                check_value(parser, term, "list_append", "L")?;
            }
            Term::ListAppend(Box::new(first), Box::new(second))
        }
        _ => return Err(parser.refused(format!("Invalid function name; function: {name}"))),
    };
    parser.expect(")")?;
    Ok(term)
}

impl Term {
    fn get(&self, item: &Item) -> Result<Value, Error> {
        let wrong = || Error::validation("An operand in the update expression has an incorrect data type");
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => path.get(item).cloned().ok_or_else(|| {
                Error::validation("The provided expression refers to an attribute that does not exist in the item")
            }),
            Self::IfNotExists(path, other) => path.get(item).cloned().map_or_else(|| other.get(item), Ok),
            Self::ListAppend(first, second) => match (first.get(item)?, second.get(item)?) {
                (Value::L(mut list), Value::L(more)) => {
                    list.extend(more);
                    Ok(Value::L(list))
                }
                _ => Err(wrong()),
            },
            Self::Plus(left, right) | Self::Minus(left, right) => match (left.get(item)?, right.get(item)?) {
                (Value::N(left), Value::N(right)) => {
                    let sum = if matches!(self, Self::Plus(..)) { left.plus(right) } else { left.minus(right) };
                    sum.map(Value::N).map_err(|error| Error::validation(error.to_string()))
                }
                _ => Err(wrong()),
            },
        }
    }
}

fn set(item: &mut Item, path: &Path, value: Value) -> Result<(), Error> {
    match path.0.as_slice() {
        [Segment::Name(name)] => {
            item.insert(name.clone(), value);
            Ok(())
        }
        [way @ .., last] => match (parent(item, way)?, last) {
            (Value::M(map), Segment::Name(name)) => {
                map.insert(name.clone(), value);
                Ok(())
            }
            (Value::L(list), Segment::Index(index)) => {
                match list.get_mut(*index) {
                    Some(element) => *element = value,
                    None => list.push(value),
                }
                Ok(())
            }
            _ => Err(invalid_path()),
        },
        [] => Err(invalid_path()),
    }
}

fn remove(item: &mut Item, path: &Path) -> Result<(), Error> {
    match path.0.as_slice() {
        [Segment::Name(name)] => {
            item.remove(name);
            Ok(())
        }
        [way @ .., last] => match (parent(item, way)?, last) {
            (Value::M(map), Segment::Name(name)) => {
                map.remove(name);
                Ok(())
            }
            (Value::L(list), Segment::Index(index)) => {
                if *index < list.len() {
                    list.remove(*index);
                }
                Ok(())
            }
            _ => Err(invalid_path()),
        },
        [] => Err(invalid_path()),
    }
}

fn parent<'a>(item: &'a mut Item, way: &[Segment]) -> Result<&'a mut Value, Error> {
    let Some((Segment::Name(first), rest)) = way.split_first() else { return Err(invalid_path()) };
    let mut place = item.get_mut(first).ok_or_else(invalid_path)?;
    for segment in rest {
        place = match (place, segment) {
            (Value::M(map), Segment::Name(name)) => map.get_mut(name),
            (Value::L(list), Segment::Index(index)) => list.get_mut(*index),
            _ => None,
        }
        .ok_or_else(invalid_path)?;
    }
    Ok(place)
}

fn invalid_path() -> Error {
    Error::validation("The document path provided in the update expression is invalid for update")
}
