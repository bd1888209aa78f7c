//! Channels: the settings that a client may choose, how they change, and what is shown.

use jiff::{SignedDuration, Timestamp};
use platform::credentials::Credentials;
use platform::payload::ContentType;
use platform::signature::Verifier;
use platform::signature::recipe::Recipe;
use platform::{Platform, registry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::fact::ChannelOrigin;
use shared::event::{ChannelId, TenantId};
use shared::{Refusal, nearest};

use crate::rate_limit::RateLimits;
use crate::refusal::refusal;

/// How long the previous credentials stay valid after a rotation unless the request says otherwise, in seconds.
const PREVIOUS_VALID_S: u32 = 86_400;
const PREVIOUS_VALID_LIMIT_S: u32 = 30 * 86_400;
const NAME_LIMIT_BYTES: usize = 256;
const URL_LIMIT_BYTES: usize = 2048;
/// The deduplication window unless the channel says otherwise, in seconds.
const DEDUP_WINDOW_S: u32 = 86_400;
const DEDUP_WINDOW_LIMIT_S: u32 = 30 * 86_400;

/// The body of `POST /channels`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewChannel {
    /// The platform that sends the webhooks, one of `GET /platforms`; may be absent with `unsigned: true`.
    platform: Option<String>,
    /// A display name; the platform's name unless given.
    name: Option<String>,
    /// The tenant that the channel and its events belong to; the caller's unless given.
    pub tenant_id: Option<String>,
    /// The platform's secrets, which are never shown again; `GET /platforms` names them.
    #[schema(value_type = Option<Object>)]
    credentials: Option<Value>,
    /// The content type of the webhooks, the platform's own unless given; others are refused with 415.
    content_type: Option<String>,
    /// How the platform `hmac` signs.
    recipe: Option<Recipe>,
    /// The base URL of the platform's API, if it is not the usual one.
    api_url: Option<String>,
    /// The deduplication window: for how long a repeated message or delivery is recognised, in seconds; a day unless given.
    /// With 0 every delivery is an event of its own.
    #[schema(minimum = 0, maximum = 2_592_000)]
    dedup_window_seconds: Option<u32>,
    /// The rate limits of webhooks and messages.
    rate_limits: Option<RateLimits>,
    /// Accepts webhooks without a signature; required for a channel without credentials.
    #[serde(default)]
    unsigned: bool,
}

/// The body of `PUT /channels/{channelId}`; what is absent stays as it is.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelChange {
    /// The platform, which cannot change.
    platform: Option<String>,
    /// A display name.
    name: Option<String>,
    /// The tenant, which cannot change.
    tenant_id: Option<TenantId>,
    /// New secrets; the present ones stay valid for `previousValidSeconds`.
    #[schema(value_type = Option<Object>)]
    credentials: Option<Value>,
    /// How long the present secrets stay valid beside the new ones, in seconds; a day unless given.
    #[schema(minimum = 0, maximum = 2_592_000)]
    previous_valid_seconds: Option<u32>,
    /// The content type of the webhooks.
    content_type: Option<String>,
    /// How the platform `hmac` signs.
    recipe: Option<Recipe>,
    /// The base URL of the platform's API; needs `credentials`, as the present ones were given for another address.
    api_url: Option<String>,
    /// The deduplication window: for how long a repeated message or delivery is recognised, in seconds. With 0 every
    /// delivery is an event of its own.
    #[schema(minimum = 0, maximum = 2_592_000)]
    dedup_window_seconds: Option<u32>,
    /// The rate limits of webhooks and messages; they replace the present ones as a whole.
    rate_limits: Option<RateLimits>,
    /// Stops checking signatures and deletes the secrets.
    unsigned: Option<bool>,
}

/// What a client chooses for a channel and may see again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelSettings {
    /// The platform that sends the webhooks.
    pub platform: String,
    /// A display name.
    pub name: String,
    /// The tenant that the channel and its events belong to.
    pub tenant_id: TenantId,
    /// The content type of the webhooks, where it is not the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub content_type: Option<ContentType>,
    /// How the platform `hmac` signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The base URL of the platform's API, if it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// The deduplication window: for how long a repeated message or delivery is recognised, in seconds.
    pub dedup_window_seconds: u32,
    /// The rate limits of webhooks and messages.
    #[serde(default, skip_serializing_if = "RateLimits::is_empty")]
    pub rate_limits: RateLimits,
    /// Whether webhooks are accepted without a signature.
    pub unsigned: bool,
}

