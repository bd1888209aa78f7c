//! The end of a callback, and its announcement to everything that waits.

use jiff::Timestamp;
use serde_json::json;
use shared::Error;
use shared::bus::{Bus, Entry};
use shared::clock;
use shared::event::fact::{CALLBACK_EXPIRED, CALLBACK_RESOLVED, CALLBACK_SOURCE, CallbackEnded};
use shared::event::{Answer, Envelope, EventId, RecordKind, StepError, Trace};

use crate::store::{Callback, CallbackState, Store};

/// The answer to an id of no callback that the caller may see.
pub(crate) const NOT_FOUND: &str = "failed to load callback from public id: callback not found";

/// Returns a callback as it is by now: one that is overdue ends here, although its schedule has not fired yet.
pub(crate) async fn current(store: &Store, bus: &Bus, now: Timestamp, id: &str) -> Result<Option<Callback>, Error> {
    let Ok(id) = uuid::Uuid::parse_str(id) else { return Ok(None) };
    let id = id.to_string();
    let callback = store.get(&id).await?;
    let overdue = callback.as_ref().filter(|callback| callback.state == CallbackState::Waiting);
    let overdue = overdue.and_then(|callback| callback.deadline_ms).filter(|at_ms| *at_ms <= now.as_millisecond());
    let Some(deadline_ms) = overdue else { return Ok(callback) };
    expire(store, bus, now, &id, deadline_ms).await?;
    store.get(&id).await
}

/// Ends a callback whose deadline is this one, if it still waits.
pub(crate) async fn expire(store: &Store, bus: &Bus, now: Timestamp, id: &str, deadline_ms: i64) -> Result<(), Error> {
    match store.expire(id, deadline_ms, now).await? {
        Some(expired) => announce(store, bus, now, &expired).await,
        None => Ok(()),
    }
}

/// Publishes the end of a callback and records that; doing it again repeats the same events.
pub(crate) async fn announce(store: &Store, bus: &Bus, now: Timestamp, callback: &Callback) -> Result<(), Error> {
    let was_called = callback.state == CallbackState::Resolved;
    let resumed_by = was_called.then(|| "callback.called".to_owned());
    let answer = Answer { resumed_by, ..answer(store, callback).await? };
    let answers = callback.waiters.values().map(|waiter| waiter.finished(&answer, now));
    bus.publish([fact(callback)?].into_iter().chain(answers).collect()).await?;
    store.announced(&callback.callback_id).await
}

/// Returns the answer to a step that waits for a callback which has ended.
pub(crate) async fn answer(store: &Store, callback: &Callback) -> Result<Answer, Error> {
    let id = &callback.callback_id;
    let Some(body) = store.body(callback).await? else {
        let message = format!("nobody called the callback {id} in time");
        let expired = Answer::failed(StepError::invocation("CallbackExpired", message));
        return Ok(expired.with_record(RecordKind::Callback, id));
    };
    let answer = Answer::succeeded(json!({"id": id, "date": callback.ended_at, "body": body}));
    let mut answer = answer.with_record(RecordKind::Callback, id);
    if let Some(too_large) = &mut answer.error {
        too_large.message.push_str(&format!("; GET /callbacks/{id}/wait returns it"));
    }
    Ok(answer)
}

/// The fact says that the callback ended, not what was sent: the body stays encrypted where it is.
fn fact(callback: &Callback) -> Result<Entry, Error> {
    let kind = match callback.state {
        CallbackState::Expired => CALLBACK_EXPIRED,
        _ => CALLBACK_RESOLVED,
    };
    let id = clock::derived_uuid(&[b"callback", callback.callback_id.as_bytes(), kind.as_str().as_bytes()]);
    let id = EventId::new(id.to_string());
    let trace = callback.created_by.as_ref().map_or_else(|| Trace::start(&id), Trace::caused_by);
    let time = callback.ended_at.unwrap_or(callback.created_at);
    let content = CallbackEnded { callback_id: callback.callback_id.clone(), date: callback.ended_at };
    let envelope = Envelope::new(kind, id, callback.tenant_id.clone(), time, content);
    Entry::fact(CALLBACK_SOURCE, &envelope.with_trace(trace)).map_err(Error::cannot("announce a callback"))
}
