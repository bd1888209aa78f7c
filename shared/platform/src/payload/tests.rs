use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::registry;
use crate::sample::variant_of;

fn read_as(content_type: &str, platform: &str, body: &[u8]) -> Result<String, Error> {
    let platform = registry::find(platform).unwrap();
    let charset = Charset::declared(content_type.as_bytes())?;
    read(&ContentType::parse(content_type).unwrap(), charset, body, DEPTH_LIMIT, |form, limit| {
        platform.form_payload(form, limit)
    })
    .map(|payload| payload.get().to_owned())
}

/// What the caller of [`read`] says.
const DEPTH_LIMIT: usize = 64;

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn json_stays_as_the_sender_wrote_it() {
    let check = |body: &str, expected: &str| {
        assert_eq!(read_as("application/json", "unsigned", body.as_bytes()).as_deref(), Ok(expected));
    };
    check(r#"{"b": 1.50, "a" :[ ]}"#, r#"{"b": 1.50, "a" :[ ]}"#);
    check("  null\n", "null");
    check("12345678901234567890123", "12345678901234567890123");
    check(r#""\ud83d\ude00 \u0000""#, r#""\ud83d\ude00 \u0000""#);
    check(&nested(DEPTH_LIMIT), &nested(DEPTH_LIMIT));
}

#[test]
fn what_a_reader_could_not_build_is_refused() {
    let check = |body: &[u8], variant: &str| {
        let refusal = read_as("application/json", "unsigned", body).unwrap_err();
        assert_eq!(variant_of(&refusal), variant, "{}: {}", String::from_utf8_lossy(body), refusal);
    };
    check(b"", "EmptyBody");
    check(b" \n", "EmptyBody");
    check(b"{", "Body");
    check(b"{} x", "Body");
    check(b"{\"a\": 1,}", "Body");
    check(b"\xff", "Body");
    check(b"\"\xc3\x28\"", "Body");
    check(b"1e999", "Body");
    check(br#""\ud800""#, "Body");
    check(br#"{"\ud800": 1}"#, "Body");
    check(b"NaN", "Body");
    check("\u{feff}".as_bytes(), "Body");
    check("\u{feff}\u{feff}{}".as_bytes(), "Body");
    check(b"\xff\xfe", "Body");
    check(b"\xff\xfe{\0}", "Body");
    check(br#"{"$serde_json::private::RawValue": "[1"}"#, "Body");
    check(nested(DEPTH_LIMIT + 1).as_bytes(), "Body");
    check(nested(400_000).as_bytes(), "Body");
    check("[".repeat(400_000).as_bytes(), "Body");
    check("{\"a\":".repeat(100_000).as_bytes(), "Body");
}

#[test]
fn a_form_names_no_field_that_a_reader_would_take_for_something_else() {
    let name = "%24serde_json%3A%3Aprivate%3A%3ARawValue";
    for platform in ["unsigned", "twilio", "slack"] {
        for body in [format!("{name}=hello"), format!("{name}=[1]&other=1"), format!("other=1&{name}=1&{name}=2")] {
            let refusal = read_as("application/x-www-form-urlencoded", platform, body.as_bytes()).unwrap_err();
            assert!(refusal.to_string().contains("reserved name"), "{platform}: {body}: {refusal}");
        }
    }
}

#[test]
fn a_form_is_an_object_and_the_one_of_github_holds_json() {
    let form = "application/x-www-form-urlencoded";
    let check = |platform: &str, body: &[u8], expected: Result<Value, &str>| {
        let read = read_as(form, platform, body);
        let read =
            read.map(|text| serde_json::from_str::<Value>(&text).unwrap()).map_err(|refusal| variant_of(&refusal));
        assert_eq!(read, expected, "{}", String::from_utf8_lossy(body));
    };
    check("unsigned", b"a=1&b=x+y%21&a=2&&c", Ok(json!({"a": ["1", "2"], "b": "x y!", "c": ""})));
    check("unsigned", b"a=%zz%C3%BC", Ok(json!({"a": "%zz\u{fc}"})));
    check("unsigned", b"a=%ff", Err("Body"));
    check("unsigned", b"\xff=1", Err("Body"));
    check("unsigned", b"", Err("EmptyBody"));
    check("github", b"payload=%7B%22a%22%3A+1%7D", Ok(json!({"a": 1})));
    check("github", b"payload=%7B", Err("Body"));
    check("github", b"payload=1&payload=2", Err("Body"));
    check("github", b"a=1", Err("Body"));
    check("github", b"payload=", Err("EmptyBody"));
    let deep = |levels: usize| format!("payload={}", nested(levels));
    for platform in ["github", "slack"] {
        let read = |levels| read_as(form, platform, deep(levels).as_bytes()).map(drop);
        assert_eq!(read(DEPTH_LIMIT), Ok(()));
        assert_eq!(read(DEPTH_LIMIT + 1).map_err(|refusal| variant_of(&refusal)), Err("Body"));
    }
}

#[test]
fn text_is_a_string() {
    assert_eq!(read_as("text/plain", "unsigned", b"a \"b\"\n").as_deref(), Ok(r#""a \"b\"\n""#));
    assert_eq!(read_as("application/xml", "unsigned", b"<a/>").as_deref(), Ok(r#""<a/>""#));
    assert_eq!(read_as("text/plain", "unsigned", b"\xff").map_err(|refusal| variant_of(&refusal)), Err("Body"));
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_body_is_read_in_its_charset() {
    let check = |content_type: &str, body: &[u8], expected: &str| {
        let read = read_as(content_type, "unsigned", body);
        assert_eq!(read.as_deref(), Ok(expected), "{content_type}: {}", String::from_utf8_lossy(body));
    };
    let (form, json) = ("application/x-www-form-urlencoded", "{\"a\":\"caf\u{e9}\"}");
    check("application/json", format!("\u{feff}{json}").as_bytes(), json);
    check("application/json", &[b"\xff\xfe".to_vec(), utf16(json)].concat(), json);
    check("application/json; charset=utf-16le", &utf16(json), json);
    check("application/json; charset=UTF-8", json.as_bytes(), json);
    check("application/json; charset=iso-8859-1", b"{\"a\":\"caf\xe9\"}", json);
    // What the body itself says counts more.
    check("application/json; charset=latin1", format!("\u{feff}{json}").as_bytes(), json);
    check("text/plain; charset=windows-1252", b"5 \x80", "\"5 \u{20ac}\"");
    check("text/plain; charset=shift_jis", b"\x83n\x83C", "\"\u{30cf}\u{30a4}\"");
    check("text/plain", "\u{feff}a".as_bytes(), "\"a\"");
    check(
        "application/xml",
        b"<?xml version='1.0' encoding='latin1'?>\xe9",
        "\"<?xml version='1.0' encoding='latin1'?>\u{e9}\"",
    );
    check(
        "text/xml; charset=utf-8",
        "<?xml version='1.0' encoding='latin1'?>\u{e9}".as_bytes(),
        "\"<?xml version='1.0' encoding='latin1'?>\u{e9}\"",
    );
    check("application/atom+xml", "<a>\u{e9}</a>".as_bytes(), "\"<a>\u{e9}</a>\"");
    // Raw bytes and escapes of a form are of the same charset.
    check(&format!("{form}; charset=windows-1252"), b"a=caf%E9+\xe9", "{\"a\":\"caf\u{e9} \u{e9}\"}");
    check(form, b"a=caf%E9&charset=windows-1252", "{\"a\":\"caf\u{e9}\",\"charset\":\"windows-1252\"}");
    check(
        form,
        b"_charset_=iso-8859-15&a=%A4&charset=utf-8",
        "{\"_charset_\":\"iso-8859-15\",\"a\":\"\u{20ac}\",\"charset\":\"utf-8\"}",
    );
    check(
        form,
        b"a=caf%C3%A9&charset=of+the+light+brigade",
        "{\"a\":\"caf\u{e9}\",\"charset\":\"of the light brigade\"}",
    );
    check(
        &format!("{form}; charset=utf-8"),
        b"a=caf%C3%A9&charset=latin1",
        "{\"a\":\"caf\u{e9}\",\"charset\":\"latin1\"}",
    );
    check(&format!("{form}; charset=utf-16le"), &utf16("a=caf%C3%A9"), "{\"a\":\"caf\u{e9}\"}");
    check(form, "\u{feff}a=1".as_bytes(), r#"{"a":"1"}"#);
}

#[test]
fn what_is_not_in_its_charset_is_refused() {
    let check = |content_type: &str, body: &[u8], variant: &str| {
        let refusal = read_as(content_type, "unsigned", body).unwrap_err();
        assert_eq!(variant_of(&refusal), variant, "{content_type}: {refusal}");
    };
    check("application/json; charset=utf-8", b"\"\xe9\"", "Body");
    check("application/json; charset=utf-16", b"{}", "Body");
    check("text/plain; charset=shift_jis", b"\x83", "Body");
    check("application/x-www-form-urlencoded", b"a=%E9&charset=utf-8", "Body");
    check("text/plain; charset=utf-7", b"a", "Charset");
    check("application/json; charset=nonsense", b"{}", "Charset");
}

#[test]
fn a_content_type_is_compared_without_case_and_parameters() {
    let check = |declared: &str, sent: Option<&str>, expected| {
        let declared = ContentType::parse(declared).unwrap();
        assert_eq!(
            sent.and_then(|sent| ContentType::from_header(sent.as_bytes())) == Some(declared.clone()),
            expected,
            "{declared:?} {sent:?}"
        );
    };
    check("application/json", Some("application/json"), true);
    check("application/json", Some("APPLICATION/JSON ; Charset=UTF-8"), true);
    check("Application/CloudEvents+JSON; a=b", Some("application/cloudevents+json"), true);
    check("application/json", Some("application/cloudevents+json"), false);
    check("application/json", Some("text/plain"), false);
    check("application/json", Some(""), false);
    check("application/json", None, false);
    for unreadable in ["", "json", "application/", "/json", "image/png", "multipart/form-data", "text/a b"] {
        assert!(ContentType::parse(unreadable).unwrap_err().to_string().contains("`contentType`"), "{unreadable}");
    }
}

proptest! {
    #[test]
    fn what_passes_can_be_built_some_levels_deeper(body in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(payload) = json(&body, DEPTH_LIMIT) {
            let deeper = format!("{}{}{}", "[".repeat(20), payload.get(), "]".repeat(20));
            prop_assert!(serde_json::from_str::<Value>(&deeper).is_ok());
        }
    }

    #[test]
    fn json_like_text_passes_exactly_if_it_can_be_built(body in r#"[\[\]{}:,"\\u0-9dDeE. -]{0,24}"#) {
        prop_assert_eq!(json(body.as_bytes(), DEPTH_LIMIT).is_ok(), serde_json::from_str::<Value>(&body).is_ok());
    }

    #[test]
    fn forms_come_back_as_they_were_written(value in ".{0,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        let form = Form::parse(format!("a={encoded}").as_bytes(), Charset::default()).unwrap();
        let value = [value];
        prop_assert_eq!(form.fields().next(), Some(("a", value.as_slice())));
    }
}
