//! The exchange of credentials for a token by an action of the app.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde_json::{Map, Value};
use shared::Error;
use shared::json::size_bytes;

use super::renewal::{Got, Outcome, Refused};
use crate::app::{Action, App, Auth, AuthSetup, Field};
use crate::declared;
use crate::failure::{Failure, FailureType};
use crate::input::Input;
use crate::product::Place;
use crate::run;
use crate::services::Services;

/// The largest answer that is kept as a token, as JSON.
const LIMIT_BYTES: usize = 64 * 1024;

/// Runs the token action of an auth; its answer is the token.
///
/// The action can use no other auth than this one, so that no two wait for each other. The future is boxed here, as a
/// token action loads secrets itself.
pub(super) fn run<'a>(
    services: &'a Services,
    place: &'a Place,
    app: &'a App,
    auth: &'a Auth,
    data: &'a Map<String, Value>,
) -> BoxFuture<'a, Result<Outcome, Error>> {
    exchanged(services, place, app, auth, data).boxed()
}

async fn exchanged(
    services: &Services,
    place: &Place,
    app: &App,
    auth: &Auth,
    data: &Map<String, Value>,
) -> Result<Outcome, Error> {
    let AuthSetup::CredentialAccess { action_tag, expiry, period } = &auth.setup else {
        return Err(Error::new("run a token action", "the auth has none"));
    };
    let refused = |kind, message| Ok(Err(Refused { failure: Failure::new(kind, message), hold: SignedDuration::ZERO }));
    let Some(action) = services.apps.action(&place.tenant_id, &app.tag, action_tag).await? else {
        let message = format!("the app `{}` has no action `{action_tag}` for the auth `{}`", app.tag, auth.tag);
        return refused(FailureType::NotFound, message);
    };
    let input = match input(auth, &action, data) {
        Ok(input) => input,
        Err(failure) => return Ok(Err(Refused { failure, hold: SignedDuration::ZERO })),
    };
    let value = Value::Object(data.clone());
    let answer = match run::once(services, place, app, &action, input, Some((auth.tag.as_str(), &value))).await? {
        Ok(answer) => answer,
        Err(failure) => {
            let hold =
                SignedDuration::from_millis(failure.retry_after_ms.unwrap_or_default().try_into().unwrap_or(i64::MAX));
            let message = format!("no token for the auth `{}`: {}", auth.tag, failure.message);
            // The status is that of the token action, not that of the app's answer to this run.
            return Ok(Err(Refused { failure: Failure { message, status: None, ..failure }, hold }));
        }
    };
    if answer.is_null() || size_bytes(&answer) > LIMIT_BYTES {
        let rule = format!("answered nothing that can be a token, of at most {LIMIT_BYTES} bytes as JSON");
        return refused(
            FailureType::InvalidResponse,
            format!("the action `{action_tag}` of the auth `{}` {rule}", auth.tag),
        );
    }
    let expires_at = end(services.clock.now(), *expiry, period);
    Ok(Ok(Got { value: answer, expires_at, rotated: None }))
}

