use http::HeaderValue;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sample::{check_misses, event, flips, headers};

/// A vector of twilio-python's tests, for the auth token `12345`.
struct Vector {
    url: &'static str,
    content_type: &'static str,
    body: &'static str,
    signature: &'static str,
}

const TOKEN: &str = "12345";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const CALL: &str = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
const REPEATED: &str = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
const JSON_URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
const JSON_BODY: &str = r#"{"property": "value", "boolean": true}"#;

const VECTORS: [Vector; 6] = [
    Vector { url: URL, content_type: FORM, body: CALL, signature: "RSOYDt4T1cUTdK1PDd93/VVr8B8=" },
    Vector {
        url: "https://mycompany.com:443/myapp.php?foo=1&bar=2",
        content_type: FORM,
        body: CALL,
        signature: "kvajT1Ptam85bY51eRf/AJRuM3w=",
    },
    Vector {
        url: "http://mycompany.com:80/myapp.php?foo=1&bar=2",
        content_type: FORM,
        body: CALL,
        signature: "0ZXoZLH/DfblKGATFgpif+LLRf4=",
    },
    Vector {
        url: "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
        content_type: FORM,
        body: CALL,
        signature: "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
    },
    Vector { url: URL, content_type: FORM, body: REPEATED, signature: "IK+Dwps556ElfBT0I3Rgjkr1wJU=" },
    Vector {
        url: JSON_URL,
        content_type: "application/json",
        body: JSON_BODY,
        signature: "a9nBmqA0ju/hNViExpshrM61xv4=",
    },
];

fn parsed(form: &[u8]) -> Result<Form, Error> {
    Form::parse(form, Charset::default())
}

impl Vector {
    fn verify(&self, url: &str, body: &[u8], signature: &[u8]) -> Option<Result<(), Unverified>> {
        let verifier = Twilio.verifier(&Credentials::parse(json!({"authToken": TOKEN})).unwrap(), None).unwrap();
        let mut headers = headers(&[("content-type", self.content_type)]);
        headers.insert(SIGNATURE, HeaderValue::from_bytes(signature).ok()?);
        Some(verifier(&Delivery { headers: &headers, body, url, now: Timestamp::UNIX_EPOCH }))
    }

    fn check(&self, url: &str, body: &str, expected: Result<(), Unverified>) {
        assert_eq!(self.verify(url, body.as_bytes(), self.signature.as_bytes()), Some(expected), "{url} {body}");
    }
}

#[test]
fn the_published_vectors_verify_and_no_bit_of_them_can_change() {
    for vector in VECTORS {
        let Vector { url, body, signature, .. } = vector;
        vector.check(url, body, Ok(()));
        for flipped in flips(signature.as_bytes()) {
            assert_ne!(vector.verify(url, body.as_bytes(), &flipped), Some(Ok(())), "{signature}");
        }
        for flipped in flips(url.as_bytes()) {
            let Ok(flipped) = String::from_utf8(flipped) else { continue };
            // Of the hash in the URL and of the scheme in capitals nothing is the same text.
            assert_ne!(vector.verify(&flipped, body.as_bytes(), signature.as_bytes()), Some(Ok(())), "{flipped}");
        }
        for flipped in flips(body.as_bytes()) {
            // `%2b` is `%2B`.
            let says_the_same = vector.content_type == FORM && parsed(&flipped) == parsed(body.as_bytes());
            let expected = if says_the_same { Ok(()) } else { Err(Unverified::Mismatch) };
            assert_eq!(vector.verify(url, &flipped, signature.as_bytes()), Some(expected), "{body}");
        }
    }
}

#[test]
fn a_port_that_goes_without_saying_may_be_said_or_not() {
    let [plain, with_443, with_80, with_1234, ..] = VECTORS;
    let http = URL.replace("https", "http");
    plain.check(with_443.url, CALL, Ok(()));
    with_443.check(plain.url, CALL, Ok(()));
    with_80.check(&http, CALL, Ok(()));
    plain.check(&http, CALL, Err(Unverified::Mismatch));
    with_443.check(&http, CALL, Err(Unverified::Mismatch));
    with_1234.check(&http, CALL, Err(Unverified::Mismatch));
}

