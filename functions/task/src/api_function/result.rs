//! What the script of an API function returns, as the answer to its request.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use shared::encoding::{self, Undecodable};
use shared::http::ForeignBody;
use shared::nearest;

/// The largest result, as JSON: what Lambda passes on.
pub(crate) const LIMIT_BYTES: usize = 6 * 1024 * 1024;
/// The most bytes of the names and values of all headers, as in an answer of API Gateway.
const HEADERS_LIMIT_BYTES: usize = 10_240;
/// The name of the error in the record of a request.
pub(crate) const INVALID: &str = "INVALID_API_FUNCTION_RESULT";
/// What a result can have; the last two are for libraries, which write them though they are empty.
const FIELDS: [&str; 6] = ["statusCode", "headers", "body", "isBase64Encoded", "cookies", "multiValueHeaders"];
/// What a page of a function may do; it is on the same origin as the API.
const SANDBOX: &str = "sandbox allow-forms allow-popups allow-scripts";
/// The headers that are about the connection, or about the whole host, which is not the function's own.
const NOT_OF_FUNCTIONS: [&str; 27] = [
    "alt-svc",
    "clear-site-data",
    "connection",
    "content-length",
    "date",
    "expect-ct",
    "keep-alive",
    "nel",
    "origin-agent-cluster",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "public-key-pins",
    "report-to",
    "reporting-endpoints",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-content-type-options",
];
/// How the names of further such headers begin: cross-origin rules are those of the API, and some are of AWS.
const NOT_OF_FUNCTIONS_PREFIXES: [&str; 4] = ["access-control-", "apigw-", "x-amz-", "x-amzn-"];

/// The answer of an API function.
#[derive(Debug, PartialEq)]
pub(crate) struct ApiResult {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    /// The headers that are left out, as functions cannot set them.
    pub(crate) left_out: Vec<String>,
}

impl ApiResult {
    /// Reads what a script returned, or says what is wrong with it.
    pub(crate) fn read(result: Value) -> Result<Self, String> {
        let Value::Object(mut result) = result else {
            return Err("The result is expected to be an object with a statusCode.".to_owned());
        };
        if let Some(name) = result.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(format!("The result has an {}", nearest::unknown("field", name, FIELDS)));
        }
        let status = status(result.get("statusCode").unwrap_or(&Value::Null))?;
        let (mut headers, mut left_out) = (HeaderMap::new(), Vec::new());
        for (name, value) in of_headers(&mut result)? {
            let is_own = NOT_OF_FUNCTIONS.contains(&name.as_str())
                || NOT_OF_FUNCTIONS_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
            if is_own {
                left_out.push(name.as_str().to_owned());
            } else {
                headers.try_append(name, value).map_err(|_| "The result has too many headers.".to_owned())?;
            }
        }
        if result.get("cookies").and_then(Value::as_array).is_some_and(|cookies| !cookies.is_empty()) {
            left_out.push("cookies".to_owned());
        }
        let body = body(&mut result)?;
        check_encoding(&headers, &body)?;
        check_size(&headers)?;
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
        Ok(Self { status, headers, body, left_out })
    }

    /// Returns the response to a request with this method.
    pub(crate) fn into_response(self, method: &Method) -> Response {
        let has_body = *method != Method::HEAD
            && !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
        let mut response = Response::new(if has_body { Body::from(self.body) } else { Body::empty() });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.extensions_mut().insert(ForeignBody);
        response
    }
}

fn status(value: &Value) -> Result<StatusCode, String> {
    let status = value.as_u64().filter(|status| (200..=499).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    status.ok_or_else(|| {
        let returned: String = value.to_string().chars().take(100).collect();
        format!("The status code is expected to be a number between 200 and 499. Returned value: {returned}")
    })
}

fn of_headers(result: &mut Map<String, Value>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut headers = Vec::new();
    for field in ["headers", "multiValueHeaders"] {
        let named = match result.remove(field) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(named)) => named,
            Some(_) => return Err(format!("The {field} are expected to be an object.")),
        };
        for (name, value) in named {
            let values = match value {
                Value::Array(values) if field == "multiValueHeaders" => values,
                value => vec![value],
            };
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header(&name))?;
            for value in values {
                headers.push((parsed.clone(), header_value(&name, &value)?));
            }
        }
    }
    Ok(headers)
}

