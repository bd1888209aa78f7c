//! The message log: what the bus reports about messages is written into it.

use serde::de::IgnoredAny;
use shared::Error;
use shared::event::Envelope;

use crate::fact::{MESSAGE_RECEIVED, MESSAGE_STATUS, MessageReceived, MessageStatusChanged};
use crate::message::StatusChange;
use crate::store::message::{MessageRecord, MessageStore};

/// Writes a received message or a status into the log; a second time changes nothing.
pub(crate) async fn handle(messages: &MessageStore, event: &Envelope) -> Result<(), Error> {
    match event.kind.as_str() {
        MESSAGE_RECEIVED => {
            let received: MessageReceived<IgnoredAny> = event.content()?;
            let mut record = MessageRecord::received(&event.id, event.time, received);
            record.expires_at = messages.expires_at(event.time.as_second());
            messages.create(&record).await.map(|_| ())
        }
        MESSAGE_STATUS => {
            let MessageStatusChanged { origin, status, .. } = event.content::<MessageStatusChanged<IgnoredAny>>()?;
            let message_id = status.message_id.clone();
            let change = StatusChange::from(status);
            messages.add_status(&origin.channel_id, &message_id, &change, event.time.as_second()).await
        }
        _ => Ok(()),
    }
}
