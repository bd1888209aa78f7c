//! What is believed, what updates become, which calls messages become, and what the answers mean.

mod arbitrary;
mod read;
mod send;

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::sample::{check_refuses, flips, sendable_headers};
use crate::signature::Delivery;

const SECRET: &str = "Correct_horse-battery_staple-42";

fn credentials(value: Value) -> Credentials {
    Credentials::parse(value).unwrap()
}

fn verify(tokens: &[&[u8]]) -> Option<Result<(), Unverified>> {
    let verifier = Telegram.verifier(&credentials(json!({"secretToken": SECRET})), None).unwrap();
    let pairs: Vec<_> = tokens.iter().map(|token| (TOKEN, token)).collect();
    let headers = sendable_headers(&pairs)?;
    Some(verifier(&Delivery { headers: &headers, body: b"{}", url: "", now: Timestamp::UNIX_EPOCH }))
}

#[test]
fn the_token_is_right_and_no_bit_of_it_can_change() {
    let secret = SECRET.as_bytes();
    assert_eq!(verify(&[secret]), Some(Ok(())));
    for flipped in flips(secret) {
        assert_ne!(verify(&[&flipped]), Some(Ok(())), "{flipped:?}");
    }
    assert_eq!(verify(&[&secret[1..]]), Some(Err(Unverified::Mismatch)));
}

#[test]
fn the_token_is_there_exactly_once() {
    let missing = Some(Err(Unverified::Header(TOKEN.to_owned())));
    assert_eq!(verify(&[]), missing);
    assert_eq!(verify(&[b""]), missing);
    assert_eq!(verify(&[SECRET.as_bytes(), SECRET.as_bytes()]), missing);
}

#[test]
fn credentials_are_what_telegram_takes() {
    let check = |given: Value, field: &str| check_refuses(&Telegram, given, field);
    check(json!({}), "`credentials.secretToken`");
    check(json!({"secretToken": ""}), "`credentials.secretToken`");
    check(json!({"secretToken": "hush hush"}), "`credentials.secretToken`");
    check(json!({"secretToken": "x".repeat(257)}), "`credentials.secretToken`");
    for token in ["hush", ":hush", "1:hush/../x", "1:hush hush", "x1:hush", "1:hush?"] {
        check(json!({"secretToken": "x", "botToken": token}), "`credentials.botToken`");
    }
    check(json!({"secretToken": "x", "token": "hush"}), "`credentials.token`");
}
