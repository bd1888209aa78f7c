//! `/dispatchers/v1`: dispatchers as a whole, and their actions one at a time.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shared::auth::Caller;
use shared::directory::Directory;
use shared::event::TenantId;
use shared::event::command::ActionType;
use shared::http::{Affected, JsonBody, List};
use shared::list::{Found, Source};
use shared::rql::Rql;
use shared::seal::Resealed;
use shared::{Refusal, json};
use utoipa::ToSchema;

use super::{Answer, Services};
use crate::dispatcher::{Action, Dispatcher, DispatcherBody, DispatcherChange, SERVER_FIELDS, is_id};
use crate::graph::{condition_never_holds, filter_never_matches};
use crate::store::{DispatcherEntry, Dispatchers, WriteOutcome};

/// How often a change is tried when others get ahead of it.
const WRITE_ATTEMPTS: u32 = 50;
/// How many names of an action are looked up at once.
const CONCURRENT_LOOKUPS: usize = 8;
/// How many texts that look like placeholders are named.
const MAX_LOOK_ALIKES: usize = 20;
/// Of how many conditions it is found out whether they can hold.
const MAX_CONDITIONS: usize = 20;
/// What stands beside an action in the answer that it was written.
const WARNINGS: [&str; 1] = ["warnings"];

/// What was written, with what is worth knowing about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Written<T> {
    #[serde(flatten)]
    written: T,
    /// What is perhaps not meant: names of what does not exist yet, a filter or a condition that nothing can pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Lists dispatchers, the oldest first.
///
/// The query string is RQL, such as `eq(tags,mine)&limit(50)`. A query that asks for `actions`, `description` or `filter` of
/// more than 10,000 dispatchers is refused as a long query.
#[utoipa::path(
    get, path = "/dispatchers/v1", tag = "dispatchers", responses((status = 200, body = List<Dispatcher>)),
)]
pub(crate) async fn list(State(app): Services, caller: Caller, RawQuery(query): RawQuery) -> Answer<List<Value>> {
    let query = Rql::parse::<Dispatcher>(query.as_deref())?;
    let source = DispatcherSource { dispatchers: &app.store.dispatchers, tenant: caller.tenant_id() };
    shared::list::list(&query, &source).await.map(Json)
}

/// Where the dispatchers of a tenant are.
struct DispatcherSource<'a> {
    dispatchers: &'a Dispatchers,
    tenant: &'a TenantId,
}

impl Source for DispatcherSource<'_> {
    type Item = Dispatcher;
    type Entry = DispatcherEntry;

    const CONTENT: &'static [&'static str] = &["actions", "description", "filter"];

    async fn find(&self, query: &Rql) -> Result<Found<'_, Self>, Refusal> {
        let Self { dispatchers, tenant } = self;
        if let Some(ids) = query.texts("id") {
            return Ok(Found::Entries(dispatchers.entries_of_ids(tenant, &ids).await?));
        }
        if let Some(names) = query.texts("name") {
            return Ok(Found::Entries(dispatchers.entries_of_names(tenant, &names).await?));
        }
        if Self::CONTENT.iter().any(|field| query.decides_by(field)) {
            return Ok(Found::Items(dispatchers.all_of_few(tenant).await?));
        }
        Ok(Found::Entries(dispatchers.entries(tenant).await?))
    }

    fn partly(&self, entry: &DispatcherEntry) -> Dispatcher {
        Dispatcher {
            id: entry.dispatcher_id.clone(),
            body: DispatcherBody {
                event_type: entry.event_type.clone(),
                enabled: entry.enabled,
                name: entry.name.clone(),
                description: None,
                actions: Vec::new(),
                tags: entry.tags.clone(),
                filter: None,
            },
            creation_timestamp: entry.creation_timestamp,
            update_timestamp: entry.update_timestamp,
            version: entry.version,
        }
    }

    async fn read(&self, entries: &[DispatcherEntry]) -> Result<Vec<Option<Dispatcher>>, Refusal> {
        Ok(self.dispatchers.read(self.tenant, entries).await?)
    }
}

