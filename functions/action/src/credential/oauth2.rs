//! Tokens of OAuth 2 (RFC 6749): by a refresh token where there is one, by the client's own credentials otherwise.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::byte_serialize;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use shared::clock::{Clock, derived_hex24};
use shared::json::{DEPTH_LIMIT, depth};
use shared::outbound::{Outbound, OutboundError, Request, Response};

use super::renewal::{Got, Outcome, Refused};
use crate::app::Auth;
use crate::failure::{Failure, FailureType};
use crate::mask::Masks;
use crate::store::credential::Rotated;
use crate::tag::Tag;

/// For how long a token endpoint may take; shorter than the lease of the one who asks.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer of a token endpoint.
const LIMIT_BYTES: usize = 64 * 1024;
/// How long a token is good for whose answer does not say it.
const DEFAULT_LIFETIME_S: i64 = 3_600;
/// The longest time that is believed.
const LONGEST_LIFETIME_S: i64 = 10 * 366 * 86_400;
/// For how long nobody asks again with a refresh token that is not valid, and with what else was refused.
const INVALID_GRANT_HOLD: SignedDuration = SignedDuration::from_hours(1);
const REFUSED_HOLD: SignedDuration = SignedDuration::from_mins(1);
/// How much of an endpoint's own words is shown.
const DESCRIPTION_LIMIT_CHARACTERS: usize = 200;

/// A request for a token.
pub(super) struct Ask {
    auth: Tag,
    request: Request,
    /// The refresh token in it.
    refresh_token: Option<String>,
    /// The refresh token of the data, hashed.
    origin: String,
    masks: Masks,
}

impl Ask {
    /// Writes the request; a refresh token that has taken the place of the one in the data is used instead of it.
    pub(super) fn new(
        auth: &Auth,
        (token_url, scopes): (&str, &[String]),
        data: &Map<String, Value>,
        rotated: Option<&Rotated>,
    ) -> Self {
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let given = text("refresh_token");
        let origin = derived_hex24(&[given.unwrap_or_default().as_bytes()]);
        let rotated = rotated.filter(|rotated| rotated.origin == origin);
        let refresh_token = given.map(|given| rotated.map_or(given, |rotated| &rotated.refresh_token).to_owned());
        let mut form = form_urlencoded::Serializer::new(String::new());
        match &refresh_token {
            Some(token) => form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token),
            None => form.append_pair("grant_type", "client_credentials"),
        };
        // A refresh token has the scope that it was given for.
        if refresh_token.is_none() && !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        for (name, value) in data.get("token_params").and_then(Value::as_object).into_iter().flatten() {
            form.append_pair(name, value.as_str().unwrap_or_default());
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let client_id = text("client_id").unwrap_or_default();
        match (text("client_secret"), text("client_auth")) {
            (Some(secret), None | Some("basic")) => {
                headers.extend(basic(client_id, secret));
            }
            (secret, _) => {
                form.append_pair("client_id", client_id);
                secret.map(|secret| form.append_pair("client_secret", secret));
            }
        }
        let mut request = Request::new(Method::POST, token_url);
        (request.headers, request.body) = (headers, form.finish().into());
        (request.timeout, request.max_response_bytes) = (TIMEOUT, LIMIT_BYTES);
        // A redirect would take the credentials to whomever it names.
        request.max_redirects = 0;
        let masks = Masks::within(&Value::Array(vec![data.clone().into(), refresh_token.clone().into()]));
        Self { auth: auth.tag.clone(), request, refresh_token, origin, masks }
    }

    fn refused(&self, kind: FailureType, rule: &str) -> Refused {
        let message = format!("no token for the auth `{}`: the token endpoint {rule}", self.auth);
        Refused { failure: Failure::new(kind, self.masks.text(&message)), hold: SignedDuration::ZERO }
    }
}

/// The client's name and secret in a header, each as a form has it (RFC 6749, 2.3.1).
fn basic(client_id: &str, secret: &str) -> Option<(HeaderName, HeaderValue)> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some((AUTHORIZATION, value))
}

/// Asks for a token.
pub(super) async fn ask(outbound: &Outbound, clock: &Clock, ask: Ask) -> Outcome {
    match outbound.send(ask.request.clone()).await {
        Ok(response) => answer(&ask, &response, clock.now()),
        Err(error) => Err(unanswered(&ask, &error)),
    }
}

