//! A body as a validator sees it: every look at it is charged for.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, cmp, unique};
use serde_json::{Map, Number, Value};

use super::meter::{charge, charge_key};

/// How many bytes of a text are looked at for one unit; a format may look at them several times.
const TEXT_BYTES: u64 = 4;

/// The representation of JSON that is metered.
#[derive(Debug)]
pub(super) struct Metered;

/// A value of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a>(pub(super) &'a Value);

/// The members of an object.
pub(super) struct Members<'a>(&'a Map<String, Value>);

/// The elements of an array.
pub(super) struct Elements<'a>(&'a [Value]);

impl Json for Metered {
    type Node<'a> = Body<'a>;
    type PreparedKey = String;
    type StringBuffer = Value;

    const KEYS_PER_LOOKUP: usize = 2;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Value, string: &str, f: impl FnOnce(Body<'_>) -> T) -> T {
        *buffer = Value::String(string.to_owned());
        f(Body(buffer))
    }
}

impl<'a> Node<'a, Metered> for Body<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        charge(1);
        self.0.as_object().map(Members)
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        charge(1);
        self.0.as_array().map(|elements| Elements(elements))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.0.as_str();
        charge(1 + text.map_or(0, |text| text.len() as u64 / TEXT_BYTES));
        text.map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        charge(1);
        self.0.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        charge(1);
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        charge(1);
        self.0.is_null()
    }

    fn json_type(&self) -> JsonType {
        charge(1);
        match self.0 {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        charge(1);
        // Values that differ in kind or size are told apart at once.
        let may_equal = match (self.0, expected) {
            (Value::String(own), Value::String(other)) => own.len() == other.len(),
            (Value::Array(own), Value::Array(other)) => own.len() == other.len(),
            (Value::Object(own), Value::Object(other)) => own.len() == other.len(),
            (own, other) => own == other || own.is_number() && other.is_number(),
        };
        if may_equal {
            charge_for(expected);
        }
        may_equal && cmp::equal(self.0, expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        charge(1);
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        charge(1);
        Some(NodeIdentity::new(std::ptr::from_ref(self.0) as usize))
    }
}

impl<'a> Object<'a, Metered> for Members<'a> {
    type Node = Body<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        charge(1);
        self.0.len()
    }

    fn get(&self, key: &String) -> Option<Body<'a>> {
        charge(1);
        self.0.get(key).map(Body)
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter(self.0.iter())
    }
}

/// Goes through the members of an object.
pub(super) struct MembersIter<'a>(serde_json::map::Iter<'a>);

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Body<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        charge_key(name);
        Some((name, Body(value)))
    }
}

impl<'a> Array<'a, Metered> for Elements<'a> {
    type Node = Body<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        charge(1);
        self.0.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter(self.0.iter())
    }

    fn is_unique(&self) -> bool {
        self.0.iter().for_each(charge_for);
        unique::is_unique(self.0)
    }
}

/// Goes through the elements of an array.
pub(super) struct ElementsIter<'a>(std::slice::Iter<'a, Value>);

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Body<'a>;

    fn next(&mut self) -> Option<Body<'a>> {
        charge(1);
        self.0.next().map(Body)
    }
}

/// Charges for looking at a whole value.
fn charge_for(value: &Value) {
    charge(1);
    match value {
        Value::String(text) => charge(text.len() as u64 / TEXT_BYTES),
        Value::Array(elements) => elements.iter().for_each(charge_for),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            charge(name.len() as u64 / TEXT_BYTES);
            charge_for(value);
        }),
        _ => {}
    }
}
