mod arbitrary;
mod read;
mod send;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::error::Unverified;
use crate::sample::{check_every_bit, check_refuses, sendable_headers};
use crate::signature::Delivery;

const SIGNATURE: &[u8] = b"sha256=c236c758c9b2bd40b388a550eeca09eaca72384dd0aa5e7c31d19cddac5bba46";
const BODY: &[u8] = br#"{"object":"whatsapp_business_account","entry":[]}"#;

fn credentials(credentials: Value) -> Credentials {
    serde_json::from_value(credentials).unwrap()
}

fn verify(signature: &[u8], body: &[u8]) -> Option<Result<(), Unverified>> {
    let credentials = credentials(json!({"appSecret": "app_secret", "verifyToken": "x"}));
    let verifier = WhatsApp.verifier(&credentials, None).unwrap();
    let headers = sendable_headers(&[("x-hub-signature-256", signature)])?;
    Some(verifier(&Delivery { headers: &headers, body, url: "", now: Timestamp::UNIX_EPOCH }))
}

#[test]
fn a_known_signature_verifies_and_no_bit_of_it_can_change() {
    check_every_bit(SIGNATURE, BODY, verify);
}

#[test]
fn the_signature_is_that_of_the_bytes_and_not_of_what_they_mean() {
    let escaped = br#"{"name": "\u00e9"}"#;
    let body = "{\"name\": \"\u{e9}\"}".as_bytes();
    let signature = |body: &[u8]| {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let mac = Hmac::<sha2::Sha256>::new_from_slice(b"app_secret").unwrap().chain_update(body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes())).into_bytes()
    };
    assert_eq!(verify(&signature(escaped), escaped), Some(Ok(())));
    assert_eq!(verify(&signature(body), escaped), Some(Err(Unverified::Mismatch)));
}

#[test]
fn both_secrets_are_needed_and_the_phone_number_has_an_id() {
    let check = |given: Value, field: &str| check_refuses(&WhatsApp, given, field);
    check(json!({"verifyToken": "x"}), "`credentials.appSecret`");
    check(json!({"appSecret": "x"}), "`credentials.verifyToken`");
    check(json!({"appSecret": "x", "verifyToken": "x", "secret": "x"}), "`credentials.secret`");
    for id in ["+15550783881", "../me", "1%2e", "1/2", "1?a", " 1"] {
        check(json!({"appSecret": "x", "verifyToken": "x", "phoneNumberId": id}), "`credentials.phoneNumberId`");
    }
}
