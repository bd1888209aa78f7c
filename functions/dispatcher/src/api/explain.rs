//! Why an event started runs of some dispatchers and not of others.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use serde_json::Value;
use shared::auth::{Caller, Permission};
use shared::event::{DispatcherId, EventId, EventType, TenantId};
use shared::http::{JsonBody, List};
use shared::rql::Rql;
use shared::{Refusal, json};
use utoipa::ToSchema;

use super::dispatchers::find;
use super::{Answer, Services};
use crate::App;
use crate::budget::Share;
use crate::decision::decide;
use crate::dispatcher::explain::{ExplainedEvent, Explanation};
use crate::dispatcher::{CompiledDispatcher, Dispatcher};
use crate::event::Event;
use crate::rehearsal::{RehearsedStep, rehearse};
use crate::run::Run;
use crate::store::{EventRecord, MatchOutcome};

/// Of how many steps a page of explanations tells what they would do.
const MAX_STEPS: usize = 300;

/// Whether an event starts a run of a dispatcher, and what its steps would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    #[serde(flatten)]
    explanation: Explanation,
    /// What the steps of the run would do: which start, which are skipped or fail before they start, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<RehearsedStep>,
}

/// Whether an event started a run of one of the dispatchers, and why not.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedDispatcher {
    dispatcher_id: DispatcherId,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatcher_name: Option<String>,
    /// The type of the events to which it reacts; absent for a dispatcher that was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<EventType>,
    #[serde(flatten)]
    explanation: Explanation,
    /// What the steps of the run would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<RehearsedStep>,
    /// Whether the page had no room left for its steps.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    steps_left_out: bool,
}

/// What is known of an event that is explained.
struct Recorded {
    record: EventRecord,
    runs: Vec<Run>,
}

/// Explains whether an event starts a run of a dispatcher, and if not, which clause failed and what would match.
///
/// The event is one that was recorded, `{"eventId": "…"}`, which needs the permission `VIEW_EVENTS` as well, or any other
/// as it would be if it were published now: its `type`, and as much of the envelope as the filter and the templates need.
#[utoipa::path(
    post, path = "/dispatchers/v1/{id}/explain", tag = "dispatchers", request_body(
        content = ExplainedEvent,
        example = json!({"type": "order_paid", "content": {"order": 2, "total": 20}}),
    ),
    responses((status = 200, body = Explained)),
)]
pub(crate) async fn explain(
    State(app): Services,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(event): JsonBody<ExplainedEvent>,
) -> Answer<Explained> {
    let tenant = caller.tenant_id();
    let dispatcher = find(&app.store.dispatchers, tenant, &id).await?;
    let recorded = match event.recorded()? {
        Some(event_id) => {
            caller.require(Permission::ViewEvents.name())?;
            Some(recorded(&app, tenant, &event_id).await?)
        }
        None => None,
    };
    let event = match &recorded {
        Some(recorded) => recorded.record.event.clone(),
        None => Arc::new(Event::new(event.envelope(tenant, || app.ids.uuid().to_string(), app.clock.now())?)),
    };
    let (outcome, share) = outcome(&app, tenant, &event).await?;
    let mut explanation = Explanation::new(&dispatcher, tenant, &event, outcome)?;
    let run = recorded.as_ref().and_then(|recorded| recorded.run(&dispatcher.id));
    if let Some(recorded) = &recorded {
        explanation = explanation.of_record(&dispatcher, &recorded.record, run.is_some());
    }
    let answers = run.filter(|_| sees_answers(&caller));
    let steps = match explanation.matches() {
        true => steps(&app, dispatcher, &event, share, answers)?,
        false => Vec::new(),
    };
    Ok(Json(Explained { explanation, steps }))
}

