//! `/runs/{eventId}/{dispatcherId}`: a run goes on after its end, or ends before it.

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Deserialize;
use shared::Refusal;
use shared::auth::Caller;
use shared::clock::derived_uuid;
use shared::event::{DispatcherId, EventId, TenantId};
use shared::http::{IdempotencyKey, JsonBody};
use utoipa::ToSchema;

use super::{Answer, Services};
use crate::retry::{self, Changed};
use crate::run::{NotRetried, RetryRequest, Run, RunStatus, RunView};
use crate::store::{EventRecord, Store};

/// What of a run is done again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"from": "send"}))]
pub(crate) struct NewRetry {
    /// The step to go on from: it and all that depend on it are done again, also what succeeded. Without it the steps
    /// that failed are done again, and what was skipped because of them.
    #[serde(default)]
    from: Option<String>,
}

/// Retries a run that is over: its failed steps and what was skipped because of them, or everything from one step on.
///
/// The run goes on as it was defined when its event happened, with further attempts at its steps. The same
/// `Idempotency-Key` from the same client retries the run once.
#[utoipa::path(
    post, path = "/runs/{eventId}/{dispatcherId}/retry", tag = "runs", request_body = Option<NewRetry>,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes.")),
    responses((status = 200, description = "The run, which goes on.", body = RunView)),
)]
pub(crate) async fn retry(
    services: Services,
    caller: Caller,
    path: Path<(String, String)>,
    key: IdempotencyKey,
    body: Option<JsonBody<NewRetry>>,
) -> Answer<RunView> {
    retry_run(services, &caller, path, &key, body.map(|JsonBody(body)| body).unwrap_or_default()).await
}

/// Retries a run that is over, as `retry` does.
#[utoipa::path(
    post, path = "/runs/{eventId}/{dispatcherId}/redrive", tag = "runs", request_body = Option<NewRetry>,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes.")),
    responses((status = 200, description = "The run, which goes on.", body = RunView)),
)]
pub(crate) async fn redrive(
    services: Services,
    caller: Caller,
    path: Path<(String, String)>,
    key: IdempotencyKey,
    body: Option<JsonBody<NewRetry>>,
) -> Answer<RunView> {
    retry_run(services, &caller, path, &key, body.map(|JsonBody(body)| body).unwrap_or_default()).await
}

async fn retry_run(
    State(app): Services,
    caller: &Caller,
    Path((event_id, dispatcher_id)): Path<(String, String)>,
    key: &IdempotencyKey,
    NewRetry { from }: NewRetry,
) -> Answer<RunView> {
    let now = app.clock.now();
    let record = event(&app.store, caller.tenant_id(), &event_id, now).await?;
    let id = match key.as_bytes() {
        Some(key) => derived_uuid(&[b"retry", caller.client_id().as_bytes(), key]),
        None => app.ids.uuid(),
    };
    let request = RetryRequest { id: id.to_string(), from, bulk_id: None };
    let dispatcher = DispatcherId::new(dispatcher_id.as_str());
    match retry::retry(&app.store, &app.outbox, now, &record, &dispatcher, &request).await? {
        Changed::Run(run) => Ok(Json(RunView::from(*run))),
        Changed::NotRetried(why) => Err(refusal(&why)),
        Changed::Unknown => Err(Refusal::unknown("run", &dispatcher_id)),
    }
}

/// Cancels a run: steps that have not begun never do, and what is under way starts nothing any more.
///
/// A task that has not started is canceled with it. Cancelling a run again changes nothing.
#[utoipa::path(
    post, path = "/runs/{eventId}/{dispatcherId}/cancel", tag = "runs",
    responses((status = 200, description = "The run, which is cancelled.", body = RunView)),
)]
pub(crate) async fn cancel(
    State(app): Services,
    caller: Caller,
    Path((event_id, dispatcher_id)): Path<(String, String)>,
) -> Answer<RunView> {
    let now = app.clock.now();
    let record = event(&app.store, caller.tenant_id(), &event_id, now).await?;
    let dispatcher = DispatcherId::new(dispatcher_id.as_str());
    match retry::cancel(&app.store, &app.outbox, &app.bus, now, &record, &dispatcher).await? {
        Changed::Run(run) if is_cancelled(&run) => Ok(Json(RunView::from(*run))),
        Changed::Run(_) | Changed::NotRetried(_) => Err(Refusal::illegal_state("the run is over")),
        Changed::Unknown => Err(Refusal::unknown("run", &dispatcher_id)),
    }
}

fn is_cancelled(run: &Run) -> bool {
    run.status == RunStatus::Cancelled
}

/// Returns an event of a tenant, or refuses an id that is unknown to it or has expired.
pub(super) async fn event(store: &Store, tenant: &TenantId, id: &str, now: Timestamp) -> Result<EventRecord, Refusal> {
    let found = store.events.get(&EventId::new(id)).await?;
    let is_there =
        |record: &EventRecord| record.event.envelope.tenant_id == *tenant && record.expires_at > now.as_second();
    found.filter(is_there).ok_or_else(|| Refusal::unknown("event", id))
}

fn refusal(why: &NotRetried) -> Refusal {
    match why {
        NotRetried::UnknownStep(_) => Refusal::field("from", why),
        NotRetried::OtherRequest => Refusal::field("Idempotency-Key", why),
        _ => Refusal::illegal_state(why.to_string()),
    }
}
