//! The table of mails: records by `mailId`, in the order of their tenant's index.
//!
//! Who gets a mail and what it says is sealed. Every change of a record is conditional on its version, which counts views
//! and what the mail service reports as well, so that none of them is lost to the end of its sending.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::event::{Answer, RecordKind, StepError, TenantId, Trace};
use shared::seal::Resealed;
use shared::step::{Claim, ClaimStore, Claimable};
use shared::table::{Check, Expression, Query, SealedAttributes, Table, key};
use shared::{Environment, Error};

use crate::draft::Recipients;
use crate::mail::{MailView, Occurrence, Status, remember, status};

const KEY: &str = "mailId";
const SEALED: SealedAttributes =
    SealedAttributes { key: &[KEY], apart: &[], together: &[&["private"], &["claim", "answer"]] };
const TENANT_INDEX: &str = "byTenant";
/// How often a write is attempted while others come first.
const ATTEMPTS: u32 = 10;
/// The most mails that a list can have, and the most that it can read as a whole to find its items.
pub(crate) const LIST_LIMIT: usize = 100_000;
pub(crate) const READ_LIMIT: usize = 10_000;
const CONCURRENT_READS: usize = 16;
/// The longest body and content that are kept, as JSON: a page of a list has 50 of each.
const BODY_BYTES: usize = 64 * 1024;
const CONTENT_BYTES: usize = 32 * 1024;

/// A mail as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailRecord {
    pub(crate) mail_id: String,
    pub(crate) tenant_id: TenantId,
    /// In milliseconds since 1970, as all times here.
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) status: Status,
    pub(crate) views: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) creator_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) template_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) template_name: Option<String>,
    /// The id that the mail service gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
    /// What tells the same request from another one with the same key.
    pub(crate) fingerprint: String,
    /// What facts about it go on with.
    pub(crate) trace: Trace,
    pub(crate) private: Private,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<Claim>,
    /// When it may be deleted, in seconds since 1970.
    pub(crate) expires_at: i64,
    /// Counts the changes.
    pub(crate) version: u64,
}

/// What is kept sealed of a mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Private {
    /// What a URL must have to be counted as a view.
    pub(crate) secret: String,
    pub(crate) from: String,
    pub(crate) recipients: Recipients,
    pub(crate) reply_to: Vec<String>,
    pub(crate) subject: String,
    pub(crate) body: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) time_zone: Option<String>,
    /// As JSON text, whose numbers may be out of the range of DynamoDB's.
    pub(crate) content: Option<String>,
    pub(crate) attachments: Vec<String>,
    pub(crate) error: Option<String>,
    pub(crate) history: Vec<Occurrence>,
}

/// A mail as the index of its tenant has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailEntry {
    pub(crate) mail_id: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) status: Status,
    pub(crate) views: u64,
    #[serde(default)]
    pub(crate) template_id: Option<String>,
    #[serde(default)]
    pub(crate) template_name: Option<String>,
}

impl MailRecord {
    /// Adds what happened to the mail; returns whether that is new.
    pub(crate) fn happened(&mut self, occurrence: Occurrence, now: Timestamp) -> bool {
        if !remember(&mut self.private.history, occurrence) {
            return false;
        }
        self.status = status(&self.private.history);
        self.updated_at = now.as_millisecond();
        true
    }

    /// Ends the sending: the service took the mail.
    pub(crate) fn sent(&mut self, message_id: String, now: Timestamp) {
        self.status = status(&self.private.history);
        self.updated_at = now.as_millisecond();
        let output = serde_json::json!({"id": self.mail_id, "messageId": message_id});
        self.message_id = Some(message_id);
        self.answer_with(Answer::succeeded(output).with_record(RecordKind::Mail, &self.mail_id));
    }

