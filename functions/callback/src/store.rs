//! The records of callbacks: one conditional write for each change of state.

mod callback;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shared::clock::Ids;
use shared::seal::{Resealed, Seal, Sealed, SealedAttribute, reseal};
use shared::step::Origin;
use shared::table::{Expression, Query, Table, is_new, key};
use shared::{Environment, Error};

use callback::{BODY, SCHEMA, TOKEN, common_version};
pub(crate) use callback::{Callback, CallbackSpec, CallbackState};

/// How many steps may wait for one callback; their record keeps to DynamoDB's 400 KB with the largest body and schema.
const WAITER_LIMIT: usize = 20;
/// The partition of the index of callbacks that were not announced yet.
const PENDING: &str = "announcement";

/// The table of this function.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    table: Table,
    seal: Seal,
    ids: Ids,
    /// How long an ended callback is kept.
    keep_s: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    callback_id: String,
}

impl Store {
    /// Reads `CALLBACKS_TABLE`.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            table: environment.table("CALLBACKS_TABLE")?,
            seal: environment.seal()?,
            ids: environment.ids.clone(),
            keep_s: environment.config.retention_s()?,
        })
    }

    /// Draws the id of a new callback.
    pub(crate) fn draw_id(&self) -> String {
        self.ids.uuid().to_string()
    }

    /// Creates a callback with a token and returns it, or the one that exists already.
    pub(crate) async fn create(&self, spec: CallbackSpec, now: Timestamp) -> Result<Callback, Error> {
        // The token is drawn and kept sealed rather than derived from a key, so that its URL survives the rotation of keys.
        let token = self.seal(&spec.id, TOKEN, &self.ids.uuid().to_string()).await?;
        let schema = match &spec.schema {
            Some(schema) => Some(self.seal(&spec.id, SCHEMA, &schema.to_string()).await?),
            None => None,
        };
        let callback = Callback {
            key_version: common_version(&token, schema.as_ref(), None),
            callback_id: spec.id,
            tenant_id: spec.tenant_id,
            state: CallbackState::Waiting,
            token,
            schema,
            body: None,
            created_at: now,
            deadline_ms: spec.deadline.map(Timestamp::as_millisecond),
            ended_at: None,
            created_by: spec.created_by,
            waiters: BTreeMap::new(),
            pending: None,
            touched_at: None,
            expires_at: None,
        };
        if self.table.put_if(&callback, is_new("callbackId")).await? {
            return Ok(callback);
        }
        let gone = || Error::new("create a callback", "it was created and removed at the same time");
        self.get(&callback.callback_id).await?.ok_or_else(gone)
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Callback>, Error> {
        self.table.get(&callback_key(id)).await
    }

    /// Lets a step wait; false if the callback does not wait any more or too many steps wait already.
    ///
    /// The same step again changes nothing.
    pub(crate) async fn wait(&self, id: &str, waiter: &Origin) -> Result<bool, Error> {
        let record = waiter.step.record_id();
        let add = Expression::new("SET waiters.#record = :waiter").name("#record", record).value(":waiter", waiter);
        let open =
            Expression::new("#state = :waiting AND (attribute_exists(waiters.#record) OR size(waiters) < :limit)")
                .name("#state", "state")
                .value(":waiting", CallbackState::Waiting)
                .value(":limit", WAITER_LIMIT);
        Ok(self.table.update::<Callback>(&callback_key(id), add, Some(open)).await?.is_some())
    }

    /// Resolves a callback with the body of its call and returns it as it is then; `None` if something else ended it
    /// first.
    pub(crate) async fn resolve(
        &self,
        callback: &Callback,
        body: &Value,
        now: Timestamp,
    ) -> Result<Option<Callback>, Error> {
        let id = &callback.callback_id;
        let body = self.seal(id, BODY, &body.to_string()).await?;
        // A reseal that comes in between leaves this version behind the current one, so that it is done again.
        let version = common_version(&callback.token, callback.schema.as_ref(), Some(&body));
        let change = ", body = :body, keyVersion = :version";
        let change =
            self.end(CallbackState::Resolved, now).append(change).value(":body", &body).value(":version", version);
        let condition = waiting().append(" AND (attribute_not_exists(deadlineMs) OR deadlineMs > :nowMs)");
        if let Some(resolved) = self.table.update(&callback_key(id), change, Some(condition)).await? {
            return Ok(Some(resolved));
        }
        // Our own write may have been done although its reply was lost; no two sealed values are alike.
        Ok(self.get(id).await?.filter(|callback| callback.body.as_ref() == Some(&body)))
    }

    /// Ends a callback whose deadline is this one and returns it as it is then; `None` if something else ended it first.
    pub(crate) async fn expire(&self, id: &str, deadline_ms: i64, now: Timestamp) -> Result<Option<Callback>, Error> {
        let condition = waiting().append(" AND deadlineMs = :deadline").value(":deadline", deadline_ms);
        self.table.update(&callback_key(id), self.end(CallbackState::Expired, now), Some(condition)).await
    }

    fn end(&self, state: CallbackState, now: Timestamp) -> Expression {
        let set = "SET #state = :state, endedAt = :now, pending = :pending, touchedAt = :nowMs, expiresAt = :removal";
        Expression::new(set)
            .value(":state", state)
            .value(":now", now)
            .value(":nowMs", now.as_millisecond())
            .value(":pending", PENDING)
            .value(":removal", now.as_second() + self.keep_s)
    }

    /// Records that the end was announced.
    pub(crate) async fn announced(&self, id: &str) -> Result<(), Error> {
        let done = Expression::new("REMOVE pending, touchedAt");
        let known = Expression::new("attribute_exists(pending)");
        self.table.update::<Callback>(&callback_key(id), done, Some(known)).await.map(drop)
    }

    /// Returns the ids of callbacks that ended before `until` and were not announced, oldest first.
    pub(crate) async fn unannounced(&self, until: Timestamp, limit: usize) -> Result<Vec<String>, Error> {
        let old = Expression::new("pending = :pending AND touchedAt < :until")
            .value(":pending", PENDING)
            .value(":until", until.as_millisecond());
        let ids: Vec<Id> = self.table.query(Query::new(old).index("pending").limit(limit)).await?;
        Ok(ids.into_iter().map(|id| id.callback_id).collect())
    }

    /// Returns the secret in the URL of a callback.
    pub(crate) async fn token(&self, callback: &Callback) -> Result<String, Error> {
        let token = self.open(callback, TOKEN, &callback.token).await?;
        String::from_utf8(token).map_err(Error::cannot("read a sealed token"))
    }

    /// Returns the normalised schema of a callback.
    pub(crate) async fn schema(&self, callback: &Callback) -> Result<Option<Value>, Error> {
        self.json(callback, SCHEMA, callback.schema.as_ref()).await
    }

    /// Returns the body of the call of a callback.
    pub(crate) async fn body(&self, callback: &Callback) -> Result<Option<Value>, Error> {
        self.json(callback, BODY, callback.body.as_ref()).await
    }

    /// Seals a batch of callbacks with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        reseal(&self.table, &self.seal, &["callbackId"], &[TOKEN, SCHEMA, BODY]).await
    }

    async fn seal(&self, id: &str, part: SealedAttribute, text: &str) -> Result<Sealed, Error> {
        self.seal.seal(&(part.sealed_for)(id), text.as_bytes()).await
    }

    async fn open(&self, callback: &Callback, part: SealedAttribute, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        self.seal.open(&(part.sealed_for)(&callback.callback_id), sealed).await
    }

    async fn json(
        &self,
        callback: &Callback,
        part: SealedAttribute,
        sealed: Option<&Sealed>,
    ) -> Result<Option<Value>, Error> {
        let Some(sealed) = sealed else { return Ok(None) };
        let json = self.open(callback, part, sealed).await?;
        // The text of a serde error can quote the input, so that it must not become a cause here.
        serde_json::from_slice(&json).map(Some).map_err(|_| Error::new("read sealed JSON", "it is damaged"))
    }
}

/// The condition that nothing has ended a callback.
fn waiting() -> Expression {
    Expression::new("#state = :waiting").name("#state", "state").value(":waiting", CallbackState::Waiting)
}

fn callback_key(id: &str) -> Value {
    key("callbackId", id)
}
