use base64::Engine as _;
use http::header::CONTENT_TYPE;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn action(more: &Value) -> Action {
    let mut action = json!({"tag": "a", "resource": "/", "method": "get"});
    action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(action).unwrap()
}

fn built(base_url: &str, more: &Value, kind: RequestType, input: Value) -> Result<Request, Vec<Violation>> {
    build(base_url, &action(more), kind, &serde_json::from_value(input).unwrap())
}

fn broken(more: &Value, kind: RequestType, input: Value) -> Vec<String> {
    let outcome = built("https://a.test/v1", more, kind, input);
    outcome.unwrap_err().into_iter().map(|violation| format!("{} {}", violation.selector, violation.rule)).collect()
}

#[test]
fn parameters_fill_the_segments_of_the_resource() {
    let check = |base: &str, resource: &str, params: Value, expected: &str| {
        let declared = json!([{"key": "id"}, {"key": "id-two"}, {"key": "id2"}]);
        let more = json!({"resource": resource, "params": declared});
        let request = built(base, &more, RequestType::Json, json!({"params": params})).unwrap();
        assert_eq!(request.url, expected, "{base} {resource}");
    };
    check("https://a.test", "/users/:id", json!({"id": 7}), "https://a.test/users/7");
    check("https://a.test/", "users/:id/", json!({"id": true}), "https://a.test/users/true/");
    check("https://a.test/v1/", "/:id/:id", json!({"id": "x"}), "https://a.test/v1/x/x");
    check("https://a.test/v1?key=k%20", "/:id?a=1", json!({"id": "x"}), "https://a.test/v1/x?key=k%20&a=1");
    check("https://a.test/v1", "", json!({}), "https://a.test/v1");
    check("https://a.test/v1", "/", json!({}), "https://a.test/v1/");
    check("https://a.test:8080", "/:id.json", json!({"id": "x"}), "https://a.test:8080/x.json");
    check("https://a.test", "/:id-two/:id2", json!({"id-two": "x", "id2": "y"}), "https://a.test/x/y");
    check("https://a.test", "/op/:id:cancel", json!({"id": "x", "cancel": "no"}), "https://a.test/op/x:cancel");
    check("https://a.test", "/:not_declared", json!({"not_declared": "x"}), "https://a.test/x");
    check("https://a.test", "/:user-id/x", json!({"user-id": "u"}), "https://a.test/u/x");
    check("https://a.test", "/12:30", json!({}), "https://a.test/12:30");
    check("https://a.test", "/:id", json!({"id": "a/b?c#d%2e&e f"}), "https://a.test/a%2Fb%3Fc%23d%252e%26e%20f");
    check("https://a.test", "/:id", json!({"id": "ü\\\n"}), "https://a.test/%C3%BC%5C%0A");
    check("https://a.test", "/:id", json!({"id": "%2e%2e"}), "https://a.test/%252e%252e");
    check("https://a.test", "/a b/{c}", json!({}), "https://a.test/a%20b/%7Bc%7D");
    check("https://a.test", "//evil.test/:id", json!({"id": "x"}), "https://a.test//evil.test/x");
    check("https://a.test", "@evil.test", json!({}), "https://a.test/@evil.test");
    check("https://a.test", ".evil.test", json!({}), "https://a.test/.evil.test");
    check("https://a.test", "\\\\evil.test", json!({}), "https://a.test/%5C%5Cevil.test");
}

#[test]
fn what_would_be_another_resource_is_refused() {
    let check = |resource: &str, params: Value, expected: &str| {
        let more = json!({"resource": resource, "params": [{"key": "id"}]});
        assert_eq!(broken(&more, RequestType::Json, json!({"params": params})), [expected], "{resource}");
    };
    let dots = "makes a segment of `.` or `..`, which leads to another resource";
    check("/x/:id", json!({}), "$Params{a}{id} is required");
    check("/x/:id", json!({"id": null}), "$Params{a}{id} is required");
    check("/x/:id", json!({"id": ""}), "$Params{a}{id} must not be empty");
    check("/x/:id", json!({"id": ".."}), &format!("$Params{{a}}{{id}} {dots}"));
    check("/x/:id", json!({"id": "."}), &format!("$Params{{a}}{{id}} {dots}"));
    check("/x/.:id", json!({"id": "."}), &format!("$Params{{a}}{{id}} {dots}"));
    check("/x/%2e:id", json!({"id": "."}), &format!("$Params{{a}}{{id}} {dots}"));
    check("/x/../y", json!({}), &format!("resource {dots}"));
    check("/x/%2E./y", json!({}), &format!("resource {dots}"));
    check("/x/:id", json!({"id": ["x"]}), "$Params{a}{id} must be a string, a number or a boolean");
    check("https://evil.test/", json!({}), "resource must be a path below the base URL");
    check("/x#y", json!({}), "resource must not have a fragment");
    check("/x\ny", json!({}), "resource has a line break or another control character");
    for base in ["", "/x", "ftp://a.test", "https://u:p@a.test", "https://a.test/#x", "https://a.te\nst"] {
        let found = built(base, &json!({}), RequestType::Json, json!({})).unwrap_err();
        assert_eq!((found.len(), found[0].selector.as_str()), (1, "base_url"), "{base}");
    }
}

