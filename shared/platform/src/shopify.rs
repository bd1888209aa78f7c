//! Shopify: HMAC-SHA-256 of the body in base64, and headers that name the topic and the delivery.

use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::header::{delivery_key, header_text, present};
use crate::platform::Platform;
use crate::reading::{Inbound, Reading};
use crate::signature::mac::Encoding;
use crate::signature::recipe::Recipe;
use crate::signature::{Delivery, Verifier};
use crate::spec::{Credential, SOURCE, Spec, VERIFY_TOKEN};

/// The names of the headers; Shopify's newer events spell them without `X-`.
const SIGNATURE: [&str; 2] = ["x-shopify-hmac-sha256", "shopify-hmac-sha256"];
const TOPIC: [&str; 2] = ["x-shopify-topic", "shopify-topic"];
const WEBHOOK_ID: [&str; 2] = ["x-shopify-webhook-id", "shopify-webhook-id"];

pub(crate) struct Shopify;

static SPEC: Spec = Spec {
    name: "shopify",
    title: "Shopify webhooks",
    version: "1",
    capabilities: SOURCE,
    credentials: &[
        Credential::always("secret", "The client secret of the app, or the signing key below a shop's webhooks."),
        VERIFY_TOKEN,
    ],
    content_types: &["application/json"],
    proofs: &SIGNATURE,
};

impl Platform for Shopify {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let key = credentials.required("secret")?.as_bytes();
        let verifier = |header| -> Result<Verifier, Error> {
            let recipe = Recipe { encoding: Encoding::Base64, ..Recipe::new(header, "") };
            Ok(recipe.scheme()?.verifier(key))
        };
        let verifiers = [verifier(SIGNATURE[0])?, verifier(SIGNATURE[1])?];
        Ok(Box::new(move |delivery| verify(&verifiers, delivery)))
    }

    /// The topic names the kind, the webhook's id is the same for each repetition.
    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        let kind = header_text(inbound.headers, present(inbound.headers, TOPIC)).map(str::to_owned);
        let key = delivery_key(inbound.headers, present(inbound.headers, WEBHOOK_ID));
        Ok(Reading::event(inbound, kind, key))
    }
}

/// A header of either spelling is accepted, and a wrong one does not invalidate the other.
fn verify(verifiers: &[Verifier; 2], delivery: &Delivery<'_>) -> Result<(), Unverified> {
    let [usual, newer] = verifiers;
    usual(delivery).or_else(|unverified| match delivery.headers.contains_key(SIGNATURE[1]) {
        true => newer(delivery),
        false => Err(unverified),
    })
}

#[cfg(test)]
mod tests;