/// A channel as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Channel {
    /// The id of the channel.
    pub channel_id: ChannelId,
    /// What a client chose.
    #[serde(flatten)]
    pub settings: ChannelSettings,
    /// The URL that the platform has to send its webhooks to.
    pub webhook_url: String,
    /// How long the previous secrets stay valid.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub previous_valid_until: Option<Timestamp>,
    /// When the channel was created.
    #[serde(with = "shared::clock::iso")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub updated_at: Timestamp,
}

impl NewChannel {
    /// Fills in defaults and checks everything.
    pub(crate) fn checked(self, tenant_id: TenantId) -> Result<(ChannelSettings, Option<Credentials>), Refusal> {
        let unsigned = || self.unsigned.then(|| "unsigned".to_owned());
        let platform = self.platform.or_else(unsigned).ok_or_else(|| Refusal::missing_field("platform"))?;
        let settings = ChannelSettings {
            name: self.name.unwrap_or_else(|| platform.clone()),
            platform,
            tenant_id,
            content_type: self.content_type.as_deref().map(ContentType::parse).transpose().map_err(refusal)?,
            recipe: self.recipe,
            api_url: self.api_url.map(|url| url.trim_end_matches('/').to_owned()),
            dedup_window_seconds: self.dedup_window_seconds.unwrap_or(DEDUP_WINDOW_S),
            rate_limits: self.rate_limits.unwrap_or_default(),
            unsigned: self.unsigned,
        };
        let credentials = self.credentials.map(Credentials::parse).transpose().map_err(refusal)?;
        settings.check(credentials.as_ref())?;
        Ok((settings, credentials))
    }
}

impl ChannelChange {
    /// Applies the change to the present settings; returns the new credentials if there are any.
    ///
    /// The change as a whole is checked, with `present` as the credentials that it does not replace.
    pub(crate) fn apply(
        self,
        settings: ChannelSettings,
        present: Option<Credentials>,
    ) -> Result<(ChannelSettings, Option<Credentials>), Refusal> {
        if self.platform.is_some_and(|platform| platform != settings.platform) {
            return Err(Refusal::field("platform", "cannot change, create another channel"));
        }
        if self.tenant_id.is_some_and(|tenant_id| tenant_id != settings.tenant_id) {
            return Err(Refusal::field("tenantId", "cannot change, create another channel"));
        }
        let new = self.credentials.map(Credentials::parse).transpose().map_err(refusal)?;
        let content_type = self.content_type.as_deref().map(ContentType::parse).transpose().map_err(refusal)?;
        let api_url = self.api_url.map(|url| url.trim_end_matches('/').to_owned()).or_else(|| settings.api_url.clone());
        if api_url != settings.api_url && new.is_none() && present.is_some() {
            return Err(Refusal::field(
                "apiUrl",
                "needs `credentials`: the present ones were given for another address",
            ));
        }
        let changed = ChannelSettings {
            name: self.name.unwrap_or(settings.name),
            tenant_id: settings.tenant_id,
            content_type: content_type.or(settings.content_type),
            recipe: self.recipe.or(settings.recipe),
            api_url,
            dedup_window_seconds: self.dedup_window_seconds.unwrap_or(settings.dedup_window_seconds),
            rate_limits: self.rate_limits.unwrap_or(settings.rate_limits),
            unsigned: self.unsigned.unwrap_or(settings.unsigned && new.is_none()),
            platform: settings.platform,
        };
        let kept = present.filter(|_| !changed.unsigned);
        changed.check(new.as_ref().or(kept.as_ref()))?;
        Ok((changed, new.filter(|new| Some(new) != kept.as_ref())))
    }

