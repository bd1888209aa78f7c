//! The platforms that webhooks come from: one file and one line of the registry for each.

mod github;
mod hmac;
mod standard_webhooks;
mod unsigned;

use http::HeaderMap;
use serde_json::Value;
use shared::Refusal;

use crate::channel::credentials::Credentials;
use crate::payload::Form;
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;

/// Every platform that a channel can have.
const REGISTRY: &[&dyn Platform] =
    &[&github::GitHub, &hmac::Hmac, &standard_webhooks::StandardWebhooks, &unsigned::Unsigned];

/// What is particular about the webhooks of one platform.
pub(crate) trait Platform: Send + Sync {
    /// The name that a channel gives as its `platform`.
    fn name(&self) -> &'static str;

    /// Turns credentials into what checks signatures; a refusal names the field and the rule.
    fn verifier(&self, credentials: &Credentials, recipe: Option<&Recipe>) -> Result<Verifier, Refusal>;

    /// Tells whether a channel of this platform describes its scheme in a recipe.
    fn takes_recipe(&self) -> bool {
        false
    }

    /// Returns what the platform calls this delivery, the same for each repetition of it.
    fn delivery_id<'a>(&self, _headers: &'a HeaderMap, _recipe: Option<&Recipe>) -> Option<&'a [u8]> {
        None
    }

    /// Turns a form into the payload of an event.
    fn form_payload(&self, form: Form) -> Result<Value, Refusal> {
        Ok(form.into_object())
    }
}

/// Returns the platform of this name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Platform> {
    REGISTRY.iter().copied().find(|platform| platform.name() == name)
}

/// Returns the names of all platforms.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|platform| platform.name())
}

/// Returns the value of a header that names a delivery, unless it is empty.
fn delivery_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get(name).map(http::HeaderValue::as_bytes).filter(|id| !id.is_empty())
}
