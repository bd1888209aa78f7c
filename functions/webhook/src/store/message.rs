//! The message log: records by `id`, in the order of their channel's index, and receipts beside them.
//!
//! A platform reports the status of a message by its own id of it, sometimes before we have read its answer to the
//! sending. So a receipt, `receipt#<channel>#<hash of the message id>`, keeps the reports until the record is known, and
//! points to the record from then on.

use jiff::Timestamp;
use platform::message::NormalizedMessage;
use platform::registry;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::event::fact::{ChannelOrigin, MessageReceived};
use shared::event::{ChannelId, EventId};
use shared::list::{self, Index, Walks};
use shared::seal::Resealed;
use shared::step::{Claim, ClaimStore, Claimable};
use shared::table::{Check, Expression, Query, SealedAttributes, Table, is_new, key};
use shared::{Environment, Error};

use crate::message::{Direction, LogEntry, LoggedMessage, MessageStatus, SendResult, StatusChange};

const KEY: &str = "id";
/// A message is what a step may have handed on, and a platform may repeat it in its errors.
const SEALED: SealedAttributes =
    SealedAttributes { key: &[KEY], apart: &[], together: &[&["message"], &["history"], &["claim", "answer"]] };
const CHANNEL_INDEX: &str = "byChannel";
/// How often a write is attempted while others come first.
const ATTEMPTS: u32 = 10;

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageRecord {
    /// What is shown as it is; its `id` is the key.
    #[serde(flatten)]
    pub entry: LogEntry,
    /// The time and the id: the order of the log, in which no two messages of a channel have the same place.
    pub logged_at: String,
    /// The message as JSON text, as its numbers may be out of the range of DynamoDB's.
    pub message: String,
    /// Who sends it, and the result as the output of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// When it may be deleted, in seconds since 1970.
    pub expires_at: i64,
    /// Counts the changes.
    pub version: u64,
}

impl MessageRecord {
    /// Builds the record of a received message.
    pub(crate) fn received(
        event_id: &EventId,
        time: Timestamp,
        received: MessageReceived<NormalizedMessage, IgnoredAny>,
    ) -> Self {
        let MessageReceived { origin, message, .. } = received;
        let history = vec![StatusChange::new(MessageStatus::Received, message.timestamp)];
        let mut record = Self::new(event_id.as_str(), origin, Direction::Inbound, time, history);
        record.message = serde_json::to_string(&message).unwrap_or_default();
        record.entry.event_id = Some(event_id.clone());
        record.entry.message_id = Some(message.id);
        record
    }

    /// Builds the record of a message that is about to be sent.
    pub(crate) fn sending(id: &str, origin: ChannelOrigin, now: Timestamp, message: String) -> Self {
        let history = vec![StatusChange::new(MessageStatus::Sending, now.as_millisecond())];
        Self { message, ..Self::new(id, origin, Direction::Outbound, now, history) }
    }

    fn new(id: &str, origin: ChannelOrigin, direction: Direction, time: Timestamp, history: Vec<StatusChange>) -> Self {
        let entry = LogEntry {
            id: id.to_owned(),
            channel_id: origin.channel_id,
            tenant_id: origin.tenant_id,
            platform: origin.platform,
            direction,
            status: history.first().map_or(MessageStatus::Received, |change| change.status),
            history,
            message_id: None,
            event_id: None,
        };
        Self {
            entry,
            // Always three decimals, so that the texts have the order of the times.
            logged_at: format!("{time:.3}~{id}"),
            message: String::new(),
            claim: None,
            expires_at: 0,
            version: 1,
        }
    }

    /// Adds a status change; returns whether it is a new one.
    ///
    /// Changes are reported in any order and more than once. The status is the furthest of them, and `failed` is final.
    pub(crate) fn change(&mut self, change: StatusChange) -> bool {
        let LogEntry { status, history, .. } = &mut self.entry;
        if history.iter().any(|known| known.status == change.status) {
            return false;
        }
        *status = change.status.max(*status);
        history.push(change);
        history.sort_by_key(|change| change.timestamp);
        true
    }

    /// Returns the result of sending it, once that is known.
    pub(crate) fn result(&self) -> Option<SendResult> {
        SendResult::deserialize(self.answer()?.output.as_ref()?).ok()
    }

