//! The end of a callback that nobody calls.

use serde::{Deserialize, Serialize};
use shared::Error;

use crate::Callbacks;
use crate::store::{Callback, End, State};

/// The input of the schedule that fires when a callback expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deadline {
    /// The callback.
    pub(crate) expire: String,
    /// Its deadline when the schedule was made; a callback with another one is not meant.
    pub(crate) deadline_ms: i64,
}

impl Callbacks {
    /// Ends the callback of a deadline, if it still waits.
    pub(crate) async fn deadline(&self, deadline: &Deadline) -> Result<(), Error> {
        self.expire(&deadline.expire, deadline.deadline_ms).await
    }

    /// Returns a callback as it is by now: one that is overdue ends here, although its schedule has not fired yet.
    pub(crate) async fn current(&self, id: &str) -> Result<Option<Callback>, Error> {
        let callback = self.store.get(id).await?;
        let now_ms = self.clock.now().as_millisecond();
        let is_overdue = |callback: &Callback| {
            callback.deadline_ms.filter(|deadline_ms| callback.state == State::Waiting && *deadline_ms <= now_ms)
        };
        let Some(deadline_ms) = callback.as_ref().and_then(is_overdue) else { return Ok(callback) };
        self.expire(id, deadline_ms).await?;
        self.store.get(id).await
    }

    async fn expire(&self, id: &str, deadline_ms: i64) -> Result<(), Error> {
        let end = End::Expired { deadline_ms };
        match self.store.end(id, end, self.clock.now(), self.keep_s).await? {
            Some(expired) => self.announce(&expired).await,
            None => Ok(()),
        }
    }
}
