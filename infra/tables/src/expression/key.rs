//! Key conditions: where in a table or index a query looks.

use super::condition::{Comparison, Condition, Operand};
use super::{Path, References, Segment};
use crate::error::Error;
use crate::value::Value;

const KIND: &str = "KeyConditionExpression";

/// Where a query looks.
#[derive(Debug, Clone)]
pub(crate) struct KeyCondition {
    /// The value of the partition key.
    pub partition: Value,
    /// What the sort key must be.
    pub sort: Option<Range>,
}

/// What a sort key must be.
#[derive(Debug, Clone)]
pub(crate) enum Range {
    /// In this relation to a value.
    Compare(Comparison, Value),
    /// Between two values, both included.
    Between(Value, Value),
    /// A text or bytes that begin so.
    BeginsWith(Value),
}

impl KeyCondition {
    /// Parses a `KeyConditionExpression` for a key with these attributes.
    pub(crate) fn parse(
        text: &str,
        references: &mut References,
        partition: &str,
        sort: Option<&str>,
    ) -> Result<Self, Error> {
        let condition = Condition::parse(text, KIND, references)?;
        let (first, second) = match condition {
            Condition::And(first, second) => (*first, Some(*second)),
            single => (single, None),
        };
        let (mut hash, mut range) = (None, None);
        for part in [Some(first), second].into_iter().flatten() {
            let (name, found) = part_of(part)?;
            match found {
                Range::Compare(Comparison::Equal, value) if name == partition && hash.is_none() => hash = Some(value),
                _ if name == partition => return Err(Error::validation("Query key condition not supported")),
                found if sort == Some(name.as_str()) && range.is_none() => range = Some(found),
                _ => return Err(missed(sort.filter(|_| hash.is_some()).unwrap_or(partition))),
            }
        }
        Ok(Self { partition: hash.ok_or_else(|| missed(partition))?, sort: range })
    }
}

fn missed(name: &str) -> Error {
    Error::validation(format!("Query condition missed key schema element: {name}"))
}

fn part_of(condition: Condition) -> Result<(String, Range), Error> {
    let unsupported = || Error::validation(format!("Invalid {KIND}: Invalid operator used in {KIND}"));
    let name = |path: Path| match <[Segment; 1]>::try_from(path.0) {
        Ok([Segment::Name(name)]) => Ok(name),
        _ => Err(Error::validation(format!("Invalid {KIND}: {KIND}s cannot have conditions on nested attributes"))),
    };
    match condition {
        Condition::Compare(_, Comparison::NotEqual, _) => Err(unsupported()),
        Condition::Compare(Operand::Path(path), comparison, Operand::Value(value)) => {
            Ok((name(path)?, Range::Compare(comparison, value)))
        }
        Condition::Between(Operand::Path(path), Operand::Value(low), Operand::Value(high)) => {
            if low.compare(&high).is_some_and(std::cmp::Ordering::is_gt) {
                let message = "The BETWEEN operator requires upper bound to be greater than or equal to lower bound";
                return Err(Error::validation(format!("Invalid {KIND}: {message}")));
            }
            Ok((name(path)?, Range::Between(low, high)))
        }
        Condition::BeginsWith(path, Operand::Value(prefix)) => Ok((name(path)?, Range::BeginsWith(prefix))),
        _ => Err(unsupported()),
    }
}