    /// Returns the message as the log shows it at `now`; one whose sending was interrupted is `unknown`.
    pub(crate) fn shown(mut self, now: Timestamp) -> LoggedMessage {
        let is_over = |claim: &Claim| claim.answer.is_none() && claim.lease_until_ms <= now.as_millisecond();
        if self.claim.as_ref().is_some_and(is_over) {
            self.entry.status = MessageStatus::Unknown;
        }
        let (time, _) = self.logged_at.split_once('~').unwrap_or_default();
        LoggedMessage {
            result: self.result(),
            logged_at: time.parse().unwrap_or_default(),
            expires_at: Timestamp::from_second(self.expires_at).unwrap_or_default(),
            message: serde_json::from_str(&self.message).unwrap_or_default(),
            entry: self.entry,
        }
    }

    /// Adds the result of sending it.
    pub(crate) fn finish(&mut self, result: &SendResult, now: Timestamp) {
        let error = result.error.as_ref().map(|problem| problem.message.clone());
        self.change(StatusChange { status: result.status, timestamp: now.as_millisecond(), error });
        self.entry.message_id.clone_from(&result.message_id);
        self.answer_with(result.answer());
    }
}

impl Claimable for MessageRecord {
    const KEY: &'static str = KEY;

    fn id(&self) -> &str {
        &self.entry.id
    }

    fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    fn claim_mut(&mut self) -> &mut Option<Claim> {
        &mut self.claim
    }

    fn conclude_unknown(&mut self, now: Timestamp) {
        self.finish(&SendResult::interrupted(&self.entry.id), now);
    }
}

/// Stores the messages.
#[derive(Debug, Clone)]
pub(crate) struct MessageStore {
    table: Table,
    walks: Walks,
    retention_s: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    id: String,
    /// The record of the message, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    /// What was reported before.
    history: Vec<StatusChange>,
    expires_at: i64,
    version: u64,
}

/// Any row of the table, which has the counters of the rate limits as well.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "a row that can be read is right")]
pub(crate) enum LogRow {
    Message(Box<MessageRecord>),
    Receipt(Receipt),
    Counter { taken: u64 },
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.sealed_table("MESSAGES_TABLE", &SEALED)?.check(|_: LogRow| Ok(())))
}

impl MessageStore {
    /// Uses the table that `MESSAGES_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let retention_s = environment.config.retention_s()?;
        let table = environment.sealed_table("MESSAGES_TABLE", &SEALED)?;
        Ok(Self { table, walks: Walks::default(), retention_s })
    }

    /// Seals a batch of messages with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }

    /// Stores a new message; returns `false` if it exists already.
    pub(crate) async fn create(&self, record: &MessageRecord) -> Result<bool, Error> {
        self.table.put_if(record, is_new(KEY)).await
    }

    /// Adds a status that a platform reports of a message that it accepted.
    pub(crate) async fn add_status(
        &self,
        channel: &ChannelId,
        message_id: &str,
        change: &StatusChange,
        now: Timestamp,
    ) -> Result<(), Error> {
        let id = receipt_id(channel, message_id);
        for _ in 0..ATTEMPTS {
            let written = match self.table.get::<Receipt>(&key(KEY, id.as_str())).await? {
                Some(Receipt { record: Some(record), .. }) => self.add_known_status(&record, change).await?,
                Some(receipt) => {
                    if receipt.history.iter().any(|known| known.status == change.status) {
                        return Ok(());
                    }
                    let mut history = receipt.history;
                    history.push(change.clone());
                    let receipt = Receipt { history, version: receipt.version + 1, ..receipt };
                    self.table.put_if(&receipt, unchanged(receipt.version)).await?
                }
                None => {
                    let expires_at = self.expires_at(now);
                    let history = vec![change.clone()];
                    let receipt = Receipt { id: id.clone(), record: None, history, expires_at, version: 1 };
                    self.table.put_if(&receipt, is_new(KEY)).await?
                }
            };
            if written {
                return Ok(());
            }
        }
        Err(Error::new("log a status", "other changes came first each time"))
    }

    /// Adds a status to a record; returns `false` if another change came first.
    async fn add_known_status(&self, id: &str, change: &StatusChange) -> Result<bool, Error> {
        let Some(mut record) = self.table.get::<MessageRecord>(&key(KEY, id)).await? else {
            return Ok(true);
        };
        if !record.change(change.clone()) {
            return Ok(true);
        }
        record.version += 1;
        self.table.put_if(&record, unchanged(record.version)).await
    }

    /// Returns the messages of a channel that were logged before a position, the newest first.
    pub(crate) async fn page(
        &self,
        channel: &ChannelId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MessageRecord>, Error> {
        let of_channel = match before {
            None => Expression::new("channelId = :channel"),
            Some(before) => Expression::new("channelId = :channel AND loggedAt < :before").value(":before", before),
        };
        let query = Query::new(of_channel.value(":channel", channel)).index(CHANNEL_INDEX).descending().limit(limit);
        self.table.query(query).await
    }

    /// Returns the messages of a channel in the order of the log.
    pub(crate) fn index(&self, channel: &ChannelId, now: Timestamp) -> Index<'_, MessageRecord> {
        let bounds: list::Bounds = |span| {
            let (from, to) = list::texts(span);
            // The id follows the time, and sorts before this.
            (from, format!("{}~~", to.as_str().unwrap_or_default()).into())
        };
        let partition = ("channelId", channel.to_string());
        Index::new(&self.table, &self.walks, partition, ("loggedAt", bounds), "loggedAt", now)
            .index(CHANNEL_INDEX)
            .divided_by("channelId")
            .changing(&["eventId", "history", "message", "messageId", "result", "status"])
    }

    /// Returns when something that is written now may be deleted, in seconds since 1970.
    pub(crate) fn expires_at(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }
}

