//! Standard Webhooks: `v1` (HMAC-SHA-256) and `v1a` (Ed25519) over id, timestamp and body.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::header::delivery_key;
use crate::platform::Platform;
use crate::reading::{Inbound, Reading, members, text};
use crate::signature::mac::Encoding;
use crate::signature::recipe::{DEFAULT_TOLERANCE_S, Recipe, decode_base64};
use crate::signature::{Delivery, Verifier};
use crate::spec::{Credential, SOURCE, Spec, VERIFY_TOKEN};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

pub(crate) struct StandardWebhooks;

static SPEC: Spec = Spec {
    name: "standard-webhooks",
    title: "Standard Webhooks",
    version: "1.0.0",
    capabilities: SOURCE,
    credentials: &[
        Credential::optional("secret", "The sender's `whsec_` secret, for `v1` signatures; this or `publicKey`."),
        Credential::optional("publicKey", "The sender's `whpk_` public key, for `v1a` signatures."),
        VERIFY_TOKEN,
    ],
    content_types: &["application/json"],
};

/// The fields of an event that are read; the specification recommends this name for its kind.
#[derive(Default, Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

impl Platform for StandardWebhooks {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let symmetric = credentials.text("secret")?.map(symmetric).transpose()?;
        let asymmetric = credentials.text("publicKey")?.map(asymmetric).transpose()?;
        match (symmetric, asymmetric) {
            (Some(v1), Some(v1a)) => Ok(Box::new(move |delivery| v1(delivery).or_else(|_| v1a(delivery)))),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Err(Error::missing_field("credentials.secret")),
        }
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        let event: Event<'a> = members(inbound.payload);
        Ok(Reading::event(inbound, text(event.kind), delivery_key(inbound.headers, ID)))
    }
}

/// Checks `v1` signatures with a `whsec_` secret.
fn symmetric(secret: &str) -> Result<Verifier, Error> {
    let refuse = || Error::field("credentials.secret", "must be `whsec_` and base64 of at least one byte");
    let key = decode_base64(secret.strip_prefix("whsec_").unwrap_or(secret));
    let key = key.filter(|key| !key.is_empty()).ok_or_else(refuse)?;
    let recipe = Recipe {
        encoding: Encoding::Base64,
        signed_string: "{id}.{timestamp}.{body}".to_owned(),
        timestamp_header: Some(TIMESTAMP.to_owned()),
        id_header: Some(ID.to_owned()),
        ..Recipe::new(SIGNATURE, "v1,")
    };
    Ok(recipe.scheme()?.verifier(&key))
}

/// Checks `v1a` signatures with a `whpk_` public key.
fn asymmetric(public_key: &str) -> Result<Verifier, Error> {
    let refuse = || Error::field("credentials.publicKey", "must be `whpk_` and base64 of an Ed25519 public key");
    let key = decode_base64(public_key.strip_prefix("whpk_").unwrap_or(public_key));
    let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok()).ok_or_else(refuse)?;
    let key = VerifyingKey::from_bytes(&key).map_err(|_| refuse())?;
    Ok(Box::new(move |delivery| verify(&key, delivery)))
}

fn verify(key: &VerifyingKey, delivery: &Delivery<'_>) -> Result<(), Unverified> {
    let signatures = delivery.signatures(SIGNATURE, "v1a,")?;
    let timestamp = delivery.fresh_timestamp(TIMESTAMP, DEFAULT_TOLERANCE_S)?;
    let signed = [delivery.header(ID)?, timestamp, delivery.body].join(b".".as_slice());
    let mut signatures = signatures.filter_map(|text| Signature::from_slice(&decode_base64(text)?).ok());
    match signatures.any(|signature| key.verify_strict(&signed, &signature).is_ok()) {
        true => Ok(()),
        false => Err(Unverified::Mismatch),
    }
}

#[cfg(test)]
mod tests;