#[test]
fn a_query_is_joined_to_those_of_the_base_url_and_the_resource() {
    let check = |query: Value, expected: &str| {
        let more = json!({"resource": "/s?a=1&%62=2"});
        let request = built("https://a.test?k=v", &more, RequestType::Json, json!({"query": query})).unwrap();
        assert_eq!(request.url, format!("https://a.test/s?{expected}"));
    };
    check(json!({}), "k=v&a=1&%62=2");
    check(json!({"k": null, "x": null, "y": {"z": null}}), "k=v&a=1&%62=2");
    check(json!({"k": "w", "b": "3"}), "a=1&b=3&k=w");
    check(json!({"t": ["x", 1, null, true]}), "k=v&a=1&%62=2&t=x&t=1&t=true");
    check(json!({"t[]": ["x", "y"]}), "k=v&a=1&%62=2&t%5B%5D=x&t%5B%5D=y");
    check(json!({"f": {"g": {"h": 1}, "i": [2]}}), "k=v&a=1&%62=2&f%5Bg%5D%5Bh%5D=1&f%5Bi%5D%5B0%5D=2");
    check(json!({"f": [{"g": 1}]}), "k=v&a=1&%62=2&f%5B0%5D%5Bg%5D=1");
    check(json!({"&=#": "a b&c=d#e+é"}), "k=v&a=1&%62=2&%26%3D%23=a+b%26c%3Dd%23e%2B%C3%A9");
    let long = json!({"query": {"q": "x".repeat(URL_LIMIT_BYTES)}});
    assert_eq!(broken(&json!({}), RequestType::Json, long), ["$Query{a} makes the URL longer than 16384 bytes"]);
}

#[test]
fn headers_are_texts_and_none_of_the_connection() {
    let headers = json!({"x-n": 1, "X-B": true, "x-null": null, "x-u": "é", "x-empty": ""});
    let request = built("https://a.test", &json!({}), RequestType::Json, json!({"headers": headers})).unwrap();
    let mut seen: Vec<String> =
        request.headers.iter().map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v.as_bytes()))).collect();
    seen.sort();
    assert_eq!(seen, ["x-b=true", "x-empty=", "x-n=1", "x-u=é"]);
    let check = |headers: Value, expected: &str| {
        let found = broken(&json!({}), RequestType::Json, json!({"headers": headers}));
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    };
    for value in ["a\r\nx: y", "a\n", "a\0"] {
        check(json!({"x-a": value}), "$Header{a}{x-a} has a line break or another control character");
    }
    check(json!({"x a": 1}), "$Header{a}{x a} is not the name of a header");
    check(json!({"x-a": [1]}), "$Header{a}{x-a} must be a string");
    check(json!({"X-A": "1", "x-a": "2"}), "$Header{a}{x-a} is given twice");
    for name in ["Host", "content-length", "Transfer-Encoding", "connection", "Keep-Alive", "upgrade", "te"] {
        check(json!({name: "x"}), "is about the connection");
    }
    check(json!({"x-a": "x".repeat(70_000)}), "is more than a request can have");
    let many: serde_json::Map<String, Value> = (0..40_000).map(|n| (format!("x-{n}"), json!(1))).collect();
    assert_eq!(broken(&json!({}), RequestType::Json, json!({"headers": many})).len(), 40_000 - 100);
}