/// Creates a dispatcher.
///
/// `id`, `creationTimestamp`, `updateTimestamp`, `version` and `warnings` may be sent and are ignored.
#[utoipa::path(
    post, path = "/dispatchers/v1", tag = "dispatchers", request_body = DispatcherBody,
    responses((status = 200, body = Written<Dispatcher>)),
)]
pub(crate) async fn create(
    State(app): Services,
    caller: Caller,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Answer<Written<Dispatcher>> {
    let body: DispatcherBody = read_without(&SERVER_FIELDS, body)?;
    let dispatcher = Dispatcher::new(body, || app.ids.hex24(), app.clock.now())?;
    match app.store.dispatchers.write(caller.tenant_id(), None, Some(&dispatcher)).await? {
        WriteOutcome::Written => {
            let warnings = warnings(&app.directory, caller.tenant_id(), &dispatcher, None, app.clock.now()).await;
            Ok(Json(Written { written: dispatcher, warnings }))
        }
        WriteOutcome::NameTaken => Err(name_taken(&dispatcher)),
        WriteOutcome::Conflict => Err(Refusal::unavailable()),
    }
}

/// Returns a dispatcher.
#[utoipa::path(get, path = "/dispatchers/v1/{id}", tag = "dispatchers", responses((status = 200, body = Dispatcher)))]
pub(crate) async fn get(State(app): Services, caller: Caller, Path(id): Path<String>) -> Answer<Dispatcher> {
    find(&app.store.dispatchers, caller.tenant_id(), &id).await.map(Json)
}

/// Changes the event type, name, description, tags or filter, or switches the dispatcher on or off.
///
/// `id`, `creationTimestamp`, `updateTimestamp`, `version`, `warnings` and `actions` may be sent and are ignored; actions
/// have their own routes.
#[utoipa::path(
    put, path = "/dispatchers/v1/{id}", tag = "dispatchers", request_body = DispatcherChange,
    responses((status = 200, body = Written<Affected>)),
)]
pub(crate) async fn update(
    State(app): Services,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(mut body): JsonBody<Map<String, Value>>,
) -> Answer<Written<Affected>> {
    let actions = body.remove("actions");
    let body: DispatcherChange = read_without(&SERVER_FIELDS, body)?;
    let (tenant, now) = (caller.tenant_id(), app.clock.now());
    let changed = change(&app.store.dispatchers, tenant, &id, |before| before.change(body.clone(), now)).await?;
    let mut warnings = unreachable(tenant, &changed, None, now);
    let is_other = |actions: &Value| serde_json::to_value(&changed.body.actions).is_ok_and(|stored| stored != *actions);
    if actions.as_ref().is_some_and(is_other) {
        let path = format!("/dispatchers/v1/{id}/actions/{{actionId}}");
        warnings.push(format!("`actions` stay as they are: each is changed by itself, under `{path}`"));
    }
    Ok(Json(Written { written: Affected { affected_records: 1 }, warnings }))
}

/// Deletes a dispatcher; runs that have started continue.
#[utoipa::path(delete, path = "/dispatchers/v1/{id}", tag = "dispatchers", responses((status = 200, body = Affected)))]
pub(crate) async fn delete(State(app): Services, caller: Caller, Path(id): Path<String>) -> Answer<Affected> {
    for _ in 0..WRITE_ATTEMPTS {
        let before = find(&app.store.dispatchers, caller.tenant_id(), &id).await?;
        if app.store.dispatchers.write(caller.tenant_id(), Some(&before), None).await? == WriteOutcome::Written {
            return Ok(Json(Affected { affected_records: 1 }));
        }
    }
    Err(Refusal::unavailable())
}

/// Seals a batch of dispatchers with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/dispatchers/v1/rotate", tag = "dispatchers",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(app): Services) -> Answer<Resealed> {
    Ok(Json(app.store.dispatchers.reseal().await?))
}

/// Adds an action to a dispatcher.
#[utoipa::path(
    post, path = "/dispatchers/v1/{id}/actions", tag = "dispatchers", request_body = Action,
    responses((status = 200, body = Written<Action>)),
)]
pub(crate) async fn add_action(
    State(app): Services,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(fields): JsonBody<Map<String, Value>>,
) -> Answer<Written<Action>> {
    let action: Action = read_without(&WARNINGS, fields)?;
    let (tenant, action_id, now) = (caller.tenant_id(), app.ids.hex24(), app.clock.now());
    let add = |before: &Dispatcher| before.add_action(action.clone(), action_id.clone(), now);
    let changed = change(&app.store.dispatchers, tenant, &id, add).await?;
    let warnings = warnings(&app.directory, tenant, &changed, Some(&action_id), now).await;
    let added = changed.body.actions.into_iter().find(|action| action.id == action_id);
    added.map(|written| Json(Written { written, warnings })).ok_or_else(Refusal::internal)
}

/// Changes the given fields of an action, except its type; null removes a field.
#[utoipa::path(
    put, path = "/dispatchers/v1/{id}/actions/{actionId}", tag = "dispatchers", request_body = Action,
    responses((status = 200, body = Written<Affected>)),
)]
pub(crate) async fn update_action(
    State(app): Services,
    caller: Caller,
    Path((id, action_id)): Path<(String, String)>,
    JsonBody(fields): JsonBody<Map<String, Value>>,
) -> Answer<Written<Affected>> {
    check_id("action", &action_id)?;
    let fields: Map<String, Value> = read_without(&WARNINGS, fields)?;
    let (tenant, now) = (caller.tenant_id(), app.clock.now());
    let changed =
        change(&app.store.dispatchers, tenant, &id, |before| before.change_action(&action_id, fields.clone(), now))
            .await?;
    let warnings = warnings(&app.directory, tenant, &changed, Some(&action_id), now).await;
    Ok(Json(Written { written: Affected { affected_records: 1 }, warnings }))
}