    /// Ends the sending without a mail, or without anybody knowing whether there is one.
    pub(crate) fn failed(&mut self, status: Status, error: StepError, now: Timestamp) {
        self.status = status;
        self.updated_at = now.as_millisecond();
        self.private.error = Some(error.message.clone());
        let answer = Answer::failed(error).with_output(serde_json::json!({"id": self.mail_id}));
        let answer = answer.with_record(RecordKind::Mail, &self.mail_id);
        self.answer_with(answer);
    }

    /// Says how far the mail has come, where its sending was interrupted as well.
    fn shown_status(&self, now: Timestamp) -> Status {
        match &self.claim {
            Some(claim) if self.status == Status::Queued && claim.answer.is_none() && claim.effect => {
                let is_over = claim.lease_until_ms <= now.as_millisecond();
                if is_over { Status::Unknown } else { Status::Sending }
            }
            _ => self.status,
        }
    }

    /// Returns the mail as lists show it at `now`.
    pub(crate) fn shown(self, now: Timestamp) -> MailView {
        let status = self.shown_status(now);
        let Private { from, recipients, reply_to, subject, body, language, time_zone, attachments, .. } = self.private;
        let content: Option<Map<String, Value>> =
            self.private.content.and_then(|text| serde_json::from_str(&text).ok());
        MailView {
            id: self.mail_id,
            creator_id: self.creator_id,
            aws_message_id: self.message_id,
            subject,
            recipients,
            template_id: self.template_id,
            template_name: self.template_name,
            reply_to,
            from,
            body,
            language,
            time_zone,
            content,
            attachments,
            views: self.views,
            status,
            error: self.private.error,
            history: self.private.history,
            creation_timestamp: self.created_at,
            update_timestamp: self.updated_at,
        }
    }
}

/// Returns a body if it is short enough to be kept.
pub(crate) fn kept_body(body: &str) -> Option<String> {
    (shared::json::size_bytes(&body) <= BODY_BYTES).then(|| body.to_owned())
}

/// Returns a content as text if it is short enough to be kept.
pub(crate) fn kept_content(content: &Map<String, Value>) -> Option<String> {
    serde_json::to_string(content).ok().filter(|text| text.len() <= CONTENT_BYTES)
}

impl Claimable for MailRecord {
    const KEY: &'static str = KEY;

    fn id(&self) -> &str {
        &self.mail_id
    }

    fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    fn claim_mut(&mut self) -> &mut Option<Claim> {
        &mut self.claim
    }

    fn conclude_unknown(&mut self, now: Timestamp) {
        // The service has spoken of it since: it was sent.
        if !self.private.history.is_empty() {
            return self.sent(self.message_id.clone().unwrap_or_default(), now);
        }
        let message = "the process ended while the mail was being sent, so that nobody knows whether it was";
        self.failed(Status::Unknown, StepError::invocation(StepError::OUTCOME_UNKNOWN, message), now);
    }
}

/// Stores the mails.
#[derive(Debug, Clone)]
pub(crate) struct MailStore {
    table: Table,
    retention_s: i64,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.sealed_table("MAILS_TABLE", &SEALED)?.check(|_: MailRecord| Ok(())))
}

