//! Requests as API Gateway hands them to a function, and the function's answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::Function;

/// A request in payload format 2.0 of API Gateway's HTTP APIs.
///
/// Source: Amazon API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
#[derive(Debug, Clone)]
pub struct Request {
    /// What the function is invoked with, free to be changed in any way.
    pub payload: Value,
}

/// An answer as a client sees it; a body that is not JSON is a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers by lower-case name.
    pub headers: Value,
    /// The body.
    pub body: Value,
}

impl Request {
    /// Builds a request without a body.
    pub fn new(method: &str, path_and_query: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let payload = json!({
            "version": "2.0",
            "routeKey": "ANY /{proxy+}",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {
                "accept": "*/*",
                "host": "abc123.execute-api.eu-central-1.amazonaws.com",
                "user-agent": "GitHub-Hookshot/044aadd",
                "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
                "x-forwarded-for": "192.0.2.1",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
            },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abc123",
                "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
                "domainPrefix": "abc123",
                "http": {
                    "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                    "userAgent": "GitHub-Hookshot/044aadd",
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": "ANY /{proxy+}",
                "stage": "$default",
                "time": "02/Jan/2026:03:04:05 +0000",
                "timeEpoch": 1_767_323_045_678_u64,
            },
            "isBase64Encoded": false,
        });
        Self { payload }
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.payload["headers"][name] = value.into();
        self
    }

    /// Sets the headers of a signed webhook.
    #[must_use]
    pub fn headers<'a>(self, headers: impl IntoIterator<Item = &'a (&'static str, String)>) -> Self {
        headers.into_iter().fold(self, |request, (name, value)| request.header(name, value))
    }

    /// Comes from this address.
    #[must_use]
    pub fn from_address(mut self, address: &str) -> Self {
        self.payload["requestContext"]["http"]["sourceIp"] = address.into();
        self
    }

    /// Sends an access token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends the fields of a form, already encoded.
    #[must_use]
    pub fn form(self, fields: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(fields)
    }

    /// Sends text.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.payload["body"] = body.into().into();
        self
    }

    /// Sends bytes that need not be text.
    #[must_use]
    pub fn bytes(mut self, body: &[u8]) -> Self {
        self.payload["isBase64Encoded"] = true.into();
        self.body(STANDARD.encode(body))
    }

    /// Sends the request to a function that is not the world's own, such as [`crate::World::another`].
    pub async fn send_to(self, function: &Function) -> Answer {
        Answer::read(&function.invoke(self.payload).await.expect("a request is answered"))
    }

    /// Returns the method and the path.
    pub(crate) fn route(&self) -> (&str, &str) {
        let (method, path) = (&self.payload["requestContext"]["http"]["method"], &self.payload["rawPath"]);
        (method.as_str().unwrap_or_default(), path.as_str().unwrap_or_default())
    }
}

impl Answer {
    /// Reads what a function returned to API Gateway.
    pub fn read(returned: &Value) -> Self {
        let text = returned["body"].as_str().unwrap_or_default();
        let status = returned["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        Self {
            status: status.unwrap_or_else(|| panic!("{returned} is not an answer to an HTTP request")),
            headers: returned["headers"].clone(),
            body: serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        }
    }
}
