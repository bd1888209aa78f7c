//! Standard Webhooks: `v1` (HMAC-SHA-256) and `v1a` (Ed25519) over id, timestamp and body.

use ed25519_dalek::{Signature, VerifyingKey};

use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::fields::Fields;
use crate::header::{delivery_key, present};
use crate::platform::Platform;
use crate::reading::{Inbound, Reading};
use crate::signature::mac::Encoding;
use crate::signature::recipe::{DEFAULT_TOLERANCE_S, Recipe, decode_base64};
use crate::signature::{Delivery, Verifier};
use crate::spec::{Credential, SOURCE, Spec, VERIFY_TOKEN};

/// The names of the headers in each spelling; Svix, where the specification comes from, puts its own name before them.
const SPELLINGS: [Spelling; 2] = [
    Spelling { id: "webhook-id", timestamp: "webhook-timestamp", signature: "webhook-signature" },
    Spelling { id: "svix-id", timestamp: "svix-timestamp", signature: "svix-signature" },
];

#[derive(Clone, Copy)]
struct Spelling {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

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
    proofs: &[SPELLINGS[0].signature, SPELLINGS[1].signature],
};

impl Platform for StandardWebhooks {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let secret = credentials.text("secret")?.map(symmetric_key).transpose()?;
        let public_key = credentials.text("publicKey")?.map(asymmetric_key).transpose()?;
        if secret.is_none() && public_key.is_none() {
            return Err(Error::missing_field("credentials.secret"));
        }
        let [usual, svix] = SPELLINGS.map(|spelling| verifiers(spelling, secret.as_deref(), public_key));
        let (usual, svix) = (usual?, svix?);
        // A header of either spelling is accepted, and a wrong one does not invalidate the other.
        Ok(Box::new(move |delivery| {
            any(&usual, delivery).or_else(|unverified| match delivery.headers.contains_key(SPELLINGS[1].signature) {
                true => any(&svix, delivery),
                false => Err(unverified),
            })
        }))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        // The specification recommends this name for the kind.
        let kind = Fields::of(inbound.payload).unwrap_or_default().any_text("type");
        let id = present(inbound.headers, SPELLINGS.map(|spelling| spelling.id));
        Ok(Reading::event(inbound, kind, delivery_key(inbound.headers, id)))
    }
}

/// Returns what checks each kind of signature under one spelling of the headers.
fn verifiers(
    spelling: Spelling,
    secret: Option<&[u8]>,
    public_key: Option<VerifyingKey>,
) -> Result<Vec<Verifier>, Error> {
    let symmetric = secret.map(|key| symmetric(spelling, key)).transpose()?;
    let asymmetric = public_key.map(|key| -> Verifier { Box::new(move |delivery| verify(spelling, &key, delivery)) });
    Ok(symmetric.into_iter().chain(asymmetric).collect())
}

/// Accepts what one of the verifiers accepts, or returns what the last one says.
fn any(verifiers: &[Verifier], delivery: &Delivery<'_>) -> Result<(), Unverified> {
    let mut verified = Err(Unverified::Mismatch);
    for verifier in verifiers {
        verified = verifier(delivery);
        if verified.is_ok() {
            break;
        }
    }
    verified
}

/// Reads a `whsec_` secret.
fn symmetric_key(secret: &str) -> Result<Vec<u8>, Error> {
    let key = decode_base64(secret.strip_prefix("whsec_").unwrap_or(secret)).filter(|key| !key.is_empty());
    key.ok_or_else(|| Error::field("credentials.secret", "must be `whsec_` and base64 of at least one byte"))
}

/// Reads a `whpk_` public key.
fn asymmetric_key(public_key: &str) -> Result<VerifyingKey, Error> {
    let key = decode_base64(public_key.strip_prefix("whpk_").unwrap_or(public_key));
    let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok()).and_then(|key| VerifyingKey::from_bytes(&key).ok());
    key.ok_or_else(|| Error::field("credentials.publicKey", "must be `whpk_` and base64 of an Ed25519 public key"))
}

/// Checks `v1` signatures.
fn symmetric(spelling: Spelling, key: &[u8]) -> Result<Verifier, Error> {
    let recipe = Recipe {
        encoding: Encoding::Base64,
        signed_string: "{id}.{timestamp}.{body}".to_owned(),
        timestamp_header: Some(spelling.timestamp.to_owned()),
        id_header: Some(spelling.id.to_owned()),
        ..Recipe::new(spelling.signature, "v1,")
    };
    Ok(recipe.scheme()?.verifier(key))
}

/// Checks `v1a` signatures.
fn verify(spelling: Spelling, key: &VerifyingKey, delivery: &Delivery<'_>) -> Result<(), Unverified> {
    let signatures = delivery.signatures(spelling.signature, "v1a,")?;
    let timestamp = delivery.fresh_timestamp(spelling.timestamp, DEFAULT_TOLERANCE_S)?;
    let signed = [delivery.header(spelling.id)?, timestamp, delivery.body].join(b".".as_slice());
    let mut signatures = signatures.filter_map(|text| Signature::from_slice(&decode_base64(text)?).ok());
    Unverified::unless(signatures.any(|signature| key.verify_strict(&signed, &signature).is_ok()))
}

#[cfg(test)]
mod tests;
