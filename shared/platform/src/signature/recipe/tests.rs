use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::*;

const NOW_S: i64 = 1_700_000_000;

fn recipe(fields: Value) -> Result<Recipe, serde_json::Error> {
    let Value::Object(mut recipe) = json!({"header": "x-signature"}) else { unreachable!() };
    let Value::Object(fields) = fields else { unreachable!() };
    recipe.extend(fields);
    serde_json::from_value(Value::Object(recipe))
}

#[test]
fn a_recipe_that_cannot_work_or_protects_nothing_is_refused_by_field() {
    let check = |fields: Value, field: &str, part: &str| {
        let message = recipe(fields.clone()).unwrap().scheme().unwrap_err().to_string();
        assert!(message.starts_with(&format!("`recipe.{field}`")) && message.contains(part), "{fields}: {message}");
    };
    check(json!({"header": ""}), "header", "header");
    check(json!({"header": "a b"}), "header", "header");
    check(json!({"header": "x".repeat(257)}), "header", "header");
    check(json!({"prefix": "a b"}), "prefix", "printable");
    check(json!({"prefix": "x".repeat(257)}), "prefix", "256");
    check(json!({"signedString": "x".repeat(257)}), "signedString", "256");
    check(json!({"signedString": ""}), "signedString", "{body}");
    check(json!({"signedString": "{bdy}"}), "signedString", "not `{bdy}`");
    check(json!({"signedString": "{body"}), "signedString", "partner");
    check(json!({"signedString": "body}"}), "signedString", "partner");
    check(json!({"signedString": "{{body}}"}), "signedString", "{body}");
    check(json!({"signedString": "{timestamp}.{body}"}), "signedString", "timestampHeader");
    check(json!({"signedString": "{id}.{body}"}), "signedString", "idHeader");
    check(json!({"timestampHeader": "x-time"}), "signedString", "{timestamp}");
    check(json!({"idHeader": "a b"}), "idHeader", "header");
    check(json!({"toleranceSeconds": 10}), "toleranceSeconds", "timestampHeader");
    let timed = |tolerance_s: u32| json!({"timestampHeader": "t", "signedString": "{timestamp}{body}", "toleranceSeconds": tolerance_s});
    check(timed(0), "toleranceSeconds", "1 to 86400");
    check(timed(86_401), "toleranceSeconds", "1 to 86400");
    assert!(recipe(timed(86_400)).unwrap().scheme().is_ok());
    assert!(recipe(json!({"idHeader": "x-id"})).unwrap().scheme().is_ok());
}

#[test]
fn a_recipe_has_no_other_values() {
    let check = |fields: Value, part: &str| {
        let error = recipe(fields).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(json!({"algorithm": "md5"}), "md5");
    check(json!({"encoding": "rot13"}), "rot13");
    check(json!({"secretEncoding": "plain"}), "plain");
    check(json!({"header": null}), "null");
}

#[test]
fn the_signed_string_is_read_piece_by_piece() {
    let check = |template: &str, expected: &[Piece]| assert_eq!(pieces(template).unwrap(), expected, "{template}");
    let text = |text: &str| Piece::Text(text.to_owned());
    check("{body}", &[Piece::Body]);
    check("v0:{timestamp}:{body}", &[text("v0:"), Piece::Timestamp, text(":"), Piece::Body]);
    check("{{{id}}}{body}\n", &[text("{"), Piece::Id, text("}"), Piece::Body, text("\n")]);
    check("", &[]);
}

#[test]
fn a_secret_is_decoded_or_refused_without_being_repeated() {
    let check = |encoding: SecretEncoding, secret: &str, expected: Option<&[u8]>| {
        let key = encoding.key(secret);
        assert_eq!(key.as_deref().ok(), expected, "{secret}");
        if let Err(refusal) = key {
            assert!(refusal.to_string().contains("`credentials.secret`") && !refusal.to_string().contains("hush"));
        }
    };
    check(SecretEncoding::Utf8, "hush", Some(b"hush"));
    check(SecretEncoding::Utf8, "", None);
    check(SecretEncoding::Hex, "00fF", Some(&[0, 255]));
    check(SecretEncoding::Hex, "hush", None);
    check(SecretEncoding::Hex, "", None);
    check(SecretEncoding::Base64, "+/8=", Some(&[0xfb, 0xff]));
    check(SecretEncoding::Base64, "-_8", Some(&[0xfb, 0xff]));
    check(SecretEncoding::Base64, "hush!", None);
    check(SecretEncoding::Base64, "", None);
}

/// A random recipe with everything that a sender needs to sign by it.
#[derive(Debug, Clone)]
struct Sender {
    recipe: Recipe,
    timestamp_s: i64,
    id: Vec<u8>,
    body: Vec<u8>,
    secret: Vec<u8>,
}

impl Sender {
    /// Signs as an outsider would: build the whole text, hash it, write it down.
    fn headers(&self) -> HeaderMap {
        let mut signed = Vec::new();
        for part in self.recipe.signed_string.split_inclusive('}') {
            let (text, placeholder) = part.split_once('{').unwrap_or((part, ""));
            signed.extend(text.as_bytes());
            match placeholder {
                "timestamp}" => signed.extend(self.timestamp_s.to_string().as_bytes()),
                "id}" => signed.extend(&self.id),
                "body}" => signed.extend(&self.body),
                _ => {}
            }
        }
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &[u8]| {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value).unwrap())
        };
        set("x-signature", format!("{}{}", self.recipe.prefix, self.written(&signed)).as_bytes());
        set("x-time", self.timestamp_s.to_string().as_bytes());
        set("x-id", &self.id);
        headers
    }

    fn written(&self, signed: &[u8]) -> String {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let signature = match self.recipe.algorithm {
            Algorithm::Sha1 => Hmac::<Sha1>::new_from_slice(&self.secret)
                .unwrap()
                .chain_update(signed)
                .finalize()
                .into_bytes()
                .to_vec(),
            Algorithm::Sha256 => Hmac::<Sha256>::new_from_slice(&self.secret)
                .unwrap()
                .chain_update(signed)
                .finalize()
                .into_bytes()
                .to_vec(),
            Algorithm::Sha512 => Hmac::<Sha512>::new_from_slice(&self.secret)
                .unwrap()
                .chain_update(signed)
                .finalize()
                .into_bytes()
                .to_vec(),
        };
        match self.recipe.encoding {
            Encoding::Hex => hex::encode(signature),
            Encoding::Base64 => STANDARD.encode(signature),
            Encoding::Base64url => URL_SAFE_NO_PAD.encode(signature),
        }
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Unverified> {
        let now = Timestamp::from_second(NOW_S).unwrap();
        self.recipe.scheme().unwrap().verifier(&self.secret)(&Delivery { headers, body, url: "", now })
    }
}