/// Sends the data in the parts of the request that the action declares: in the four parts if it is given so, by name
/// otherwise. What the action does not declare is there for its placeholders.
fn input(auth: &Auth, action: &Action, data: &Map<String, Value>) -> Result<Input, Failure> {
    let reference = |path: &str| Value::String(format!("$Auth{{{}}}{path}", auth.tag));
    let is_part = |(name, value): (&String, &Value)| {
        matches!(name.as_str(), "query" | "params" | "body" | "headers") && value.is_object()
    };
    if data.iter().all(is_part) {
        let part = |name: &str| -> Map<String, Value> {
            let fields = data.get(name).and_then(Value::as_object).into_iter().flatten();
            fields.map(|(field, _)| (field.clone(), reference(&format!("{{{name}}}{{{field}}}")))).collect()
        };
        let body = if data.contains_key("body") { part("body").into() } else { Value::Null };
        return Ok(Input { query: part("query"), params: part("params"), body, headers: part("headers") });
    }
    let declares = |fields: &[Field], name: &str| fields.iter().any(|field| field.key == name);
    let is_declared = |name: &str| match name.split_once(':') {
        Some(("body", _)) | Some(("query", _)) | Some(("params", _)) | Some(("headers", _)) => true,
        _ => [&action.params, &action.query, &action.headers, &action.body].iter().any(|part| declares(part, name)),
    };
    let flat = data.keys().filter(|name| is_declared(name));
    let flat = flat.map(|name| (name.clone(), reference(&format!("{{{name}}}")))).collect();
    declared::structured(action, flat).map_err(|violations| {
        let message = format!("the credentials of the auth `{}` do not fit the action `{}`", auth.tag, action.tag);
        Failure { violations, ..Failure::new(FailureType::ValidationError, message) }
    })
}

/// When a token is over; the end of time if that is beyond it.
fn end(now: Timestamp, expiry: u64, period: &str) -> Timestamp {
    let count = i64::try_from(expiry).unwrap_or(i64::MAX);
    let span = match period {
        "secs" => Span::new().try_seconds(count),
        "mins" => Span::new().try_minutes(count),
        "hours" => Span::new().try_hours(count),
        "days" => Span::new().try_days(count),
        "weeks" => Span::new().try_weeks(count),
        "months" => Span::new().try_months(count),
        "years" => Span::new().try_years(count),
        // What is not understood is not taken to last.
        _ => return now,
    };
    let end = span.ok().and_then(|span| now.to_zoned(TimeZone::UTC).checked_add(span).ok());
    end.map_or(Timestamp::MAX, |end| end.timestamp())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::tag::Tag;

    fn auth() -> Auth {
        let (headers, query) = (BTreeMap::new(), BTreeMap::new());
        let tag = Tag::parse("login").unwrap();
        Auth { tag, name: String::new(), description: String::new(), setup: AuthSetup::Basic {}, headers, query }
    }

    #[test]
    fn data_in_four_parts_is_sent_in_them_and_by_reference() {
        let action = json!({"tag": "login", "resource": "/login", "method": "POST"});
        let action: Action = serde_json::from_value(action).unwrap();
        let data = json!({"body": {"user": "$Now", "nested": {"a": 1}}, "headers": {"x": "$Secret{}"}, "params": {}});
        let input = input(&auth(), &action, data.as_object().unwrap()).unwrap();
        let expected = json!({
            "body": {"user": "$Auth{login}{body}{user}", "nested": "$Auth{login}{body}{nested}"},
            "headers": {"x": "$Auth{login}{headers}{x}"}, "params": {}, "query": {},
        });
        assert_eq!(serde_json::to_value(input).unwrap(), expected);
    }

    #[test]
    fn a_token_lasts_for_whole_periods_of_the_calendar() {
        let check = |expiry: u64, period: &str, expected: &str| {
            let end = end("2028-01-31T12:00:00Z".parse().unwrap(), expiry, period);
            assert_eq!(end.to_string(), expected, "{expiry} {period}");
        };
        check(90, "secs", "2028-01-31T12:01:30Z");
        check(90, "mins", "2028-01-31T13:30:00Z");
        check(36, "hours", "2028-02-02T00:00:00Z");
        check(1, "days", "2028-02-01T12:00:00Z");
        check(2, "weeks", "2028-02-14T12:00:00Z");
        check(1, "months", "2028-02-29T12:00:00Z");
        check(1, "years", "2029-01-31T12:00:00Z");
        check(0, "hours", "2028-01-31T12:00:00Z");
        check(1, "fortnights", "2028-01-31T12:00:00Z");
        check(u64::MAX, "secs", &Timestamp::MAX.to_string());
        check(100_000, "years", &Timestamp::MAX.to_string());
    }
}
