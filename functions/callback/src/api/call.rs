//! The call of a callback's URL by the outside world, which knows nothing but the URL.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRef, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::bus::Bus;
use shared::clock::Clock;
use shared::http::RawBody;
use shared::json::Unreadable;
use shared::{Error, Refusal, json};
use subtle::ConstantTimeEq as _;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use crate::ending;
use crate::schema::{ALLOWANCE_PERIOD, Checks, Unfit};
use crate::store::{Callback, CallbackState, Store};

/// The largest body of a call.
const BODY_LIMIT_BYTES: usize = 256 * 1024;

/// The answer to the call that resolved a callback.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Resolved {
    /// Always `The callback has been resolved`.
    message: &'static str,
}

/// The answer to a call that resolved nothing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CallError {
    /// Why.
    error: String,
    #[serde(skip)]
    status: StatusCode,
}

/// The route of the call; other methods are refused in the words of this surface.
pub(crate) fn routes<S>() -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Store: FromRef<S>,
    Bus: FromRef<S>,
    Checks: FromRef<S>,
    Clock: FromRef<S>,
{
    let (schemas, paths, routes) = routes!(call);
    let refuse = async || CallError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        error: "a callback is called with POST and a JSON object".to_owned(),
    };
    (schemas, paths, routes.fallback(refuse))
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
        (status = 200, description = "The callback is resolved.", body = Resolved),
        (status = 400, description = "The body is not what the callback takes, or it was called already.", body = CallError),
        (status = 404, description = "No callback with this id and token.", body = CallError),
        (status = 413, description = "The body is too large.", body = CallError),
        (status = 429, description = "Checking bodies of this callback took too much work lately.", body = CallError),
    )
)]
pub(crate) async fn call(
    State(store): State<Store>,
    State(bus): State<Bus>,
    State(checks): State<Checks>,
    State(clock): State<Clock>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Result<RawBody, Refusal>,
) -> Result<Json<Resolved>, CallError> {
    let body = read(body)?;
    let token = token(query.as_deref()).map_err(|rule| {
        CallError::bad(format!("binding error on field 'CallbackSecret' of type 'handleCallbackIn': {rule}"))
    })?;
    // An id that cannot be read is no callback's.
    let id = path.map(|Path(id)| id).unwrap_or_default();
    let callback = find_open(&store, &bus, clock.now(), &id, &token).await?;
    if let Some(schema) = store.schema(&callback).await? {
        // Nothing at all counts as an object without members.
        let checked = if body.is_null() { Value::Object(Map::new()) } else { body.clone() };
        checks.check(&callback.callback_id, schema, checked).await?.map_err(CallError::unfit)?;
    }
    let now = clock.now();
    let Some(resolved) = store.resolve(&callback, &body, now).await? else {
        // Something was faster, perhaps another call.
        find_open(&store, &bus, now, &id, &token).await?;
        return Err(Error::new("resolve a callback", "its record changed at the same time").into());
    };
    // The call is recorded; if this does not announce it, the sweep does.
    if let Err(error) = ending::announce(&store, &bus, now, &resolved).await {
        tracing::warn!(callback_id = resolved.callback_id, error = error.chain(), "a callback was not announced yet");
    }
    Ok(Json(Resolved { message: "The callback has been resolved" }))
}

/// Finds the callback that waits for a call with this id and token; a wrong token is answered like a wrong id.
async fn find_open(store: &Store, bus: &Bus, now: Timestamp, id: &str, token: &str) -> Result<Callback, CallError> {
    let unknown = || CallError { status: StatusCode::NOT_FOUND, error: ending::NOT_FOUND.to_owned() };
    let callback = ending::current(store, bus, now, id).await?.ok_or_else(unknown)?;
    let expected = store.token(&callback).await?;
    match callback.state {
        _ if !bool::from(expected.as_bytes().ct_eq(token.as_bytes())) => Err(unknown()),
        CallbackState::Waiting => Ok(callback),
        CallbackState::Resolved => Err(CallError::bad("callback has already been resolved")),
        CallbackState::Expired => Err(CallError::bad("callback has expired")),
    }
}

/// Reads the body: a JSON object, or nothing at all, which is as good as null.
fn read(body: Result<RawBody, Refusal>) -> Result<Value, CallError> {
    let RawBody(body) = body?;
    if body.len() > BODY_LIMIT_BYTES {
        let error = format!("the body is larger than {BODY_LIMIT_BYTES} bytes");
        return Err(CallError { status: StatusCode::PAYLOAD_TOO_LARGE, error });
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    match json::foreign_within_limit(&body) {
        Ok(body @ (Value::Object(_) | Value::Null)) => Ok(body),
        Ok(_) => Err(CallError::bad("binding error: the body has to be a JSON object")),
        Err(Unreadable::TooDeep(too_deep)) => Err(CallError::bad(format!("binding error: {too_deep}"))),
        Err(Unreadable::Invalid(error)) => {
            Err(CallError::bad(format!("binding error: error parsing request body: {error}")))
        }
    }
}

/// Finds the token in a query, or says what is wrong with it.
fn token(query: Option<&str>) -> Result<String, &'static str> {
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut tokens = parameters.filter(|(name, _)| name == "t").map(|(_, value)| value.into_owned());
    match (tokens.next().filter(|token| !token.is_empty()), tokens.next()) {
        (_, Some(_)) => Err("multiple values not supported"),
        (None, None) => Err("missing query parameter: t"),
        (Some(token), None) => Ok(token),
    }
}

impl CallError {
    fn bad(error: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: error.into() }
    }

    fn unfit(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Wrong(error) => Self::bad(error),
            Unfit::Exhausted => {
                let error = "checking bodies of this callback took too much work: try again later".to_owned();
                Self { status: StatusCode::TOO_MANY_REQUESTS, error }
            }
        }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self { status: refusal.status, error: refusal.message }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Refusal::from(error).into()
    }
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let retry_after_s = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some(1),
            StatusCode::TOO_MANY_REQUESTS => Some(ALLOWANCE_PERIOD.as_secs()),
            _ => None,
        };
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_token_is_a_query_parameter() {
        let check = |query, expected: Result<&str, &str>| {
            assert_eq!(token(query).as_deref().map_err(|rule| *rule), expected, "{query:?}");
        };
        check(Some("t=abc"), Ok("abc"));
        check(Some("x=1&t=a%2Db&y=c"), Ok("a-b"));
        let missing = "missing query parameter: t";
        check(Some("t="), Err(missing));
        check(Some("T=abc"), Err(missing));
        check(None, Err(missing));
        let several = "multiple values not supported";
        check(Some("t=x&t=y"), Err(several));
        check(Some("t=x&t=x"), Err(several));
        check(Some("t=&t=x"), Err(several));
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
        check("null", Ok(Value::Null));
        check("5", Err(400));
        check("\"text\"", Err(400));
        check("{", Err(400));
        check(r#"{"a": {"$serde_json::private::RawValue": "[1]"}}"#, Err(400));
        check(&"[".repeat(10_000), Err(400));
        let nested = |levels: usize| format!(r#"{{"a": {}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        check(&nested(64), Ok(serde_json::from_str(&nested(64)).unwrap()));
        check(&nested(65), Err(400));
        assert!(read(Ok(RawBody(nested(70).into()))).unwrap_err().error.contains("64 levels"));
        check(&format!("{{\"a\": \"{}\"}}", "x".repeat(BODY_LIMIT_BYTES)), Err(413));
    }
}
