//! The routes, one file for each resource.

pub(crate) mod channel_health;
pub(crate) mod channels;
pub(crate) mod messages;
pub(crate) mod platforms;
pub(crate) mod webhooks;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use shared::Refusal;
use shared::event::ChannelId;
use uuid::Uuid;

/// The id of a channel in the path; a text that cannot be one names no channel.
pub(crate) struct ChannelPath(pub ChannelId);

impl<S: Send + Sync> FromRequestParts<S> for ChannelPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let text = path.map(|Path(text)| text).unwrap_or_default();
        match Uuid::try_parse(&text) {
            Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(Self(ChannelId::new(id.to_string()))),
            _ => Err(Refusal::unknown("channel", &text)),
        }
    }
}