impl MailStore {
    /// Uses the table that `MAILS_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let retention_s = environment.config.retention_s()?;
        Ok(Self { table: environment.sealed_table("MAILS_TABLE", &SEALED)?, retention_s })
    }

    /// Seals a batch of mails with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }

    /// Returns when a mail that is written now may be deleted, in seconds since 1970.
    pub(crate) fn expires_at(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }

    /// Adds what happened to a mail; returns the mail as it is then, `None` if there is none.
    pub(crate) async fn happened(
        &self,
        id: &str,
        message_id: &str,
        occurrence: &Occurrence,
        now: Timestamp,
    ) -> Result<Option<MailRecord>, Error> {
        for _ in 0..ATTEMPTS {
            let Some(mut record) = self.table.get::<MailRecord>(&key(KEY, id)).await? else { return Ok(None) };
            if record.message_id.as_deref().is_some_and(|known| known != message_id) {
                return Ok(None);
            }
            let is_new = record.happened(occurrence.clone(), now);
            let is_named = record.message_id.replace(message_id.to_owned()).is_some();
            if !is_new && is_named {
                return Ok(Some(record));
            }
            if self.replace(&mut record).await? {
                return Ok(Some(record));
            }
        }
        Err(Error::new("write what happened to a mail", "other changes came first each time"))
    }

    async fn replace(&self, record: &mut MailRecord) -> Result<bool, Error> {
        let unchanged = is_version(record.version);
        record.version += 1;
        self.table.put_if(record, unchanged).await
    }

    /// Counts that a mail was opened; returns whether there is such a mail.
    pub(crate) async fn opened(&self, id: &str, now: Timestamp) -> Result<bool, Error> {
        let change = Expression::new("SET #views = #views + :one, #version = #version + :one, updatedAt = :now");
        let change = change
            .name("#views", "views")
            .name("#version", "version")
            .value(":one", 1)
            .value(":now", now.as_millisecond());
        let exists = Expression::new("attribute_exists(mailId)");
        Ok(self.table.update::<MailRecord>(&key(KEY, id), change, Some(exists)).await?.is_some())
    }

    /// Returns a mail.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<MailRecord>, Error> {
        self.table.get(&key(KEY, id)).await
    }

    /// Returns what the index has of a tenant's mails, the newest first; one more than a list can have at most.
    pub(crate) async fn entries(
        &self,
        tenant: &TenantId,
        (from, to): (Option<i64>, Option<i64>),
    ) -> Result<Vec<MailEntry>, Error> {
        let (from, to) = (from.unwrap_or(0), to.unwrap_or(i64::MAX));
        if from > to {
            return Ok(Vec::new());
        }
        let of_tenant = Expression::new("tenantId = :tenant AND createdAt BETWEEN :from AND :to");
        let of_tenant = of_tenant.value(":tenant", tenant).value(":from", from).value(":to", to);
        self.table.query(Query::new(of_tenant).index(TENANT_INDEX).descending().limit(LIST_LIMIT + 1)).await
    }

    /// Reads mails as a whole, in their order, without those that are gone or cannot be read.
    pub(crate) async fn read(&self, ids: Vec<String>) -> Result<Vec<MailRecord>, Error> {
        let reads = ids.into_iter().map(|id| async move { self.table.get_readable(&key(KEY, id.as_str())).await });
        let found: Vec<Option<MailRecord>> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl ClaimStore for MailStore {
    type Record = MailRecord;

    fn table(&self) -> &Table {
        &self.table
    }

    /// Keeps what came in between: views, and what the mail service reported before we had read its answer.
    async fn conclude(&self, record: &MailRecord, condition: Expression) -> Result<bool, Error> {
        let mut record = record.clone();
        for _ in 0..ATTEMPTS {
            let condition = condition.clone().append(" AND #version = :version");
            let condition = condition.name("#version", "version").value(":version", record.version);
            record.version += 1;
            if self.table.put_if(&record, condition).await? {
                return Ok(true);
            }
            let Some(found) = self.get(&record.mail_id).await? else { return Ok(false) };
            let is_ours = found.claim().map(|claim| &claim.owner) == record.claim().map(|claim| &claim.owner);
            if found.answer().is_some() || !is_ours {
                return Ok(false);
            }
            record.version = found.version;
            record.views = found.views;
            record.message_id = record.message_id.or(found.message_id);
            for occurrence in found.private.history {
                record.happened(occurrence, Timestamp::from_millisecond(found.updated_at).unwrap_or_default());
            }
        }
        Err(Error::new("write that a mail was sent", "other changes came first each time"))
    }
}

fn is_version(version: u64) -> Expression {
    Expression::new("#version = :version").name("#version", "version").value(":version", version)
}
