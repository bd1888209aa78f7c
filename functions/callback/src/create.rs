//! Creating a callback, for a step or over HTTP.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use shared::Error;
use shared::event::Envelope;

use crate::Callbacks;
use crate::expire::Deadline;
use crate::store::{Callback, State};
use crate::url::callback_url;

/// The longest time after which a callback may expire: one year.
pub(crate) const EXPIRY_LIMIT_S: i64 = 365 * 24 * 3600;

/// What a new callback is to be.
pub(crate) struct Wish {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    /// The normalised schema.
    pub(crate) schema: Option<Value>,
    pub(crate) expires_in_s: Option<i64>,
    pub(crate) origin: Option<Envelope<()>>,
}

/// A callback as its creator sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Created {
    /// The callback's id.
    id: String,
    /// Where the outside world calls, once, without further authentication.
    url: String,
    /// The secret in the URL.
    token: String,
    /// The schema as it is checked; null without one.
    schema: Option<Value>,
}

impl Callbacks {
    /// Creates the callback, or finds it if it was created before; the answer is the same.
    pub(crate) async fn create(&self, wish: Wish, base: &str) -> Result<Created, Error> {
        let callback = match self.store.get(&wish.id).await? {
            Some(earlier) => earlier,
            None => self.create_new(&wish).await?,
        };
        let token = self.open(&callback, "token", &callback.token).await?;
        let schema = match &callback.schema {
            Some(schema) => Some(parsed(&self.open(&callback, "schema", schema).await?)?),
            None => None,
        };
        let url = callback_url(base, self.prefix.as_deref(), &callback.callback_id, &token);
        Ok(Created { id: callback.callback_id, url, token, schema })
    }

    async fn create_new(&self, wish: &Wish) -> Result<Callback, Error> {
        let now = self.clock.now();
        let deadline = wish.expires_in_s.map(|seconds| now + SignedDuration::from_secs(seconds));
        let callback = self.new_callback(wish, now, deadline).await?;
        // The schedule comes first: one without a callback does no harm, a callback without one would never expire.
        if let Some(deadline) = deadline {
            let name = format!("callback-{}-{}", wish.id, deadline.as_second());
            let input = Deadline { expire: wish.id.clone(), deadline_ms: deadline.as_millisecond() };
            self.scheduler.run_at(&name, deadline, &input).await?;
        }
        if self.store.create(&callback).await? {
            return Ok(callback);
        }
        let gone = || Error::new("create a callback", "it was created and removed at the same time");
        self.store.get(&wish.id).await?.ok_or_else(gone)
    }

    async fn new_callback(&self, wish: &Wish, now: Timestamp, deadline: Option<Timestamp>) -> Result<Callback, Error> {
        // The token is drawn and kept sealed rather than derived from a key, so that its URL survives the rotation of keys.
        let token = self.seal.seal(&record(&wish.id, "token"), self.ids.uuid().to_string().as_bytes()).await?;
        let schema = match &wish.schema {
            Some(schema) => Some(self.seal.seal(&record(&wish.id, "schema"), schema.to_string().as_bytes()).await?),
            None => None,
        };
        Ok(Callback {
            callback_id: wish.id.clone(),
            tenant_id: wish.tenant_id.clone(),
            state: State::Waiting,
            key_version: token.key_version().to_owned(),
            token,
            schema,
            body: None,
            created_at: now,
            deadline_ms: deadline.map(Timestamp::as_millisecond),
            ended_at: None,
            origin: wish.origin.clone(),
            waiters: std::collections::BTreeMap::new(),
            pending: None,
            touched_at: None,
            expires_at: None,
        })
    }

    /// Opens one part of a callback.
    pub(crate) async fn open(
        &self,
        callback: &Callback,
        part: &str,
        sealed: &shared::seal::Sealed,
    ) -> Result<String, Error> {
        let bytes = self.seal.open(&record(&callback.callback_id, part), sealed).await?;
        String::from_utf8(bytes).map_err(Error::cannot("read a sealed text"))
    }
}

/// Names a part of a callback for sealing, so that one part cannot stand in for another.
pub(crate) fn record(id: &str, part: &str) -> String {
    format!("callback/{id}/{part}")
}

/// Reads JSON that we wrote; its text must not get into an error.
pub(crate) fn parsed(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|_| Error::new("read sealed JSON", "it is broken"))
}