#[test]
fn urls_are_spelt_with_and_without_their_port() {
    let check = |url: &str, expected: &[&str]| assert_eq!(spellings(url), expected);
    check("https://a.b/c:1?d", &["https://a.b/c:1?d", "https://a.b:443/c:1?d"]);
    check("http://a.b", &["http://a.b", "http://a.b:80"]);
    check("http://a.b:80?c", &["http://a.b:80?c", "http://a.b?c"]);
    check("https://[::1]:8787/c", &["https://[::1]:8787/c", "https://[::1]/c"]);
    check("https://[::1]/c", &["https://[::1]/c", "https://[::1]:443/c"]);
    check("/c", &["/c"]);
}

#[test]
fn a_form_is_decoded_once_and_read_in_any_order() {
    let [call, .., repeated, _] = VECTORS;
    call.check(
        URL,
        "To=%2B18005551212&Digits=1234&Caller=%2b14158675309&From=%2B14158675309&CallSid=CA1234567890ABCDE",
        Ok(()),
    );
    call.check(URL, &CALL.replace("%2B", "%252B"), Err(Unverified::Mismatch));
    call.check(URL, &CALL.replace("%2B", "+"), Err(Unverified::Mismatch));
    call.check(URL, &format!("{CALL}&More=1"), Err(Unverified::Mismatch));
    repeated.check(URL, "Digits=1234&Sid=CA123&Digits=5678&SidAccount=AC123", Ok(()));
    repeated.check(URL, "Digits=1234&Sid=CA123&SidAccount=AC123", Err(Unverified::Mismatch));
}

#[test]
fn a_body_that_nothing_signs_is_not_believed() {
    let [.., json] = VECTORS;
    let bare = json!({"a": 1}).to_string();
    json.check(JSON_URL, &bare, Err(Unverified::Mismatch));
    json.check(URL, JSON_BODY, Err(Unverified::Mismatch));
    // A URL alone is signed as well, for requests without a body; that proves no body.
    let key = mac::Key::new(Algorithm::Sha1, TOKEN.as_bytes());
    use base64::Engine as _;
    let signed = key.sign([URL.as_bytes()].into_iter());
    let signature = base64::engine::general_purpose::STANDARD.encode(signed);
    for content_type in [FORM, "application/json", "text/plain", ""] {
        for body in ["", "=", "&=&", "{}", "a=1"] {
            let vector = Vector { url: URL, content_type, body: "", signature: "" };
            let verified = vector.verify(URL, body.as_bytes(), signature.as_bytes());
            assert_eq!(verified, Some(Err(Unverified::Mismatch)), "{content_type} {body}");
        }
    }
}

#[test]
fn a_webhook_is_named_by_the_status_that_comes_along() {
    let check = |payload: Value, expected: Option<&str>| {
        let (kind, key) = event(&Twilio, &[], &payload);
        assert_eq!((kind.as_deref(), key), (expected, None), "{payload}");
    };
    check(
        json!({"MessageSid": "SM1", "MessageStatus": "delivered", "SmsStatus": "delivered"}),
        Some("message.delivered"),
    );
    check(json!({"MessageSid": "SM1", "SmsStatus": "received", "Body": "hi"}), Some("message.received"));
    check(json!({"SmsSid": "SM1", "SmsStatus": "received"}), Some("message.received"));
    check(json!({"MessageSid": "SM1", "Body": ""}), Some("message.received"));
    check(json!({"MessageSid": "SM1", "SmsStatus": "sent"}), None);
    check(json!({"CallSid": "CA1", "CallStatus": "in-progress"}), Some("call.in-progress"));
    check(json!({"MessageStatus": ["sent", "sent"], "Body": 5, "MessageSid": "x", "CallStatus": null}), None);
    check(json!({"RecordingSid": "RE1"}), None);
    check(json!(["delivered", "received", "SM1"]), None);
    check(json!({"MessageSid": "SM1", "SmsStatus": "sent", "Body": "hi"}), None);
}