/// Explains an event that was recorded to every dispatcher: which fired, which did not, and why.
///
/// Those that fired come first, then those that would match, then the others of its type. The query string is RQL, such as
/// `eq(fired,false)&eq(eventType,order_paid)`. It needs the permission `VIEW_EVENTS` as well.
#[utoipa::path(
    get, path = "/runs/{eventId}/explain", tag = "runs",
    responses((status = 200, body = List<ExplainedDispatcher>)),
)]
pub(crate) async fn explain_event(
    State(app): Services,
    caller: Caller,
    Path(event_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<List<Value>> {
    caller.require(Permission::ViewEvents.name())?;
    let query = Rql::parse::<ExplainedDispatcher>(query.as_deref())?;
    let tenant = caller.tenant_id();
    let recorded = recorded(&app, tenant, &EventId::new(event_id)).await?;
    let event = recorded.record.event.clone();
    let dispatchers = app.store.dispatchers.all(tenant).await?;
    let (outcome, share) = outcome(&app, tenant, &event).await?;
    let all = recorded.explanations(&dispatchers, tenant, outcome)?;
    let List { query: echo, page, data } = query.page(&all)?;
    let (mut shown, mut left) = (Vec::new(), MAX_STEPS);
    for item in data {
        let mut item = item.clone();
        let dispatcher = dispatchers.iter().find(|one| one.id == item.dispatcher_id);
        if let Some(dispatcher) = dispatcher.filter(|_| item.explanation.matches()) {
            let count = dispatcher.body.actions.len();
            item.steps_left_out = count > left;
            if !item.steps_left_out {
                left -= count;
                let answers = recorded.run(&dispatcher.id).filter(|_| sees_answers(&caller));
                item.steps = steps(&app, dispatcher.clone(), &event, share, answers)?;
            }
        }
        shown.push(query.show(&item)?);
        tokio::task::yield_now().await;
    }
    Ok(Json(List { query: echo, page, data: shown }))
}

/// Whether a client may see what steps have answered.
pub(super) fn sees_answers(caller: &Caller) -> bool {
    caller.require(Permission::ViewRuns.name()).is_ok()
}

async fn recorded(app: &App, tenant: &TenantId, event_id: &EventId) -> Result<Recorded, Refusal> {
    let found = app.store.events.with_runs(event_id).await?;
    let found = found.filter(|(record, _)| record.event.envelope.tenant_id == *tenant);
    let (record, runs) = found.ok_or_else(|| Refusal::unknown("event", event_id.as_str()))?;
    Ok(Recorded { record, runs })
}

/// Returns the outcome of matching an event now, and what each step of its runs may cause.
async fn outcome(app: &App, tenant: &TenantId, event: &Event) -> Result<(MatchOutcome, Share), Refusal> {
    let set = app.store.dispatchers.of_type(tenant, &event.envelope.kind).await?;
    let decision = decide(&set, event, app.event_budget);
    Ok((decision.outcome, decision.share))
}

/// Returns what the steps of a run would do, without their commands.
fn steps(
    app: &App,
    dispatcher: Dispatcher,
    event: &Arc<Event>,
    share: Share,
    answers: Option<&Run>,
) -> Result<Vec<RehearsedStep>, Refusal> {
    let size_bytes = json::size_bytes(&dispatcher);
    let compiled = CompiledDispatcher::new(dispatcher, size_bytes);
    let compiled = compiled.map_err(|error| Refusal::illegal_state(error.to_string()))?;
    let steps = rehearse(&compiled, event, share, answers, app.clock.now());
    Ok(steps.into_iter().map(|step| RehearsedStep { command: None, ..step }).collect())
}

impl Recorded {
    /// Returns the run of a dispatcher.
    fn run(&self, id: &DispatcherId) -> Option<&Run> {
        self.runs.iter().find(|run| run.dispatcher_id == *id)
    }

    /// Explains the event to every dispatcher, also to those that have started a run and were deleted since.
    fn explanations(
        &self,
        dispatchers: &[Dispatcher],
        tenant: &TenantId,
        outcome: MatchOutcome,
    ) -> Result<Vec<ExplainedDispatcher>, Refusal> {
        let fired: HashSet<&DispatcherId> = self.runs.iter().map(|run| &run.dispatcher_id).collect();
        let explained = dispatchers.iter().map(|dispatcher| {
            let explanation = Explanation::new(dispatcher, tenant, &self.record.event, outcome)?;
            let fired = fired.contains(&dispatcher.id);
            Ok(ExplainedDispatcher {
                dispatcher_id: dispatcher.id.clone(),
                dispatcher_name: dispatcher.body.name.clone(),
                event_type: Some(dispatcher.body.event_type.clone()),
                explanation: explanation.of_record(dispatcher, &self.record, fired),
                steps: Vec::new(),
                steps_left_out: false,
            })
        });
        let mut all: Vec<ExplainedDispatcher> = explained.collect::<Result<_, Refusal>>()?;
        let known: HashSet<&DispatcherId> = dispatchers.iter().map(|dispatcher| &dispatcher.id).collect();
        all.extend(self.runs.iter().filter(|run| !known.contains(&run.dispatcher_id)).map(|run| ExplainedDispatcher {
            dispatcher_id: run.dispatcher_id.clone(),
            dispatcher_name: run.dispatcher_name.clone(),
            event_type: None,
            explanation: Explanation::deleted(),
            steps: Vec::new(),
            steps_left_out: false,
        }));
        all.sort_by_key(|item| {
            let is_of_type = item.event_type.as_ref() == Some(&self.record.event.envelope.kind);
            (!fired.contains(&item.dispatcher_id), !item.explanation.matches(), !is_of_type)
        });
        Ok(all)
    }
}
