//! The routes, one file for each resource.

pub(crate) mod channel_health;
pub(crate) mod channels;
pub(crate) mod messages;
pub(crate) mod platforms;
pub(crate) mod webhooks;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::header::HOST;
use http::request::Parts;
use shared::Refusal;
use shared::event::ChannelId;
use uuid::Uuid;

use crate::services::Services;

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

/// The public base URL: the configured one, or the one that the request was sent to.
pub(crate) struct BaseUrl(pub String);

impl FromRequestParts<Arc<Services>> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, Infallible> {
        if let Some(base_url) = &services.base_url {
            return Ok(Self(base_url.clone()));
        }
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = text("x-forwarded-proto").unwrap_or("http");
        Ok(Self(format!("{scheme}://{}", text(HOST.as_str()).unwrap_or("localhost"))))
    }
}