#[test]
fn an_event_of_a_conversation_has_the_name_that_twilio_gives_it() {
    let check = |payload: Value, expected: &str| {
        assert_eq!(event(&Twilio, &[], &payload).0.as_deref(), Some(expected), "{payload}");
    };
    let of = |kind: &str, source: &str| json!({"EventType": kind, "MessageSid": "IM1", "Body": "hi", "Source": source});
    check(json!({"EventType": "onMessageRemoved", "MessageSid": "IM1", "Body": "hi"}), "onMessageRemoved");
    check(of("onMessageUpdated", "SDK"), "onMessageUpdated");
    check(of("onMessageAdd", "SMS"), "onMessageAdd");
    check(of("onMessageAdded", "API"), "onMessageAdded");
    check(of("onMessageAdded", "api"), "onMessageAdded");
    check(of("onMessageAdded", "SMS"), "message.received");
    check(of("onMessageAdded", "SDK"), "message.received");
    check(json!({"EventType": "onMessageAdded", "MessageSid": "IM1", "Body": "hi"}), "message.received");
    check(
        json!({"EventType": "onMessageAdded", "MessageSid": "IM1", "Media": "[]", "Source": "WHATSAPP"}),
        "message.received",
    );
    check(json!({"EventType": "onConversationStateUpdated", "StateTo": "closed"}), "onConversationStateUpdated");
    check(json!({"EventType": "onDeliveryUpdated", "MessageSid": "IM1", "Status": "delivered"}), "onDeliveryUpdated");
    check(json!({"EventType": "task.created", "TaskSid": "WT1"}), "task.created");
    // A status report of WhatsApp has an event type beside its status.
    check(json!({"EventType": "DELIVERED", "MessageSid": "SM1", "MessageStatus": "delivered"}), "message.delivered");
}

#[test]
fn a_repetition_has_the_same_token() {
    let check = |pairs: &[(&'static str, &str)], expected: Option<&str>| {
        assert_eq!(event(&Twilio, pairs, &json!({})).1.as_deref(), expected);
    };
    check(&[("i-twilio-idempotency-token", "t1")], Some("t1"));
    check(&[("i-twilio-idempotency-token", "")], None);
    check(&[], None);
}

#[test]
fn a_form_is_answered_with_instructions_to_do_nothing() {
    let payload = serde_json::value::to_raw_value(&json!({})).unwrap();
    let reply = |content_type: &str| {
        let headers = headers(&[("content-type", content_type)]);
        let inbound = Inbound { headers: &headers, payload: &payload, recipe: None, now: Timestamp::UNIX_EPOCH };
        match Twilio.read(&inbound) {
            Ok(Reading::Updates { reply, .. }) => reply,
            _ => panic!("it is updates"),
        }
    };
    let twiml = Reply { status: StatusCode::OK, content_type: "text/xml", body: EMPTY_TWIML.into() };
    assert_eq!(reply("application/x-www-form-urlencoded; charset=UTF-8"), Some(twiml));
    assert_eq!(reply("application/json"), None);
}

#[test]
fn the_auth_token_is_needed() {
    check_misses(&Twilio, json!({}), "`credentials.authToken`");
    check_misses(&Twilio, json!({"authToken": "x", "accountSid": "x"}), "`credentials.accountSid`");
}

proptest! {
    #[test]
    fn no_body_and_no_url_panics(body in prop::collection::vec(any::<u8>(), 0..40), url in ".{0,40}") {
        for content_type in [FORM, "application/json"] {
            let vector = Vector { url: "", content_type, body: "", signature: "" };
            prop_assert_eq!(vector.verify(&url, &body, b"AAAA"), Some(Err(Unverified::Mismatch)));
        }
    }
}
