//! Conditions: of writes, and filters of reads.

use std::cmp::Ordering;

use super::parse::NESTING_LIMIT;
use super::token::Token;
use super::{Parser, Path, References};
use crate::error::Error;
use crate::number::Number;
use crate::value::{Item, Value};

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// One operand stands in a relation to another.
    Compare(Operand, Comparison, Operand),
    /// An operand is between two others, or equals one of them.
    Between(Operand, Operand, Operand),
    /// An operand equals one of several.
    In(Operand, Vec<Operand>),
    /// The path leads to something.
    Exists(Path),
    /// What the path leads to has this type.
    Type(Path, String),
    /// What the path leads to begins with a value.
    BeginsWith(Path, Operand),
    /// What the path leads to contains a value.
    Contains(Path, Operand),
    /// The condition does not hold.
    Not(Box<Self>),
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// One of both holds.
    Or(Box<Self>, Box<Self>),
}

/// A relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a condition compares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// What a path leads to.
    Path(Path),
    /// A value of the request.
    Value(Value),
    /// The size of what a path leads to.
    Size(Path),
}

impl Condition {
    /// Parses a condition of this kind, such as `ConditionExpression`.
    pub(crate) fn parse(text: &str, kind: &'static str, references: &mut References) -> Result<Self, Error> {
        let mut parser = Parser::new(text, kind, references)?;
        let condition = either(&mut parser, 0)?;
        parser.end()?;
        Ok(condition)
    }

    /// Returns the attributes that it looks at.
    pub(crate) fn roots(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.collect_roots(&mut found);
        found
    }

    fn collect_roots<'c>(&'c self, found: &mut Vec<&'c str>) {
        match self {
            Self::Compare(left, _, right) => found.extend([left, right].into_iter().filter_map(Operand::root)),
            Self::Between(operand, low, high) => {
                found.extend([operand, low, high].into_iter().filter_map(Operand::root));
            }
            Self::In(operand, list) => found.extend([operand].into_iter().chain(list).filter_map(Operand::root)),
            Self::Exists(path) | Self::Type(path, _) => found.push(path.root()),
            Self::BeginsWith(path, operand) | Self::Contains(path, operand) => {
                found.push(path.root());
                found.extend(operand.root());
            }
            Self::Not(condition) => condition.collect_roots(found),
            Self::And(left, right) | Self::Or(left, right) => {
                left.collect_roots(found);
                right.collect_roots(found);
            }
        }
    }

    /// Tells whether it holds for an item.
    pub(crate) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Compare(left, comparison, right) => {
                comparison.holds(left.get(item).as_ref(), right.get(item).as_ref())
            }
            Self::Between(operand, low, high) => {
                let order = |bound: &Operand| operand.get(item)?.compare(&bound.get(item)?);
                order(low).is_some_and(Ordering::is_ge) && order(high).is_some_and(Ordering::is_le)
            }
            Self::In(operand, list) => {
                operand.get(item).is_some_and(|value| list.iter().any(|one| one.get(item).as_ref() == Some(&value)))
            }
            Self::Exists(path) => path.get(item).is_some(),
            Self::Type(path, kind) => path.get(item).is_some_and(|value| value.kind() == kind),
            Self::BeginsWith(path, prefix) => match (path.get(item), prefix.get(item)) {
                (Some(Value::S(text)), Some(Value::S(prefix))) => text.starts_with(&prefix),
                (Some(Value::B(bytes)), Some(Value::B(prefix))) => bytes.starts_with(&prefix),
                _ => false,
            },
            Self::Contains(path, part) => match (path.get(item), part.get(item)) {
                (Some(value), Some(part)) => contains(value, &part),
                _ => false,
            },
            Self::Not(condition) => !condition.holds(item),
            Self::And(left, right) => left.holds(item) && right.holds(item),
            Self::Or(left, right) => left.holds(item) || right.holds(item),
        }
    }
}

impl Comparison {
    /// Returns the relation that a sign stands for.
    pub(crate) fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" => Self::Equal,
            "<>" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let (Some(left), Some(right)) = (left, right) else { return self == Self::NotEqual };
        let order = || left.compare(right);
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => order() == Some(Ordering::Less),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
            Self::Greater => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        }
    }
}

impl Operand {
    fn root(&self) -> Option<&str> {
        match self {
            Self::Path(path) | Self::Size(path) => Some(path.root()),
            Self::Value(_) => None,
        }
    }

    /// Refuses a value of the request that has no order.
    fn check_ordered(&self, parser: &Parser<'_>, operator: &str) -> Result<(), Error> {
        match self {
            Self::Value(value) if !matches!(value, Value::S(_) | Value::N(_) | Value::B(_)) => {
                let message = format!(
                    "Incorrect operand type for operator or function; operator: {operator}, operand type: {}",
                    value.kind()
                );
                Err(parser.refused(message))
            }
            _ => Ok(()),
        }
    }

    fn get(&self, item: &Item) -> Option<Value> {
        match self {
            Self::Path(path) => path.get(item).cloned(),
            Self::Value(value) => Some(value.clone()),
            Self::Size(path) => {
                let size = match path.get(item)? {
                    Value::S(text) => text.chars().count(),
                    Value::B(bytes) => bytes.len(),
                    Value::L(list) => list.len(),
                    Value::M(map) => map.len(),
                    Value::Ss(set) => set.len(),
                    Value::Ns(set) => set.len(),
                    Value::Bs(set) => set.len(),
                    Value::N(_) | Value::Bool(_) | Value::Null => return None,
                };
                Number::parse(&size.to_string()).ok().map(Value::N)
            }
        }
    }

    pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Self, Error> {
        if let Some(value) = parser.value()? {
            return Ok(Self::Value(value));
        }
        if parser.is_call() {
            let Some(Token::Word(name)) = parser.take() else { return Err(parser.unexpected()) };
            if name != "size" {
                return Err(parser.refused(format!(
                    "The function is not allowed to be used this way in an expression; function: {name}"
                )));
            }
            parser.expect("(")?;
            let path = parser.path()?;
            parser.expect(")")?;
            return Ok(Self::Size(path));
        }
        parser.path().map(Self::Path)
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::S(text), Value::S(part)) => text.contains(part.as_str()),
        (Value::B(bytes), Value::B(part)) => {
            part.is_empty() || bytes.windows(part.len()).any(|window| window == part.as_slice())
        }
        (Value::Ss(set), Value::S(part)) => set.contains(part),
        (Value::Ns(set), Value::N(part)) => set.contains(part),
        (Value::Bs(set), Value::B(part)) => set.contains(part),
        (Value::L(list), part) => list.contains(part),
        _ => false,
    }
}

fn either(parser: &mut Parser<'_>, nesting: usize) -> Result<Condition, Error> {
    let mut condition = both(parser, nesting)?;
    while parser.keyword("OR") {
        condition = Condition::Or(Box::new(condition), Box::new(both(parser, nesting)?));
    }
    Ok(condition)
}

fn both(parser: &mut Parser<'_>, nesting: usize) -> Result<Condition, Error> {
    let mut condition = single(parser, nesting)?;
    while parser.keyword("AND") {
        condition = Condition::And(Box::new(condition), Box::new(single(parser, nesting)?));
    }
    Ok(condition)
}

fn single(parser: &mut Parser<'_>, nesting: usize) -> Result<Condition, Error> {
    if nesting > NESTING_LIMIT {
        return Err(parser.refused("The expression nests too deep"));
    }
    if parser.keyword("NOT") {
        return Ok(Condition::Not(Box::new(single(parser, nesting + 1)?)));
    }
    if parser.sign("(") {
        let inner = parser.group_end();
        let condition = either(parser, nesting + 1)?;
        if inner.is_some_and(|end| parser.is_at(end + 1)) {
            return Err(parser.refused("The expression has redundant parentheses;"));
        }
        parser.expect(")")?;
        return Ok(condition);
    }
    let is_size = matches!(parser.peek(), Some(Token::Word(name)) if name == "size");
    if parser.is_call() && !is_size { call(parser) } else { relation(parser) }
}

fn call(parser: &mut Parser<'_>) -> Result<Condition, Error> {
    let Some(Token::Word(name)) = parser.take() else { return Err(parser.unexpected()) };
    parser.expect("(")?;
    let path = match name.as_str() {
        "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" => parser.path()?,
        _ => return Err(parser.refused(format!("Invalid function name; function: {name}"))),
    };
    let condition = match name.as_str() {
        "attribute_exists" => Condition::Exists(path),
        "attribute_not_exists" => Condition::Not(Box::new(Condition::Exists(path))),
        _ => {
            parser.expect(",")?;
            let operand = Operand::parse(parser)?;
            match (name.as_str(), operand) {
                ("attribute_type", Operand::Value(Value::S(kind))) => Condition::Type(path, kind),
                ("attribute_type", _) => {
                    return Err(parser.refused(
                        "Incorrect operand type for operator or function; operator or function: attribute_type",
                    ));
                }
                ("begins_with", Operand::Value(value)) if !matches!(value, Value::S(_) | Value::B(_)) => {
                    let message = format!(
                        "Incorrect operand type for operator or function; operator or function: begins_with, operand type: {}",
                        value.kind()
                    );
                    return Err(parser.refused(message));
                }
                ("begins_with", operand) => Condition::BeginsWith(path, operand),
                (_, operand) => Condition::Contains(path, operand),
            }
        }
    };
    parser.expect(")")?;
    Ok(condition)
}

fn relation(parser: &mut Parser<'_>) -> Result<Condition, Error> {
    let left = Operand::parse(parser)?;
    if parser.keyword("BETWEEN") {
        let low = Operand::parse(parser)?;
        if !parser.keyword("AND") {
            return Err(parser.unexpected());
        }
        let high = Operand::parse(parser)?;
        for operand in [&low, &high] {
            operand.check_ordered(parser, "BETWEEN")?;
        }
        if let (Operand::Value(low), Operand::Value(high)) = (&low, &high) {
            if low.kind() != high.kind() {
                let message = "The BETWEEN operator requires same data type for lower and upper bounds";
                return Err(parser.refused(message));
            }
            if low.compare(high).is_some_and(Ordering::is_gt) {
                let message = "The BETWEEN operator requires upper bound to be greater than or equal to lower bound";
                return Err(parser.refused(message));
            }
        }
        return Ok(Condition::Between(left, low, high));
    }
    if parser.keyword("IN") {
        parser.expect("(")?;
        let mut list = vec![Operand::parse(parser)?];
        while parser.sign(",") {
            list.push(Operand::parse(parser)?);
        }
        parser.expect(")")?;
        return Ok(Condition::In(left, list));
    }
    let comparison = match parser.peek() {
        Some(Token::Sign(sign)) => Comparison::of(sign),
        _ => None,
    };
    let comparison = comparison.ok_or_else(|| parser.unexpected())?;
    let sign = parser.take().map(|token| token.text()).unwrap_or_default();
    let right = Operand::parse(parser)?;
    if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        left.check_ordered(parser, &sign)?;
        right.check_ordered(parser, &sign)?;
    }
    Ok(Condition::Compare(left, comparison, right))
}
