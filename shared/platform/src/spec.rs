//! What a user has to know about a platform, as `GET /platforms` tells it.

use crate::error::Error;
use serde::Serialize;

use crate::credentials::Credentials;

/// A platform.
#[derive(Debug)]
pub struct Spec {
    /// The name that a channel gives as its `platform`.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// The version of the platform's interface that is spoken.
    pub version: &'static str,
    /// What can be done with it.
    pub capabilities: &'static [Capability],
    /// The secrets and names that a channel of it has.
    pub credentials: &'static [Credential],
    /// The content types that its webhooks may have unless the channel says otherwise.
    pub content_types: &'static [&'static str],
}

/// One of the credentials of a channel.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The name among the `credentials`.
    pub name: &'static str,
    /// When it is needed.
    pub needed: Needed,
    /// What it is and where the platform shows it.
    pub description: &'static str,
}

/// When a credential is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Needed {
    /// Always.
    Always,
    /// To send messages, and to ask for the channel's health.
    ToSend,
    /// Never, it makes something more possible.
    Optional,
}

/// What can be done with a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    /// Webhooks become events.
    ReceiveEvent,
    /// Webhooks become messages.
    ReceiveMessage,
    /// Signatures are checked.
    WebhookValidation,
    /// The platform's question whether the URL is ours is answered.
    WebhookVerification,
    /// Messages can be sent.
    SendMessage,
    /// The platform tells how far messages have come.
    DeliveryStatus,
    /// The platform can be asked whether the channel works.
    HealthCheck,
    /// The platform can be asked whether credentials are good.
    CredentialValidation,
}

/// What can be done with a source of signed webhooks.
pub(crate) const SOURCE: &[Capability] = &[Capability::ReceiveEvent, Capability::WebhookValidation];

/// What can be done with a platform for chats that asks whether the URL is ours, and tells nothing of what it was sent.
pub(crate) const CHAT: &[Capability] = &[
    Capability::ReceiveEvent,
    Capability::ReceiveMessage,
    Capability::WebhookValidation,
    Capability::WebhookVerification,
    Capability::SendMessage,
    Capability::HealthCheck,
    Capability::CredentialValidation,
];

/// The token of the handshake on GET, which every signed channel may have.
pub const VERIFY_TOKEN: Credential = Credential {
    name: "verifyToken",
    needed: Needed::Optional,
    description: "A text of your choice that a sender has to repeat when it verifies the URL with a GET request.",
};

impl Credential {
    /// A credential that is always needed.
    pub(crate) const fn always(name: &'static str, description: &'static str) -> Self {
        Self { name, needed: Needed::Always, description }
    }

    /// A credential that is needed to send.
    pub(crate) const fn to_send(name: &'static str, description: &'static str) -> Self {
        Self { name, needed: Needed::ToSend, description }
    }

    /// A credential that is not needed.
    pub(crate) const fn optional(name: &'static str, description: &'static str) -> Self {
        Self { name, needed: Needed::Optional, description }
    }
}

impl Spec {
    /// Tells whether the platform says how far messages have come.
    pub fn reports_status(&self) -> bool {
        self.capabilities.contains(&Capability::DeliveryStatus)
    }

    /// Refuses credentials of other names, which are most often misspelt, and required ones that are missing.
    pub fn check(&self, credentials: &Credentials) -> Result<(), Error> {
        if self.credentials.is_empty() {
            let rule = format!("must be absent, the platform `{}` has no signatures", self.name);
            return Err(Error::field("credentials", rule));
        }
        let names: Vec<&str> = self.credentials.iter().map(|credential| credential.name).collect();
        credentials.only(&names)?;
        for credential in self.credentials {
            match credential.needed {
                Needed::Always => credentials.required(credential.name).map(|_| ())?,
                Needed::ToSend | Needed::Optional => credentials.text(credential.name).map(|_| ())?,
            }
        }
        Ok(())
    }
}
