//! From a message to a call of the Cloud API, and what its answers mean.

mod answer;
mod body;

use crate::chat::Answer;
use crate::error::Error;
use serde_json::{Map, Value};

use super::{PHONE_NUMBER_ID, WhatsApp, path_segment};
use crate::chat::{Access, ApiRequest, Chat, Outgoing, Problem, Verdict};

impl Chat for WhatsApp {
    fn api_url(&self) -> &'static str {
        "https://graph.facebook.com/v23.0"
    }

    fn send_request(&self, access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
        let url = format!("{}/messages", phone_number_url(access)?);
        authorized(access, ApiRequest::post(url, &body::of(message)?))
    }

    fn parse_send(&self, answer: &Answer) -> Verdict {
        answer::parse_send(answer)
    }

    /// The phone number tells its name and quality to those who may send from it.
    fn health_request(&self, access: &Access<'_>) -> Result<ApiRequest, Error> {
        let url = phone_number_url(access)?;
        authorized(access, ApiRequest::get(format!("{url}?fields=display_phone_number,verified_name,quality_rating")))
    }

    fn parse_health(&self, answer: &Answer) -> Result<Map<String, Value>, Problem> {
        answer::parse_health(answer)
    }
}

fn phone_number_url(access: &Access<'_>) -> Result<String, Error> {
    Ok(format!("{}/{}", access.api_url, path_segment(access.credentials.required(PHONE_NUMBER_ID)?)?))
}

fn authorized(access: &Access<'_>, call: ApiRequest) -> Result<ApiRequest, Error> {
    call.authorized("Bearer", access, "accessToken")
}
