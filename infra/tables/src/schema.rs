//! The definition of a table: its key, its indexes, its time to live.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::number::Number;
use crate::value::{Item, Value};

/// The longest partition key.
const PARTITION_LIMIT_BYTES: usize = 2048;
/// The longest sort key.
const SORT_LIMIT_BYTES: usize = 1024;

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// The number of its SQL tables.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) indexes: Vec<Index>,
    pub(crate) ttl: Option<String>,
    /// When it was created, in seconds since 1970.
    pub(crate) created_at: i64,
}

/// The attributes of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) partition: Attribute,
    pub(crate) sort: Option<Attribute>,
}

/// An attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The type of a key's attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    S,
    N,
    B,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) projection: Projected,
    /// Whether it shares the partition key of its table and is read as strongly as that.
    pub(crate) is_local: bool,
}

/// What an index has of its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Projected {
    All,
    KeysOnly,
    Include(Vec<String>),
}

/// The bytes of a key, which sort as its values do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyBytes {
    pub(crate) partition: Vec<u8>,
    /// Empty where there is no sort key.
    pub(crate) sort: Vec<u8>,
}

impl Table {
    /// When an item expires, in seconds since 1970.
    pub(crate) fn expires(&self, item: &Item) -> Option<i64> {
        match item.get(self.ttl.as_ref()?)? {
            Value::N(number) => number.whole(),
            _ => None,
        }
    }

    pub(crate) fn index(&self, name: &str) -> Result<&Index, Error> {
        let unknown = || Error::validation(format!("The table does not have the specified index: {name}"));
        self.indexes.iter().find(|index| index.name == name).ok_or_else(unknown)
    }

