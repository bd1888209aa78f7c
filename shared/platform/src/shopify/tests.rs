use http::HeaderMap;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::sample::{check_misses, event, flips, headers, sendable_headers};

/// Of shopify-api-ruby's tests.
const SECRET: &str = "API_SECRET_KEY";
const BODY: &[u8] = b"{}";
const PROOF: &str = "+ihUB5l+D7QrohDEi/6NcBcJRyKssyWqos13LmnsBbs=";

fn verify(headers: &HeaderMap, body: &[u8]) -> Result<(), Unverified> {
    let verifier = Shopify.verifier(&Credentials::parse(json!({"secret": SECRET})).unwrap(), None).unwrap();
    verifier(&Delivery { headers, body, url: "", now: Timestamp::UNIX_EPOCH })
}

#[test]
fn the_vector_verifies_in_both_spellings_and_no_bit_of_it_can_change() {
    for name in SIGNATURE {
        let right = headers(&[(name, PROOF)]);
        assert_eq!(verify(&right, BODY), Ok(()));
        for body in flips(BODY) {
            assert_eq!(verify(&right, &body), Err(Unverified::Mismatch));
        }
        for flipped in flips(PROOF.as_bytes()) {
            let Some(headers) = sendable_headers(&[(name, &flipped)]) else { continue };
            assert!(verify(&headers, BODY).is_err(), "{}", String::from_utf8_lossy(&flipped));
        }
    }
}

#[test]
fn a_wrong_proof_in_one_spelling_does_not_spoil_the_other() {
    let check = |pairs: &[(&'static str, &str)], expected: Result<(), Unverified>| {
        assert_eq!(verify(&headers(pairs), BODY), expected, "{pairs:?}");
    };
    let wrong = "AAAA";
    check(&[(SIGNATURE[0], wrong), (SIGNATURE[1], PROOF)], Ok(()));
    check(&[(SIGNATURE[0], PROOF), (SIGNATURE[1], wrong)], Ok(()));
    check(&[(SIGNATURE[0], wrong), (SIGNATURE[1], wrong)], Err(Unverified::Mismatch));
    check(&[(SIGNATURE[1], wrong)], Err(Unverified::Mismatch));
    check(&[], Err(Unverified::Header(SIGNATURE[0].to_owned())));
}

#[test]
fn an_event_has_its_topic_and_the_id_of_its_webhook() {
    let check = |pairs: &[(&'static str, &str)], kind: Option<&str>, key: Option<&str>| {
        let expected = (kind.map(str::to_owned), key.map(str::to_owned));
        assert_eq!(event(&Shopify, pairs, &json!({"id": 1, "type": "x"})), expected, "{pairs:?}");
    };
    let usual = [("x-shopify-topic", "orders/create"), ("x-shopify-webhook-id", "b1")];
    check(&usual, Some("orders/create"), Some("b1"));
    check(&[("shopify-topic", "products/update"), ("shopify-webhook-id", "b2")], Some("products/update"), Some("b2"));
    check(&[("x-shopify-topic", ""), ("shopify-topic", "a/b")], Some("a/b"), None);
    check(&[("x-shopify-webhook-id", "")], None, None);
    check(&[], None, None);
}

#[test]
fn a_secret_is_needed() {
    check_misses(&Shopify, json!({}), "`credentials.secret`");
    check_misses(&Shopify, json!({"secret": "x", "clientSecret": "x"}), "`credentials.clientSecret`");
}
