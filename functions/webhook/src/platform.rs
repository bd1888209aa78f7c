//! The platforms that webhooks come from and messages go to: one file and one line of the registry for each.

pub(crate) mod chat;
pub(crate) mod reading;
pub(crate) mod spec;

mod discord;
mod github;
mod hmac;
mod shopify;
mod slack;
mod standard_webhooks;
mod stripe;
mod telegram;
mod twilio;
mod unsigned;
mod whatsapp;

use http::HeaderMap;
use serde_json::Value;
use shared::Refusal;

use self::chat::Chat;
use self::reading::{Inbound, Key, Reading};
use self::spec::Spec;
use crate::channel::credentials::Credentials;
use crate::payload::Form;
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;

/// Every platform that a channel can have.
const REGISTRY: &[&dyn Platform] = &[
    &discord::Discord,
    &github::GitHub,
    &hmac::Hmac,
    &shopify::Shopify,
    &slack::Slack,
    &standard_webhooks::StandardWebhooks,
    &stripe::Stripe,
    &telegram::Telegram,
    &twilio::Twilio,
    &unsigned::Unsigned,
    &whatsapp::WhatsApp,
];

/// What is particular about one platform.
pub(crate) trait Platform: Send + Sync {
    /// What a user has to know about it.
    fn spec(&self) -> &'static Spec;

    /// Turns credentials into what checks signatures; a refusal names the field and the rule.
    ///
    /// Names that the specification does not list, and required ones that are missing, are refused before.
    fn verifier(&self, credentials: &Credentials, recipe: Option<&Recipe>) -> Result<Verifier, Refusal>;

    /// Reads a verified webhook: what happened, and what the platform wants to hear.
    ///
    /// A source that says neither what kind of event this is nor what it calls the delivery needs no other reading.
    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Refusal> {
        Ok(Reading::event(inbound, None, Key::Body))
    }

    /// Turns a form into JSON.
    fn form_payload(&self, form: Form) -> Result<Value, Refusal> {
        Ok(form.into_object())
    }

    /// Tells whether a channel of this platform describes its scheme in a recipe.
    fn takes_recipe(&self) -> bool {
        false
    }

    /// How to talk back, on platforms that take messages.
    fn chat(&self) -> Option<&dyn Chat> {
        None
    }
}

/// Returns the platform of this name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Platform> {
    all().find(|platform| platform.spec().name == name)
}

/// Returns all platforms.
pub(crate) fn all() -> impl Iterator<Item = &'static dyn Platform> {
    REGISTRY.iter().copied()
}

/// Returns the value of a header unless it is empty or no text.
fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

/// Returns what a header calls a delivery, or else its body.
fn delivery_key<'a>(headers: &'a HeaderMap, name: &str) -> Key<'a> {
    let value = headers.get(name).map(http::HeaderValue::as_bytes).filter(|id| !id.is_empty());
    value.map_or(Key::Body, |id| Key::Id(id.into()))
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
