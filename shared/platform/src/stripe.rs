//! Stripe: HMAC-SHA-256 of time and body, both in one header, and events that name their kind and their id.

use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::fields::Fields;
use crate::platform::Platform;
use crate::reading::{DedupKey, Inbound, Reading};
use crate::signature::mac::{self, Algorithm, Encoding};
use crate::signature::recipe::{DEFAULT_TOLERANCE_S, Recipe};
use crate::signature::{Delivery, Verifier};
use crate::spec::{Credential, SOURCE, Spec, VERIFY_TOKEN};

const SIGNATURE: &str = "stripe-signature";

pub(crate) struct Stripe;

static SPEC: Spec = Spec {
    name: "stripe",
    title: "Stripe webhooks",
    version: "1",
    capabilities: SOURCE,
    credentials: &[
        Credential::always("secret", "The signing secret of the webhook endpoint, with its `whsec_`."),
        VERIFY_TOKEN,
    ],
    content_types: &["application/json"],
    proofs: &[SIGNATURE],
};

impl Platform for Stripe {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// The whole text of the secret is the key, also where it looks like base64.
    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let key = mac::Key::new(Algorithm::Sha256, credentials.required("secret")?.as_bytes());
        Ok(Box::new(move |delivery| verify(&key, delivery)))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        let event = Fields::of(inbound.payload).unwrap_or_default();
        let key = event.any_text("id").filter(|id| !id.is_empty()).map_or(DedupKey::Body, DedupKey::id);
        Ok(Reading::event(inbound, event.any_text("type"), key))
    }
}

/// Any `v1` may match, as Stripe signs with two secrets while one is rolled; other schemes are ignored.
fn verify(key: &mac::Key, delivery: &Delivery<'_>) -> Result<(), Unverified> {
    let mut times = delivery.signatures(SIGNATURE, "t=")?;
    let (Some(time), None) = (times.next(), times.next()) else {
        return Err(Unverified::Timestamp(SIGNATURE.to_owned()));
    };
    delivery.fresh(SIGNATURE, time.as_bytes(), DEFAULT_TOLERANCE_S)?;
    let signature = key.sign([time.as_bytes(), b".", delivery.body].into_iter());
    let mut candidates = delivery.signatures(SIGNATURE, "v1=")?;
    Unverified::unless(candidates.any(|candidate| Encoding::Hex.is(&signature, candidate)))
}

#[cfg(test)]
mod tests;
