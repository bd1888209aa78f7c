//! What the rules see of an event: only the fields that any of them is about, as reading everything into values takes
//! longer than all else that is done with an event.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::template::Rule;

const DETAIL: &str = "detail";

/// The fields that the rules are about, as dotted paths.
pub(super) struct Fields(Vec<String>);

impl Fields {
    /// Collects the fields of these rules.
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut paths: Vec<String> = rules.iter().flat_map(|rule| rule.pattern.paths()).map(str::to_owned).collect();
        paths.sort_unstable();
        paths.dedup();
        Self(paths)
    }

    /// Whether a rule is about a field beside the detail, or something in it.
    pub(super) fn have(&self, name: &str) -> bool {
        self.0.iter().any(|path| is_of(path, name))
    }

    fn have_of_detail(&self, name: &str) -> bool {
        let mut paths = self.0.iter();
        paths.any(|path| path == DETAIL || path.strip_prefix("detail.").is_some_and(|path| is_of(path, name)))
    }

    /// Reads a detail, which must be an object as the functions read it; returns what the rules see of it.
    pub(super) fn read_detail(&self, text: &str) -> Result<Value, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let seen = deserializer.deserialize_map(Detail(self))?;
        deserializer.end()?;
        Ok(Value::Object(seen))
    }
}

/// Whether a dotted path leads to this field or into it; names may have dots themselves.
fn is_of(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

struct Detail<'f>(&'f Fields);

impl<'de> Visitor<'de> for Detail<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.0.have_of_detail(&name) {
                seen.insert(name, map.next_value()?);
            } else {
                map.next_value_seed(Passed)?;
            }
        }
        Ok(seen)
    }
}

/// Passes over a value that is valid and not too deep: what is merely ignored may be as deep as it likes, and every reader
/// of the text would refuse it.
struct Passed;

impl<'de> DeserializeSeed<'de> for Passed {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Passed {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Self)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pattern::Pattern;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fields(patterns: &[Value]) -> Fields {
        let rule = |pattern| Rule { bus: String::new(), pattern, targets: Vec::new() };
        let rules: Vec<Rule> = patterns.iter().map(|pattern| rule(Pattern::compile(pattern).unwrap())).collect();
        Fields::of(&rules)
    }

    #[test]
    fn what_no_rule_is_about_is_not_kept() {
        let fields = fields(&[
            json!({"source": ["a"], "detail": {"trace": {"depth": [1]}}}),
            json!({"detail": {"a": {"b": ["x"]}}}),
        ]);
        let text = r#"{"trace": {"depth": 1, "other": 2}, "a": {"b": "x"}, "a.b": 3, "aa": 4, "b": [null, true, 1.5, -1, "\u00e4"]}"#;
        let seen = fields.read_detail(text).unwrap();
        assert_eq!(seen, json!({"trace": {"depth": 1, "other": 2}, "a": {"b": "x"}, "a.b": 3}));
        assert!(fields.have("source") && fields.have("detail") && !fields.have("id") && !fields.have("detail-type"));
    }

    #[test]
    fn what_is_no_object_or_nests_too_deep_is_refused_wherever_it_is() {
        let fields = fields(&[json!({"detail": {"a": [1]}})]);
        for text in ["", "1", "[]", "null", "{", r#"{"b": }"#, r#"{"b": 1} 2"#, r#"{"b": "\ud800"}"#] {
            assert!(fields.read_detail(text).is_err(), "{text}");
        }
        let nested =
            |name: &str, levels: usize| format!("{{\"{name}\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
        for name in ["a", "b"] {
            assert!(fields.read_detail(&nested(name, 120)).is_ok());
            assert!(fields.read_detail(&nested(name, 130)).is_err());
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from),
            "[ab.]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[ab.]{1,3}", inner), 0..4).prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_rule_decides_as_if_it_saw_everything(
            detail in prop::collection::vec(("[ab.]{1,3}", json()), 0..4), names in prop::collection::vec("[ab]{1,2}", 1..4),
            is_there: bool,
        ) {
            let detail: Value = detail.into_iter().collect();
            let rule = names.iter().rev().fold(json!([{"exists": is_there}]), |rule, name| json!({(name): rule}));
            let pattern = json!({"detail": rule});
            let seen = fields(std::slice::from_ref(&pattern)).read_detail(&detail.to_string()).unwrap();
            let compiled = Pattern::compile(&pattern).unwrap();
            prop_assert_eq!(compiled.matches(&json!({"detail": seen})), compiled.matches(&json!({"detail": detail})));
        }

        #[test]
        fn what_is_read_is_what_all_readers_take(text in r#"[\[\]{}",:a0-9.\\ ]{0,12}"#) {
            let all: Result<Map<String, Value>, _> = serde_json::from_str(&text);
            prop_assert_eq!(fields(&[json!({"source": ["a"]})]).read_detail(&text).is_ok(), all.is_ok(), "{}", text);
        }
    }
}
