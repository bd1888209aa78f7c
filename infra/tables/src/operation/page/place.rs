//! Where a page begins and ends in its table or index.

use crate::error::Error;
use crate::expression::References;
use crate::expression::condition::Comparison;
use crate::expression::key::{KeyCondition, Range};
use crate::schema::{Attribute, Index, Key, KeyBytes, Kind, Table};
use crate::store::rows::Stretch;
use crate::value::{Item, Value};

pub(super) fn place(text: &str, references: &mut References, key: &Key) -> Result<(Vec<u8>, Stretch), Error> {
    let sort = key.sort.as_ref();
    let condition = KeyCondition::parse(text, references, &key.partition.name, sort.map(|sort| sort.name.as_str()))?;
    let partition = encode(&key.partition, &condition.partition)?;
    let stretch = match (&condition.sort, sort) {
        (Some(range), Some(sort)) => stretch(range, sort)?,
        _ => Stretch::default(),
    };
    Ok((partition, stretch))
}

fn encode(attribute: &Attribute, value: &Value) -> Result<Vec<u8>, Error> {
    attribute.encode(value).ok_or_else(|| {
        Error::validation(
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        )
    })
}

fn stretch(range: &Range, sort: &Attribute) -> Result<Stretch, Error> {
    let stretch = |from: Option<(Vec<u8>, bool)>, to: Option<(Vec<u8>, bool)>| Stretch { from, to };
    Ok(match range {
        Range::Between(low, high) => stretch(Some((encode(sort, low)?, true)), Some((encode(sort, high)?, true))),
        Range::BeginsWith(prefix) => {
            if sort.kind == Kind::N {
                let message = "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N";
                return Err(Error::validation(message));
            }
            let from = encode(sort, prefix)?;
            let to = after_prefix(&from).map(|to| (to, false));
            stretch(Some((from, true)), to)
        }
        Range::Compare(comparison, value) => {
            let value = encode(sort, value)?;
            match comparison {
                Comparison::Equal | Comparison::NotEqual => stretch(Some((value.clone(), true)), Some((value, true))),
                Comparison::Less => stretch(None, Some((value, false))),
                Comparison::LessOrEqual => stretch(None, Some((value, true))),
                Comparison::Greater => stretch(Some((value, false)), None),
                Comparison::GreaterOrEqual => stretch(Some((value, true)), None),
            }
        }
    })
}

/// The least bytes that are greater than all that begin so.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

pub(super) fn start_of(start: &Item, table: &Table, index: Option<&Index>) -> Result<(KeyBytes, KeyBytes), Error> {
    let invalid = || Error::validation("The provided starting key is invalid");
    let key = table.key.project(start);
    let key = table.key.of_request(&key).map_err(|_| invalid())?;
    let place = match index {
        Some(index) => index.key.in_index(start).ok_or_else(invalid)?,
        None => key.clone(),
    };
    let mut names = table.key.names();
    names.extend(index.map(|index| index.key.names()).unwrap_or_default());
    if start.keys().any(|name| !names.contains(&name.as_str())) {
        return Err(invalid());
    }
    Ok((place, key))
}
