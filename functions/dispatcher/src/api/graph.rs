//! `/dispatchers/v1/graph`: what sends, starts and emits what, and what is remarkable about it.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::auth::Caller;
use shared::directory::Directory;
use shared::event::command::{ActionType, TIME_RULE};
use shared::event::{EventId, TenantId};
use shared::{Error, Refusal, json};

use super::{Answer, Services};
use crate::App;
use crate::dispatcher::Dispatcher;
use crate::graph::{Builder, Graph, LookedAt, Seen, Sources, find};
use crate::run::Run;
use crate::store::EventRecord;

/// How many events are read unless the query says otherwise, and at most.
const DEFAULT_EVENTS: usize = 1_000;
const MAX_EVENTS: usize = 5_000;
/// Of how many runs of these events, so that what was read fits into memory.
const MAX_RUNS: usize = 10_000;
/// How many functions and tasks are looked at.
const MAX_FUNCTIONS: usize = 1_000;
/// Of how many names it is looked up whether they exist.
const MAX_LOOKUPS: usize = 500;
const CONCURRENT_READS: usize = 16;
/// For how long pairs of dispatchers are compared.
const COMPARISON_LIMIT: SignedDuration = SignedDuration::from_secs(5);
/// The span of time that is looked at unless the query says otherwise.
const DEFAULT_SPAN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is looked at.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GraphQuery {
    /// The first time of events, ISO 8601 or milliseconds since 1970; seven days before `to` if absent.
    #[param(example = "2026-01-02T03:04:05Z")]
    from: Option<String>,
    /// The last time of events; now if absent.
    to: Option<String>,
    /// The most events that are read, the newest first: 1 to 5,000, 1,000 if absent.
    #[param(example = "1000")]
    events: Option<String>,
    /// Only the dispatchers of this type of events.
    event_type: Option<String>,
}