fn sender() -> impl Strategy<Value = Sender> {
    let pieces = prop::sample::subsequence(vec!["{timestamp}", "{id}", "{body}"], 1..=3).prop_shuffle();
    // A single dot is also what a fraction of a second begins with.
    let text = "[a-z.:|]{2,4}";
    let recipe = (
        pieces,
        text,
        prop_oneof![Just(""), Just("sha256="), Just("v1,"), Just("v0=")],
        prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256), Just(Algorithm::Sha512)],
        prop_oneof![Just(Encoding::Hex), Just(Encoding::Base64), Just(Encoding::Base64url)],
    )
        .prop_map(|(mut pieces, text, prefix, algorithm, encoding)| {
            if !pieces.contains(&"{body}") {
                pieces.push("{body}");
            }
            Recipe {
                algorithm,
                encoding,
                signed_string: format!("{text}{}", pieces.join(&text)),
                timestamp_header: pieces.contains(&"{timestamp}").then(|| "X-Time".to_owned()),
                id_header: Some("X-Id".to_owned()),
                ..Recipe::new("X-Signature", prefix)
            }
        });
    let bytes = |size| prop::collection::vec(any::<u8>(), size);
    (recipe, NOW_S - 300..=NOW_S + 300, "[!-~]{1,20}", bytes(0..60), bytes(1..40)).prop_map(
        |(recipe, timestamp_s, id, body, secret)| Sender { recipe, timestamp_s, id: id.into_bytes(), body, secret },
    )
}

/// Flips one bit of a header; `None` if no HTTP server would let the result through.
fn flipped(headers: &HeaderMap, name: &'static str, at: Index, bit: u8) -> Option<HeaderMap> {
    let mut value = headers[name].as_bytes().to_vec();
    let at = at.index(value.len());
    value[at] ^= 1 << bit;
    let mut headers = headers.clone();
    headers.insert(name, HeaderValue::from_bytes(&value).ok()?);
    Some(headers)
}

proptest! {
    #[test]
    fn what_is_signed_by_a_recipe_verifies_and_no_bit_of_it_can_change(
        sender in sender(), at in any::<Index>(), bit in 0u8..8,
    ) {
        let headers = sender.headers();
        prop_assert_eq!(sender.verify(&headers, &sender.body), Ok(()));
        let signed = &sender.recipe.signed_string;
        for (name, counts) in [("x-signature", true), ("x-time", signed.contains("{timestamp}")), ("x-id", signed.contains("{id}"))] {
            if let Some(changed) = flipped(&headers, name, at, bit) && counts {
                prop_assert!(sender.verify(&changed, &sender.body).is_err(), "{}", name);
            }
        }
        if !sender.body.is_empty() {
            let mut body = sender.body.clone();
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            prop_assert_eq!(sender.verify(&headers, &body), Err(Unverified::Mismatch));
        }
        let mut other = sender.clone();
        other.secret[0] ^= 1 << bit;
        prop_assert_eq!(other.verify(&headers, &sender.body), Err(Unverified::Mismatch));
    }

    #[test]
    fn no_headers_and_no_body_make_a_verifier_panic(
        sender in sender(), values in prop::collection::vec(prop::collection::vec(prop::num::u8::ANY, 0..40), 3), body: Vec<u8>,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in ["x-signature", "x-time", "x-id"].into_iter().zip(values) {
            headers.extend(HeaderValue::from_bytes(&value).ok().map(|value| (HeaderName::from_static(name), value)));
        }
        prop_assert!(sender.verify(&headers, &body).is_err());
    }

    #[test]
    fn no_signed_string_makes_the_check_panic(template in "[{}a-z]{0,30}") {
        let _ = Recipe { signed_string: template, ..Recipe::new("h", "") }.scheme();
    }
}

