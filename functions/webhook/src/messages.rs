//! The message log: what the bus tells of messages goes in, and clients read it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use shared::event::{ChannelId, Envelope};
use shared::http::ErrorBody;
use shared::{Error, Refusal};
use uuid::Uuid;

use crate::Webhook;
use crate::fact::{MESSAGE_RECEIVED, MESSAGE_STATUS, MessageReceived, MessageStatus};
use crate::record::{Change, LoggedMessage, Record};

const DEFAULT_LIMIT: usize = 20;
const LIMIT_LIMIT: usize = 100;
const ID_LIMIT_BYTES: usize = 128;

/// Which messages.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The channel.
    #[param(required = true)]
    channel_id: Option<String>,
    /// How many, 20 unless given.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// The `next` of the page before.
    before: Option<String>,
}

/// A page of the message log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessagePage {
    /// The messages, the newest first.
    data: Vec<LoggedMessage>,
    /// What to give as `before` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the messages of a channel.
#[utoipa::path(
    get, path = "/messages", tag = "messages", params(Wanted),
    description = "The newest messages come first. Messages are in the log a moment after they came in, and for as long \
        as other records are kept.",
    responses(
        (status = 200, description = "A page of messages", body = MessagePage),
        (status = 400, description = "A parameter is missing or breaks a rule", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission VIEW_MESSAGES", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(webhook): State<Arc<Webhook>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<MessagePage>, Refusal> {
    let Query(wanted) = wanted.map_err(|rejection| Refusal::illegal_argument(rejection.body_text()))?;
    let channel_id = wanted.channel_id.ok_or_else(|| Refusal::missing_field("channelId"))?;
    let channel_id =
        Uuid::try_parse(&channel_id).map_err(|_| Refusal::id_format("`channelId` must be a channel's id"))?;
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LIMIT_LIMIT).contains(&limit) {
        return Err(Refusal::field("limit", format!("must be 1 to {LIMIT_LIMIT}")));
    }
    let channel_id = ChannelId::new(channel_id.to_string());
    if wanted.before.as_deref().is_some_and(|before| !is_position(before)) {
        return Err(Refusal::field("before", "must be the `next` of a page"));
    }
    // One more than asked for tells whether there is another page.
    let mut records = webhook.messages.page(&channel_id, wanted.before.as_deref(), limit + 1).await?;
    let is_last = records.len() <= limit;
    records.truncate(limit);
    let next = records.last().filter(|_| !is_last).map(|record| record.logged_at.clone());
    let now = webhook.clock.now();
    Ok(Json(MessagePage { data: records.into_iter().map(|record| record.shown(now)).collect(), next }))
}

/// Tells whether a text is a position in the log: a time and the id of a message.
fn is_position(text: &str) -> bool {
    let parts = text.split_once('~');
    parts.is_some_and(|(time, id)| time.parse::<Timestamp>().is_ok() && !id.is_empty() && id.len() <= ID_LIMIT_BYTES)
}

impl Webhook {
    /// Writes what a fact tells of a message into the log; a second time changes nothing.
    pub(crate) async fn on_fact(&self, envelope: &Envelope) -> Result<(), Error> {
        match envelope.kind.as_str() {
            MESSAGE_RECEIVED => {
                let received: MessageReceived<IgnoredAny> = envelope.content()?;
                let mut record = Record::received(&envelope.id, envelope.time, received);
                record.expires_at = self.messages.expires_at(envelope.time.as_second());
                self.messages.create(&record).await?;
            }
            MESSAGE_STATUS => {
                let MessageStatus { origin, status, .. } = envelope.content::<MessageStatus<IgnoredAny>>()?;
                let message_id = status.message_id.clone();
                let now_s = envelope.time.as_second();
                self.messages.learn(&origin.channel_id, &message_id, &Change::from(status), now_s).await?;
            }
            _ => {}
        }
        Ok(())
    }
}