fn header_value(name: &str, value: &Value) -> Result<HeaderValue, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(format!("{} It is expected to be a string.", no_header(name))),
    };
    HeaderValue::from_str(&text).map_err(|_| no_header(name))
}

/// Refuses a body that no client could read, as it is not encoded as its header says. What is not understood is passed on.
fn check_encoding(headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let declared = encoding::declared(headers);
    match encoding::decoded(&declared, body, LIMIT_BYTES) {
        Err(Undecodable::Invalid(_)) => Err(format!(
            "The header content-encoding is {declared:?}, but the body is not encoded so: return the encoded bytes in \
             base64 with isBase64Encoded, or leave the header out."
        )),
        _ => Ok(()),
    }
}

/// Refuses more headers than clients and proxies take.
fn check_size(headers: &HeaderMap) -> Result<(), String> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    match bytes <= HEADERS_LIMIT_BYTES {
        true => Ok(()),
        false => Err(format!("The headers have {bytes} bytes, and may have {HEADERS_LIMIT_BYTES} at most.")),
    }
}

fn no_header(name: &str) -> String {
    let name: String = name.chars().take(100).collect();
    format!("The result has the header {name:?}, which cannot be sent.")
}

fn body(result: &mut Map<String, Value>) -> Result<Vec<u8>, String> {
    let is_base64 = match result.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_base64)) => *is_base64,
        Some(_) => return Err("isBase64Encoded is expected to be true or false.".to_owned()),
    };
    match (result.remove("body").unwrap_or_default(), is_base64) {
        (Value::Null, _) => Ok(Vec::new()),
        (Value::String(text), true) => STANDARD
            .decode(text)
            .map_err(|_| "The body is expected to be base64, as isBase64Encoded is true.".to_owned()),
        (_, true) => Err("The body is expected to be base64, as isBase64Encoded is true.".to_owned()),
        (Value::String(text), false) => Ok(text.into_bytes()),
        (json, false) => Ok(json.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
    fn read(result: Value) -> ApiResult {
        ApiResult::read(result.clone()).unwrap_or_else(|error| panic!("{result}: {error}"))
    }

    #[test]
    fn a_result_becomes_an_answer() {
        let check = |result: Value, status: u16, content_type: &str, body: &str| {
            let read = read(result.clone());
            assert_eq!(read.status, status, "{result}");
            assert_eq!(read.headers[CONTENT_TYPE], content_type, "{result}");
            assert_eq!(String::from_utf8(read.body).unwrap(), body, "{result}");
        };
        check(json!({"statusCode": 200, "body": "{}"}), 200, "application/json", "{}");
        check(json!({"statusCode": 499, "body": {"a": [1]}}), 499, "application/json", r#"{"a":[1]}"#);
        check(json!({"statusCode": 302, "headers": {"Location": "/x"}}), 302, "application/json", "");
        check(json!({"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "é"}), 200, "text/html", "é");
        check(json!({"statusCode": 200, "body": "w6k=", "isBase64Encoded": true}), 200, "application/json", "é");
        check(json!({"statusCode": 200, "headers": null, "body": null, "cookies": []}), 200, "application/json", "");
        let read = read(json!({"statusCode": 200, "headers": {"x-n": 5}, "multiValueHeaders": {"x-m": ["a", "b"]}}));
        assert_eq!(read.headers.get_all("x-m").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            (&read.headers["x-n"], &read.headers["x-content-type-options"]),
            (&"5".parse().unwrap(), &"nosniff".parse().unwrap())
        );
    }

    #[test]
    fn a_result_that_is_none_is_explained() {
        let check = |result: Value, expected: &str| {
            let error = ApiResult::read(result.clone()).unwrap_err();
            assert!(error.contains(expected), "{result}: {error}");
        };
        check(json!(null), "expected to be an object");
        check(json!("text"), "expected to be an object");
        check(json!([200]), "expected to be an object");
        check(json!({}), "Returned value: null");
        for status in [json!(199), json!(500), json!(100), json!(-200), json!(200.5), json!("200"), json!(null)] {
            check(json!({"statusCode": status}), "between 200 and 499. Returned value: ");
        }
        check(json!({"statusCode": 200, "header": {}}), "did you mean `headers`?");
        check(json!({"statusCode": 200, "headers": [["a", "b"]]}), "headers are expected to be an object");
        for (name, value) in
            [("a b", json!("c")), ("", json!("c")), ("a", json!("b\r\nc: d")), ("a", json!(["b"])), ("a", json!(null))]
        {
            check(json!({"statusCode": 200, "headers": {name: value}}), "cannot be sent");
        }
        check(json!({"statusCode": 200, "body": "é", "isBase64Encoded": true}), "expected to be base64");
        check(json!({"statusCode": 200, "body": {}, "isBase64Encoded": true}), "expected to be base64");
        check(json!({"statusCode": 200, "body": "", "isBase64Encoded": "yes"}), "true or false");
    }

    #[test]
    fn a_body_is_encoded_as_its_header_says() {
        let gzip = "H4sIAAAAAAAAA0tMSgYAwkEkNQMAAAA=";
        let result = |encoding: &str, body: &str, is_base64: bool| {
            let headers = json!({"content-encoding": encoding});
            ApiResult::read(json!({"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": is_base64}))
        };
        for (encoding, body, is_base64) in
            [("gzip", gzip, true), ("identity", "abc", false), ("aws-chunked", "abc", false), ("br", "", false)]
        {
            let read = result(encoding, body, is_base64).unwrap();
            assert_eq!(read.headers["content-encoding"], encoding, "{encoding} {body}");
        }
        for (encoding, body, is_base64) in [
            ("gzip", "abc", false),
            ("br", "abc", false),
            ("GZIP", gzip, false),
            ("deflate", gzip, true),
            ("gzip, br", gzip, true),
        ] {
            let error = result(encoding, body, is_base64).unwrap_err();
            assert!(error.contains("but the body is not encoded so"), "{encoding} {body}: {error}");
        }
    }

    #[test]
    fn headers_are_as_long_as_clients_take_them() {
        let read = |length: usize| ApiResult::read(json!({"statusCode": 200, "headers": {"x-a": "a".repeat(length)}}));
        assert!(read(10_237).is_ok());
        let error = read(10_238).unwrap_err();
        assert_eq!(error, "The headers have 10241 bytes, and may have 10240 at most.");
        let many: Map<String, Value> = (0..2_000).map(|number| (format!("x-{number}"), json!("value"))).collect();
        assert!(ApiResult::read(json!({"statusCode": 200, "headers": many})).unwrap_err().contains("at most"));
    }

    #[test]
    fn what_is_not_the_functions_own_is_left_out() {
        let names = [
            "Set-Cookie",
            "connection",
            "Transfer-Encoding",
            "content-length",
            "Access-Control-Allow-Origin",
            "x-amzn-errortype",
            "strict-transport-security",
            "WWW-Authenticate",
            "service-worker-allowed",
        ];
        for name in names {
            let read = read(json!({"statusCode": 200, "headers": {name: "1"}}));
            assert_eq!(read.left_out, [name.to_ascii_lowercase()]);
            assert!(!read.headers.contains_key(name), "{name}");
        }
        assert_eq!(read(json!({"statusCode": 200, "cookies": ["a=b"]})).left_out, ["cookies"]);
        let read = read(json!({"statusCode": 200, "headers": {"content-security-policy": "default-src *"}}));
        let policies: Vec<_> = read.headers.get_all("content-security-policy").iter().collect();
        assert_eq!(policies, ["default-src *", SANDBOX]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-10..600_i64).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let field = prop_oneof![prop::sample::select(&FIELDS[..]).prop_map(str::to_owned), "[ -~]{0,8}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((field, inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_a_script_returns_is_an_answer_or_is_explained(mut result in any_json(), status in 200..=499_u16) {
            if let Some(result) = result.as_object_mut() {
                result.insert("statusCode".to_owned(), status.into());
            }
            match ApiResult::read(result) {
                Ok(result) => {
                    prop_assert_eq!(result.status, status);
                    prop_assert!(NOT_OF_FUNCTIONS.iter().all(|name| !result.headers.contains_key(*name) || *name == "x-content-type-options"));
                }
                Err(error) => prop_assert!(error.len() < 2_000, "{}", error),
            }
        }
    }

    #[tokio::test]
    async fn some_answers_have_no_body() {
        let check = async |status: u16, method: Method, expected: usize| {
            let response = read(json!({"statusCode": status, "body": "abc"})).into_response(&method);
            let body = axum::body::to_bytes(response.into_body(), 10).await.unwrap();
            assert_eq!(body.len(), expected, "{method} {status}");
        };
        check(200, Method::GET, 3).await;
        check(200, Method::HEAD, 0).await;
        check(204, Method::DELETE, 0).await;
        check(304, Method::GET, 0).await;
    }
}
