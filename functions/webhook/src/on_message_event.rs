//! The message log: what the bus reports about messages is written into it.

use platform::message::{NormalizedMessage, StatusUpdate};
use serde::de::IgnoredAny;
use shared::Error;
use shared::event::Received;
use shared::event::fact::{MESSAGE_RECEIVED, MESSAGE_STATUS, MessageReceived, MessageStatus};

use crate::store::message::{MessageRecord, MessageStore};

/// Writes a received message or a status into the log; a second time changes nothing.
pub(crate) async fn handle(messages: &MessageStore, event: &Received) -> Result<(), Error> {
    match &event.kind {
        kind if *kind == MESSAGE_RECEIVED => {
            let received: MessageReceived<NormalizedMessage, IgnoredAny> = event.content()?;
            let mut record = MessageRecord::received(&event.id, event.time, received);
            record.expires_at = messages.expires_at(event.time);
            messages.create(&record).await.map(|_| ())
        }
        kind if *kind == MESSAGE_STATUS => {
            let MessageStatus::<StatusUpdate, IgnoredAny> { origin, status, .. } = event.content()?;
            let message_id = status.message_id.clone();
            messages.add_status(&origin.channel_id, &message_id, &status.into(), event.time).await
        }
        _ => Ok(()),
    }
}
