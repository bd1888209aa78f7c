//! Schedules: a deadline has come, or it is time to look for what was not announced.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize as _;
use serde_json::Value;
use shared::Error;
use shared::bus::Bus;

use crate::ending;
use crate::expiry::Deadline;
use crate::store::Store;

/// How long whoever ended a callback has to announce it before a sweep does.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How many callbacks one sweep announces.
const SWEEP_LIMIT: usize = 200;

/// Does what a schedule asks for: the template's own has the member `sweep`, any other one is a deadline.
pub(crate) async fn handle(store: &Store, bus: &Bus, now: Timestamp, input: Value) -> Result<(), Error> {
    if input.get("sweep").is_some() {
        return sweep(store, bus, now).await;
    }
    let Deadline { expire, deadline_ms } =
        Deadline::deserialize(input).map_err(Error::cannot("read the input of a schedule"))?;
    ending::expire(store, bus, now, &expire, deadline_ms).await
}

/// Announces what an interruption left unannounced.
async fn sweep(store: &Store, bus: &Bus, now: Timestamp) -> Result<(), Error> {
    for id in store.unannounced(now - PATIENCE, SWEEP_LIMIT).await? {
        let Some(callback) = store.get(&id).await? else { continue };
        if callback.pending.is_some() {
            tracing::info!(callback_id = id, "announcing a callback whose announcement was interrupted");
            ending::announce(store, bus, now, &callback).await?;
        }
    }
    Ok(())
}