    /// Returns until when the credentials that this change replaces stay valid.
    pub(crate) fn previous_valid_until(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        let refuse = |rule| Err(Refusal::field("previousValidSeconds", rule));
        if self.previous_valid_seconds.is_some() && self.credentials.is_none() {
            return refuse("needs new `credentials`");
        }
        match self.previous_valid_seconds.unwrap_or(PREVIOUS_VALID_S) {
            seconds if seconds > PREVIOUS_VALID_LIMIT_S => refuse("must be at most 2592000, which is 30 days"),
            seconds => Ok(now + SignedDuration::from_secs(seconds.into())),
        }
    }
}

impl ChannelSettings {
    /// Returns the platform.
    pub(crate) fn platform(&self) -> Result<&'static dyn Platform, Refusal> {
        let names: Vec<&str> = registry::all().map(|platform| platform.spec().name).collect();
        let unknown = || format!("has the {}", nearest::unknown("value", &self.platform, names));
        registry::find(&self.platform).ok_or_else(|| Refusal::field("platform", unknown()))
    }

    /// Describes a channel with these settings for a fact that is published now.
    pub(crate) fn origin(&self, id: &ChannelId, now: Timestamp) -> ChannelOrigin {
        ChannelOrigin {
            tenant_id: self.tenant_id.clone(),
            channel_id: id.clone(),
            platform: self.platform.clone(),
            timestamp: now.as_millisecond(),
        }
    }

    /// Returns what checks deliveries with these credentials.
    pub(crate) fn verifier(&self, credentials: &Credentials) -> Result<Verifier, Refusal> {
        let platform = self.platform()?;
        platform.spec().check(credentials).map_err(refusal)?;
        platform.verifier(credentials, self.recipe.as_ref()).map_err(refusal)
    }

    /// Returns the content type of a request if the channel accepts it.
    pub(crate) fn accepted(&self, platform: &dyn Platform, header: Option<&[u8]>) -> Result<ContentType, Refusal> {
        let declared = self.content_type.as_ref().map(ContentType::as_str);
        let expected = declared.as_ref().map_or(platform.spec().content_types, std::slice::from_ref);
        let sent = header.and_then(ContentType::from_header).filter(|sent| expected.contains(&sent.as_str()));
        sent.ok_or_else(|| Refusal::unsupported_media_type(&expected.join(" or ")))
    }

    /// Fails closed: without a scheme that can be checked, the channel must be declared unsigned.
    fn check(&self, credentials: Option<&Credentials>) -> Result<(), Refusal> {
        let platform = self.platform()?;
        if self.name.trim().is_empty() || self.name.len() > NAME_LIMIT_BYTES {
            return Err(Refusal::field("name", format!("must have 1 to {NAME_LIMIT_BYTES} bytes")));
        }
        if let Some(recipe) = &self.recipe {
            if !platform.takes_recipe() {
                return Err(Refusal::field("recipe", "is only for the platform `hmac`"));
            }
            recipe.scheme().map_err(refusal)?;
        }
        self.check_settings(platform)?;
        match (credentials, self.unsigned) {
            (Some(_), true) => Err(Refusal::field("unsigned", "must not be true for a channel with `credentials`")),
            (Some(credentials), false) => self.verifier(credentials).map(|_| ()),
            (None, true) => Ok(()),
            (None, false) => {
                let mut refusal = Refusal::missing_field("credentials");
                refusal.message.push_str(", or `unsigned` must be true to accept webhooks from anybody");
                Err(refusal)
            }
        }
    }

    fn check_settings(&self, platform: &dyn Platform) -> Result<(), Refusal> {
        if let Some(url) = &self.api_url {
            if platform.chat().is_none() {
                return Err(Refusal::field("apiUrl", "is only for platforms that messages can be sent to"));
            }
            let is_url = url.parse::<http::Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()
            });
            if !is_url || url.len() > URL_LIMIT_BYTES || url.contains('@') {
                return Err(Refusal::field("apiUrl", "must be an http or https URL without credentials and query"));
            }
        }
        if self.dedup_window_seconds > DEDUP_WINDOW_LIMIT_S {
            return Err(Refusal::field("dedupWindowSeconds", "must be at most 2592000, which is 30 days"));
        }
        if self.rate_limits.send.is_some() && platform.chat().is_none() {
            return Err(Refusal::field("rateLimits.send", "is only for platforms that messages can be sent to"));
        }
        self.rate_limits.check()
    }
}

#[cfg(test)]
mod tests;
