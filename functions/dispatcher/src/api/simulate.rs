//! `POST /dispatchers/v1/simulate`: what dispatchers would do with events that were recorded.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::event::{EventId, EventType, TenantId};
use shared::http::JsonBody;
use shared::rql;
use utoipa::ToSchema;

use super::explain::sees_answers;
use super::{Answer, Services};
use crate::App;
use crate::dispatcher::DispatcherBody;
use crate::simulate::{Change, Changes, Counts, Limits, RunChange, SimulatedEvent, Simulation};

/// The largest body, which has the dispatchers of a whole file.
pub(super) const BODY_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// How many events an answer simulates unless the request says otherwise, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// How many events and dispatchers a request can name.
const MAX_IDS: usize = 1_000;
const MAX_DISPATCHERS: usize = 10_000;
/// Over how many events a request can go.
const EVENT_LIMIT: usize = 100_000;
/// How many events are read at once.
const CONCURRENT_READS: usize = 8;

/// Which dispatchers are simulated with which events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulationRequest {
    /// The definition of one dispatcher, as it is created; with the `id` or the `name` of one that exists, in its place.
    #[schema(value_type = Option<DispatcherBody>)]
    dispatcher: Option<Map<String, Value>>,
    /// Dispatchers that would be created, changed by their `id` or `name`, or `deleted`, as a file of them says.
    #[schema(value_type = Option<Vec<Object>>)]
    dispatchers: Option<Vec<Map<String, Value>>>,
    /// Whether dispatchers with the tag `EXH_CLI_MANAGED` that are not among `dispatchers` would be deleted.
    #[serde(default)]
    clean: bool,
    /// The time from which on events were received.
    #[serde(default, with = "shared::clock::iso::optional")]
    from: Option<Timestamp>,
    /// The time until which events were received.
    #[serde(default, with = "shared::clock::iso::optional")]
    to: Option<Timestamp>,
    /// The type of the events.
    #[schema(value_type = Option<String>)]
    event_type: Option<EventType>,
    /// The ids of the events, instead of a time and a type.
    event_ids: Option<Vec<String>>,
    /// How many events an answer simulates at most: 1 to 1,000, 100 unless given.
    limit: Option<u32>,
    /// Whether only events are listed of which a run differs from what happened.
    #[serde(default)]
    differences_only: bool,
    /// `next` of an earlier answer to the same request.
    next: Option<String>,
}

/// What would happen, newest event first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SimulationAnswer {
    /// How many events there are in all answers together.
    total: usize,
    /// How many events and runs of each kind there are in this answer, with those that are not listed.
    counts: Counts,
    /// The events that would start a run or did.
    data: Vec<SimulatedEvent>,
    /// Those of the event ids that are not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// Where the next answer goes on; absent from the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An event to simulate: when it was received, and its id.
type Target = (i64, EventId);

/// Simulates dispatchers with events that were recorded, and compares that with what happened then. Nothing is done.
///
/// Without `dispatcher` and `dispatchers` it simulates those that there are. It needs the permission `VIEW_EVENTS` as well;
/// what earlier steps have answered is used for a client with `VIEW_RUNS` and is unknown to any other.
#[utoipa::path(
    post, path = "/dispatchers/v1/simulate", tag = "dispatchers",
    request_body(content = SimulationRequest, example = json!({
        "dispatcher": {
            "eventType": "order_paid", "name": "ship large orders",
            "filter": {"content": {"total": [{"numeric": [">=", 50]}]}},
            "actions": [{"type": "task", "name": "pack", "functionName": "pack"}],
        },
        "from": "2026-01-01T00:00:00Z",
    })),
    responses((status = 200, body = SimulationAnswer)),
)]
pub(crate) async fn simulate(
    State(app): Services,
    caller: Caller,
    JsonBody(mut request): JsonBody<SimulationRequest>,
) -> Answer<SimulationAnswer> {
    caller.require(Permission::ViewEvents.name())?;
    let (tenant, now) = (caller.tenant_id(), app.clock.now());
    let (limit, change) = (request.limit()?, request.change()?);
    let all = app.store.dispatchers.all(tenant).await?;
    let changes = Changes::new(all, change, &|| app.ids.hex24(), now)?;
    let (targets, missing) = targets(&app, tenant, &request, &changes).await?;
    let total = targets.len();
    let targets = match &request.next {
        Some(next) => after(targets, next)?,
        None => targets,
    };
    let simulation = Simulation {
        tenant,
        dispatchers: &app.store.dispatchers,
        changes: &changes,
        event_budget: app.event_budget,
        with_answers: sees_answers(&caller),
        now,
    };
    let (data, counts, examined) =
        Box::pin(run(&app, &simulation, &targets[..limit.min(targets.len())], request.differences_only)).await?;
    let is_last = examined == targets.len();
    let next = targets[..examined].last().filter(|_| !is_last).map(|(time, id)| format!("{time}.{id}"));
    Ok(Json(SimulationAnswer { total, counts, data, missing, next }))
}

