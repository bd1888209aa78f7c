//! The key of a cached answer: a hash of all that the answer depends on.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::input::Input;
use crate::product::Place;
use crate::session::selector::canonical;
use crate::tag::Tag;

/// What a cached answer belongs to; two runs with the same have the same answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheKey<'a> {
    /// Where the run takes place.
    pub(crate) place: &'a Place,
    /// The action.
    pub(crate) action: &'a Tag,
    /// The input with the values of placeholders, but those of credentials by name.
    pub(crate) input: &'a Input,
    /// The tag and the identifier of the session.
    pub(crate) session: Option<(&'a Tag, &'a str)>,
}

impl CacheKey<'_> {
    /// Returns the key as 64 hex digits.
    ///
    /// The order of members, the case of the names of headers and how a number is written make no difference.
    pub(super) fn hash(&self) -> String {
        let Input { query, params, body, headers } = self.input;
        let mut headers: Vec<(String, Value)> =
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), sorted(value))).collect();
        headers.sort_by_cached_key(|(name, value)| (name.clone(), value.to_string()));
        let input = [members(query), members(params), sorted(body), json!(headers)];
        let Place { tenant_id, product, env, access_tag, app, app_env } = self.place;
        let all = json!([tenant_id, product, env, access_tag, app, app_env, self.action, input, self.session]);
        hex::encode(Sha256::digest(all.to_string()))
    }
}

/// Returns a value with sorted members and numbers in one form.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => members(object),
        Value::Array(elements) => elements.iter().map(sorted).collect(),
        Value::Number(number) => Value::Number(canonical(number)),
        other => other.clone(),
    }
}

/// Returns the members as an array, so that their order does not depend on the kind of map.
fn members(object: &Map<String, Value>) -> Value {
    let mut members: Vec<(&String, Value)> = object.iter().map(|(name, value)| (name, sorted(value))).collect();
    members.sort_by_key(|(name, _)| *name);
    json!({"members": members.into_iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Slug;
    use proptest::prelude::*;
    use shared::event::TenantId;

    fn tag(text: &str) -> Tag {
        Tag::parse(text).unwrap()
    }

    fn place() -> Place {
        let slug = || Slug::parse("dev").unwrap();
        let (product, access_tag, app) = (tag("shop"), tag("crm"), tag("crm-app"));
        Place { tenant_id: TenantId::new("t"), product, env: slug(), access_tag, app, app_env: slug() }
    }

    fn hash(input: &str, session: Option<(&str, &str)>) -> String {
        let input: Input = serde_json::from_str(input).unwrap();
        let session = session.map(|(of, identifier)| (tag(of), identifier));
        let session = session.as_ref().map(|(of, identifier)| (of, *identifier));
        CacheKey { place: &place(), action: &tag("list"), input: &input, session }.hash()
    }

    #[test]
    fn what_is_written_in_another_way_is_the_same() {
        let check = |one: &str, other: &str| assert_eq!(hash(one, None), hash(other, None), "{one} {other}");
        check(r#"{"body": {"a": 1, "b": {"c": 2, "d": 3}}}"#, r#"{"body": {"b": {"d": 3, "c": 2}, "a": 1}}"#);
        check(r#"{"body": {"a": 1.0}, "query": {}}"#, r#"{"body": {"a": 1e0}}"#);
        check(r#"{"body": [0.0, 100]}"#, r#"{"body": [-0.0, 1e2]}"#);
        check(r#"{"headers": {"X-A": "1", "x-b": "2"}}"#, r#"{"headers": {"X-B": "2", "x-a": "1"}}"#);
    }

    #[test]
    fn what_is_another_request_is_another_key() {
        let inputs = [
            r#"{}"#,
            r#"{"body": {}}"#,
            r#"{"body": []}"#,
            r#"{"body": {"members": []}}"#,
            r#"{"body": {"a": 1}}"#,
            r#"{"query": {"a": 1}}"#,
            r#"{"params": {"a": 1}}"#,
            r#"{"headers": {"a": 1}}"#,
            r#"{"body": {"a": "1"}}"#,
            r#"{"body": {"A": 1}}"#,
            r#"{"body": {"a": [1]}}"#,
            r#"{"body": {"a": null}}"#,
            r#"{"body": {"a": 18446744073709551615}}"#,
            r#"{"body": {"a": 18446744073709551614}}"#,
            r#"{"body": {"a": 9007199254740993}}"#,
            r#"{"body": {"a": 9007199254740992}}"#,
            r#"{"body": [[1], 2]}"#,
            r#"{"body": [1, [2]]}"#,
        ];
        let mut hashes: Vec<String> = inputs.iter().map(|input| hash(input, None)).collect();
        let sessions = [("login", "u1"), ("login", "u2"), ("admin", "u1"), ("login", "")];
        hashes.extend(sessions.map(|session| hash("{}", Some(session))));
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn every_part_of_a_place_counts() {
        let (input, action) = (Input::default(), tag("list"));
        let hash = |place: &Place| CacheKey { place, action: &action, input: &input, session: None }.hash();
        let (place, other) = (place(), || tag("other"));
        let prd = || Slug::parse("prd").unwrap();
        let others = [
            Place { tenant_id: TenantId::new("u"), ..place.clone() },
            Place { product: other(), ..place.clone() },
            Place { env: prd(), ..place.clone() },
            Place { access_tag: other(), ..place.clone() },
            Place { app: other(), ..place.clone() },
            Place { app_env: prd(), ..place.clone() },
        ];
        for other in &others {
            assert_ne!(hash(other), hash(&place), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_members_never_counts(members in prop::collection::btree_map("[a-c]{1,2}", any::<i32>(), 0..6)) {
            let write = |members: Vec<(&String, &i32)>| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!(r#""{name}": {value}"#)).collect();
                format!(r#"{{"body": {{{}}}}}"#, members.join(","))
            };
            let (forward, backward) = (write(members.iter().collect()), write(members.iter().rev().collect()));
            prop_assert_eq!(hash(&forward, None), hash(&backward, None));
        }
    }
}
