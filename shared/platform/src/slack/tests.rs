mod arbitrary;
mod event;
mod interaction;
mod send;

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::normalise::milliseconds;
use super::*;
use crate::error::Unverified;
use crate::reading::{DedupKey, Kind, Reply, Unreadable, Update};
use crate::sample::{check_every_bit, check_misses, flips, headers, sendable_headers, variant_of};
use crate::signature::Delivery;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TIME: &[u8] = b"1531420618";
const SIGNATURE: &[u8] = b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
    channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
    response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
    trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn verify(secret: &str, now_s: i64, time: &[u8], signature: &[u8], body: &[u8]) -> Option<Result<(), Unverified>> {
    let credentials: Credentials = serde_json::from_value(json!({"signingSecret": secret})).unwrap();
    let verifier = Slack.verifier(&credentials, None).unwrap();
    let headers = sendable_headers(&[("x-slack-request-timestamp", time), ("x-slack-signature", signature)])?;
    Some(verifier(&Delivery { headers: &headers, body, url: "", now: Timestamp::from_second(now_s).unwrap() }))
}

#[test]
fn the_published_vector_verifies_and_no_bit_of_it_can_change() {
    let (now_s, body) = (1_531_420_618, BODY.as_bytes());
    check_every_bit(SIGNATURE, body, |signature, body| verify(SECRET, now_s, TIME, signature, body));
    for time in flips(TIME) {
        assert_ne!(verify(SECRET, now_s, &time, SIGNATURE, body), Some(Ok(())), "{time:?}");
    }
    for secret in flips(SECRET.as_bytes()).filter_map(|secret| String::from_utf8(secret).ok()) {
        assert_eq!(verify(&secret, now_s, TIME, SIGNATURE, body), Some(Err(Unverified::Mismatch)), "{secret}");
    }
}

#[test]
fn a_webhook_is_fresh_for_five_minutes_on_both_sides() {
    let check = |now_s: i64, expected: Result<(), Unverified>| {
        assert_eq!(verify(SECRET, now_s, TIME, SIGNATURE, BODY.as_bytes()), Some(expected), "{now_s}");
    };
    check(1_531_420_618 + 300, Ok(()));
    check(1_531_420_618 - 300, Ok(()));
    check(1_531_420_618 + 301, Err(Unverified::Stale { tolerance_s: 300 }));
    check(1_531_420_618 - 301, Err(Unverified::Stale { tolerance_s: 300 }));
}

#[test]
fn the_signing_secret_is_needed_and_the_token_only_to_send() {
    let check = |credentials: Value| SPEC.check(&Credentials::parse(credentials).unwrap());
    assert_eq!(check(json!({"signingSecret": "x"})), Ok(()));
    assert_eq!(check(json!({"signingSecret": "x", "botToken": "xoxb-1", "verifyToken": "y"})), Ok(()));
    for (credentials, field) in [
        (json!({}), "`credentials.signingSecret`"),
        (json!({"signingSecret": ""}), "`credentials.signingSecret`"),
        (json!({"signingSecret": "x", "botToken": ""}), "`credentials.botToken`"),
        (json!({"signingSecret": "x", "token": "y"}), "`credentials.token`"),
    ] {
        check_misses(&Slack, credentials, field);
    }
}

#[test]
fn times_are_read_to_the_millisecond() {
    let check = |ts: &str, expected: Option<i64>| assert_eq!(milliseconds(ts), expected, "{ts}");
    check("1355517523.000005", Some(1_355_517_523_000));
    check("1355517523.999999", Some(1_355_517_523_999));
    check("1355517523.5", Some(1_355_517_523_500));
    check("1355517523", Some(1_355_517_523_000));
    check("", None);
    check(".5", None);
    check("-1.5", None);
    check("1.+5", None);
    check("1e5", None);
    check("1.2.3", None);
    check("9223372036854775807.000000", None);
    check("\u{661}.\u{661}", None);
}

/// What a reading is, as text to compare with.
fn told(payload: &Value) -> Value {
    told_of(&payload.to_string())
}

fn told_of(payload: &str) -> Value {
    let raw: &RawValue = serde_json::from_str(payload).unwrap();
    let headers = headers(&[("x-slack-request-timestamp", "1767323044")]);
    let inbound = Inbound { headers: &headers, payload: raw, recipe: None, now: Timestamp::UNIX_EPOCH };
    let (updates, reply) = match Slack.read(&inbound) {
        Err(refusal) => return json!({"refused": variant_of(&refusal), "message": refusal.to_string()}),
        Ok(Reading::Handshake(reply)) => return json!({"handshake": String::from_utf8_lossy(&reply.body)}),
        Ok(Reading::Updates { updates, reply }) => (updates, reply),
    };
    let updates: Vec<Value> = updates.into_iter().map(one).collect();
    json!({"updates": updates, "silent": reply == Some(Reply::empty())})
}

fn one(update: Result<Update<'_>, Unreadable<'_>>) -> Value {
    match update {
        Err(Unreadable { reason, payload }) => json!({"unreadable": reason, "payload": payload}),
        Ok(Update { key, kind, payload }) => {
            let key = match key {
                DedupKey::Id(id) => String::from_utf8(id.into_owned()).unwrap().into(),
                DedupKey::Body => Value::Null,
            };
            let kind = match kind {
                Kind::Event { name } => json!({"event": name}),
                Kind::Message { message, reply_token } => {
                    assert_eq!(reply_token, None);
                    serde_json::to_value(message).unwrap()
                }
                Kind::Status(_) => panic!("Slack tells no statuses"),
            };
            json!({"key": key, "kind": kind, "payload": payload})
        }
    }
}

