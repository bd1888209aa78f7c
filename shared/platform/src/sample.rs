//! What the tests of all platforms are made of: texts with one wrong bit, headers, JSON of any kind.

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::platform::Platform;
use crate::reading::{DedupKey, Inbound, Kind, Reading};

/// Every text that differs from another in one bit.
pub(super) fn flips(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..text.len() * 8).map(|at| {
        let mut flipped = text.to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        flipped
    })
}

/// Checks that a signature verifies its body, and no other signature or body that differs in one bit.
///
/// A signature that cannot be sent at all is `None`.
#[track_caller]
pub(super) fn check_every_bit(
    signature: &[u8],
    body: &[u8],
    verify: impl Fn(&[u8], &[u8]) -> Option<Result<(), Unverified>>,
) {
    assert_eq!(verify(signature, body), Some(Ok(())));
    for flipped in flips(signature) {
        assert_ne!(verify(&flipped, body), Some(Ok(())), "{}", String::from_utf8_lossy(&flipped));
    }
    for flipped in flips(body) {
        let verified = verify(signature, &flipped);
        assert_eq!(verified, Some(Err(Unverified::Mismatch)), "{}", String::from_utf8_lossy(&flipped));
    }
}

/// The name of an error's variant.
pub(super) fn variant_of(error: &Error) -> &'static str {
    match error {
        Error::Field { .. } => "Field",
        Error::MissingField(_) => "MissingField",
        Error::UnknownCredential { .. } => "UnknownCredential",
        Error::EmptyBody => "EmptyBody",
        Error::Body(_) => "Body",
        Error::Charset(_) => "Charset",
        Error::TooLarge(_) => "TooLarge",
        Error::Unverified(_) => "Unverified",
    }
}

/// Headers of these names and values.
pub(super) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    sendable_headers(pairs).unwrap()
}

/// The same of any bytes; none where no header can have such a value.
pub(super) fn sendable_headers(pairs: &[(&'static str, impl AsRef<[u8]>)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_ref()).ok()?);
    }
    Some(headers)
}

/// What a platform makes of a webhook, if that is one event: its kind and its key, `None` for the body.
pub(super) fn event(
    platform: &dyn Platform,
    pairs: &[(&'static str, &str)],
    payload: &Value,
) -> (Option<String>, Option<String>) {
    let (headers, payload) = (headers(pairs), serde_json::value::to_raw_value(payload).unwrap());
    let inbound = Inbound { headers: &headers, payload: &payload, recipe: None, now: Timestamp::UNIX_EPOCH };
    let Ok(Reading::Updates { updates, .. }) = platform.read(&inbound) else { panic!("{payload} is updates") };
    let [Ok(updates)] = updates.as_slice() else { panic!("{payload} is one thing") };
    let Kind::Event { name } = &updates.kind else { panic!("{payload} is an event") };
    let key = match &updates.key {
        DedupKey::Id(id) => Some(String::from_utf8(id.to_vec()).unwrap()),
        DedupKey::Body => None,
    };
    (name.clone(), key)
}

/// Checks that a platform's specification alone does not take credentials, and says for which field.
#[track_caller]
pub(super) fn check_misses(platform: &dyn Platform, given: Value, field: &str) {
    let refusal = platform.spec().check(&Credentials::parse(given).unwrap()).unwrap_err();
    assert!(refusal.to_string().contains(field), "{}", refusal);
}

/// Checks that a platform does not take credentials, says for which field, and does not repeat what is secret of them.
///
/// What is secret in these tests has `hush` in it.
#[track_caller]
pub(super) fn check_refuses(platform: &dyn Platform, given: Value, field: &str) {
    let refusal = Credentials::parse(given).and_then(|given| {
        platform.spec().check(&given)?;
        platform.verifier(&given, None).map(|_| ())
    });
    let message = refusal.unwrap_err().to_string();
    assert!(message.contains(field) && !message.contains("hush"), "{message}");
}

/// Any JSON, most of it with these names, as members and as texts.
pub(super) fn any_json(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let name = move || prop::sample::select(names).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..8_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(1e300)),
        name().prop_map(Value::from),
        "[0-9]{0,20}[.]?[0-9]{0,20}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        let name = prop_oneof![4 => name(), 1 => ".{0,8}"];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            3 => prop::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Where [`replace`] may lead: to the whole, or to a part at most this deep.
pub(super) fn any_path(depth: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..=depth)
}

/// Replaces the part that is found by walking down by these numbers, modulo the sizes of what is on the way.
pub(super) fn replace(value: &mut Value, path: &[usize], new: Value) {
    let Some((step, path)) = path.split_first() else {
        *value = new;
        return;
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            replace(&mut items[at], path, new);
        }
        Value::Object(members) if !members.is_empty() => {
            let at = step % members.len();
            replace(members.values_mut().nth(at).unwrap(), path, new);
        }
        other => *other = new,
    }
}

#[test]
fn a_part_is_found_at_every_depth() {
    let check = |path: &[usize], expected: Value| {
        let mut value = json!({"a": [1, {"b": {}}], "c": 2});
        replace(&mut value, path, json!("new"));
        assert_eq!(value, expected, "{path:?}");
    };
    check(&[], json!("new"));
    check(&[1], json!({"a": [1, {"b": {}}], "c": "new"}));
    check(&[2], json!({"a": "new", "c": 2}));
    check(&[0, 1], json!({"a": [1, "new"], "c": 2}));
    check(&[0, 3, 5, 7], json!({"a": [1, {"b": "new"}], "c": 2}));
    check(&[0, 2, 7], json!({"a": ["new", {"b": {}}], "c": 2}));
}

#[test]
fn every_bit_is_flipped_once() {
    let flipped: Vec<Vec<u8>> = flips(b"ab").collect();
    let different = flipped.iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!((flipped.len(), different.len()), (16, 16));
    let bits = |text: &[u8]| text.iter().zip(b"ab").map(|(one, other)| (one ^ other).count_ones()).sum::<u32>();
    assert!(flipped.iter().all(|text| bits(text) == 1));
}
