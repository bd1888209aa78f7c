//! The HTTP client of the API: sign in, send JSON, wait for a condition.

mod answer;
mod error;
mod request;

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use answer::Answer;
pub use error::Error;
pub use request::Request;

/// How often a wait repeats its request.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The id and the secret of an API client, as in `admin.json`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The id.
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A client of one server; it sends its access token once it has signed in.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Client {
    /// Builds a client of the server at this URL. It never goes through a proxy.
    ///
    /// # Errors
    /// When the system's TLS configuration cannot be used.
    pub fn new(url: &str) -> Result<Self, Error> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(Error::Build)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), token: None })
    }

    /// Gets an access token, sends it from now on, and returns the server's answer.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the credentials.
    pub async fn sign_in(&mut self, credentials: &Credentials) -> Result<Value, Error> {
        let mut body = json!(credentials);
        body["grant_type"] = "client_credentials".into();
        let answer = self.send(&Request::post("/auth/v2/oauth2/tokens", &body).public()).await?;
        self.token = answer["access_token"].as_str().map(str::to_owned);
        Ok(answer)
    }

    /// Sends a request and returns the body of its answer.
    ///
    /// # Errors
    /// When the server cannot be reached or the status is not a success.
    pub async fn send(&self, request: &Request) -> Result<Value, Error> {
        let answer = self.exchange(request).await?;
        if answer.status.is_success() { Ok(answer.body) } else { Err(Error::Refused(answer)) }
    }

    /// Sends a request and returns its answer, whatever its status.
    ///
    /// # Errors
    /// When the server cannot be reached or breaks off.
    pub async fn exchange(&self, request: &Request) -> Result<Answer, Error> {
        let url =
            if request.path.starts_with('/') { format!("{}{}", self.url, request.path) } else { request.path.clone() };
        let mut builder = self.http.request(request.method.clone(), &url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, request.content_type).body(body.clone());
        }
        if let Some(token) = self.token.as_ref().filter(|_| !request.public) {
            builder = builder.bearer_auth(token);
        }
        let response = builder.send().await.map_err(|cause| Error::unreachable(&url, cause))?;
        let status = response.status();
        let text = response.text().await.map_err(|cause| Error::unreachable(&url, cause))?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// Repeats a request until its answer is as expected, and returns that answer.
    ///
    /// An answer of 404 or 503 counts as not there yet.
    ///
    /// # Errors
    /// When the request fails in another way, or no answer is as expected within `patience`.
    pub async fn wait_for(
        &self,
        request: &Request,
        patience: Duration,
        mut is_expected: impl FnMut(&Value) -> bool,
    ) -> Result<Value, Error> {
        let deadline = Instant::now() + patience;
        loop {
            let answer = self.exchange(request).await?;
            let is_late = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE);
            if !answer.status.is_success() && !is_late {
                return Err(Error::Refused(answer));
            }
            let body = if is_late { Value::Null } else { answer.body };
            if is_expected(&body) {
                return Ok(body);
            }
            if Instant::now() >= deadline {
                return Err(Error::TimedOut { patience_s: patience.as_secs(), last: body });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}