#[test]
fn a_stale_timestamp_is_refused_even_with_the_right_signature() {
    let recipe = Recipe {
        signed_string: "{timestamp}.{body}".to_owned(),
        timestamp_header: Some("x-time".to_owned()),
        ..Recipe::new("x-signature", "")
    };
    let check = |offset_s: i64, expected: Result<(), Unverified>| {
        let timestamp_s = NOW_S + offset_s;
        let sender =
            Sender { recipe: recipe.clone(), timestamp_s, id: b"1".to_vec(), body: b"{}".to_vec(), secret: vec![1] };
        assert_eq!(sender.verify(&sender.headers(), b"{}"), expected, "{offset_s}");
    };
    check(-300, Ok(()));
    check(300, Ok(()));
    check(-301, Err(Unverified::Stale { tolerance_s: 300 }));
    check(301, Err(Unverified::Stale { tolerance_s: 300 }));
}

#[test]
fn nothing_moves_between_a_timestamp_and_what_follows_it() {
    let secret = b"hush";
    let verify = |signed_string: &str, whole: &str, (timestamp, id, body): (&str, &str, &str)| {
        let recipe = Recipe {
            signed_string: signed_string.to_owned(),
            timestamp_header: Some("x-time".to_owned()),
            id_header: Some("x-id".to_owned()),
            ..Recipe::new("x-signature", "")
        };
        let signature = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(whole).finalize().into_bytes();
        let signature = hex::encode(signature);
        let headers = crate::sample::headers(&[("x-signature", &signature), ("x-time", timestamp), ("x-id", id)]);
        let now = Timestamp::from_second(NOW_S).unwrap();
        recipe.scheme().unwrap().verifier(secret)(&Delivery { headers: &headers, body: body.as_bytes(), url: "", now })
    };
    let check = |signed_string: &str, whole: &str, right: (&str, &str, &str), moved: (&str, &str, &str)| {
        assert_eq!(verify(signed_string, whole, right), Ok(()), "{signed_string} {right:?}");
        assert_eq!(verify(signed_string, whole, moved), Err(Unverified::Mismatch), "{signed_string} {moved:?}");
    };
    let (adjacent, dotted) = ("{timestamp}{body}", "{timestamp}.{body}");
    check(adjacent, "1700000000.678hi", ("1700000000.678", "1", "hi"), ("1700000000.67", "1", "8hi"));
    check(adjacent, "1700000000.678{}", ("1700000000.678", "1", "{}"), ("1700000000", "1", ".678{}"));
    check(dotted, "1700000000.5.hi", ("1700000000.5", "1", "hi"), ("1700000000", "1", "5.hi"));
    check(
        "{timestamp}{id}{body}",
        "1700000000.678abc{}",
        ("1700000000.678", "abc", "{}"),
        ("1700000000.67", "8abc", "{}"),
    );
    for body in ["{}", "5 apples", "5", ".", "hi", "[true]", "-1", ""] {
        for (signed_string, separator) in [(adjacent, ""), (dotted, "."), ("{timestamp}:{body}", ":")] {
            for timestamp in ["1700000000", "1700000000123", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"] {
                let whole = format!("{timestamp}{separator}{body}");
                assert_eq!(verify(signed_string, &whole, (timestamp, "1", body)), Ok(()), "{whole}");
            }
        }
    }
}

#[test]
fn one_of_several_signatures_is_enough() {
    let sender = Sender {
        recipe: Recipe::new("x-signature", "sha256="),
        timestamp_s: 0,
        id: b"1".to_vec(),
        body: b"\xff\x00".to_vec(),
        secret: b"secret".to_vec(),
    };
    let right = sender.headers()["x-signature"].to_str().unwrap().to_owned();
    let wrong = format!("sha256={}", "0".repeat(64));
    let check = |lines: &[String], expected: bool| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-signature", line.parse().unwrap());
        }
        assert_eq!(sender.verify(&headers, &sender.body).is_ok(), expected, "{lines:?}");
    };
    check(&[format!("{wrong}, {right}")], true);
    check(&[format!("{right} {wrong}")], true);
    check(&[wrong.clone(), right], true);
    check(std::slice::from_ref(&wrong), false);
    check(&[String::new()], false);
    check(&[], false);
}
