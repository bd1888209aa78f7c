//! The records of callbacks: one conditional write for each change of state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{Envelope, StepId};
use shared::seal::Sealed;
use shared::table::{Expression, Query, Table, is_new, key};
use shared::{Environment, Error};

/// How many steps may wait for one callback; their record keeps to DynamoDB's 400 KB with the largest body and schema.
const WAITER_LIMIT: usize = 20;
/// The partition of the index of callbacks that were not announced yet.
const PENDING: &str = "announcement";

/// Where a callback is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// Nobody has called it.
    Waiting,
    /// It was called.
    Resolved,
    /// Its time ran out.
    Expired,
}

/// A callback.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Callback {
    pub(crate) callback_id: String,
    pub(crate) tenant_id: String,
    pub(crate) state: State,
    pub(crate) token: Sealed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Sealed>,
    /// The version of the oldest key that seals one of the three.
    pub(crate) key_version: String,
    pub(crate) created_at: Timestamp,
    /// When it expires if nobody calls it, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_ms: Option<i64>,
    /// When it was called or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    /// The command that created it, if a step did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Envelope<()>>,
    /// The steps that wait for it, by the id of their record.
    pub(crate) waiters: BTreeMap<String, Waiter>,
    /// Set between its end and the announcement of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<String>,
    /// When it ended, in milliseconds since 1970, while `pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) touched_at: Option<i64>,
    /// When the record is removed, in seconds since 1970; never while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
}

/// A step that waits for a callback.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiter {
    /// The step.
    pub(crate) step: StepId,
    /// The command by which it waits.
    pub(crate) command: Envelope<()>,
}

/// How a callback ends.
#[derive(Debug)]
pub(crate) enum End {
    /// It is called with this body.
    Called(Sealed),
    /// This deadline is over.
    Expired { deadline_ms: i64 },
}

/// The table of this function.
pub(crate) struct Store(Table);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    callback_id: String,
}

impl Store {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        environment.table("CALLBACKS_TABLE").map(Self)
    }

    /// Creates a callback; false if it exists already.
    pub(crate) async fn create(&self, callback: &Callback) -> Result<bool, Error> {
        self.0.put_if(callback, is_new("callbackId")).await
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Callback>, Error> {
        self.0.get(&callback_key(id)).await
    }

    /// Lets a step wait; false if the callback does not wait any more or too many steps wait already.
    ///
    /// The same step again changes nothing.
    pub(crate) async fn wait(&self, id: &str, waiter: &Waiter) -> Result<bool, Error> {
        let record = waiter.step.record_id();
        let add = Expression::new("SET waiters.#record = :waiter").name("#record", record).value(":waiter", waiter);
        let open =
            Expression::new("#state = :waiting AND (attribute_exists(waiters.#record) OR size(waiters) < :limit)")
                .name("#state", "state")
                .value(":waiting", State::Waiting)
                .value(":limit", WAITER_LIMIT);
        Ok(self.0.update::<Callback>(&callback_key(id), add, Some(open)).await?.is_some())
    }

    /// Ends a callback and returns it as it is then; `None` if something else ended it first.
    pub(crate) async fn end(&self, id: &str, end: End, now: Timestamp, keep_s: i64) -> Result<Option<Callback>, Error> {
        let set = "SET #state = :state, endedAt = :now, pending = :pending, touchedAt = :nowMs, expiresAt = :removal";
        let condition = |text: &str| Expression::new(text).name("#state", "state").value(":waiting", State::Waiting);
        let (change, condition) = match end {
            End::Called(body) => (
                Expression::new(format!("{set}, body = :body")).value(":body", body).value(":state", State::Resolved),
                condition("#state = :waiting AND (attribute_not_exists(deadlineMs) OR deadlineMs > :nowMs)"),
            ),
            End::Expired { deadline_ms } => (
                Expression::new(set).value(":state", State::Expired),
                condition("#state = :waiting AND deadlineMs = :deadline").value(":deadline", deadline_ms),
            ),
        };
        let change = change
            .value(":now", now)
            .value(":nowMs", now.as_millisecond())
            .value(":pending", PENDING)
            .value(":removal", now.as_second() + keep_s);
        self.0.update(&callback_key(id), change, Some(condition)).await
    }

    /// Records that the end was announced.
    pub(crate) async fn announced(&self, id: &str) -> Result<(), Error> {
        let done = Expression::new("REMOVE pending, touchedAt");
        let known = Expression::new("attribute_exists(pending)");
        self.0.update::<Callback>(&callback_key(id), done, Some(known)).await.map(|_| ())
    }

    /// Returns the ids of callbacks that ended before `until` and were not announced, oldest first.
    pub(crate) async fn unannounced(&self, until: Timestamp, limit: usize) -> Result<Vec<String>, Error> {
        let old = Expression::new("pending = :pending AND touchedAt < :until")
            .value(":pending", PENDING)
            .value(":until", until.as_millisecond());
        let ids: Vec<Id> = self.0.query(Query::new(old).index("pending").limit(limit)).await?;
        Ok(ids.into_iter().map(|id| id.callback_id).collect())
    }

    /// Returns callbacks that something seals with another key than this version.
    pub(crate) async fn sealed_otherwise(&self, version: &str, limit: usize) -> Result<Vec<Callback>, Error> {
        let other = Expression::new("keyVersion <> :version").value(":version", version);
        self.0.scan(Some(other), limit).await
    }

    /// Replaces what is sealed; false if the callback has been called or resealed since it was read.
    pub(crate) async fn reseal(&self, read: &Callback, sealed: &Callback) -> Result<bool, Error> {
        let parts =
            [("token", Some(&sealed.token)), ("schema", sealed.schema.as_ref()), ("body", sealed.body.as_ref())];
        let parts: Vec<_> = parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let text: String = parts.iter().map(|(name, _)| format!("#{name} = :{name}, ")).collect();
        let mut change = Expression::new(format!("SET {text}keyVersion = :version"));
        for (name, value) in parts {
            change = change.name(&format!("#{name}"), name).value(&format!(":{name}"), value);
        }
        let change = change.value(":version", &sealed.key_version);
        let unchanged = Expression::new("keyVersion = :old AND #state = :state")
            .name("#state", "state")
            .value(":old", &read.key_version)
            .value(":state", read.state);
        Ok(self.0.update::<Callback>(&callback_key(&read.callback_id), change, Some(unchanged)).await?.is_some())
    }
}

fn callback_key(id: &str) -> Value {
    key("callbackId", id)
}
