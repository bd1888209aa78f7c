use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use form_urlencoded::byte_serialize;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn masks(auth: Value, secrets: &[&str]) -> Masks {
    let secrets = secrets.iter().enumerate().map(|(at, secret)| (at.to_string(), (*secret).to_owned()));
    Masks::of(&Credentials {
        auths: [("main".to_owned(), auth)].into(),
        secrets: secrets.collect(),
        ..Credentials::default()
    })
}

/// Percent-encodes every character, or only those that must be.
fn percent(text: &str, all: bool) -> String {
    let encode = |byte: u8| {
        if all || !byte.is_ascii_alphanumeric() { format!("%{byte:02x}") } else { char::from(byte).to_string() }
    };
    text.bytes().map(encode).collect()
}

fn unicode(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn markup(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_ascii_alphanumeric() { char.to_string() } else { format!("&#{};", char as u32) })
        .collect()
}

fn quoted(text: &str) -> String {
    let quoted = json!(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The ways in which a text is written into others.
fn spelt(text: &str, how: u8) -> String {
    match how {
        0 => text.to_owned(),
        1 => percent(text, false),
        2 => percent(text, true),
        3 => byte_serialize(text.as_bytes()).collect(),
        4 => quoted(text),
        5 => unicode(text),
        6 => markup(text),
        7 => text.to_ascii_uppercase(),
        8 => quoted(text).replace('/', "\\/"),
        _ => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
    }
}

#[test]
fn values_are_masked_in_every_spelling() {
    let masks = masks(json!({"token": "s3cret/öne+ two\"&<", "n": {"deep": [1_234_567]}}), &["another-one"]);
    let check = |text: &str, expected: &str| assert_eq!(masks.text(text), expected, "{text}");
    check("nothing here", "nothing here");
    check("a s3cret/öne+ two\"&< b another-one", "a *** b ***");
    check("S3CRET/öne+ TWO\"&<", "***");
    check("x=1234567;", "x=***;");
    for how in 0..10 {
        check(&format!("<{}>", spelt("s3cret/öne+ two\"&<", how)), "<***>");
        for outer in 1..7 {
            let text = spelt(&spelt("s3cret/öne+ two\"&<", how), outer);
            check(&format!("[{text}]"), "[***]");
        }
    }
    check(&hex(b"s3cret/\xc3\xb6ne+ two\"&<"), "***");
    assert_eq!(
        masks.value(&json!({"another-one": ["x another-one", 1_234_567, 5, null, true, {"a": "another%2Done"}]})),
        json!({"***": ["x ***", "***", 5, null, true, {"a": "***"}]})
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn a_secret_is_masked_in_base64_wherever_it_begins() {
    let masks = masks(json!({"password": "open sesame"}), &[]);
    for before in ["", "A", "Al", "Aladdin:", "user:"] {
        for after in ["", "x", "xy", "xyz and more"] {
            let text = format!("{before}open sesame{after}");
            for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text), percent(&STANDARD.encode(&text), false)] {
                let shown = masks.text(&encoded);
                assert!(shown.contains(MASK), "{text} as {encoded} is shown as {shown}");
                assert!(shown.len() <= encoded.len() - "open sesame".len(), "{encoded} is shown as {shown}");
            }
        }
    }
}

#[test]
fn short_values_are_masked_as_words_and_the_shortest_not_at_all() {
    let masks = masks(json!({"pin": "1234", "code": "ab1cd", "on": "yes", "n": 12_345}), &["k"]);
    let check = |text: &str, expected: &str| assert_eq!(masks.text(text), expected, "{text}");
    check("pin=1234&code=ab1cd", "pin=***&code=***");
    check("1234", "***");
    check("12345 91234 1234a é1234", "12345 91234 1234a é1234");
    check("yes k", "yes k");
}

#[test]
fn what_describes_a_token_is_no_secret() {
    let masks = masks(
        json!({"access_token": "abcdefgh", "token_type": "Bearer", "scope": "read:all", "expires_in": 1_000_000}),
        &[],
    );
    assert_eq!(masks.text("Bearer abcdefgh read:all 1000000"), "Bearer *** read:all 1000000");
}

#[test]
fn values_that_overlap_and_touch_are_masked_as_one() {
    let masks = masks(json!(["abcdef", "abcdefghi", "defghijk"]), &[]);
    let check = |text: &str, expected: &str| assert_eq!(masks.text(text), expected, "{text}");
    check("abcdefghijk", "***");
    check("-abcdefghi-", "-***-");
    check("abcdefabcdef", "***");
    check("abcdef abcdef", "*** ***");
}

#[test]
fn every_line_of_a_key_is_masked_and_so_is_what_is_trimmed() {
    let masks = masks(json!({"key": "-----BEGIN KEY-----\nMIIEvgIBADAN\n-----END KEY-----\n"}), &["  padded-secret "]);
    assert_eq!(masks.text("it has MIIEvgIBADAN in it, and padded-secret"), "it has *** in it, and ***");
}

#[test]
fn without_credentials_nothing_is_masked() {
    let masks = Masks::of(&Credentials::default());
    assert_eq!(masks.text("a%20b"), "a%20b");
    assert_eq!(masks.value(&json!({"a": [1.0, "b"]})), json!({"a": [1.0, "b"]}));
}

#[test]
fn hidden_values_are_masked_too() {
    let hidden = vec![json!({"client_secret": "s3cret-of-client"})];
    let masks = Masks::of(&Credentials { hidden, ..Credentials::default() });
    assert_eq!(masks.text("s3cret-of-client"), MASK);
}

#[test]
fn a_long_text_full_of_escapes_is_masked_in_bounded_space() {
    let masks = masks(json!({"token": "aaaaaaaaaaaaaaaaaaaa"}), &[]);
    let long = "a%20\\n&amp;+".repeat(100_000);
    assert_eq!(masks.text(&format!("{long}aaaaaaaaaaaaaaaaaaaa")), format!("{long}***"));
    assert_eq!(masks.text(&"a".repeat(1_000_000)), MASK);
}

#[test]
fn what_was_sent_is_masked_when_it_comes_back_encoded_as_a_whole() {
    let secret = "a/s3cr+et?&<>\"'Zq9 é";
    let masks = masks(json!({"token": secret}), &[]);
    let form: String = byte_serialize(secret.as_bytes()).collect();
    let text = json!({"a": secret}).to_string();
    let go = text.replace('<', "\\u003c").replace('&', "\\u0026").replace('é', "\\u00e9");
    let markup = secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    for sent in [
        text.replace('/', "\\/"),
        json!({"b": text}).to_string(),
        text,
        go,
        format!("a={form}&b=c"),
        format!("<a>{secret}</a>"),
        format!("<a>{markup}</a>"),
    ] {
        let hex: String = sent.bytes().map(|byte| format!("{byte:02x}")).collect();
        for encoded in [STANDARD_NO_PAD.encode(&sent), URL_SAFE_NO_PAD.encode(&sent), hex] {
            let shown = masks.text(&encoded);
            let left = shown.replace(MASK, "").len();
            assert!(
                shown.contains(MASK) && left < encoded.len() - secret.len(),
                "{sent}: {encoded} is shown as {shown}"
            );
        }
    }
}

proptest! {
    /// However a secret is written, what is shown has it in no reading.
    #[test]
    fn no_spelling_of_a_secret_is_shown(
        // A mask within a secret could make it up again.
        secret in "[ -)+-~äßç€😀\n]{6,40}".prop_filter("it has something to it", |secret| secret.trim().len() >= 6),
        before in ".{0,12}", after in ".{0,12}",
        inner in 0_u8..10, outer in 0_u8..7,
    ) {
        let masks = masks(json!({"a": {"token": secret}}), &[]);
        let spelling = spelt(&spelt(&secret, inner), outer);
        let shown = masks.text(&format!("{before} {spelling} {after}"));
        let is_there = |view: View<'_>| {
            let (text, secret) = (String::from_utf8_lossy(view.bytes()).to_lowercase(), secret.to_lowercase());
            text.contains(&secret)
        };
        prop_assert!(!views(&shown).into_iter().any(is_there), "{spelling:?} is shown as {shown:?}");
        let json = json!({"x": [spelling.clone(), {spelling: secret.clone()}]});
        prop_assert!(!masks.value(&json).to_string().contains(&quoted(&secret)));
        prop_assert!(!masks.text(&json.to_string()).contains(&quoted(&secret)));
    }

    /// What has no secret in it stays as it is.
    #[test]
    fn nothing_else_is_changed(text in "[a-y%&;\\\\ +0-9]{0,60}") {
        prop_assert_eq!(masks(json!("zzzzzz"), &[]).text(&text), text);
    }
}
