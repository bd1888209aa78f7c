//! Attribute values and items, as DynamoDB's JSON writes them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;
use crate::number::Number;

/// The attributes of an item by their names.
pub(crate) type Item = BTreeMap<String, Value>;

/// How deep lists and maps may nest.
const DEPTH_LIMIT: usize = 32;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Text.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// Nothing.
    Null,
    /// A list.
    L(Vec<Self>),
    /// A map.
    M(Item),
    /// A set of texts, sorted.
    Ss(Vec<String>),
    /// A set of numbers, sorted.
    Ns(Vec<Number>),
    /// A set of bytes, sorted.
    Bs(Vec<Vec<u8>>),
}

impl Value {
    /// The name of the type, as in `{"S": …}`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::L(_) => "L",
            Self::M(_) => "M",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
        }
    }

    /// Makes a set of texts, numbers or bytes.
    pub(crate) fn set(elements: Vec<Self>) -> Result<Self, Error> {
        let mixed = || Error::validation("a set has elements of one type: texts, numbers or bytes");
        let (mut texts, mut numbers, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for element in elements {
            match element {
                Self::S(text) => texts.push(text),
                Self::N(number) => numbers.push(number),
                Self::B(element) => bytes.push(element),
                _ => return Err(mixed()),
            }
        }
        let refused = |error: ValueError| Error::validation(error.0);
        match (texts.is_empty(), numbers.is_empty(), bytes.is_empty()) {
            (_, true, true) => set(texts, "String").map(Self::Ss).map_err(refused),
            (true, false, true) => set(numbers, "Number").map(Self::Ns).map_err(refused),
            (true, true, false) => set(bytes, "Binary").map(Self::Bs).map_err(refused),
            _ => Err(mixed()),
        }
    }

    /// How many bytes it counts for in the size of its item.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size_bytes(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::L(list) => 3 + list.iter().map(|value| 1 + value.size_bytes()).sum::<usize>(),
            Self::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + value.size_bytes()).sum::<usize>(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(|number| number.size_bytes()).sum(),
            Self::Bs(set) => set.iter().map(Vec::len).sum(),
        }
    }

    /// Orders two values of the same ordered type.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::S(left), Self::S(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
            (Self::N(left), Self::N(right)) => Some(left.cmp(right)),
            (Self::B(left), Self::B(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::L(list) => 1 + list.iter().map(Self::depth).max().unwrap_or_default(),
            Self::M(map) => 1 + map.values().map(Self::depth).max().unwrap_or_default(),
            _ => 0,
        }
    }
}

/// How many bytes an item has, as its limit and its price count them.
pub(crate) fn size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

/// Refuses an item that nests too deep.
pub(crate) fn check_depth(item: &Item) -> Result<(), Error> {
    if item.values().any(|value| value.depth() > DEPTH_LIMIT) {
        return Err(Error::validation("Nesting Levels have exceeded supported limits"));
    }
    Ok(())
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let kind = self.kind();
        match self {
            Self::S(text) => map.serialize_entry(kind, text)?,
            Self::N(number) => map.serialize_entry(kind, &number.to_string())?,
            Self::B(bytes) => map.serialize_entry(kind, &STANDARD.encode(bytes))?,
            Self::Bool(value) => map.serialize_entry(kind, value)?,
            Self::Null => map.serialize_entry(kind, &true)?,
            Self::L(list) => map.serialize_entry(kind, list)?,
            Self::M(item) => map.serialize_entry(kind, item)?,
            Self::Ss(set) => map.serialize_entry(kind, set)?,
            Self::Ns(set) => map.serialize_entry(kind, &set.iter().map(Number::to_string).collect::<Vec<_>>())?,
            Self::Bs(set) => {
                map.serialize_entry(kind, &set.iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>())?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Typed)
    }
}

struct Typed;

impl<'de> Visitor<'de> for Typed {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an attribute value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let none = || refused("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
        let wrong = |error: ValueError| refused(&error.0);
        let kind: String = map.next_key()?.ok_or_else(none)?;
        let value = match kind.as_str() {
            "S" => Value::S(map.next_value()?),
            "N" => Value::N(number(&map.next_value::<String>()?)?),
            "B" => Value::B(bytes(&map.next_value::<String>()?)?),
            "BOOL" => Value::Bool(map.next_value()?),
            "NULL" => match map.next_value()? {
                true => Value::Null,
                false => {
                    return Err(refused(
                        "One or more parameter values were invalid: Null attribute value types must have the value of true",
                    ));
                }
            },
            "L" => Value::L(map.next_value()?),
            "M" => Value::M(map.next_value()?),
            "SS" => Value::Ss(set(map.next_value()?, "String").map_err(wrong)?),
            "NS" => {
                let texts: Vec<String> = map.next_value()?;
                Value::Ns(
                    set(texts.iter().map(|text| number(text)).collect::<Result<_, _>>()?, "Number").map_err(wrong)?,
                )
            }
            "BS" => {
                let texts: Vec<String> = map.next_value()?;
                Value::Bs(
                    set(texts.iter().map(|text| bytes(text)).collect::<Result<_, _>>()?, "Binary").map_err(wrong)?,
                )
            }
            _ => return Err(none()),
        };
        if map.next_key::<String>()?.is_some() {
            return Err(refused(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            ));
        }
        Ok(value)
    }
}

/// Reads the attributes with these names and passes over the others.
struct Named<'n>(&'n [String]);

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Item;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = Item::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if self.0.iter().any(|known| *known == name) {
                item.insert(name.into_owned(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(item)
    }
}

/// Reads some attributes of an item.
pub(crate) fn some_of(text: &str, names: &[String]) -> serde_json::Result<Item> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Named(names))
}

/// The mark of a message that is AWS's own validation error and not one of the parser.
pub(crate) const VALIDATION: &str = "\u{1}validation:";

fn refused<E: de::Error>(message: &str) -> E {
    E::custom(format!("{VALIDATION}{message}"))
}

fn number<E: de::Error>(text: &str) -> Result<Number, E> {
    Number::parse(text).map_err(|error| match error {
        crate::number::NumberError::NotANumber => refused(&format!("{error}: {text}")),
        _ => refused(&error.to_string()),
    })
}

fn bytes<E: de::Error>(text: &str) -> Result<Vec<u8>, E> {
    STANDARD.decode(text).map_err(|_| E::custom("a binary value is not base64"))
}

/// What is wrong with a value, in AWS's words.
struct ValueError(String);

fn set<T: Ord>(mut elements: Vec<T>, kind: &str) -> Result<Vec<T>, ValueError> {
    if elements.is_empty() {
        return Err(ValueError(format!(
            "One or more parameter values were invalid: An {} set  may not be empty",
            kind.to_lowercase()
        )));
    }
    let before = elements.len();
    elements.sort_unstable();
    elements.dedup();
    if elements.len() < before {
        let message = "One or more parameter values were invalid: Input collection contains duplicates";
        return Err(ValueError(message.to_owned()));
    }
    Ok(elements)
}
