//! The message log: records by `id`, in the order of their channel's index, and receipts beside them.
//!
//! A platform tells how far a message has come by its own id of it, sometimes before we have read its answer to the
//! sending. So a receipt, `receipt#<channel>#<hash of the message id>`, keeps what is learnt until the record is known, and leads to
//! the record from then on.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::event::ChannelId;
use shared::table::{Expression, Query, Table, is_new, key};
use shared::{Environment, Error};

use crate::record::{Change, Record};

const KEY: &str = "id";
const CHANNEL_INDEX: &str = "byChannel";
/// How often a write is tried again when another one came first.
const ATTEMPTS: u32 = 10;

/// Keeps the messages.
#[derive(Debug, Clone)]
pub(crate) struct Messages {
    table: Table,
    retention_s: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    id: String,
    /// The record of the message, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    /// What was learnt before.
    history: Vec<Change>,
    expires_at: i64,
    version: u64,
}

impl Messages {
    /// Uses the table that `MESSAGES_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let retention_s = environment.config.retention_s()?;
        Ok(Self { table: environment.table("MESSAGES_TABLE")?, retention_s })
    }

    /// Returns a message if it is there.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Record>, Error> {
        self.table.get(&key(KEY, id)).await
    }

    /// Keeps a new message; returns `false` if it is there already.
    pub(crate) async fn create(&self, record: &Record) -> Result<bool, Error> {
        self.table.put_if(record, is_new(KEY)).await
    }

    /// Replaces a message; returns `false` if it is no longer in the version before this one.
    pub(crate) async fn replace(&self, record: &Record) -> Result<bool, Error> {
        self.table.put_if(record, unchanged(record.version)).await
    }

    /// Replaces a message that the platform has taken, and makes what the platform tells of it find it.
    ///
    /// Returns `false` if the message is no longer in the version before this one.
    pub(crate) async fn replace_with_receipt(&self, record: &Record, message_id: &str) -> Result<bool, Error> {
        let id = receipt_id(&record.channel_id, message_id);
        let mut receipt = Receipt {
            id: id.clone(),
            record: Some(record.id.clone()),
            history: Vec::new(),
            expires_at: record.expires_at,
            version: 1,
        };
        let mut record = record.clone();
        for _ in 0..ATTEMPTS {
            let condition = if receipt.version == 1 { is_new(KEY) } else { unchanged(receipt.version) };
            let replacing = self.table.writing(&record, Some(unchanged(record.version)))?;
            let unmet = self.table.transact(vec![replacing, self.table.writing(&receipt, Some(condition))?]).await?;
            match unmet.first() {
                None => return Ok(true),
                Some(0) => return Ok(false),
                Some(_) => {}
            }
            if let Some(early) = self.table.get::<Receipt>(&key(KEY, id.as_str())).await? {
                for change in early.history {
                    record.change(change);
                }
                receipt.version = early.version + 1;
            }
        }
        Err(Error::new("write a receipt", "other changes came first each time"))
    }

    /// Adds what a platform tells of a message that it took.
    pub(crate) async fn learn(
        &self,
        channel: &ChannelId,
        message_id: &str,
        change: &Change,
        now_s: i64,
    ) -> Result<(), Error> {
        let id = receipt_id(channel, message_id);
        for _ in 0..ATTEMPTS {
            let written = match self.table.get::<Receipt>(&key(KEY, id.as_str())).await? {
                Some(Receipt { record: Some(record), .. }) => self.learn_known(&record, change).await?,
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
                    let expires_at = now_s + self.retention_s;
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

    /// Adds a step to a record; returns `false` if another change came first.
    async fn learn_known(&self, id: &str, change: &Change) -> Result<bool, Error> {
        let Some(mut record) = self.get(id).await? else {
            return Ok(true);
        };
        if !record.change(change.clone()) {
            return Ok(true);
        }
        record.version += 1;
        self.replace(&record).await
    }

    /// Returns the messages of a channel that were logged before a position, the newest first.
    pub(crate) async fn page(
        &self,
        channel: &ChannelId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let of_channel = match before {
            None => Expression::new("channelId = :channel"),
            Some(before) => Expression::new("channelId = :channel AND loggedAt < :before").value(":before", before),
        };
        let query = Query::new(of_channel.value(":channel", channel)).index(CHANNEL_INDEX).descending().limit(limit);
        self.table.query(query).await
    }

    /// Returns when something that is written now may be deleted, in seconds since 1970.
    pub(crate) fn expires_at(&self, now_s: i64) -> i64 {
        now_s + self.retention_s
    }
}

fn unchanged(version: u64) -> Expression {
    Expression::new("#version = :version").name("#version", "version").value(":version", version - 1)
}

fn receipt_id(channel: &ChannelId, message_id: &str) -> String {
    // A key of DynamoDB has at most 2,048 bytes, and what a platform calls a message may have any length.
    format!("receipt#{channel}#{}", hex::encode(Sha256::digest(message_id)))
}
