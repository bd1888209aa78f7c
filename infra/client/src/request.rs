use reqwest::Method;
use serde_json::Value;

/// One request of the API.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) content_type: &'static str,
    pub(crate) public: bool,
}

impl Request {
    /// Builds a request to a path of the server, or to a whole URL.
    pub fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            content_type: "application/json",
            public: false,
        }
    }

    /// Builds a GET.
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// Builds a POST with JSON.
    pub fn post(path: &str, body: &Value) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..self }
    }

    /// Sends a text of this content type.
    #[must_use]
    pub fn text(self, content_type: &'static str, body: String) -> Self {
        Self { body: Some(body), content_type, ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends no access token.
    #[must_use]
    pub fn public(self) -> Self {
        Self { public: true, ..self }
    }
}
