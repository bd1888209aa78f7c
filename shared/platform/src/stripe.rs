//! Stripe: HMAC-SHA-256 of time and body, both in one header, and events that name their kind and their id.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::platform::Platform;
use crate::reading::{DedupKey, Inbound, Reading, members, text};
use crate::signature::mac::{self, Algorithm, Encoding};
use crate::signature::recipe::{DEFAULT_TOLERANCE_S, Recipe, SecretEncoding};
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
};

/// The fields of an event that are read.
#[derive(Default, Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl Platform for Stripe {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// The whole text of the secret is the key, also where it looks like base64.
    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let key = SecretEncoding::Utf8.key(credentials.required("secret")?)?;
        let key = mac::Key::new(Algorithm::Sha256, &key);
        Ok(Box::new(move |delivery| verify(&key, delivery)))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        let event: Event<'a> = members(inbound.payload);
        let key = text(event.id).filter(|id| !id.is_empty()).map_or(DedupKey::Body, DedupKey::id);
        Ok(Reading::event(inbound, text(event.kind), key))
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
    match candidates.any(|candidate| Encoding::Hex.is(&signature, candidate)) {
        true => Ok(()),
        false => Err(Unverified::Mismatch),
    }
}

#[cfg(test)]
mod tests;