/// What the only news is.
fn kind_of(payload: &Value) -> Value {
    let mut told = told(payload);
    assert_eq!(told["updates"].as_array().map(Vec::len), Some(1), "{told}");
    told["updates"][0]["kind"].take()
}

fn message(fields: Value) -> Value {
    with(&harness::platform::slack::message("Hello", "1767323044.000200"), fields)
}

/// What of a webhook may travel on.
fn public(payload: &Value) -> Value {
    let mut payload = payload.clone();
    payload.as_object_mut().unwrap().remove("token");
    payload
}

/// The same with other fields; null takes one away.
fn with(value: &Value, fields: Value) -> Value {
    let mut value = value.clone();
    let Value::Object(fields) = fields else { unreachable!() };
    let object = value.as_object_mut().unwrap();
    object.extend(fields);
    object.retain(|_, value| !value.is_null());
    value
}

#[test]
fn the_challenge_comes_back() {
    let question = json!({"token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV", "type": "url_verification"});
    assert_eq!(told(&question), json!({"handshake": "3eZbrw1aBm2rZgRNFdxV"}));
}

#[test]
fn the_check_of_a_certificate_is_exactly_one_and_comes_unsigned() {
    let answered = |content_type: &str, body: &str| {
        let headers = headers(&[("content-type", content_type)]);
        let delivery = Delivery { headers: &headers, body: body.as_bytes(), url: "", now: Timestamp::UNIX_EPOCH };
        Slack.handshake(&delivery)
    };
    let form = "application/x-www-form-urlencoded";
    for body in ["token=x&ssl_check=1", "ssl_check=1", "ssl%5Fcheck=%31&token=x"] {
        assert_eq!(answered(form, body), Some(Reply::empty()), "{body}");
        assert_eq!(answered("Application/X-WWW-Form-URLEncoded; charset=utf-8", body), Some(Reply::empty()), "{body}");
        assert_eq!(answered("application/json", body), None, "{body}");
    }
    let long = format!("ssl_check=1&token={}", "x".repeat(5_000));
    for body in [
        "",
        "token=x",
        "ssl_check=",
        "ssl_check=0",
        "ssl_check=10",
        "ssl_check=01",
        "ssl_check=true",
        "ssl_check=+1",
        "ssl_check=1&ssl_check=1",
        "ssl_check=1&ssl_check=0",
        "SSL_CHECK=1",
        "{\"ssl_check\": \"1\"}",
        &long,
    ] {
        assert_eq!(answered(form, body), None, "{body}");
    }
}

#[test]
fn what_slack_does_not_send_is_refused() {
    let check = |payload: Value| {
        let told = told(&payload);
        assert_eq!(told["refused"], "Body", "{payload}: {told}");
    };
    for payload in [json!(null), json!(1), json!("x"), json!([]), json!(["event_callback"]), json!({})] {
        check(payload);
    }
    check(json!({"type": 1}));
    check(json!({"type": "url_verification"}));
    check(json!({"type": "url_verification", "challenge": 5}));
    check(json!({"type": "event_callback"}));
    check(json!({"type": "event_callback", "event": {"type": "x"}, "event_id": 1}));
    check(json!({"type": "block_actions", "actions": []}));
    check(json!({"type": "block_actions", "user": {"id": "U1"}, "actions": {}}));
    check(json!({"command": "/x"}));
    check(json!({"command": ["/x", "/y"], "user_id": "U1", "channel_id": "C1", "trigger_id": "1"}));
}

#[test]
fn an_event_with_wrong_types_is_unreadable_and_says_why() {
    let check = |event: Value, part: &str| {
        let told = told(&harness::platform::slack::event("Ev1", &event));
        let reason = told["updates"][0]["unreadable"].as_str().unwrap_or_else(|| panic!("{told}"));
        assert!(reason.contains(part), "{reason}");
        assert!(!told.to_string().contains(harness::platform::slack::VERIFICATION_TOKEN));
    };
    check(json!(["message"]), "not an object");
    check(json!(5), "not an object");
    check(json!({"user": "U1"}), "`type`");
    check(message(json!({"ts": 1_767_323_044.5})), "string");
    check(message(json!({"ts": "soon"})), "`soon` is not a Slack timestamp");
    check(message(json!({"channel": null})), "`channel`");
    check(message(json!({"text": {"a": 1}})), "string");
    check(message(json!({"files": {}})), "sequence");
    check(message(json!({"files": [{"size": 1.5}]})), "u64");
    check(json!({"type": "reaction_added", "user": "U1"}), "`reaction`");
}

#[test]
fn the_token_of_old_travels_in_no_payload_however_it_is_written() {
    for name in ["token", "\\u0074oken", "tok\\u0065n"] {
        let body = format!(r#"{{"type":"shortcut","{name}":"hush","token":"hush","a":[1.50,"\u00e9"]}}"#);
        let raw: &RawValue = serde_json::from_str(&body).unwrap();
        let headers = HeaderMap::new();
        let inbound = Inbound { headers: &headers, payload: raw, recipe: None, now: Timestamp::UNIX_EPOCH };
        let Ok(Reading::Updates { updates, .. }) = Slack.read(&inbound) else { panic!("{body} has no updates") };
        let payload = updates[0].as_ref().ok().unwrap().payload.get();
        assert_eq!(payload, r#"{"a":[1.50,"\u00e9"],"type":"shortcut"}"#);
    }
}
