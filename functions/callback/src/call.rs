//! The call of a callback's URL by the outside world, which knows nothing but the URL.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State as AppState};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use shared::http::RawBody;
use shared::seal::Sealed;
use shared::{Error, Refusal};
use subtle::ConstantTimeEq as _;

use crate::Callbacks;
use crate::create::{parsed, record};
use crate::schema;
use crate::step::NOT_FOUND;
use crate::store::{Callback, End, State};

/// The largest body of a call.
pub(crate) const BODY_LIMIT_BYTES: usize = 256 * 1024;

/// The answer to a call that was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Taken {
    /// Always `The callback has been resolved`.
    message: &'static str,
}

/// The answer to a call that was not taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NotTaken {
    /// Why.
    error: String,
    #[serde(skip)]
    status: StatusCode,
}

/// Resolves a callback with a JSON object, once.
#[utoipa::path(
    post, path = "/unsecured/callback/{id}", tag = "callbacks",
    params(
        ("id" = String, Path, description = "The callback's id."),
        ("t" = String, Query, description = "The callback's token."),
    ),
    request_body(content = Value, content_type = "application/json"),
    responses(
        (status = 200, description = "The callback is resolved.", body = Taken),
        (status = 400, description = "The body is not what the callback takes, or it was called already.", body = NotTaken),
        (status = 404, description = "No callback with this id and token.", body = NotTaken),
        (status = 413, description = "The body is too large.", body = NotTaken),
    )
)]
pub(crate) async fn call(
    AppState(callbacks): AppState<Arc<Callbacks>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    body: Result<RawBody, Refusal>,
) -> Result<Json<Taken>, NotTaken> {
    let body = read(body)?;
    let token = token(query.as_deref()).ok_or_else(|| {
        let error = "binding error on field 'CallbackSecret' of type 'handleCallbackIn': missing query parameter: t";
        NotTaken::bad(error)
    })?;
    let callback = callbacks.addressed(&id, &token).await?;
    check_open(&callback)?;
    callbacks.check(&callback, &body).await?;
    callbacks.resolve(&callback.callback_id, &body).await?;
    Ok(Json(Taken { message: "The callback has been resolved" }))
}

impl Callbacks {
    /// Finds a callback by id and token; nobody learns whether a wrong token had a right id.
    async fn addressed(&self, id: &str, token: &str) -> Result<Callback, NotTaken> {
        let unknown = || NotTaken::new(StatusCode::NOT_FOUND, NOT_FOUND);
        let id = uuid::Uuid::parse_str(id).map_err(|_| unknown())?.to_string();
        let callback = self.current(&id).await?.ok_or_else(unknown)?;
        let expected = self.open(&callback, "token", &callback.token).await?;
        if bool::from(expected.as_bytes().ct_eq(token.as_bytes())) { Ok(callback) } else { Err(unknown()) }
    }

    async fn check(&self, callback: &Callback, body: &Value) -> Result<(), NotTaken> {
        let Some(sealed) = &callback.schema else { return Ok(()) };
        let schema = parsed(&self.open(callback, "schema", sealed).await?)?;
        schema::check(schema, body.clone()).await?.map_err(NotTaken::bad)
    }

    /// Takes the call if nobody was faster, and announces it.
    async fn resolve(&self, id: &str, body: &Value) -> Result<(), NotTaken> {
        let body = self.seal.seal(&record(id, "body"), body.to_string().as_bytes()).await?;
        let resolved = self.store.end(id, End::Called(body.clone()), self.clock.now(), self.keep_s).await?;
        let resolved = match resolved {
            Some(resolved) => resolved,
            None => self.taken_by_us(id, &body).await?,
        };
        // The call is taken and kept; if nobody hears of it now, the sweep tells them.
        if let Err(error) = self.announce(&resolved).await {
            tracing::warn!(callback_id = id, error = error.chain(), "a callback was not announced yet");
        }
        Ok(())
    }

    /// Tells a call that somebody else won from one of ours whose answer got lost on the way back from the table.
    async fn taken_by_us(&self, id: &str, body: &Sealed) -> Result<Callback, NotTaken> {
        let callback = self.current(id).await?;
        let callback = callback.ok_or_else(|| NotTaken::new(StatusCode::NOT_FOUND, NOT_FOUND))?;
        // Every sealed value is unlike any other, so that only our own write can have left this one.
        if callback.body.as_ref() == Some(body) {
            return Ok(callback);
        }
        check_open(&callback)?;
        Err(Error::new("resolve a callback", "its record changed at the same time").into())
    }
}

fn check_open(callback: &Callback) -> Result<(), NotTaken> {
    match callback.state {
        State::Waiting => Ok(()),
        State::Resolved => Err(NotTaken::bad("callback has already been resolved")),
        State::Expired => Err(NotTaken::bad("callback has expired")),
    }
}

/// Reads the body, a JSON object or nothing at all, which counts as null.
fn read(body: Result<RawBody, Refusal>) -> Result<Value, NotTaken> {
    let RawBody(body) = body.map_err(|refusal| NotTaken::new(refusal.status, refusal.message))?;
    if body.len() > BODY_LIMIT_BYTES {
        let error = format!("the body is larger than {BODY_LIMIT_BYTES} bytes");
        return Err(NotTaken::new(StatusCode::PAYLOAD_TOO_LARGE, error));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Ok(Value::Object(members)),
        Ok(_) => Err(NotTaken::bad("binding error: the body has to be a JSON object")),
        Err(error) => Err(NotTaken::bad(format!("binding error: error parsing request body: {error}"))),
    }
}

fn token(query: Option<&str>) -> Option<String> {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    parameters.find(|(name, _)| name == "t").map(|(_, value)| value.into_owned()).filter(|token| !token.is_empty())
}

impl NotTaken {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { error: error.into(), status }
    }

    fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl From<Error> for NotTaken {
    fn from(error: Error) -> Self {
        let refusal = Refusal::from(error);
        Self::new(refusal.status, refusal.message)
    }
}

impl IntoResponse for NotTaken {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.error}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(1));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_a_query_parameter() {
        let check = |query, expected: Option<&str>| assert_eq!(token(query).as_deref(), expected);
        check(Some("t=abc"), Some("abc"));
        check(Some("x=1&t=a%2Db&t=c"), Some("a-b"));
        check(Some("t="), None);
        check(Some("T=abc"), None);
        check(None, None);
    }

    #[test]
    fn only_an_object_or_nothing_is_a_body() {
        let check = |body: &str, expected: Result<Value, u16>| {
            let read = read(Ok(RawBody(body.to_owned().into())));
            assert_eq!(read.map_err(|error| error.status.as_u16()), expected, "{:.20}", body);
        };
        check("", Ok(Value::Null));
        check(r#"{"a": 1}"#, Ok(json!({"a": 1})));
        check(" ", Err(400));
        check("[1]", Err(400));
        check("null", Err(400));
        check("{", Err(400));
        check(&"[".repeat(10_000), Err(400));
        check(&format!("{{\"a\": \"{}\"}}", "x".repeat(BODY_LIMIT_BYTES)), Err(413));
    }
}
