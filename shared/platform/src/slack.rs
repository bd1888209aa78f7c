//! Slack: HMAC-SHA-256 of the time and the body; events as JSON, clicks and commands as forms; messages by its Web API.

mod normalise;
mod send;

use serde_json::Value;

use crate::chat::Chat;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::header::is_form;
use crate::payload::{Charset, Form};
use crate::platform::Platform;
use crate::reading::{Inbound, Reading, Reply};
use crate::signature::recipe::Recipe;
use crate::signature::{Delivery, Verifier};
use crate::spec::{CHAT, Credential, Spec, VERIFY_TOKEN};

const SIGNATURE: &str = "x-slack-signature";
/// The header with the time of sending.
const TIMESTAMP: &str = "x-slack-request-timestamp";

/// Such a check has two short fields.
const SSL_CHECK_LIMIT_BYTES: usize = 4096;

pub(crate) struct Slack;

static SPEC: Spec = Spec {
    name: "slack",
    title: "Slack",
    version: "v0",
    capabilities: CHAT,
    credentials: &[
        Credential::always("signingSecret", "The Signing Secret on the page Basic Information of the app."),
        Credential::to_send(
            "botToken",
            "The Bot User OAuth Token on the page OAuth & Permissions of the app; it begins with `xoxb-`.",
        ),
        VERIFY_TOKEN,
    ],
    content_types: &["application/json", "application/x-www-form-urlencoded"],
    proofs: &[SIGNATURE],
};

impl Platform for Slack {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let recipe = Recipe {
            signed_string: "v0:{timestamp}:{body}".to_owned(),
            timestamp_header: Some(TIMESTAMP.to_owned()),
            ..Recipe::new(SIGNATURE, "v0=")
        };
        Ok(recipe.scheme()?.verifier(credentials.required("signingSecret")?.as_bytes()))
    }

    /// Slack checks the certificate of a command's URL with a form that it does not sign.
    fn handshake(&self, delivery: &Delivery<'_>) -> Option<Reply> {
        if delivery.body.len() > SSL_CHECK_LIMIT_BYTES || !is_form(delivery.headers) {
            return None;
        }
        let form = Form::parse(delivery.body, Charset::default()).ok()?;
        (form.text("ssl_check") == Some("1")).then(Reply::empty)
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        normalise::read(inbound)
    }

    /// Clicks are a form with one field, `payload`, with JSON in it; commands are all fields of a form.
    fn form_payload(&self, form: Form, depth_limit: usize) -> Result<Value, Error> {
        form.json("payload", depth_limit).unwrap_or_else(|| Ok(form.into_object()))
    }

    fn chat(&self) -> Option<&dyn Chat> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