fn unanswered(ask: &Ask, error: &OutboundError) -> Refused {
    let kind = match error {
        OutboundError::Timeout { .. } => FailureType::Timeout,
        OutboundError::Connect { .. } | OutboundError::Failed { .. } => FailureType::ConnectionError,
        OutboundError::Refused { .. } => FailureType::Forbidden,
        OutboundError::TooLarge { .. } => FailureType::InvalidResponse,
        _ => FailureType::ValidationError,
    };
    ask.refused(kind, &format!("cannot be asked: {error}"))
}

fn answer(ask: &Ask, response: &Response, now: Timestamp) -> Outcome {
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let body = body.filter(|body| depth(body) <= DEPTH_LIMIT);
    match response.status {
        200..=299 => granted(ask, body, now),
        300..=399 => {
            Err(ask.refused(FailureType::InvalidResponse, "redirects, which is not followed with credentials"))
        }
        429 => {
            let refused = ask.refused(FailureType::RateLimited, "answered 429: it is asked too often");
            let hold = retry_after(&response.headers, now);
            let retry_after_ms = u64::try_from(hold.as_millis()).ok().filter(|ms| *ms > 0);
            Err(Refused { failure: Failure { retry_after_ms, ..refused.failure }, hold })
        }
        500.. => Err(ask.refused(FailureType::ServiceUnavailable, &format!("answered {}", response.status))),
        status => Err(denied(ask, status, body.as_ref())),
    }
}

/// Reads a token (RFC 6749, 5.1).
fn granted(ask: &Ask, body: Option<Value>, now: Timestamp) -> Outcome {
    let invalid = |rule| Err(ask.refused(FailureType::InvalidResponse, rule));
    let Some(Value::Object(mut members)) = body else { return invalid("answered no JSON object") };
    if members.get("access_token").and_then(Value::as_str).is_none_or(str::is_empty) {
        return invalid("answered no `access_token`");
    }
    let lifetime_s = match members.get("expires_in") {
        None | Some(Value::Null) => DEFAULT_LIFETIME_S,
        Some(given) => match seconds(given) {
            Some(seconds) => seconds.clamp(0, LONGEST_LIFETIME_S),
            None => return invalid("answered an `expires_in` that is not a number"),
        },
    };
    let expires_at = now + SignedDuration::from_secs(lifetime_s);
    let next = match members.remove("refresh_token") {
        Some(Value::String(next)) if !next.is_empty() => Some(next),
        _ => None,
    };
    // Of use only where a refresh token was given: the client's own credentials need none.
    let next = next.filter(|next| ask.refresh_token.as_ref().is_some_and(|former| former != next));
    let rotated = next.map(|refresh_token| Rotated { refresh_token, origin: ask.origin.clone() });
    Ok(Got { value: members.into(), expires_at, rotated })
}

/// Reads a number of seconds, which some servers write as a text.
fn seconds(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "what is beyond the limits is clamped to them anyway")]
    number.is_finite().then_some(number as i64)
}

/// Reads a refusal (RFC 6749, 5.2), and says what to do about it.
fn denied(ask: &Ask, status: u16, body: Option<&Value>) -> Refused {
    let text = |name: &str| body.and_then(|body| body.get(name)).and_then(Value::as_str);
    let error = text("error").filter(|error| error.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or_default();
    let error: String = error.chars().take(DESCRIPTION_LIMIT_CHARACTERS).collect();
    let advice = match (error.as_str(), &ask.refresh_token) {
        ("invalid_grant", Some(_)) => {
            "; the refresh token is expired, revoked or used up: authorize the app again and store the new refresh token"
        }
        ("invalid_client", _) => "; check `client_id` and `client_secret`, and whether `client_auth` must be `body`",
        ("invalid_scope", _) => "; check the scopes of the auth",
        _ => "; check the stored credentials",
    };
    let description: String = ask
        .masks
        .text(text("error_description").unwrap_or_default())
        .chars()
        .take(DESCRIPTION_LIMIT_CHARACTERS)
        .collect();
    let words = [error.as_str(), description.as_str()].into_iter().filter(|words| !words.is_empty());
    let words: String = words.map(|words| format!(" {words}")).collect();
    let refused = ask.refused(FailureType::Unauthorized, &format!("answered {status}{words}{advice}"));
    let is_used_up = error == "invalid_grant" && ask.refresh_token.is_some();
    Refused { hold: if is_used_up { INVALID_GRANT_HOLD } else { REFUSED_HOLD }, ..refused }
}

/// Reads `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> SignedDuration {
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return SignedDuration::from_secs(seconds.into());
    }
    let date = jiff::fmt::rfc2822::parse(text).map(|date| date.timestamp().duration_since(now));
    date.unwrap_or_default().max(SignedDuration::ZERO)
}
