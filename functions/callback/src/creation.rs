//! Creating a callback, for a step or for a client.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::Error;
use shared::scheduler::Scheduler;

use crate::expiry::Deadline;
use crate::store::{CallbackSpec, Store};

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

/// Creates a callback below `url`, or finds it if it was created before; the answer is the same.
pub(crate) async fn create(
    store: &Store,
    scheduler: &Scheduler,
    url: &str,
    now: Timestamp,
    spec: CallbackSpec,
) -> Result<Created, Error> {
    let callback = match store.get(&spec.id).await? {
        Some(earlier) => earlier,
        None => {
            // The schedule comes first: one without a callback does no harm, a callback without one would never expire.
            if let Some(deadline) = spec.deadline {
                let name = format!("callback-{}-{}", spec.id, deadline.as_second());
                let input = Deadline { expire: spec.id.clone(), deadline_ms: deadline.as_millisecond() };
                scheduler.run_at(&name, deadline, &input).await?;
            }
            store.create(spec, now).await?
        }
    };
    let (token, schema) = (store.token(&callback).await?, store.schema(&callback).await?);
    let id = callback.callback_id;
    Ok(Created { url: format!("{url}/{id}?t={token}"), id, token, schema })
}
