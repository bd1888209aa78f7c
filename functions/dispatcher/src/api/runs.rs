//! `/runs`: what came of events, listed by outcome, and event by event.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::event::{DispatcherId, EventId, TenantId};
use shared::http::List;
use shared::list::{Found, Source};
use shared::rql::Rql;
use shared::seal::Resealed;

use super::{Answer, Services};
use crate::run::{ListedRun, RunView};
use crate::store::{RunEntry, RunKind, Store};
use crate::timeline::Timeline;

/// Lists runs, the newest first.
///
/// The query string is RQL, such as `eq(status,failed)&eq(dispatcherName,welcome)&limit(50)`. One that would have to look
/// at more than 200,000 runs, or more than 10,000 as a whole because it asks for their steps, is refused as a long query:
/// `ge(startedAt,…)` and `eq(status,failed)` make it shorter.
#[utoipa::path(get, path = "/runs", tag = "runs", responses((status = 200, body = List<ListedRun>)))]
pub(crate) async fn list(State(app): Services, caller: Caller, RawQuery(query): RawQuery) -> Answer<List<Value>> {
    let query = Rql::parse::<ListedRun>(query.as_deref())?;
    let source = RunSource { store: &app.store, tenant: caller.tenant_id(), now: app.clock.now() };
    shared::list::list(&query, &source).await.map(Json)
}

/// Where the runs of a tenant are.
struct RunSource<'a> {
    store: &'a Store,
    tenant: &'a TenantId,
    now: Timestamp,
}

impl Source for RunSource<'_> {
    type Item = ListedRun;
    type Entry = RunEntry;

    const CONTENT: &'static [&'static str] = &["status", "steps"];

    async fn find(&self, query: &Rql) -> Result<Found<'_, Self>, Refusal> {
        if let Some(event_id) = query.eq("eventId") {
            let found = self.store.events.with_runs(&EventId::new(event_id)).await?;
            let found = found.filter(|(record, _)| record.event.envelope.tenant_id == *self.tenant);
            return Ok(Found::Items(found.into_iter().flat_map(|(_, runs)| runs).map(ListedRun::from).collect()));
        }
        let kind = RunKind {
            status: query.only_text("status"),
            event_type: query.only_text("eventType"),
            channel_id: query.only_text("channelId"),
            dispatcher_id: query.only_text("dispatcherId"),
            dispatcher_name: query.only_text("dispatcherName"),
        };
        let index = self.store.runs.index(self.tenant, &kind, self.now).await?;
        Ok(Found::Index(Box::new(index.span(query.span("startedAt")))))
    }

    fn unknown(&self, entry: &RunEntry) -> &'static [&'static str] {
        // An index does not tell a run that is running from one that waits.
        if entry.outcome.is_some() { &["steps"] } else { Self::CONTENT }
    }

    fn partly(&self, entry: &RunEntry) -> ListedRun {
        entry.clone().into()
    }

    async fn read(&self, entries: &[RunEntry]) -> Result<Vec<Option<ListedRun>>, Refusal> {
        let ids: Vec<_> = entries.iter().map(|entry| (&entry.event_id, &entry.dispatcher_id)).collect();
        Ok(self.store.runs.read(&ids).await?.into_iter().map(|run| run.map(ListedRun::from)).collect())
    }
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
