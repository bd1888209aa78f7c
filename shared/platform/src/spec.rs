//! What a user needs to know about a platform, as `GET /platforms` returns it.

use serde::Serialize;

use crate::credentials::Credentials;
use crate::error::Error;

/// What a user needs to know about a platform.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The value of a channel's `platform`.
    #[serde(rename = "platform")]
    pub name: &'static str,
    /// The display name.
    #[serde(rename = "name")]
    pub title: &'static str,
    /// The version of the platform's API.
    pub version: &'static str,
    /// What it can be used for.
    pub capabilities: &'static [Capability],
    /// The credentials of its channels.
    pub credentials: &'static [Credential],
    /// The content types of its webhooks unless the channel says otherwise.
    pub content_types: &'static [&'static str],
    /// The headers, in lower case, that prove who sent a webhook; they do not travel on with its event.
    #[serde(skip)]
    pub proofs: &'static [&'static str],
}

/// One of the credentials of a channel.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The name among the `credentials`.
    pub name: &'static str,
    /// When it is needed.
    pub needed: Needed,
    /// What it is and where to find it.
    pub description: &'static str,
}

/// When a credential is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Needed {
    /// Always.
    Always,
    /// To send messages and for health checks.
    ToSend,
    /// Never; it enables something more.
    Optional,
}

/// What a platform can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    /// Webhooks become events.
    ReceiveEvent,
    /// Webhooks become messages.
    ReceiveMessage,
    /// Signatures are checked.
    WebhookValidation,
    /// The platform's verification request for the URL is answered.
    WebhookVerification,
    /// Messages can be sent.
    SendMessage,
    /// The platform reports the delivery status of messages.
    DeliveryStatus,
    /// The health of a channel can be checked at the platform.
    HealthCheck,
    /// Credentials can be checked at the platform.
    CredentialValidation,
}

/// The capabilities of a source of signed webhooks.
pub(crate) const SOURCE: &[Capability] = &[Capability::ReceiveEvent, Capability::WebhookValidation];

/// The capabilities of a chat platform that verifies the URL and reports no delivery status.
pub(crate) const CHAT: &[Capability] = &[
    Capability::ReceiveEvent,
    Capability::ReceiveMessage,
    Capability::WebhookValidation,
    Capability::WebhookVerification,
    Capability::SendMessage,
    Capability::HealthCheck,
    Capability::CredentialValidation,
];

/// The token of the verification request, which every signed channel may have.
pub const VERIFY_TOKEN: Credential = Credential {
    name: "verifyToken",
    needed: Needed::Optional,
    description: "A text of your choice that the sender has to repeat when it verifies the URL with a GET request.",
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
    /// Tells whether the platform reports the delivery status of messages.
    pub fn reports_status(&self) -> bool {
        self.capabilities.contains(&Capability::DeliveryStatus)
    }

    /// Refuses unknown names, which are most often misspelt, and missing credentials.
    pub fn check(&self, credentials: &Credentials) -> Result<(), Error> {
        if self.credentials.is_empty() {
            let rule = format!("must be absent, the platform `{}` has no signatures", self.name);
            return Err(Error::field("credentials", rule));
        }
        let names: Vec<&'static str> = self.credentials.iter().map(|credential| credential.name).collect();
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
