use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::sample::{check_misses, event, flips, headers, sendable_headers};

/// Made with stripe-python's test body and secret.
const TIME_S: i64 = 1_614_265_330;
const BODY: &str = "{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\",\n  \"data\": { \"object\": { \"id\": \"rdr_123\", \"object\": \"terminal.reader\" } }\n}";
const V1: &str = "v1=117f2d4aa1697fc9f837f2feca4e5e23ec790ffa7b6b669073d3677ae48c4b5f";

fn verifier() -> Verifier {
    Stripe.verifier(&Credentials::parse(json!({"secret": "whsec_test_secret"})).unwrap(), None).unwrap()
}

fn verify(headers: &HeaderMap, body: &[u8], age_s: i64) -> Result<(), Unverified> {
    let now = Timestamp::from_second(TIME_S + age_s).unwrap();
    verifier()(&Delivery { headers, body, url: "", now })
}

/// Checks the vector's body with another header.
fn verify_header(signature: &str, age_s: i64) -> Result<(), Unverified> {
    verify(&headers(&[(SIGNATURE, signature)]), BODY.as_bytes(), age_s)
}

#[test]
fn the_vector_verifies_and_no_bit_of_it_can_change() {
    let signature = format!("t={TIME_S},{V1}");
    assert_eq!(verify_header(&signature, 0), Ok(()));
    let right = headers(&[(SIGNATURE, &signature)]);
    for body in flips(BODY.as_bytes()) {
        assert_eq!(verify(&right, &body, 0), Err(Unverified::Mismatch));
    }
    for flipped in flips(signature.as_bytes()) {
        let Some(headers) = sendable_headers(&[(SIGNATURE, &flipped)]) else { continue };
        assert!(verify(&headers, BODY.as_bytes(), 0).is_err(), "{}", String::from_utf8_lossy(&flipped));
    }
}

#[test]
fn any_v1_may_be_right_and_no_other_scheme_counts() {
    let check = |signature: &str, expected: Result<(), Unverified>| {
        assert_eq!(verify_header(signature, 0), expected, "{signature}");
    };
    let other = "v1=0000000000000000000000000000000000000000000000000000000000000000";
    check(&format!("t={TIME_S},{other},{V1}"), Ok(()));
    check(&format!("t={TIME_S},{V1},{other},v0=ab"), Ok(()));
    check(&format!("{V1},t={TIME_S}"), Ok(()));
    check(&format!("t={TIME_S}, {V1}"), Ok(()));
    check(&format!("t={TIME_S},v0={}", &V1[3..]), Err(Unverified::Mismatch));
    check(&format!("t={TIME_S},{other}"), Err(Unverified::Mismatch));
    check(&format!("t={TIME_S}"), Err(Unverified::Mismatch));
}

#[test]
fn a_time_is_needed_once_and_is_valid_for_five_minutes_on_both_sides() {
    let check = |signature: &str, age_s: i64, expected: Result<(), Unverified>| {
        assert_eq!(verify_header(signature, age_s), expected, "{signature} after {age_s} s");
    };
    let signature = format!("t={TIME_S},{V1}");
    check(&signature, 300, Ok(()));
    check(&signature, -300, Ok(()));
    check(&signature, 301, Err(Unverified::Stale { tolerance_s: 300 }));
    check(&signature, -301, Err(Unverified::Stale { tolerance_s: 300 }));
    check(&format!("t={},{V1}", TIME_S + 1), 0, Err(Unverified::Mismatch));
    let wrong = Err(Unverified::Timestamp(SIGNATURE.to_owned()));
    check(V1, 0, wrong.clone());
    check(&format!("t=,{V1}"), 0, wrong.clone());
    check(&format!("t=now,{V1}"), 0, wrong.clone());
    check(&format!("t=99999999999999999999,{V1}"), 0, wrong.clone());
    check(&format!("t={TIME_S},t={},{V1}", TIME_S + 300), 0, wrong);
    assert_eq!(verify(&HeaderMap::new(), BODY.as_bytes(), 0), Err(Unverified::Header(SIGNATURE.to_owned())));
}

#[test]
fn an_event_has_its_type_and_its_id() {
    let check = |payload: Value, kind: Option<&str>, key: Option<&str>| {
        let expected = (kind.map(str::to_owned), key.map(str::to_owned));
        assert_eq!(event(&Stripe, &[], &payload), expected, "{payload}");
    };
    let paid = json!({"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}});
    check(paid, Some("invoice.paid"), Some("evt_1"));
    check(json!({"type": "invoice.paid"}), Some("invoice.paid"), None);
    check(json!({"type": 5, "id": "evt_1"}), None, Some("evt_1"));
    check(json!({"type": "a\n\u{e9}", "id": ""}), Some("a\n\u{e9}"), None);
    check(json!({"type": null, "id": {"a": 1e300}}), None, None);
    check(json!(["invoice.paid", "evt_1"]), None, None);
    check(json!("evt_1"), None, None);
}

#[test]
fn a_secret_is_needed() {
    check_misses(&Stripe, json!({}), "`credentials.secret`");
    check_misses(&Stripe, json!({"secret": ""}), "`credentials.secret`");
    check_misses(&Stripe, json!({"secret": "x", "apiKey": "x"}), "`credentials.apiKey`");
}
