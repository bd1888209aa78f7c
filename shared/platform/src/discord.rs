//! Discord: Ed25519 signatures of the application, interactions and webhook events, and calls as the bot.

mod normalise;
mod send;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::chat::Chat;
use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::platform::Platform;
use crate::reading::{Inbound, Reading};
use crate::signature::recipe::Recipe;
use crate::signature::{Delivery, Verifier};
use crate::spec::{CHAT, Credential, Spec, VERIFY_TOKEN};

const SIGNATURE: &str = "x-signature-ed25519";
const TIMESTAMP: &str = "x-signature-timestamp";

/// The longest id of a Discord object, which is a number of 64 bits.
const SNOWFLAKE_LIMIT: usize = 20;

pub(crate) struct Discord;

static SPEC: Spec = Spec {
    name: "discord",
    title: "Discord applications",
    version: "v10",
    capabilities: CHAT,
    credentials: &[
        Credential::always("publicKey", "The public key on the page `General Information` of the application."),
        Credential::to_send("botToken", "The token on the page `Bot` of the application."),
        Credential::to_send(
            "applicationId",
            "The id on the page `General Information` of the application, needed to answer interactions.",
        ),
        VERIFY_TOKEN,
    ],
    content_types: &["application/json"],
    proofs: &[SIGNATURE],
};

impl Platform for Discord {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let refuse = || Error::field("credentials.publicKey", "must be 64 hex digits of an Ed25519 public key");
        let mut key = [0; 32];
        hex::decode_to_slice(credentials.required("publicKey")?, &mut key).map_err(|_| refuse())?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| refuse())?;
        credentials.text("applicationId")?.map(|id| snowflake("credentials.applicationId", id)).transpose()?;
        Ok(Box::new(move |delivery| verify(&key, delivery)))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        normalise::read(inbound)
    }

    fn chat(&self) -> Option<&dyn Chat> {
        Some(self)
    }
}

/// Checks the signature of timestamp and body.
///
/// Discord states no age at which a timestamp is too old, and repeats webhook events for minutes, so that any signed
/// timestamp will do: what is sent again is the same event again.
fn verify(key: &VerifyingKey, delivery: &Delivery<'_>) -> Result<(), Unverified> {
    let written = delivery.header(SIGNATURE)?;
    let timestamp = delivery.header(TIMESTAMP)?;
    // Nothing marks where the timestamp ends and the body begins, but no body that is read begins with a digit.
    if !timestamp.iter().all(u8::is_ascii_digit) {
        return Err(Unverified::Timestamp(TIMESTAMP.to_owned()));
    }
    let mut bytes = [0; Signature::BYTE_SIZE];
    hex::decode_to_slice(written, &mut bytes).map_err(|_| Unverified::Mismatch)?;
    // The same signature written in another way is not what Discord writes.
    if hex::encode(bytes).as_bytes() != written {
        return Err(Unverified::Mismatch);
    }
    let signed = [timestamp, delivery.body].concat();
    key.verify_strict(&signed, &Signature::from_bytes(&bytes)).map_err(|_| Unverified::Mismatch)
}

/// Checks an id of Discord, which then can stand in a path.
fn snowflake<'a>(field: &str, id: &'a str) -> Result<&'a str, Error> {
    match (1..=SNOWFLAKE_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(id),
        false => Err(Error::field(field, "must be a Discord id, which is a number")),
    }
}

#[cfg(test)]
mod tests;
