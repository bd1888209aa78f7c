//! From a message to a call of the Cloud API, and what its answers mean.

mod answer;
mod body;

use serde_json::{Map, Value};
use shared::Refusal;
use shared::outbound::Response;

use super::{PHONE_NUMBER_ID, WhatsApp, path_segment};
use crate::platform::chat::{Access, Call, Chat, Outgoing, Problem, Verdict};

impl Chat for WhatsApp {
    fn api_url(&self) -> &'static str {
        "https://graph.facebook.com/v23.0"
    }

    fn sending(&self, access: &Access<'_>, message: &Outgoing) -> Result<Call, Refusal> {
        let url = format!("{}/messages", phone_number_url(access)?);
        authorized(access, Call::post(url, &body::of(message)?))
    }

    fn sent(&self, answer: &Response) -> Verdict {
        answer::sent(answer)
    }

    /// The phone number tells its name and quality to those who may send from it.
    fn asking(&self, access: &Access<'_>) -> Result<Call, Refusal> {
        let url = phone_number_url(access)?;
        authorized(access, Call::get(format!("{url}?fields=display_phone_number,verified_name,quality_rating")))
    }

    fn asked(&self, answer: &Response) -> Result<Map<String, Value>, Problem> {
        answer::asked(answer)
    }
}

fn phone_number_url(access: &Access<'_>) -> Result<String, Refusal> {
    Ok(format!("{}/{}", access.api_url, path_segment(access.credentials.required(PHONE_NUMBER_ID)?)?))
}

fn authorized(access: &Access<'_>, call: Call) -> Result<Call, Refusal> {
    call.authorized("Bearer", access, "accessToken")
}
