//! A request to an API function, as its script gets it: in payload format 2.0 of API Gateway's HTTP APIs.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, PROXY_AUTHORIZATION, USER_AGENT};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use shared::Refusal;

/// The largest request in this form, and the largest body: what Lambda takes.
pub(crate) const LIMIT_BYTES: usize = 6 * 1024 * 1024;
/// The header with the user for whom a request is made.
const USER: &str = "x-exh-requesting-user-id";
/// The header with the application that makes a request.
const APPLICATION: &str = "x-exh-requesting-application-id";
/// What proves who somebody is, to us and to what else is on this host, and is not for functions.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];

/// A request to an API function.
pub(crate) struct ApiCall<'a> {
    pub(crate) id: &'a str,
    pub(crate) method: &'a str,
    /// The path after the name of the function, which begins with `/`.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) client_id: Option<&'a str>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) time: Timestamp,
}

impl ApiCall<'_> {
    /// Returns the event, as JSON, or refuses a request that is too large in this form.
    pub(crate) fn event(&self) -> Result<String, Refusal> {
        let text = |name: &HeaderName| self.headers.get(name).and_then(|value| value.to_str().ok());
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query.map(|query| format!("?{query}")).unwrap_or_default(),
            "headers": self.headers(),
            "requestContext": {
                "domainName": text(&HOST),
                "http": {
                    "method": self.method, "path": self.path, "protocol": "HTTP/1.1",
                    "sourceIp": self.source.map(|address| address.to_string()), "userAgent": text(&USER_AGENT),
                },
                "requestId": self.id,
                "routeKey": "$default",
                "stage": "$default",
                "time": self.time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "timeEpoch": self.time.as_millisecond(),
            },
            "isBase64Encoded": false,
        });
        if let Some(parameters) = self.parameters() {
            event["queryStringParameters"] = parameters;
        }
        if !self.body.is_empty() {
            let text = str::from_utf8(self.body);
            event["isBase64Encoded"] = text.is_err().into();
            event["body"] = text.map_or_else(|_| STANDARD.encode(self.body), str::to_owned).into();
        }
        let event = event.to_string();
        match event.len() <= LIMIT_BYTES {
            true => Ok(event),
            false => Err(Refusal::too_large(format!("the request has more than {LIMIT_BYTES} bytes as an event"))),
        }
    }

    /// The headers by lower-case name, repeated ones joined by commas, with those that say who asks.
    fn headers(&self) -> Value {
        let mut headers = Map::new();
        for name in self.headers.keys().filter(|name| !CREDENTIALS.contains(name)) {
            let values = self.headers.get_all(name).iter();
            let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            headers.insert(name.as_str().to_owned(), values.join(",").into());
        }
        for name in [USER, APPLICATION] {
            headers.remove(name);
            if let Some(client) = self.client_id {
                headers.insert(name.to_owned(), client.into());
            }
        }
        headers.into()
    }

    fn parameters(&self) -> Option<Value> {
        let mut parameters = Map::new();
        for (name, value) in url::form_urlencoded::parse(self.query?.as_bytes()) {
            let joined = match parameters.get(&*name).and_then(Value::as_str) {
                Some(former) => format!("{former},{value}"),
                None => value.into_owned(),
            };
            parameters.insert(name.into_owned(), joined.into());
        }
        (!parameters.is_empty()).then(|| parameters.into())
    }
}