/// Simulates events until there are no more or the answer is full; returns how many there were.
async fn run(
    app: &App,
    simulation: &Simulation<'_>,
    targets: &[Target],
    differences_only: bool,
) -> Result<(Vec<SimulatedEvent>, Counts, usize), Refusal> {
    let (mut data, mut counts, mut examined, mut limits) = (Vec::new(), Counts::default(), 0, Limits::new());
    let mut sets = HashMap::new();
    let ids: Vec<EventId> = targets.iter().map(|(_, id)| id.clone()).collect();
    let reads = stream::iter(ids).map(async |id| app.store.events.with_runs(&id).await);
    let mut found = Box::pin(reads.buffered(CONCURRENT_READS));
    while let Some(found) = found.next().await {
        examined += 1;
        let found = found?.filter(|(record, _)| record.event.envelope.tenant_id == *simulation.tenant);
        if let Some((record, runs)) = found {
            let kind = &record.event.envelope.kind;
            if !sets.contains_key(kind) {
                sets.insert(kind.clone(), simulation.set(kind).await?);
            }
            let event = simulation.event(&sets[kind], &record, &runs, &mut counts, &mut limits)?;
            let is_shown = event.runs.iter().any(|run| !differences_only || run.change() != RunChange::Same);
            data.extend(is_shown.then_some(event));
        }
        if limits.are_reached() {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok((data, counts, examined))
}

/// Returns the events to simulate, newest first, and those of the ids that are not known.
async fn targets(
    app: &App,
    tenant: &TenantId,
    request: &SimulationRequest,
    changes: &Changes,
) -> Result<(Vec<Target>, Vec<String>), Refusal> {
    let events = &app.store.events;
    let (mut targets, mut missing): (Vec<Target>, _) = (Vec::new(), Vec::new());
    if let Some(ids) = &request.event_ids {
        let mut ids: Vec<&String> = ids.iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let event_ids: Vec<EventId> = ids.iter().map(|id| EventId::new(id.as_str())).collect();
        let found = events.read(&event_ids.iter().collect::<Vec<_>>()).await?.into_iter().flatten();
        let found = found.filter(|record| record.event.envelope.tenant_id == *tenant);
        targets.extend(found.map(|record| {
            let envelope = &record.event.envelope;
            (envelope.time.as_millisecond(), envelope.id.clone())
        }));
        let is_found = |id: &str| targets.iter().any(|(_, found)| found.as_str() == id);
        missing.extend(ids.into_iter().filter(|id| !is_found(id)).cloned());
    } else {
        let span = (request.from.map(Timestamp::as_millisecond), request.to.map(Timestamp::as_millisecond));
        let kinds: Vec<Option<&str>> = match &request.event_type {
            Some(kind) => vec![Some(kind.as_str())],
            // A dispatcher changes nothing for events of other types.
            None if changes.focus.is_some() => changes.focus_types.iter().map(|kind| Some(kind.as_str())).collect(),
            None => vec![None],
        };
        for kind in kinds {
            let entries = events.newest(tenant, kind, span, EVENT_LIMIT + 1).await?;
            targets.extend(entries.into_iter().map(|entry| (entry.occurred_at, entry.event_id)));
        }
    }
    targets.sort_unstable_by(|(one, one_id), (other, other_id)| (other, other_id).cmp(&(one, one_id)));
    Ok((rql::within(targets, EVENT_LIMIT)?, missing))
}

/// Returns the events that come after a place.
fn after(targets: Vec<Target>, next: &str) -> Result<Vec<Target>, Refusal> {
    let place = next.split_once('.').and_then(|(time, id)| Some((time.parse().ok()?, EventId::new(id))));
    let place: Target = place.ok_or_else(|| Refusal::field("next", "must be what an earlier answer had as `next`"))?;
    Ok(targets.into_iter().skip_while(|target| *target >= place).collect())
}

impl SimulationRequest {
    fn limit(&self) -> Result<usize, Refusal> {
        let limit = self.limit.map_or(DEFAULT_LIMIT, |limit| limit as usize);
        match limit {
            1..=MAX_LIMIT => Ok(limit),
            _ => Err(Refusal::field("limit", format!("must be between 1 and {MAX_LIMIT}"))),
        }
    }

    /// Takes what is changed, or says which fields cannot be given together.
    fn change(&mut self) -> Result<Change, Refusal> {
        let not_with = |name: &str, other: &str| Err(Refusal::field(name, format!("cannot be given with `{other}`")));
        if let Some(ids) = &self.event_ids {
            if ids.len() > MAX_IDS {
                return Err(Refusal::field("eventIds", format!("has more than {MAX_IDS} ids")));
            }
            let others =
                [("from", self.from.is_some()), ("to", self.to.is_some()), ("eventType", self.event_type.is_some())];
            if let Some((name, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
                return not_with(name, "eventIds");
            }
        }
        match (self.dispatcher.take(), self.dispatchers.take()) {
            (Some(_), Some(_)) => not_with("dispatcher", "dispatchers"),
            (_, Some(entries)) if entries.len() > MAX_DISPATCHERS => {
                Err(Refusal::field("dispatchers", format!("has more than {MAX_DISPATCHERS} dispatchers")))
            }
            (None, Some(entries)) => Ok(Change::Set { entries, clean: self.clean }),
            _ if self.clean => Err(Refusal::field("clean", "needs `dispatchers`, the ones to keep")),
            (Some(definition), None) => Ok(Change::One(definition)),
            (None, None) => Ok(Change::None),
        }
    }
}
