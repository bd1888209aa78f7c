//! `/events/v1/{id}/replay`: an event happens again.

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::Refusal;
use shared::auth::Caller;
use shared::clock::derived_uuid;
use shared::event::{DispatcherId, EventId, EventType, Received, ReplayOf, TenantId};
use shared::http::{IdempotencyKey, JsonBody};
use utoipa::ToSchema;

use super::retries::event;
use super::{Answer, Services};
use crate::dispatcher::Dispatcher;
use crate::replay;
use crate::store::Store;

/// For whom an event is replayed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"dispatcherId": "5e9fff9d90135a2a9a718e2f"}))]
pub(crate) struct NewReplay {
    /// The only dispatcher; all that match now if absent.
    #[serde(default)]
    dispatcher_id: Option<DispatcherId>,
}

/// An event that repeats another one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayView {
    /// Its id, under which its runs are found.
    id: EventId,
    /// The type of the event.
    #[serde(rename = "type")]
    kind: EventType,
    /// When it was asked for.
    #[serde(with = "shared::clock::iso")]
    time: Timestamp,
    /// What it repeats.
    replay_of: Option<ReplayOf>,
}

/// Replays an event: a new one with the same content, for all dispatchers that match now, or for just one.
///
/// It is durable when the response is sent. The same `Idempotency-Key` from the same client replays the event once.
#[utoipa::path(
    post, path = "/events/v1/{id}/replay", tag = "events", request_body = Option<NewReplay>,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes.")),
    responses((status = 200, description = "The new event.", body = ReplayView)),
)]
pub(crate) async fn replay(
    State(app): Services,
    caller: Caller,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Option<JsonBody<NewReplay>>,
) -> Answer<ReplayView> {
    let NewReplay { dispatcher_id } = body.map(|JsonBody(body)| body).unwrap_or_default();
    let now = app.clock.now();
    let tenant = caller.tenant_id();
    let record = event(&app.store, tenant, &id, now).await?;
    let new_id = match key.as_bytes() {
        Some(key) => derived_uuid(&[
            b"replay",
            tenant.as_str().as_bytes(),
            caller.client_id().as_bytes(),
            key,
            record.event.envelope.id.as_str().as_bytes(),
        ]),
        None => app.ids.uuid(),
    };
    let new_id = EventId::new(new_id.to_string());
    let asked = dispatcher_id.clone().map(|id| id.to_string()).unwrap_or_default();
    let mut replayed = replay::replayed(&record, new_id, dispatcher_id, now);
    if let Some(earlier) = app.store.events.get(&replayed.id).await? {
        let earlier = &earlier.event.envelope;
        return match earlier.replay_of == replayed.replay_of {
            true => Ok(Json(ReplayView::new(earlier))),
            false => Err(another_replay()),
        };
    }
    check_dispatcher(&app.store, tenant, &replayed).await?;
    if key.as_bytes().is_some() {
        let first = app.store.events.claim_id(&replayed, &[asked.as_bytes()]).await?;
        replayed.time = first.ok_or_else(another_replay)?;
    }
    let entry = replay::entry(&record.source, &replayed).map_err(|error| Refusal::too_large(error.to_string()))?;
    app.bus.publish(vec![entry]).await?;
    Ok(Json(ReplayView::new(&replayed)))
}

fn another_replay() -> Refusal {
    Refusal::field("Idempotency-Key", "was used for another replay of the event")
}

/// Refuses a replay for a dispatcher that does not exist or would not run.
async fn check_dispatcher(store: &Store, tenant: &TenantId, replayed: &Received) -> Result<(), Refusal> {
    let Some(id) = replayed.replay_of.as_ref().and_then(|of| of.dispatcher_id.as_ref()) else { return Ok(()) };
    let found: Option<Dispatcher> = store.dispatchers.get(tenant, id.as_str()).await?;
    let dispatcher = found.ok_or_else(|| Refusal::unknown("dispatcher", id.as_str()))?;
    match obstacle(&dispatcher, replayed)? {
        None => Ok(()),
        Some(why) => Err(Refusal::illegal_state(format!("the dispatcher would not run: {why}"))),
    }
}

/// Says why a dispatcher would not run for an event, if it would not.
fn obstacle(dispatcher: &Dispatcher, event: &Received) -> Result<Option<String>, Refusal> {
    let (kind, body) = (&event.kind, &dispatcher.body);
    if *kind != body.event_type {
        return Ok(Some(format!("it reacts to `{}`, not to `{kind}`", body.event_type)));
    }
    if !body.enabled {
        return Ok(Some("it is switched off: `enabled` is false".to_owned()));
    }
    let filter = body.filter.as_ref().map(Pattern::compile).transpose();
    let filter = filter.map_err(|error| Refusal::illegal_state(error.to_string()))?;
    Ok(filter.and_then(|filter| filter.explain(&json!(event))).map(|mismatch| mismatch.to_string()))
}

impl ReplayView {
    fn new(event: &Received) -> Self {
        let Received { id, kind, time, replay_of, .. } = event.clone();
        Self { id, kind, time, replay_of }
    }
}