/// Returns the part of a path after the name of the API function.
pub(crate) fn path_below(path: &str) -> &str {
    // `/tasks/v1/api/{name}` has five parts, the first of which is empty.
    let below = path.match_indices('/').nth(4).map(|(at, _)| &path[at..]);
    below.unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(
        headers: &[(&'static str, &'static str)],
        query: Option<&str>,
        body: &[u8],
        client: Option<&str>,
    ) -> Value {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let call = ApiCall {
            id: "1",
            method: "POST",
            path: "/a%20b/",
            query,
            headers: &headers,
            body,
            client_id: client,
            source: Some("192.0.2.1".parse().unwrap()),
            time: Timestamp::UNIX_EPOCH,
        };
        serde_json::from_str(&call.event().unwrap()).unwrap()
    }

    #[test]
    fn a_request_becomes_an_event_of_api_gateway() {
        let event =
            event(&[("X-One", "1"), ("host", "a.test"), ("x-one", "2")], Some("a=b+c&a=%20d&e"), b"\"x\"", None);
        let expected = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/", "rawQueryString": "?a=b+c&a=%20d&e",
            "queryStringParameters": {"a": "b c, d", "e": ""},
            "headers": {"host": "a.test", "x-one": "1,2"},
            "requestContext": {
                "domainName": "a.test",
                "http": {
                    "method": "POST", "path": "/a%20b/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": null,
                },
                "requestId": "1", "routeKey": "$default", "stage": "$default",
                "time": "01/Jan/1970:00:00:00 +0000", "timeEpoch": 0,
            },
            "body": "\"x\"", "isBase64Encoded": false,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn who_asks_is_said_by_us_alone_and_credentials_are_left_out() {
        let sent = [
            (USER, "forged"),
            (APPLICATION, "forged"),
            ("authorization", "Bearer x"),
            ("proxy-authorization", "Basic x"),
            ("cookie", "a=b"),
            ("x-tenant-id", "t"),
        ];
        assert_eq!(event(&sent, None, b"", None)["headers"], json!({"x-tenant-id": "t"}));
        let expected = json!({"x-tenant-id": "t", USER: "c", APPLICATION: "c"});
        assert_eq!(event(&sent, None, b"", Some("c"))["headers"], expected);
    }

    #[test]
    fn a_body_that_is_not_text_is_base64_and_an_empty_one_is_absent() {
        let check = |body: &[u8], expected: Value, is_base64: bool| {
            let event = event(&[], None, body, None);
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&expected, &json!(is_base64)));
        };
        check(b"", Value::Null, false);
        check("é\0\u{10348}".as_bytes(), json!("é\0\u{10348}"), false);
        check(b"\xff\0", json!("/wA="), true);
        let headers = HeaderMap::new();
        let large = vec![0xff; LIMIT_BYTES - LIMIT_BYTES / 5];
        let call = ApiCall {
            id: "1",
            method: "POST",
            path: "/",
            query: None,
            headers: &headers,
            body: &large,
            client_id: None,
            source: None,
            time: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(call.event().unwrap_err().status, 413);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_becomes_an_event_that_says_it(
            query in "[!-~]{0,40}",
            value in "[\\t -~\u{80}-\u{ff}]{0,20}",
            body: Vec<u8>,
        ) {
            let value = http::HeaderValue::from_bytes(value.trim().as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([("x-one".parse().unwrap(), value.clone())]);
            let call = ApiCall {
                id: "1",
                method: "POST",
                path: "/",
                query: Some(&query),
                headers: &headers,
                body: &body,
                client_id: None,
                source: None,
                time: Timestamp::UNIX_EPOCH,
            };
            let event: Value = serde_json::from_str(&call.event().unwrap()).unwrap();
            prop_assert_eq!(event["rawQueryString"].as_str().unwrap(), format!("?{query}"));
            prop_assert_eq!(event["headers"]["x-one"].as_str().unwrap().as_bytes(), value.as_bytes());
            let text = event["body"].as_str().unwrap_or_default();
            let sent = if event["isBase64Encoded"] == true { STANDARD.decode(text).unwrap() } else { text.as_bytes().to_vec() };
            prop_assert_eq!(sent, body);
        }
    }

    #[test]
    fn a_function_sees_the_path_after_its_name() {
        let check = |path: &str, expected: &str| assert_eq!(path_below(path), expected, "{path}");
        check("/tasks/v1/api/f", "/");
        check("/tasks/v1/api/f/", "/");
        check("/tasks/v1/api/f/hello/world/", "/hello/world/");
        check("/tasks/v1/api/f/a%2Fb", "/a%2Fb");
        check("/tasks/v1/api/f//a", "//a");
    }
}
