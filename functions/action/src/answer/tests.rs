use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::*;

fn response(status: u16, content_type: &str, body: &[u8]) -> Response {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    }
    Response { status, headers, body: Bytes::copy_from_slice(body), url: String::new() }
}

fn outcome(response: &Response) -> Result<Value, Failure> {
    read(response, Timestamp::UNIX_EPOCH)
}

#[test]
fn an_answer_is_read_by_its_type() {
    let check = |content_type: &str, body: &[u8], expected: Value| {
        assert_eq!(outcome(&response(200, content_type, body)), Ok(expected), "{content_type} {body:x?}");
    };
    check("application/json", b"{\"a\": [1, null]}", json!({"a": [1, null]}));
    check("application/vnd.api+json; charset=utf-8", b"\xef\xbb\xbf\"x\"", json!("x"));
    check("application/json", b"", Value::Null);
    check("application/json", b" \n", Value::Null);
    check("application/x-ndjson", b"{}\n{}\n", json!("{}\n{}\n"));
    check(
        "application/x-www-form-urlencoded",
        b"a=b+c&d=1&d=2&d=3&e",
        json!({"a": "b c", "d": ["1", "2", "3"], "e": ""}),
    );
    let reserved = "a=1&$serde_json::private::RawValue=1";
    check("application/x-www-form-urlencoded", reserved.as_bytes(), json!(reserved));
    check("text/plain", b"{\"a\": 1}", json!("{\"a\": 1}"));
    check("text/plain; charset=windows-1252", b"\x80", json!("€"));
    check("application/javascript", b"x()", json!("x()"));
    check(
        "text/xml",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>",
        json!("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>"),
    );
    check(
        "text/html",
        b"<html><meta charset=\"windows-1252\"><p>\x80",
        json!("<html><meta charset=\"windows-1252\"><p>€"),
    );
    check("text/html; charset=utf-8", "<meta charset=latin1>é".as_bytes(), json!("<meta charset=latin1>é"));
    check("image/png", b"\x89PNG", json!({"content_type": "image/png", "base64": "iVBORw==", "size": 4}));
    check(
        "application/octet-stream",
        b"abc",
        json!({"content_type": "application/octet-stream", "base64": "YWJj", "size": 3}),
    );
    check("", b"[1]", json!([1]));
    check("", b"1", json!("1"));
    check("", b"{a", json!("{a"));
    check("", b"a\0b", json!({"content_type": "", "base64": "YQBi", "size": 3}));
    check("", b"\xff\xfd", json!({"content_type": "", "base64": "//0=", "size": 2}));
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(outcome(&response(200, "application/json", nested(64).as_bytes())).unwrap().is_array());
    let reserved = r#"[{"$serde_json::private::RawValue": "[1]"}]"#;
    check("application/json", reserved.as_bytes(), json!(reserved));
    check("", reserved.as_bytes(), json!(reserved));
    check("application/json", nested(65).as_bytes(), json!(nested(65)));
    check("application/json", nested(200_000).as_bytes(), json!(nested(200_000)));
}

#[test]
fn an_answer_that_is_not_what_it_says_is_a_failure() {
    for body in ["{\"a\": ", "<html>", "{} x", "NaN"] {
        let failure = outcome(&response(201, "application/json", body.as_bytes())).unwrap_err();
        assert_eq!((failure.kind, failure.status), (FailureType::InvalidResponse, Some(201)), "{body}");
    }
    for (content_type, body) in [
        ("application/json", b"{\"a\": \"\xff\"}".as_slice()),
        ("application/json", b"\"\xed\xa0\x80\""),
        ("application/json; charset=utf-16le", b"\"\0\x00\xd8\"\0"),
    ] {
        let failure = outcome(&response(200, content_type, body)).unwrap_err();
        assert_eq!(failure.kind, FailureType::InvalidResponse, "{body:x?}");
    }
    let mut encoded = response(200, "application/json", b"{}");
    encoded.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("compress"));
    assert_eq!(outcome(&encoded).unwrap_err().kind, FailureType::InvalidResponse);
}

#[test]
fn a_status_says_which_failure_it_is() {
    let check = |status: u16, expected: FailureType| {
        let mut response = response(status, "text/plain", b"no");
        response.headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        let failure = outcome(&response).unwrap_err();
        assert_eq!((failure.kind, failure.status, failure.retry_after_ms), (expected, Some(status), Some(2_000)));
    };
    check(302, FailureType::RequestFailed);
    check(400, FailureType::RequestFailed);
    check(401, FailureType::Unauthorized);
    check(403, FailureType::Forbidden);
    check(404, FailureType::NotFound);
    check(410, FailureType::NotFound);
    check(408, FailureType::Timeout);
    check(422, FailureType::RequestFailed);
    check(429, FailureType::RateLimited);
    check(500, FailureType::RequestFailed);
    for status in 502..=504 {
        check(status, FailureType::ServiceUnavailable);
    }
}

#[test]
fn no_answer_is_a_failure_by_what_may_have_happened() {
    let host = || "a.test".to_owned();
    let check = |error: OutboundError, idempotent: FailureType, other: FailureType| {
        assert_eq!((failure(&error, true).kind, failure(&error, false).kind), (idempotent, other), "{error:?}");
    };
    let both = |error: OutboundError, kind: FailureType| check(error, kind, kind);
    let connect = |sent| OutboundError::Connect { host: host(), reason: String::new(), code: None, sent };
    let failed = |code| OutboundError::Failed { host: host(), reason: String::new(), code };
    check(OutboundError::Timeout { sent: true }, FailureType::Timeout, FailureType::OutcomeUnknown);
    both(OutboundError::Timeout { sent: false }, FailureType::Timeout);
    check(connect(true), FailureType::ConnectionError, FailureType::OutcomeUnknown);
    both(connect(false), FailureType::ConnectionError);
    check(failed(Some("ECONNRESET")), FailureType::ConnectionError, FailureType::OutcomeUnknown);
    both(failed(Some("Z_DATA_ERROR")), FailureType::InvalidResponse);
    both(OutboundError::TooLarge { limit: 1 }, FailureType::InvalidResponse);
    both(OutboundError::TooManyRedirects { limit: 1 }, FailureType::InvalidResponse);
    both(OutboundError::InvalidRedirect { reason: String::new() }, FailureType::InvalidResponse);
    both(OutboundError::Refused { host: host(), reason: String::new(), sent: true }, FailureType::Forbidden);
    both(OutboundError::InvalidUrl { reason: String::new() }, FailureType::ValidationError);
}