#[test]
fn a_body_is_written_in_its_type() {
    use RequestType::{Html, Json, Soap, Urlencoded};
    let check = |kind: RequestType, content_type: Option<&str>, body: Value, sent: &str, sent_type: &str| {
        let headers = content_type.map_or(json!({}), |content_type| json!({"Content-Type": content_type}));
        let input = json!({"body": body, "headers": headers});
        let request = built("https://a.test", &json!({"method": "POST"}), kind, input).unwrap();
        let seen = request.headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
        assert_eq!((&*String::from_utf8_lossy(&request.body), seen), (sent, sent_type), "{body}");
    };
    check(Json, None, json!({"a": "ü\""}), r#"{"a":"ü\""}"#, "application/json");
    check(Json, None, json!([1, null]), "[1,null]", "application/json");
    check(Json, None, json!("a\"b"), r#""a\"b""#, "application/json");
    check(Json, None, json!({}), "{}", "application/json");
    check(Json, None, json!(null), "", "");
    check(Json, Some("application/vnd.api+json"), json!({"a": 1}), r#"{"a":1}"#, "application/vnd.api+json");
    let form = "application/x-www-form-urlencoded";
    check(Urlencoded, None, json!({"a": "b&c", "d": {"e": [1]}}), "a=b%26c&d%5Be%5D%5B0%5D=1", form);
    check(Urlencoded, None, json!({}), "", "");
    check(Json, Some(form), json!({"a": "b c"}), "a=b+c", form);
    check(Soap, None, json!("<a>&amp;</a>"), "<a>&amp;</a>", "text/xml; charset=utf-8");
    check(Html, None, json!("<p>é</p>"), "<p>é</p>", "text/html; charset=utf-8");
    check(Json, Some("text/plain"), json!("a"), "a", "text/plain");
    check(Json, Some("text/csv"), json!({"filename": "f", "base64": "YSxi"}), "a,b", "text/csv");
    let latin = "text/xml; charset=iso-8859-1";
    check(Soap, Some(latin), json!("<a>\u{20ac}</a>"), "<a>\u{fffd}</a>", latin);
}

#[test]
fn a_body_that_cannot_be_written_is_refused() {
    use RequestType::{Formdata, Html, Json, Soap, Urlencoded};
    let check = |kind: RequestType, method: &str, input: Value, expected: &str| {
        assert_eq!(broken(&json!({"method": method}), kind, input), [expected]);
    };
    check(Urlencoded, "POST", json!({"body": "a=b"}), "$Body{a} must be an object to be sent as a form");
    check(Formdata, "POST", json!({"body": [1]}), "$Body{a} must be an object to be sent as multipart/form-data");
    check(Html, "POST", json!({"body": {"a": 1}}), "$Body{a} must be a text to be sent as markup");
    check(Soap, "POST", json!({"body": {"a b": 1}}), "$Body{a}{a b} is not the name of an element or attribute");
    check(Soap, "POST", json!({"body": {"a": "\u{1}"}}), "$Body{a}{a} has a control character, which XML cannot have");
    check(Json, "HEAD", json!({"body": {"a": 1}}), "$Body{a} cannot be sent with HEAD");
    let get = "$Body{a} cannot be sent with GET, unless the action declares a body";
    check(Json, "GET", json!({"body": {"a": 1}}), get);
    let large = json!({"body": {"a": "x".repeat(BODY_LIMIT_BYTES)}});
    check(Json, "POST", large.clone(), "$Body{a} is longer than 1048576 bytes as it is sent");
    check(Formdata, "POST", large, "$Body{a} is longer than 1048576 bytes as it is sent");
    let file = json!({"body": {"f": {"filename": "x", "base64": "no!"}}});
    check(Formdata, "POST", file, "$Body{a}{f}{base64} is not base64");
    let file = json!({"body": {"f": {"content_type": "a\r\nb", "content": ""}}});
    check(Formdata, "POST", file, "$Body{a}{f}{content_type} is not a content type");
    let method = "method has the unknown value `CONNECT`: must be one of `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD`, `OPTIONS`";
    check(Json, "CONNECT", json!({}), method);
    let declared = json!({"body": [{"key": "a"}]});
    let request = built("https://a.test", &declared, Json, json!({"body": {"a": 1}})).unwrap();
    assert_eq!((request.method.as_str(), &request.body[..]), ("GET", &b"{\"a\":1}"[..]));
}

#[test]
fn soap_escapes_values_and_keeps_the_declared_order() {
    let check = |body: Value, more: Value, expected: &str| {
        let mut more = more;
        more["method"] = json!("POST");
        let request = built("https://a.test", &more, RequestType::Soap, json!({"body": body})).unwrap();
        let start = "<?xml version=\"1.0\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>";
        let text = String::from_utf8(request.body.to_vec()).unwrap();
        assert_eq!(text, format!("{start}{expected}</soap:Body></soap:Envelope>"));
        assert_eq!(request.headers["soapaction"], "\"\"");
    };
    check(json!({"a": "</a><b x=\"&\">"}), json!({}), "<a>&lt;/a&gt;&lt;b x=&quot;&amp;&quot;&gt;</a>");
    check(json!({"a": {"@x": "\"><b", "#text": "t\n"}}), json!({}), "<a x=\"&quot;&gt;&lt;b\">t&#10;</a>");
    check(json!({"a": [1, {"b": null}]}), json!({}), "<a>1</a><a><b></b></a>");
    let declared = json!({"body": [{"key": "z", "fields": [{"key": "y"}, {"key": "b"}]}, {"key": "c"}]});
    check(json!({"c": 1, "a": 2, "z": {"b": 3, "y": 4}}), declared, "<z><y>4</y><b>3</b></z><c>1</c><a>2</a>");
    let whole = json!({"body": {"e:Envelope": {"@xmlns:e": "urn:x", "e:Body": "x"}}, "headers": {
        "content-type": "application/soap+xml"}});
    let request = built("https://a.test", &json!({"method": "POST"}), RequestType::Soap, whole).unwrap();
    let text = String::from_utf8(request.body.to_vec()).unwrap();
    assert_eq!(text, "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"urn:x\"><e:Body>x</e:Body></e:Envelope>");
    assert!(!request.headers.contains_key("soapaction"));
}

#[test]
fn every_broken_rule_is_named() {
    let more = json!({"resource": "/:id", "method": "POST"});
    let input = json!({"headers": {"host": "x"}, "body": {"f": {"filename": "x", "base64": "!"}}});
    let found = broken(&more, RequestType::Formdata, input);
    let selectors: Vec<&str> = found.iter().filter_map(|rule| rule.split(' ').next()).collect();
    assert_eq!(selectors, ["$Params{a}{id}", "$Header{a}{host}", "$Body{a}{f}{base64}"]);
}

proptest! {
    #[test]
    fn no_parameter_leaves_its_segment(value in "\\PC*|[./\\\\%2eE?#:@ ]{1,8}", resource in "/[a:/?#@.%\\\\ ]{0,12}") {
        let more = json!({"resource": resource, "params": [{"key": "id"}]});
        if let Ok(request) = built("https://a.test:8443/v1", &more, RequestType::Json, json!({"params": {"a": "x"}})) {
            let url = url::Url::parse(&request.url).unwrap();
            prop_assert_eq!(url.origin().ascii_serialization(), "https://a.test:8443");
            prop_assert!(url.path().starts_with("/v1/"));
        }
        let more = json!({"resource": "/x/:id/y", "params": [{"key": "id"}]});
        if let Ok(request) = built("https://a.test/v1", &more, RequestType::Json, json!({"params": {"id": value}})) {
            let url = url::Url::parse(&request.url).unwrap();
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            prop_assert_eq!((segments.len(), segments[1], segments[3]), (4, "x", "y"));
            let decoded = percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap();
            prop_assert_eq!(&*decoded, value);
            prop_assert_eq!((url.query(), url.fragment()), (None, None));
        }
    }

    #[test]
    fn no_value_ends_its_part(name in "a[a\"\r\n;é]{0,6}", value in any::<Vec<u8>>(), filename in "\\PC*|[\"\r\n]{1,4}") {
        let base64 = base64::engine::general_purpose::STANDARD.encode(&value);
        let body = json!({"body": {name: {"filename": filename, "base64": base64}, "plain": "x\r\n--form-"}});
        let request = built("https://a.test", &json!({"method": "POST"}), RequestType::Formdata, body).unwrap();
        let content_type = request.headers[CONTENT_TYPE].to_str().unwrap();
        let delimiter = format!("--{}", content_type.split_once("boundary=").unwrap().1);
        let count = request.body.windows(delimiter.len()).filter(|window| *window == delimiter.as_bytes()).count();
        prop_assert_eq!(count, 3);
        let head_end = request.body.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        prop_assert_eq!(request.body[..head_end].windows(2).filter(|window| *window == b"\r\n").count(), 2);
    }
}