/// Removes an action on which no other depends.
#[utoipa::path(
    delete, path = "/dispatchers/v1/{id}/actions/{actionId}", tag = "dispatchers",
    responses((status = 200, body = Affected)),
)]
pub(crate) async fn remove_action(
    State(app): Services,
    caller: Caller,
    Path((id, action_id)): Path<(String, String)>,
) -> Answer<Affected> {
    check_id("action", &action_id)?;
    let now = app.clock.now();
    change(&app.store.dispatchers, caller.tenant_id(), &id, |before| before.remove_action(&action_id, now)).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Reads a body without the fields that are ignored.
fn read_without<T: DeserializeOwned>(ignored: &[&str], mut body: Map<String, Value>) -> Result<T, Refusal> {
    body.retain(|name, _| !ignored.contains(&name.as_str()));
    Ok(json::from_value(Value::Object(body))?)
}

/// Returns a dispatcher, or refuses an unknown id.
pub(super) async fn find(dispatchers: &Dispatchers, tenant: &TenantId, id: &str) -> Result<Dispatcher, Refusal> {
    check_id("dispatcher", id)?;
    dispatchers.get(tenant, id).await?.ok_or_else(|| Refusal::unknown("dispatcher", id))
}

/// Applies a change to a dispatcher, again if it was changed by someone else in the meantime.
async fn change(
    dispatchers: &Dispatchers,
    tenant: &TenantId,
    id: &str,
    change: impl Fn(&Dispatcher) -> Result<Dispatcher, Refusal>,
) -> Result<Dispatcher, Refusal> {
    for _ in 0..WRITE_ATTEMPTS {
        let before = find(dispatchers, tenant, id).await?;
        let after = change(&before)?;
        match dispatchers.write(tenant, Some(&before), Some(&after)).await? {
            WriteOutcome::Written => return Ok(after),
            WriteOutcome::NameTaken => return Err(name_taken(&after)),
            WriteOutcome::Conflict => {}
        }
    }
    Err(Refusal::unavailable())
}

/// Says what of the actions of a dispatcher, or only of the one of an id, is perhaps not what was meant.
async fn warnings(
    directory: &Directory,
    tenant: &TenantId,
    dispatcher: &Dispatcher,
    only: Option<&str>,
    now: Timestamp,
) -> Vec<String> {
    let actions = dispatcher.body.actions.iter().enumerate();
    let actions = actions.filter(|(_, action)| only.is_none_or(|id| action.id == id));
    let lookups: Vec<_> = actions.clone().map(|(index, action)| warning(directory, tenant, index, action)).collect();
    let missing: Vec<_> = stream::iter(lookups).buffered(CONCURRENT_LOOKUPS).collect().await;
    let look_alikes = actions.clone().flat_map(|(index, action)| {
        action.look_alikes(MAX_LOOK_ALIKES).into_iter().map(move |text| format!("`actions[{index}].{text}"))
    });
    let look_alikes = look_alikes.take(MAX_LOOK_ALIKES).collect::<Vec<_>>();
    missing.into_iter().flatten().chain(unreachable(tenant, dispatcher, only, now)).chain(look_alikes).collect()
}

/// Says which filter and which conditions nothing can pass.
fn unreachable(tenant: &TenantId, dispatcher: &Dispatcher, only: Option<&str>, now: Timestamp) -> Vec<String> {
    let filter = only.is_none().then(|| filter_never_matches(dispatcher, tenant, now)).flatten();
    let filter = filter.map(|finding| format!("`filter`: {}", finding.message));
    let actions = dispatcher.body.actions.iter().enumerate();
    let actions = actions.filter(|(_, action)| only.is_none_or(|id| action.id == id));
    let never = actions.take(MAX_CONDITIONS).filter_map(|(index, action)| {
        Some(format!("`actions[{index}].condition`: {}", condition_never_holds(dispatcher, action)?.message))
    });
    filter.into_iter().chain(never).collect()
}

async fn warning(directory: &Directory, tenant: &TenantId, index: usize, action: &Action) -> Option<String> {
    let kind = ActionType::find(&action.kind).ok()?;
    let fields = action.command_fields();
    let (first, _) = kind.naming(&fields).next()?;
    let missing = directory.missing(tenant, kind, &fields).await;
    // The dispatcher is written already, so that a service that does not answer now is no failure.
    let missing = missing.unwrap_or_else(|error| {
        tracing::warn!(error = error.chain(), "what an action names was not looked up");
        Some((first, "a service did not answer, so that nobody knows whether it exists".to_owned()))
    });
    missing.map(|(field, missing)| format!("`actions[{index}].{field}`: {missing}"))
}

fn name_taken(dispatcher: &Dispatcher) -> Refusal {
    Refusal::already_exists("dispatcher", dispatcher.body.name.as_deref().unwrap_or_default())
}

/// Refuses a text that cannot be the id of a resource.
fn check_id(resource: &str, id: &str) -> Result<(), Refusal> {
    match is_id(id) {
        true => Ok(()),
        false => Err(Refusal::id_format(format!("the id of a {resource} is 24 hex digits"))),
    }
}
