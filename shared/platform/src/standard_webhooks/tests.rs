use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::sample::{check_refuses, event, flips, headers};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// A published vector; the Ed25519 one is of Svix's test suite.
struct Vector {
    credentials: Value,
    id: &'static str,
    timestamp_s: i64,
    body: &'static str,
    signature: &'static str,
}

fn vectors() -> [Vector; 3] {
    [
        Vector {
            credentials: json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp_s: 1_614_265_330,
            body: r#"{"test": 2432232314}"#,
            signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        Vector {
            credentials: json!({"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}),
            id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            timestamp_s: 1_649_367_553,
            body: r#"{"email":"test@example.com","username":"test_user"}"#,
            signature: "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        },
        Vector {
            credentials: json!({"publicKey": "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}),
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp_s: 1_614_265_330,
            body: r#"{"test": 2432232314}"#,
            signature: "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
        },
    ]
}

impl Vector {
    fn verifier(&self) -> Verifier {
        StandardWebhooks.verifier(&Credentials::parse(self.credentials.clone()).unwrap(), None).unwrap()
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8], age_s: i64) -> Result<(), Unverified> {
        let now = Timestamp::from_second(self.timestamp_s + age_s).unwrap();
        self.verifier()(&Delivery { headers, body, url: "", now })
    }

    fn headers(&self) -> HeaderMap {
        let timestamp = self.timestamp_s.to_string();
        headers(&[(ID, self.id), (TIMESTAMP, &timestamp), (SIGNATURE, self.signature)])
    }
}

#[test]
fn the_published_vectors_verify_and_no_bit_of_them_can_change() {
    for vector in vectors() {
        let headers = vector.headers();
        assert_eq!(vector.verify(&headers, vector.body.as_bytes(), 0), Ok(()));
        for body in flips(vector.body.as_bytes()) {
            assert!(vector.verify(&headers, &body, 0).is_err());
        }
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let values = flips(headers[name].as_bytes()).filter_map(|value| HeaderValue::from_bytes(&value).ok());
            for value in values {
                let mut headers = headers.clone();
                headers.insert(name, value.clone());
                assert!(vector.verify(&headers, vector.body.as_bytes(), 0).is_err(), "{name}: {value:?}");
            }
        }
    }
}

#[test]
fn a_timestamp_is_valid_for_five_minutes_on_both_sides() {
    for vector in vectors() {
        let check = |age_s, expected| {
            assert_eq!(vector.verify(&vector.headers(), vector.body.as_bytes(), age_s), expected, "{age_s}");
        };
        check(300, Ok(()));
        check(-300, Ok(()));
        check(301, Err(Unverified::Stale { tolerance_s: 300 }));
        check(-301, Err(Unverified::Stale { tolerance_s: 300 }));
    }
}

#[test]
fn a_signature_is_found_among_others_and_none_is_none() {
    for vector in vectors() {
        let check = |signature: &str, expected: Result<(), Unverified>| {
            let mut headers = vector.headers();
            headers.insert(SIGNATURE, signature.parse().unwrap());
            assert_eq!(vector.verify(&headers, vector.body.as_bytes(), 0), expected, "{signature}");
        };
        check(&format!("v1,AAAA v1a,AAAA v2,AAAA {}", vector.signature), Ok(()));
        check(&format!("{} v1,AAAA", vector.signature), Ok(()));
        check("v2,AAAA", Err(Unverified::Mismatch));
        check("", Err(Unverified::Mismatch));
        let mut headers = vector.headers();
        headers.remove(SIGNATURE);
        assert_eq!(vector.verify(&headers, vector.body.as_bytes(), 0), Err(Unverified::Header(SIGNATURE.to_owned())));
    }
}

#[test]
fn the_headers_may_have_the_name_of_svix() {
    for vector in vectors() {
        let timestamp = vector.timestamp_s.to_string();
        let wrong = format!("v1,AAAA v1a,{}", "A".repeat(88));
        let svix = [("svix-id", vector.id), ("svix-timestamp", &timestamp), ("svix-signature", vector.signature)];
        let verify = |pairs: &[(&'static str, &str)]| vector.verify(&headers(pairs), vector.body.as_bytes(), 0);
        assert_eq!(verify(&svix), Ok(()));
        for missing in 0..3 {
            let rest: Vec<_> =
                svix.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, pair)| *pair).collect();
            assert!(matches!(verify(&rest), Err(Unverified::Header(_) | Unverified::Mismatch)), "{rest:?}");
        }
        // A wrong header of one spelling does not invalidate the other, and nothing is taken from both.
        let both = [&svix[..], &[(ID, "x"), (TIMESTAMP, &timestamp), (SIGNATURE, &wrong)]].concat();
        assert_eq!(verify(&both), Ok(()));
        let mixed = [(ID, vector.id), ("svix-timestamp", timestamp.as_str()), ("svix-signature", vector.signature)];
        assert!(verify(&mixed).is_err());
        assert!(vector.verify(&headers(&svix), b"{}", 0).is_err());
        assert_eq!(
            vector.verify(&headers(&svix), vector.body.as_bytes(), 301),
            Err(Unverified::Stale { tolerance_s: 300 })
        );
    }
    let named = |pairs: &[(&'static str, &str)]| event(&StandardWebhooks, pairs, &json!({"type": "user.created"}));
    assert_eq!(named(&[("svix-id", "d1")]), (Some("user.created".to_owned()), Some("d1".to_owned())));
    assert_eq!(named(&[("svix-id", "d1"), (ID, "d2")]).1.as_deref(), Some("d2"));
}

#[test]
fn a_channel_can_have_both_kinds_of_keys() {
    let [v1, _, v1a] = vectors();
    let both = json!({"secret": v1.credentials["secret"], "publicKey": v1a.credentials["publicKey"]});
    for vector in [v1, v1a] {
        let vector = Vector { credentials: both.clone(), ..vector };
        assert_eq!(vector.verify(&vector.headers(), vector.body.as_bytes(), 0), Ok(()));
        assert!(vector.verify(&vector.headers(), b"{}", 0).is_err());
    }
}

#[test]
fn unusable_credentials_are_refused_by_field() {
    let check = |given: Value, field: &str| check_refuses(&StandardWebhooks, given, field);
    check(json!({}), "`credentials.secret`");
    check(json!({"secret": ""}), "`credentials.secret`");
    check(json!({"secret": "whsec_"}), "`credentials.secret`");
    check(json!({"secret": "whsec_***"}), "`credentials.secret`");
    check(json!({"publicKey": "whpk_AAAA"}), "`credentials.publicKey`");
    check(json!({"publicKey": "whpk_***"}), "`credentials.publicKey`");
    check(json!({"secret": "whsec_AAAA", "token": "x"}), "`credentials.token`");
}
