//! What is believed, what interactions become, which calls messages become, and what the answers mean.

mod arbitrary;
mod read;
mod send;

use std::sync::LazyLock;

use ed25519_dalek::{Signer as _, SigningKey};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::sample::{check_every_bit, check_refuses, flips, headers, sendable_headers};

/// Computed with the second key of RFC 8032, section 7.1.
const PUBLIC_KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const TIME: &[u8] = b"1700000000";
const BODY: &[u8] = br#"{"type":1}"#;
const WRITTEN: &[u8] = b"f469ecef789749220e905777fb1f6bc03b827ddd6097c3fc0a7924131c221ab1\
4abed319656685a311beeb741a33ee88a5e14858e3aa0c3d1efc66804188b00e";

/// Checks signatures with that key.
static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Discord.verifier(&credentials(json!({"publicKey": PUBLIC_KEY})), None).unwrap());

fn credentials(value: Value) -> Credentials {
    Credentials::parse(value).unwrap()
}

fn verify_headers(pairs: &[(&'static str, &[u8])], body: &[u8]) -> Option<Result<(), Unverified>> {
    let headers = sendable_headers(pairs)?;
    Some(VERIFIER(&Delivery { headers: &headers, body, url: "", now: Timestamp::UNIX_EPOCH }))
}

fn verify_signed(signature: &[u8], time: &[u8], body: &[u8]) -> Option<Result<(), Unverified>> {
    verify_headers(&[(SIGNATURE, signature), (TIMESTAMP, time)], body)
}

#[test]
fn the_vector_verifies_and_no_bit_of_it_can_change() {
    check_every_bit(WRITTEN, BODY, |signature, body| verify_signed(signature, TIME, body));
    for flipped in flips(TIME) {
        assert_ne!(verify_signed(WRITTEN, &flipped, BODY), Some(Ok(())), "{flipped:?}");
    }
}

#[test]
fn a_signature_is_written_in_one_way_only() {
    let mismatch = Some(Err(Unverified::Mismatch));
    assert_eq!(verify_signed(&WRITTEN.to_ascii_uppercase(), TIME, BODY), mismatch);
    assert_eq!(verify_signed(&WRITTEN[..126], TIME, BODY), mismatch);
    assert_eq!(verify_signed(&[WRITTEN, b"00"].concat(), TIME, BODY), mismatch);
    assert_eq!(verify_signed(b"0", TIME, BODY), mismatch);
    assert_eq!(verify_signed(&[b'0'; 128], TIME, BODY), mismatch);
    // Nothing marks the border between timestamp and body, so that it must not move into the body.
    let timestamp = Some(Err(Unverified::Timestamp(TIMESTAMP.to_owned())));
    assert_eq!(verify_signed(WRITTEN, b"1700000000{", &BODY[1..]), timestamp);
}

#[test]
fn both_headers_are_there_exactly_once() {
    let missing = |name: &str| Some(Err(Unverified::Header(name.to_owned())));
    assert_eq!(verify_headers(&[(TIMESTAMP, TIME)], BODY), missing(SIGNATURE));
    assert_eq!(verify_headers(&[(SIGNATURE, WRITTEN)], BODY), missing(TIMESTAMP));
    let twice = [(SIGNATURE, WRITTEN), (SIGNATURE, WRITTEN), (TIMESTAMP, TIME)];
    assert_eq!(verify_headers(&twice, BODY), missing(SIGNATURE));
    let twice = [(SIGNATURE, WRITTEN), (TIMESTAMP, TIME), (TIMESTAMP, TIME)];
    assert_eq!(verify_headers(&twice, BODY), missing(TIMESTAMP));
}

#[test]
fn any_age_is_taken_as_discord_names_no_limit() {
    // The same as every other second: the time of the delivery in these tests is 1970.
    let key = SigningKey::from_bytes(&[7; 32]);
    let public_key = hex::encode(key.verifying_key().as_bytes());
    let verifier = Discord.verifier(&credentials(json!({"publicKey": public_key})), None).unwrap();
    for time in ["0", "1700000000", "32503680000"] {
        let signature = hex::encode(key.sign(format!("{time}{{}}").as_bytes()).to_bytes());
        let headers = headers(&[(SIGNATURE, signature.as_str()), (TIMESTAMP, time)]);
        let delivery = Delivery { headers: &headers, body: b"{}", url: "", now: Timestamp::UNIX_EPOCH };
        assert_eq!(verifier(&delivery), Ok(()), "{time}");
    }
}

#[test]
fn credentials_are_what_discord_shows() {
    let check = |given: Value, field: &str| check_refuses(&Discord, given, field);
    check(json!({}), "`credentials.publicKey`");
    check(json!({"publicKey": "x".repeat(64)}), "`credentials.publicKey`");
    check(json!({"publicKey": &PUBLIC_KEY[1..]}), "`credentials.publicKey`");
    check(json!({"publicKey": format!("{PUBLIC_KEY}00")}), "`credentials.publicKey`");
    // No point of the curve has this coordinate.
    check(json!({"publicKey": format!("02{}", "0".repeat(62))}), "`credentials.publicKey`");
    check(json!({"publicKey": PUBLIC_KEY, "applicationId": "1/2"}), "`credentials.applicationId`");
    check(json!({"publicKey": PUBLIC_KEY, "token": "x"}), "`credentials.token`");
}
