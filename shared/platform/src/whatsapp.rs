//! WhatsApp Cloud API: HMAC-SHA-256 of the body with the app's secret, many messages and statuses in one webhook.

mod normalise;
mod send;

use crate::chat::Chat;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::platform::Platform;
use crate::reading::{Inbound, Reading};
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;
use crate::spec::{Capability, Credential, Spec, VERIFY_TOKEN};

const SIGNATURE: &str = "x-hub-signature-256";

pub(crate) struct WhatsApp;

static SPEC: Spec = Spec {
    name: "whatsapp",
    title: "WhatsApp Cloud API",
    version: "v23.0",
    capabilities: &[
        Capability::ReceiveEvent,
        Capability::ReceiveMessage,
        Capability::WebhookValidation,
        Capability::WebhookVerification,
        Capability::SendMessage,
        Capability::DeliveryStatus,
        Capability::HealthCheck,
        Capability::CredentialValidation,
    ],
    credentials: &[
        Credential::always("appSecret", "The app secret, in the app's dashboard under App settings, Basic."),
        Credential::always(
            VERIFY_TOKEN.name,
            "A text of your choice; enter the same text as Verify token in the app's webhook configuration.",
        ),
        Credential::to_send("accessToken", "An access token with the permission `whatsapp_business_messaging`."),
        Credential::to_send(PHONE_NUMBER_ID, "The id of the phone number (not the number) under WhatsApp, API Setup."),
    ],
    content_types: &["application/json"],
    proofs: &[SIGNATURE, "x-hub-signature"],
};

const PHONE_NUMBER_ID: &str = "phoneNumberId";

impl Platform for WhatsApp {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        credentials.text(PHONE_NUMBER_ID)?.map(path_segment).transpose()?;
        let key = credentials.required("appSecret")?.as_bytes();
        Ok(Recipe::new(SIGNATURE, "sha256=").scheme()?.verifier(key))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        normalise::read(inbound)
    }

    fn chat(&self) -> Option<&dyn Chat> {
        Some(self)
    }
}

/// Checks the id of a phone number, which becomes part of a path.
fn path_segment(id: &str) -> Result<&str, Error> {
    match id.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(id),
        false => Err(Error::field("credentials.phoneNumberId", "must be digits, the id and not the number itself")),
    }
}

#[cfg(test)]
mod tests;
