//! Documents: JSON or YAML, read into JSON with bounds on size, depth and what aliases make of a small text.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde_json::{Map, Value};
use shared::json::DEPTH_LIMIT;

use super::Invalid;

/// The most bytes of a document.
pub(crate) const SIZE_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// The most values of a document, those that aliases repeat counted each time.
const VALUE_LIMIT: usize = 600_000;
/// The most bytes of texts in a document, those that aliases repeat counted each time.
const TEXT_LIMIT_BYTES: usize = 2 * SIZE_LIMIT_BYTES;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// JSON.
    Json,
    /// YAML, of which JSON is a part.
    Yaml,
}

/// Reads a document.
pub(crate) fn parse(bytes: &[u8], syntax: Syntax) -> Result<Value, Invalid> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Invalid::at("", "is empty"));
    }
    match syntax {
        Syntax::Json => {
            shared::json::parse(bytes).map_err(|refusal| Invalid::at("", not_read("JSON", &refusal.message)))
        }
        Syntax::Yaml => {
            let text = std::str::from_utf8(bytes).map_err(|_| Invalid::at("", "is not UTF-8"))?;
            let budget = Budget { values: Cell::new(VALUE_LIMIT), bytes: Cell::new(TEXT_LIMIT_BYTES) };
            let seed = Bounded { budget: &budget, depth: 0 };
            let read = seed.deserialize(serde_yaml_ng::Deserializer::from_str(text));
            read.map_err(|cause| Invalid::at("", not_read("YAML", &cause.to_string())))
        }
    }
}

fn not_read(syntax: &str, cause: &str) -> String {
    format!("cannot be read as {syntax}: {}", super::shortened(cause, 300))
}

/// What may still be read.
struct Budget {
    values: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    fn take<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        match (self.values.get().checked_sub(1), self.bytes.get().checked_sub(bytes)) {
            (Some(values), Some(bytes)) => {
                self.values.set(values);
                self.bytes.set(bytes);
                Ok(())
            }
            _ => Err(E::custom("it has too many values, perhaps as its aliases repeat them")),
        }
    }
}

/// Reads a value within a budget.
#[derive(Clone, Copy)]
struct Bounded<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Bounded<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth < DEPTH_LIMIT {
            true => Ok(Self { depth: self.depth + 1, ..self }),
            false => Err(E::custom(format!("it nests more than {DEPTH_LIMIT} levels deep"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! visit_scalars {
    ($($visit:ident: $scalar:ty),*) => {
        $(fn $visit<E: de::Error>(self, value: $scalar) -> Result<Value, E> {
            self.budget.take(0)?;
            Ok(value.into())
        })*
    };
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.budget.take(0)?;
        Ok(Value::Null)
    }

    visit_scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.budget.take(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        self.budget.take(0)?;
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        Ok(list.into())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.budget.take(0)?;
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key_seed(inner)? {
            let name = key(name)?;
            let value = members.next_value_seed(inner)?;
            if map.contains_key(&name) {
                return Err(de::Error::custom(format!("it has a second field `{}`", super::shortened(&name, 100))));
            }
            map.insert(name, value);
        }
        Ok(merged(map).into())
    }
}

/// The name of a field: the statuses of answers are often written as numbers.
fn key<E: de::Error>(name: Value) -> Result<String, E> {
    match name {
        Value::String(name) => Ok(name),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null => Ok("null".to_owned()),
        Value::Array(_) | Value::Object(_) => Err(E::custom("the name of a field is not a text")),
    }
}

/// Takes over the fields of what `<<` names, unless they are there.
fn merged(mut map: Map<String, Value>) -> Map<String, Value> {
    let is_mergeable = |value: &Value| match value {
        Value::Array(all) => all.iter().all(Value::is_object),
        value => value.is_object(),
    };
    let Some(others) = map.get("<<").filter(|value| is_mergeable(value)).cloned() else { return map };
    map.remove("<<");
    let others = match others {
        Value::Array(others) => others,
        other => vec![other],
    };
    for (name, value) in others.into_iter().filter_map(|other| other.as_object().cloned()).flatten() {
        map.entry(name).or_insert(value);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn yaml(text: &str) -> Result<Value, String> {
        parse(text.as_bytes(), Syntax::Yaml).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn yaml_is_read_as_the_json_that_it_stands_for() {
        let text = "
base: &base {type: string, minLength: 1}
a: {<<: *base, minLength: 2}
200: ok
on: yes
date: 2024-01-01
list: [1, -2, 1.5, null, ~, true]
text: |
  two
  lines
";
        let expected = json!({
            "base": {"type": "string", "minLength": 1}, "a": {"type": "string", "minLength": 2}, "200": "ok", "on": "yes",
            "date": "2024-01-01", "list": [1, -2, 1.5, null, null, true], "text": "two\nlines\n",
        });
        assert_eq!(yaml(text).unwrap(), expected);
        assert_eq!(yaml("{\"a\": [1]}").unwrap(), json!({"a": [1]}));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_reason() {
        let check = |text: &str, part: &str| {
            let problem = yaml(text).unwrap_err();
            assert!(problem.contains(part), "{text:?}: {problem}");
        };
        check("a: 1\na: 2\n", "second field `a`");
        check("a: [", "YAML");
        check("a: !ruby/object {b: 1}", "YAML");
        check("? [1]\n: 2\n", "not a text");
        check("a: *b\n", "YAML");
        check("a: 1\n---\nb: 2\n", "more than one document");
        check("", "is empty");
        check(&format!("{}1{}", "[".repeat(65), "]".repeat(65)), "64 levels");
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(yaml(&deep).is_err());
        let json = parse(b"{\"a\": 1", Syntax::Json).unwrap_err().to_string();
        assert!(json.contains("cannot be read as JSON"), "{json}");
        assert!(parse(b"\xff", Syntax::Yaml).is_err());
    }

    #[test]
    fn aliases_cannot_make_much_of_little() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let former = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{former}]\n"));
        }
        assert!(yaml(&bomb).is_err());
        let long = "x".repeat(1_000_000);
        let aliases = vec!["*a"; 50].join(", ");
        assert!(yaml(&format!("a: &a {long}\nb: [{aliases}]\n")).unwrap_err().contains("too many values"));
    }
}
