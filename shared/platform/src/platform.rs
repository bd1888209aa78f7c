//! What is particular about one platform.

use serde_json::Value;

use crate::chat::Chat;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::payload::Form;
use crate::reading::{DedupKey, Inbound, Reading, Reply};
use crate::signature::recipe::Recipe;
use crate::signature::{Delivery, Verifier};
use crate::spec::Spec;

/// A platform that webhooks come from.
pub trait Platform: Send + Sync {
    /// Returns what a user needs to know about it.
    fn spec(&self) -> &'static Spec;

    /// Builds what checks signatures with these credentials; an error names the field and the rule.
    ///
    /// Names that the specification does not list, and required ones that are missing, are refused before.
    fn verifier(&self, credentials: &Credentials, recipe: Option<&Recipe>) -> Result<Verifier, Error>;

    /// Answers a check of the URL that the platform sends without a signature; anything else is `None`.
    ///
    /// Anybody can send one, so that the answer must reveal nothing, and nothing happens because of it.
    fn handshake(&self, _delivery: &Delivery<'_>) -> Option<Reply> {
        None
    }

    /// Reads a verified webhook: what happened, and what the platform expects as the answer.
    ///
    /// The default is for sources that name neither the event nor the delivery.
    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        Ok(Reading::event(inbound, None, DedupKey::Body))
    }

    /// Turns a form into JSON, which may nest `depth_limit` levels.
    fn form_payload(&self, form: Form, _depth_limit: usize) -> Result<Value, Error> {
        Ok(form.into_object())
    }

    /// Tells whether a channel of this platform describes its scheme in a recipe.
    fn takes_recipe(&self) -> bool {
        false
    }

    /// Returns how to send messages, on platforms that accept them.
    fn chat(&self) -> Option<&dyn Chat> {
        None
    }
}