impl ClaimStore for MessageStore {
    type Record = MessageRecord;

    fn table(&self) -> &Table {
        &self.table
    }

    /// Where the platform reports the status of the message, writes the receipt with it by which the reports find it.
    async fn conclude(&self, record: &MessageRecord, condition: Expression) -> Result<bool, Error> {
        let LogEntry { id, channel_id, platform, message_id, .. } = &record.entry;
        let reports = registry::find(platform).is_some_and(|platform| platform.spec().reports_status());
        let Some(message_id) = message_id.as_deref().filter(|_| reports) else {
            return self.table.put_if(record, condition).await;
        };
        let mut receipt = Receipt {
            id: receipt_id(channel_id, message_id),
            record: Some(id.clone()),
            history: Vec::new(),
            expires_at: record.expires_at,
            version: 1,
        };
        let mut record = record.clone();
        for _ in 0..ATTEMPTS {
            let is_next = if receipt.version == 1 { is_new(KEY) } else { unchanged(receipt.version) };
            let concluding = self.table.writing(&record, Some(condition.clone()))?;
            let unmet = self.table.transact(vec![concluding, self.table.writing(&receipt, Some(is_next))?]).await?;
            match unmet.first() {
                None => return Ok(true),
                Some(0) => return Ok(false),
                Some(_) => {}
            }
            if let Some(early) = self.table.get::<Receipt>(&key(KEY, receipt.id.as_str())).await? {
                for change in early.history {
                    record.change(change);
                }
                receipt.version = early.version + 1;
            }
        }
        Err(Error::new("write a receipt", "other changes came first each time"))
    }
}

fn unchanged(version: u64) -> Expression {
    Expression::new("#version = :version").name("#version", "version").value(":version", version - 1)
}

fn receipt_id(channel: &ChannelId, message_id: &str) -> String {
    // A key of DynamoDB has at most 2,048 bytes, and the id of a platform may have any length.
    format!("receipt#{channel}#{}", hex::encode(Sha256::digest(message_id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::TenantId;

    fn record() -> MessageRecord {
        let origin = ChannelOrigin {
            tenant_id: TenantId::new("t"),
            channel_id: ChannelId::new("c"),
            platform: "whatsapp".to_owned(),
            timestamp: 0,
        };
        MessageRecord::sending("id", origin, Timestamp::from_millisecond(1_000).unwrap(), "\"hello\"".to_owned())
    }

    #[test]
    fn steps_are_kept_once_in_the_order_of_their_times_and_the_furthest_is_the_status() {
        let mut record = record();
        let steps = [(MessageStatus::Read, 4_000), (MessageStatus::Sent, 2_000), (MessageStatus::Delivered, 3_000)];
        for (status, timestamp) in steps {
            assert!(record.change(StatusChange::new(status, timestamp)));
            assert!(!record.change(StatusChange::new(status, timestamp + 1)));
        }
        assert_eq!(record.entry.status, MessageStatus::Read);
        let history: Vec<_> = record.entry.history.iter().map(|change| (change.status, change.timestamp)).collect();
        let sending = (MessageStatus::Sending, 1_000);
        assert_eq!(history, [sending, steps[1], steps[2], steps[0]]);
    }

    #[test]
    fn what_failed_stays_failed() {
        let mut record = record();
        record.change(StatusChange::new(MessageStatus::Failed, 2_000));
        record.change(StatusChange::new(MessageStatus::Delivered, 3_000));
        assert_eq!(record.entry.status, MessageStatus::Failed);
    }

    #[test]
    fn a_record_shows_when_it_was_logged() {
        let shown = record().shown(Timestamp::UNIX_EPOCH);
        assert_eq!((shown.logged_at.to_string(), shown.message), ("1970-01-01T00:00:01Z".to_owned(), "hello".into()));
    }
}