/// Returns the graph of channels, event types, dispatchers, steps and what they use and emit, with findings.
///
/// What follows from the configuration is `configured`; `seen` counts what was found in the events of the time.
#[utoipa::path(
    get, path = "/dispatchers/v1/graph", tag = "dispatchers", params(GraphQuery), responses((status = 200, body = Graph)),
)]
pub(crate) async fn get(
    State(app): Services,
    caller: Caller,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Answer<Graph> {
    let query = read(query)?;
    let (tenant, now) = (caller.tenant_id(), app.clock.now());
    let to = query.to.as_deref().map_or(Ok(now), |text| time("to", text))?;
    let week_before = to.checked_sub(DEFAULT_SPAN).unwrap_or(Timestamp::MIN);
    let from = query.from.as_deref().map_or(Ok(week_before), |text| time("from", text))?;
    let limit = query.events.as_deref().map_or(Some(DEFAULT_EVENTS), |text| text.parse().ok());
    let limit = limit.filter(|limit| (1..=MAX_EVENTS).contains(limit));
    let limit = limit.ok_or_else(|| Refusal::field("events", format!("must be 1 to {MAX_EVENTS}")))?;
    if from > to {
        return Err(Refusal::field("from", "must not be later than `to`"));
    }
    let mut looked_at = LookedAt { from, to, ..LookedAt::default() };
    let sources = sources(&app, tenant, &query, limit, &mut looked_at).await?;
    // Constructing events that prove overlaps takes a while, which other requests do not wait for.
    let clock = app.clock.clone();
    let graph = tokio::task::spawn_blocking(move || {
        let seen = Seen::new(&sources.events);
        let begun = clock.now();
        let is_time_over = || clock.now().duration_since(begun) > COMPARISON_LIMIT;
        let findings = find(&sources, &seen, now, &mut looked_at, is_time_over);
        let (nodes, edges, has_more) = Builder::build(&sources, &seen);
        looked_at.more_nodes = has_more;
        Graph { nodes, edges, findings, looked_at }
    });
    Ok(Json(graph.await.map_err(Error::cannot("build the graph"))?))
}

async fn sources(
    app: &App,
    tenant: &TenantId,
    query: &GraphQuery,
    limit: usize,
    looked_at: &mut LookedAt,
) -> Result<Sources, Error> {
    let mut dispatchers = app.store.dispatchers.all(tenant).await?;
    if let Some(kind) = &query.event_type {
        dispatchers.retain(|dispatcher| dispatcher.body.event_type.as_str() == kind);
    }
    let span = (looked_at.from, looked_at.to);
    let events = events(app, tenant, span, limit, looked_at).await?;
    // Of one type of events it is not known which functions others call.
    let (functions, called_functions) = match &query.event_type {
        Some(_) => (Vec::new(), BTreeSet::new()),
        None => {
            let called = app.directory.called_functions(tenant, span, MAX_FUNCTIONS).await?;
            (looked_at.tasks, looked_at.tasks_since) = (called.tasks, called.since);
            looked_at.more_tasks = called.has_more;
            (app.directory.functions(tenant, MAX_FUNCTIONS).await?, called.names)
        }
    };
    let missing = missing(&app.directory, tenant, &dispatchers).await?;
    looked_at.dispatchers = dispatchers.len();
    let subscriptions = app.store.subscriptions.all(tenant).await?;
    let tenant = tenant.clone();
    Ok(Sources { tenant, dispatchers, subscriptions, events, functions, called_functions, missing })
}

/// Reads the newest events of a span of time with their runs.
async fn events(
    app: &App,
    tenant: &TenantId,
    (from, to): (Timestamp, Timestamp),
    limit: usize,
    looked_at: &mut LookedAt,
) -> Result<Vec<(EventRecord, Vec<Run>)>, Error> {
    let events = &app.store.events;
    let mut entries =
        events.newest(tenant, None, (Some(from.as_millisecond()), Some(to.as_millisecond())), limit + 1).await?;
    looked_at.more_events = entries.len() > limit;
    entries.truncate(limit);
    let reads: Vec<_> = entries.into_iter().map(|entry| with_runs(app, entry.event_id)).collect();
    let mut reads = stream::iter(reads).buffered(CONCURRENT_READS);
    let (mut found, mut runs) = (Vec::new(), 0);
    while let Some(read) = reads.try_next().await? {
        runs += read.as_ref().map_or(0, |(_, runs)| runs.len());
        if runs > MAX_RUNS && !found.is_empty() {
            looked_at.more_events = true;
            break;
        }
        found.extend(read);
    }
    looked_at.events = found.len();
    looked_at.events_since = found.iter().map(|(record, _)| record.event.envelope.time).min();
    Ok(found)
}

async fn with_runs(app: &App, id: EventId) -> Result<Option<(EventRecord, Vec<Run>)>, Error> {
    app.store.events.with_runs(&id).await
}

/// What actions name, and who names it.
struct Name {
    kind: &'static ActionType,
    fields: Map<String, Value>,
    /// The ids of the dispatchers, their names and those of the steps.
    users: Vec<(String, String, String)>,
}

/// Looks up what the actions of dispatchers name, each name once.
async fn missing(
    directory: &Directory,
    tenant: &TenantId,
    dispatchers: &[Dispatcher],
) -> Result<Vec<(String, String, String)>, Error> {
    let mut names: BTreeMap<(&str, String), Name> = BTreeMap::new();
    for dispatcher in dispatchers {
        for action in &dispatcher.body.actions {
            let Ok(kind) = ActionType::find(&action.kind) else { continue };
            let fields = action.command_fields();
            let named = kind.naming(&fields).filter_map(|(field, _)| fields.get(field)?.as_str());
            let text = named.collect::<Vec<_>>().join(" ");
            if text.is_empty() {
                continue;
            }
            let name = names.entry((kind.name, text)).or_insert_with(|| Name { kind, fields, users: Vec::new() });
            let id = dispatcher.id.to_string();
            let shown = dispatcher.body.name.clone().unwrap_or_else(|| id.clone());
            name.users.push((id, shown, action.step_name().to_owned()));
        }
    }
    let lookups: Vec<_> =
        names.into_values().take(MAX_LOOKUPS).map(|name| missing_name(directory, tenant, name)).collect();
    let found: Vec<Vec<_>> = stream::iter(lookups).buffered(CONCURRENT_READS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn missing_name(
    directory: &Directory,
    tenant: &TenantId,
    Name { kind, fields, users }: Name,
) -> Result<Vec<(String, String, String)>, Error> {
    let Some((_, why)) = directory.missing(tenant, kind, &fields).await? else { return Ok(Vec::new()) };
    let sentence = |(id, dispatcher, step): (String, String, String)| {
        let sentence = format!("Step `{step}` of `{dispatcher}` cannot be done: {why}.");
        (id, step, sentence)
    };
    Ok(users.into_iter().map(sentence).collect())
}

fn read(query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Result<GraphQuery, Refusal> {
    let Query(pairs) = query.map_err(|_| Refusal::illegal_argument("the query cannot be read"))?;
    let mut fields = Map::new();
    for (name, value) in pairs {
        if fields.insert(name.clone(), value.into()).is_some() {
            return Err(Refusal::field(&name, "must occur once"));
        }
    }
    Ok(json::from_value(Value::Object(fields))?)
}

fn time(field: &str, text: &str) -> Result<Timestamp, Refusal> {
    let parsed = text.parse::<Timestamp>().ok();
    let parsed = parsed.or_else(|| text.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()));
    parsed.ok_or_else(|| Refusal::field(field, TIME_RULE))
}
