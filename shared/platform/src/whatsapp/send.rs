//! From a message to a request to the Cloud API, and what its answers mean.

mod body;

use std::time::Duration;

use serde_json::{Map, Value};

use super::{PHONE_NUMBER_ID, WhatsApp, path_segment};
use crate::chat::{Access, Answer, ApiRequest, Chat, Outgoing, Problem, Verdict, failed_half_way, retry_after};
use crate::error::Error;

/// The least time between messages to one person; an earlier attempt fails again.
const PAIR_INTERVAL: Duration = Duration::from_secs(6);
/// The access token is not valid; the platform's message may repeat the token.
const TOKEN_CODE: i64 = 190;
/// Too many messages to one person.
const PAIR_CODE: i64 = 131_056;
/// Too many calls or messages: of the app, of the account, of the phone number, or reported as spam.
const LATER_CODES: [i64; 5] = [4, 80_007, 130_429, 131_048, PAIR_CODE];

impl Chat for WhatsApp {
    fn api_url(&self) -> &'static str {
        "https://graph.facebook.com/v23.0"
    }

    fn send_request(&self, access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
        let url = format!("{}/messages", phone_number_url(access)?);
        authorized(access, ApiRequest::post(url, &body::of(message)?))
    }

    /// Only an id of the message says that it was accepted.
    fn parse_send(&self, answer: &Answer) -> Verdict {
        let body = answer.json();
        let (message, contact) = (&body["messages"][0], &body["contacts"][0]);
        let Some(id) = message["id"].as_str().filter(|id| answer.status == 200 && !id.is_empty()) else {
            return refused(answer, &body["error"]);
        };
        let metadata = strings([("messageStatus", &message["message_status"]), ("waId", &contact["wa_id"])]);
        Verdict::Sent { message_id: Some(id.to_owned()), metadata }
    }

    /// Whoever may send from the phone number may read its name and quality.
    fn health_request(&self, access: &Access<'_>) -> Result<ApiRequest, Error> {
        let url = phone_number_url(access)?;
        authorized(access, ApiRequest::get(format!("{url}?fields=display_phone_number,verified_name,quality_rating")))
    }

    fn parse_health(&self, answer: &Answer) -> Result<Map<String, Value>, Problem> {
        let body = answer.json();
        let number = &body["display_phone_number"];
        if answer.status != 200 || !number.is_string() {
            return Err(problem(answer, &body["error"]));
        }
        let (name, quality) = (&body["verified_name"], &body["quality_rating"]);
        Ok(strings([("displayPhoneNumber", number), ("verifiedName", name), ("qualityRating", quality)]))
    }
}

/// Returns those values that are strings.
fn strings<const N: usize>(values: [(&str, &Value); N]) -> Map<String, Value> {
    let strings = values.into_iter().filter(|(_, value)| value.is_string());
    strings.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn phone_number_url(access: &Access<'_>) -> Result<String, Error> {
    Ok(format!("{}/{}", access.api_url, path_segment(access.credentials.required(PHONE_NUMBER_ID)?)?))
}

fn authorized(access: &Access<'_>, request: ApiRequest) -> Result<ApiRequest, Error> {
    request.authorized("Bearer", access, "accessToken")
}

fn refused(answer: &Answer, error: &Value) -> Verdict {
    let code = error["code"].as_i64();
    let problem = problem(answer, error);
    let after = retry_after(&answer.headers).or((code == Some(PAIR_CODE)).then_some(PAIR_INTERVAL));
    match error["is_transient"] == true || code.is_some_and(|code| LATER_CODES.contains(&code)) {
        true => Verdict::Retry { problem, after, may_have_arrived: failed_half_way(answer) },
        false => Verdict::failed(answer, problem, after),
    }
}

/// Describes a failure in the platform's words, or by the status where it has none.
fn problem(answer: &Answer, error: &Value) -> Problem {
    let Some(code) = error["code"].as_i64() else {
        return Problem::unreadable(answer, "WhatsApp");
    };
    if code == TOKEN_CODE {
        return Problem::new(code, "the access token has expired or is not valid");
    }
    let texts = [&error["message"], &error["error_data"]["details"]].into_iter().filter_map(Value::as_str);
    Problem::new(code, texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": "))
}
