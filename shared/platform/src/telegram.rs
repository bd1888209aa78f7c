//! Telegram: a secret token that comes with every update, and requests whose URL contains the bot's token.

mod normalise;
mod send;

use subtle::ConstantTimeEq as _;

use crate::chat::Chat;
use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::platform::Platform;
use crate::reading::{Inbound, Reading};
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;
use crate::spec::{Capability, Credential, Spec, VERIFY_TOKEN};

const TOKEN: &str = "x-telegram-bot-api-secret-token";
const TOKEN_LIMIT_BYTES: usize = 256;

pub(crate) struct Telegram;

static SPEC: Spec = Spec {
    name: "telegram",
    title: "Telegram bots",
    version: "10.1",
    capabilities: &[
        Capability::ReceiveEvent,
        Capability::ReceiveMessage,
        Capability::WebhookValidation,
        Capability::SendMessage,
        Capability::HealthCheck,
        Capability::CredentialValidation,
    ],
    credentials: &[
        Credential::always("secretToken", "The text that you give `setWebhook` as `secret_token`, of your choice."),
        Credential::to_send("botToken", "The token that BotFather shows for the bot."),
        VERIFY_TOKEN,
    ],
    content_types: &["application/json"],
    proofs: &[TOKEN],
};

impl Platform for Telegram {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// Telegram does not sign: whoever knows the token counts as Telegram.
    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let secret = credentials.required("secretToken")?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if secret.len() > TOKEN_LIMIT_BYTES || !secret.bytes().all(is_token) {
            return Err(Error::field("credentials.secretToken", "must be 1 to 256 of A-Z, a-z, 0-9, `_` and `-`"));
        }
        credentials.text("botToken")?.map(check_bot_token).transpose()?;
        let secret = secret.to_owned();
        Ok(Box::new(move |delivery| Unverified::unless(delivery.header(TOKEN)?.ct_eq(secret.as_bytes()).into())))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        normalise::read(inbound)
    }

    fn chat(&self) -> Option<&dyn Chat> {
        Some(self)
    }
}

/// Checks the format of a token, so that it cannot change the rest of the URL.
fn check_bot_token(token: &str) -> Result<(), Error> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let is_token = token.split_once(':').is_some_and(|(id, secret)| {
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && secret.bytes().all(is_part)
    });
    match is_token {
        true => Ok(()),
        false => {
            Err(Error::field("credentials.botToken", "must be a token from BotFather, such as `110201543:AAH...`"))
        }
    }
}

#[cfg(test)]
mod tests;
