//! What the answers of the Cloud API mean.

use std::time::Duration;

use crate::chat::Answer;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::chat::{Problem, Verdict, failed_half_way, retry_after};

/// One person can be written to about this often; an earlier attempt fails again.
const PAIR_INTERVAL: Duration = Duration::from_secs(6);
/// The access token is not valid; what the platform says then may repeat the token.
const TOKEN_CODE: i64 = 190;
/// Too many messages to one person.
const PAIR_CODE: i64 = 131_056;
/// Too many calls or messages: of the app, of the account, of the phone number, or reported as spam.
const LATER_CODES: [i64; 5] = [4, 80_007, 130_429, 131_048, PAIR_CODE];

#[derive(Deserialize)]
struct Taken {
    messages: Vec<TakenMessage>,
    #[serde(default)]
    contacts: Vec<TakenContact>,
}

#[derive(Deserialize)]
struct TakenMessage {
    id: String,
    message_status: Option<String>,
}

#[derive(Deserialize)]
struct TakenContact {
    wa_id: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    code: Option<i64>,
    message: Option<String>,
    error_data: Option<Value>,
    #[serde(default)]
    is_transient: Option<bool>,
}

#[derive(Deserialize)]
struct PhoneNumber {
    display_phone_number: String,
    verified_name: Option<String>,
    quality_rating: Option<String>,
}

/// Says what the answer to a message means: only an id of the message says that it was taken.
pub(super) fn parse_send(answer: &Answer) -> Verdict {
    let taken = (answer.status == 200).then(|| serde_json::from_slice::<Taken>(&answer.body).ok()).flatten();
    let id = taken.as_ref().and_then(|taken| taken.messages.first()).filter(|message| !message.id.is_empty());
    let Some(message) = id else {
        return refused(answer);
    };
    let wa_id = taken.as_ref().and_then(|taken| taken.contacts.first()).and_then(|contact| contact.wa_id.as_ref());
    let told = [("messageStatus", message.message_status.as_ref()), ("waId", wa_id)];
    let metadata = told.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.as_str().into())));
    Verdict::Sent { message_id: Some(message.id.clone()), metadata: metadata.collect() }
}

fn refused(answer: &Answer) -> Verdict {
    let fault = fault(answer);
    let code = fault.as_ref().and_then(|fault| fault.code);
    let is_transient = fault.as_ref().is_some_and(|fault| fault.is_transient == Some(true));
    let problem = problem(answer, fault);
    let after = retry_after(&answer.headers).or((code == Some(PAIR_CODE)).then_some(PAIR_INTERVAL));
    match is_transient || code.is_some_and(|code| LATER_CODES.contains(&code)) {
        true => Verdict::Retry { problem, after, may_have_arrived: failed_half_way(answer) },
        false => Verdict::failed(answer, problem, after),
    }
}

/// Returns what the platform tells about the phone number.
pub(super) fn parse_health(answer: &Answer) -> Result<Map<String, Value>, Problem> {
    let number = (answer.status == 200).then(|| serde_json::from_slice::<PhoneNumber>(&answer.body).ok()).flatten();
    let number = number.ok_or_else(|| problem(answer, fault(answer)))?;
    let told = [
        ("displayPhoneNumber", Some(number.display_phone_number)),
        ("verifiedName", number.verified_name),
        ("qualityRating", number.quality_rating),
    ];
    Ok(told.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect())
}

fn fault(answer: &Answer) -> Option<Fault> {
    serde_json::from_slice::<Failure>(&answer.body).ok().map(|failure| failure.error)
}

/// Describes a failure in the platform's words, or by the status where it has none.
fn problem(answer: &Answer, fault: Option<Fault>) -> Problem {
    let Some(Fault { code: Some(code), message, error_data, .. }) = fault else {
        return Problem::new(
            answer.status,
            format!("the answer with the status {} is none of WhatsApp", answer.status),
        );
    };
    if code == TOKEN_CODE {
        return Problem::new(code, "the access token has expired or is not valid");
    }
    let details = error_data.as_ref().and_then(|data| data["details"].as_str()).map(str::to_owned);
    let parts: Vec<String> = [message, details].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    Problem::new(code, parts.join(": "))
}
