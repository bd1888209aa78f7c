//! `/runs`: what came of events, listed by outcome, and event by event.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::event::{DispatcherId, EventId};
use shared::http::List;
use shared::rql::{self, Rql};
use shared::seal::Resealed;

use super::{Answer, Services};
use crate::run::{ListedRun, RunView};
use crate::store::{CONTENT_LIMIT, LIST_LIMIT, RunEntry, Runs};
use crate::timeline::Timeline;

/// Lists runs, the newest first.
///
/// The query string is RQL, such as `eq(status,failed)&eq(dispatcherName,welcome)&limit(50)`. One that would have to read
/// more than 100,000 runs, or more than 10,000 to look at their steps, is refused as a long query:
/// `ge(startedAt,…)` and `eq(status,failed)` make it shorter.
#[utoipa::path(get, path = "/runs", tag = "runs", responses((status = 200, body = List<ListedRun>)))]
pub(crate) async fn list(State(app): Services, caller: Caller, RawQuery(query): RawQuery) -> Answer<List<Value>> {
    let query = Rql::parse::<ListedRun>(query.as_deref())?;
    let (runs, tenant) = (&app.store.runs, caller.tenant_id());
    if let Some(event_id) = query.eq("eventId") {
        let found = app.store.events.with_runs(&EventId::new(event_id)).await?;
        let found = found.filter(|(record, _)| record.event.envelope.tenant_id == *tenant);
        let views: Vec<ListedRun> = found.into_iter().flat_map(|(_, runs)| runs).map(ListedRun::from).collect();
        return query.apply(&views).map(Json);
    }
    let entries = runs.entries(tenant, query.eq("status") == Some("failed"), query.times("startedAt")).await?;
    let entries = rql::within(entries, LIST_LIMIT)?;
    if query.decides_by("steps") {
        let ids = entries.into_iter().map(|entry| (entry.event_id, entry.dispatcher_id)).collect();
        return query.apply(&read(runs, ids).await?).map(Json);
    }
    let views = match query.decides_by("status") {
        true => with_status(runs, entries).await?,
        false => entries.into_iter().map(ListedRun::from).collect(),
    };
    let List { query: echo, page, data } = query.page(&views)?;
    let ids = data.into_iter().map(|view| (view.head.event_id.clone(), view.head.dispatcher_id.clone())).collect();
    let data = read(runs, ids).await?.iter().map(|view| query.show(view)).collect::<Result<_, _>>()?;
    Ok(Json(List { query: echo, page, data }))
}

/// Returns entries with their status, which must be read of those that are not over.
async fn with_status(runs: &Runs, entries: Vec<RunEntry>) -> Result<Vec<ListedRun>, Refusal> {
    let open = entries.iter().filter(|entry| entry.outcome.is_none());
    let open = open.map(|entry| (entry.event_id.clone(), entry.dispatcher_id.clone())).collect();
    let mut found = read(runs, open).await?.into_iter().peekable();
    let views = entries.into_iter().filter_map(|entry| match entry.outcome {
        Some(_) => Some(entry.into()),
        // In their order, without those that have expired.
        None => found
            .next_if(|run| (&run.head.event_id, &run.head.dispatcher_id) == (&entry.event_id, &entry.dispatcher_id)),
    });
    Ok(views.collect())
}

async fn read(runs: &Runs, ids: Vec<(EventId, DispatcherId)>) -> Result<Vec<ListedRun>, Refusal> {
    Ok(runs.read(rql::within(ids, CONTENT_LIMIT)?).await?.into_iter().map(ListedRun::from).collect())
}

/// Returns an event with its runs, steps and attempts, and everything that happened, in order.
#[utoipa::path(get, path = "/runs/{eventId}", tag = "runs", responses((status = 200, body = Timeline)))]
pub(crate) async fn timeline(State(app): Services, caller: Caller, Path(event_id): Path<String>) -> Answer<Timeline> {
    let found = app.store.events.with_runs(&EventId::new(event_id.as_str())).await?;
    let found = found.filter(|(record, _)| record.event.envelope.tenant_id == *caller.tenant_id());
    let (record, runs) = found.ok_or_else(|| Refusal::unknown("event", &event_id))?;
    Ok(Json(Timeline::new(record, runs, app.clock.now())))
}

/// Returns one run: what a dispatcher did about an event, with the outputs of its steps.
#[utoipa::path(get, path = "/runs/{eventId}/{dispatcherId}", tag = "runs", responses((status = 200, body = RunView)))]
pub(crate) async fn get(
    State(app): Services,
    caller: Caller,
    Path((event_id, dispatcher_id)): Path<(String, String)>,
) -> Answer<RunView> {
    let found =
        app.store.runs.get(&EventId::new(event_id.as_str()), &DispatcherId::new(dispatcher_id.as_str())).await?;
    let found = found.filter(|run| run.tenant_id == *caller.tenant_id());
    let unknown = || Refusal::unknown("run of the dispatcher", &dispatcher_id);
    Ok(Json(found.ok_or_else(unknown)?.into()))
}

/// Seals a batch of events and runs with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/runs/rotate", tag = "runs",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(app): Services) -> Answer<Resealed> {
    Ok(Json(app.store.runs.reseal().await?))
}