    /// The names of the attributes that an index's projection shows, `None` for all.
    pub(crate) fn projected<'t>(&'t self, index: &'t Index) -> Option<Vec<&'t str>> {
        let more: &[String] = match &index.projection {
            Projected::All => return None,
            Projected::KeysOnly => &[],
            Projected::Include(names) => names,
        };
        let mut names = self.key.names();
        names.extend(index.key.names());
        names.extend(more.iter().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    /// Whether two versions of an item that keep their place in an index differ in what it shows.
    pub(crate) fn shows_change(&self, index: &Index, before: Option<&Item>, after: Option<&Item>) -> bool {
        match &index.projection {
            Projected::All => before != after,
            Projected::KeysOnly => false,
            Projected::Include(names) => {
                let shown = |item: Option<&Item>| -> Vec<Option<Value>> {
                    names.iter().map(|name| item?.get(name).cloned()).collect()
                };
                shown(before) != shown(after)
            }
        }
    }
}

impl Key {
    pub(crate) fn names(&self) -> Vec<&str> {
        [Some(&self.partition), self.sort.as_ref()]
            .into_iter()
            .flatten()
            .map(|attribute| attribute.name.as_str())
            .collect()
    }

    /// Returns the key of an item that is written.
    pub(crate) fn of_item(&self, item: &Item) -> Result<KeyBytes, Error> {
        let part = |attribute: &Attribute, limit: usize, kind: &str| {
            let name = &attribute.name;
            let missing = || {
                Error::validation(format!(
                    "One or more parameter values were invalid: Missing the key {name} in the item"
                ))
            };
            let value = item.get(name).ok_or_else(missing)?;
            attribute.bytes(value, limit, kind).map_err(|problem| match problem {
                Problem::Kind => Error::validation(format!(
                    "One or more parameter values were invalid: Type mismatch for key {name} expected: {:?} actual: {}",
                    attribute.kind,
                    value.kind()
                )),
                Problem::Rule(rule) => Error::validation(rule),
            })
        };
        let partition = part(&self.partition, PARTITION_LIMIT_BYTES, "hashkey")?;
        let sort = self.sort.as_ref().map(|sort| part(sort, SORT_LIMIT_BYTES, "rangekey")).transpose()?;
        Ok(KeyBytes { partition, sort: sort.unwrap_or_default() })
    }

    /// Returns the key that a request names by exactly its attributes.
    pub(crate) fn of_request(&self, key: &Item) -> Result<KeyBytes, Error> {
        let wrong = || Error::validation("The provided key element does not match the schema");
        let names = self.names();
        if key.len() != names.len() || !names.iter().all(|name| key.contains_key(*name)) {
            return Err(wrong());
        }
        let part = |attribute: &Attribute, limit: usize, kind: &str| {
            attribute.bytes(&key[&attribute.name], limit, kind).map_err(|problem| match problem {
                Problem::Kind => wrong(),
                Problem::Rule(rule) => Error::validation(rule),
            })
        };
        let partition = part(&self.partition, PARTITION_LIMIT_BYTES, "hashkey")?;
        let sort = self.sort.as_ref().map(|sort| part(sort, SORT_LIMIT_BYTES, "rangekey")).transpose()?;
        Ok(KeyBytes { partition, sort: sort.unwrap_or_default() })
    }

    /// Returns the key of an item in an index, `None` if the item is not in it.
    pub(crate) fn in_index(&self, item: &Item) -> Option<KeyBytes> {
        let part = |attribute: &Attribute| attribute.bytes(item.get(&attribute.name)?, usize::MAX, "").ok();
        let partition = part(&self.partition)?;
        let sort = match &self.sort {
            Some(sort) => part(sort)?,
            None => Vec::new(),
        };
        Some(KeyBytes { partition, sort })
    }

    /// Returns the attributes whose bytes a key has.
    pub(crate) fn item(&self, key: &KeyBytes) -> Item {
        let partition = Some((&self.partition, &key.partition));
        let sort = self.sort.as_ref().map(|sort| (sort, &key.sort));
        let parts = [partition, sort].into_iter().flatten();
        parts.filter_map(|(attribute, bytes)| Some((attribute.name.clone(), attribute.decode(bytes)?))).collect()
    }

    /// Refuses an item that has another type in the key of an index.
    pub(crate) fn check_in_index(&self, item: &Item, index: &str) -> Result<(), Error> {
        for attribute in [Some(&self.partition), self.sort.as_ref()].into_iter().flatten() {
            let Some(value) = item.get(&attribute.name) else { continue };
            match attribute.bytes(value, PARTITION_LIMIT_BYTES, "") {
                Ok(_) => {}
                Err(Problem::Kind) => {
                    return Err(Error::validation(format!(
                        "One or more parameter values were invalid: Type mismatch for Index Key {} Expected: {:?} Actual: {} IndexName: {index}",
                        attribute.name,
                        attribute.kind,
                        value.kind()
                    )));
                }
                Err(Problem::Rule(_)) => {
                    return Err(Error::validation(format!(
                        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: {index}, IndexKey: {}",
                        attribute.name
                    )));
                }
            }
        }
        Ok(())
    }

    /// Returns the attributes of the key in an item.
    pub(crate) fn project(&self, item: &Item) -> Item {
        self.names().into_iter().filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect()
    }
}

/// Why a value cannot be a key.
enum Problem {
    Kind,
    Rule(String),
}

impl Attribute {
    fn bytes(&self, value: &Value, limit: usize, kind: &str) -> Result<Vec<u8>, Problem> {
        let bytes = self.encode(value).ok_or(Problem::Kind)?;
        if bytes.is_empty() {
            let what = if self.kind == Kind::S { "string" } else { "binary" };
            return Err(Problem::Rule(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {what} value. Key: {}",
                self.name
            )));
        }
        if bytes.len() > limit {
            return Err(Problem::Rule(format!(
                "One or more parameter values were invalid: Size of {kind} has exceeded the maximum size limit of{limit} bytes"
            )));
        }
        Ok(bytes)
    }

    /// Returns bytes that sort as the values do, `None` for a value of another type.
    pub(crate) fn encode(&self, value: &Value) -> Option<Vec<u8>> {
        match (self.kind, value) {
            (Kind::S, Value::S(text)) => Some(text.clone().into_bytes()),
            (Kind::B, Value::B(bytes)) => Some(bytes.clone()),
            (Kind::N, Value::N(number)) => Some(encode_number(*number)),
            _ => None,
        }
    }

    /// Returns the value that these bytes stand for.
    fn decode(&self, bytes: &[u8]) -> Option<Value> {
        match self.kind {
            Kind::S => String::from_utf8(bytes.to_vec()).ok().map(Value::S),
            Kind::B => Some(Value::B(bytes.to_vec())),
            Kind::N => Number::read_key(bytes).map(Value::N),
        }
    }
}

fn encode_number(number: Number) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    number.write_key(&mut bytes);
    bytes
}
