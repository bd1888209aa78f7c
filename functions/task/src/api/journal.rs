//! Journals of tasks over HTTP: shown, and run again.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::auth::{Caller, Permission};
use shared::event::StepError;
use shared::http::ErrorBody;
use shared::{Refusal, json};

use super::tasks::known;
use crate::replay::kept::{Journaled, Kept};
use crate::replay::mask::Mask;
use crate::replay::{self, Replayed};
use crate::sandbox::exchange::{FetchError, FetchResponse};
use crate::sandbox::journal::{Asked, Event, Journal, What};
use crate::sandbox::{CallError, CallKind};
use crate::services::Services;
use crate::store::function::Function;
use crate::store::task::{Status, Task};

/// How many requests are shown.
const MAX_REQUESTS: usize = 500;
/// How much of a body is shown, and of all of them together.
const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_BODIES_BYTES: usize = 1024 * 1024;

/// Whether there is a journal of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
enum JournalState {
    /// There is one.
    Recorded,
    /// The script has read more than a journal holds.
    TooLarge,
    /// The script ran in a realm that earlier tasks of its function had used.
    Warm,
    /// The function keeps none, or the script did not end by itself.
    Off,
    /// It could not be written.
    Lost,
}

/// What the script of a task read from outside, with secrets masked.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JournalView {
    /// Whether there is a journal; without one, nothing else is known.
    state: JournalState,
    /// When the script was started.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    start_timestamp: Option<Timestamp>,
    /// The size of the journal as it is kept.
    size_bytes: usize,
    /// How often the script read the clock.
    clock_readings: u64,
    /// Whether it asked for random values.
    random: bool,
    /// How often one of its timers was due.
    timers: u64,
    /// Its requests, the first 500 of them.
    requests: Vec<RequestView>,
    /// What it asked for through the module `hookyard`.
    calls: Vec<CallView>,
}

/// A request of a script.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct RequestView {
    /// The method.
    method: String,
    /// The URL.
    url: String,
    /// The size of its body.
    body_bytes: usize,
    /// The answer; absent if it failed, was given up, or had not come when the script ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<ResponseView>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

/// An event that a script published, or a task that it started.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct CallView {
    /// What it was.
    kind: CallKind,
    /// The size of the event or the task as JSON.
    body_bytes: usize,
    /// What the script got; absent if it failed, or had not come when the script ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    answer: Option<Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

/// The answer to a request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct ResponseView {
    /// The status.
    status: u16,
    /// The headers by their names.
    headers: Vec<(String, String)>,
    /// The size of the body.
    body_bytes: usize,
    /// The beginning of a body that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// How a task is run again.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// Another script to run from the journal, or a zip archive in base64; needs the permission to change functions.
    code: Option<String>,
}

/// Shows what the script of a task read from outside; needs the permission to view functions as well.
#[utoipa::path(
    get, path = "/tasks/v1/{id}/journal", tag = "tasks",
    responses((status = 200, description = "The journal, with secrets masked.", body = JournalView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JournalView>, Refusal> {
    caller.require(Permission::ViewTaskFunctionDetails.name())?;
    let task = known(&services.tasks, &caller, &id).await?;
    let state = match ended(&task)? {
        Journaled::Here(_) | Journaled::Apart => JournalState::Recorded,
        Journaled::TooLarge => JournalState::TooLarge,
        Journaled::Warm => JournalState::Warm,
        Journaled::Off => JournalState::Off,
        Journaled::Lost => JournalState::Lost,
    };
    if state != JournalState::Recorded {
        return Ok(Json(JournalView::without(state)));
    }
    let kept = kept(&services, &task).await?;
    let function = replay::function(&services.functions, &task).await?;
    Ok(Json(JournalView::new(&kept, &mask(&kept, function))))
}

/// Runs the script of a task again from its journal; nothing outside is touched.
///
/// Needs the permission to view functions as well, and that to change functions for another `code`.
#[utoipa::path(
    post, path = "/tasks/v1/{id}/replay", tag = "tasks", request_body = Option<ReplayBody>,
    responses(
        (status = 200, description = "How it ended, and whether that is how the task did.", body = Replayed),
        (status = 400, description = "The task has no journal, or what ran is not there any more.", body = ErrorBody),
    )
)]
pub(crate) async fn replay(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Replayed>, Refusal> {
    let body: ReplayBody = if body.is_empty() { ReplayBody::default() } else { json::read(&body)? };
    caller.require(Permission::ViewTaskFunctionDetails.name())?;
    if body.code.is_some() {
        // The script gets the real values of the variables.
        caller.require(Permission::UpdateTaskFunction.name())?;
    }
    let task = known(&services.tasks, &caller, &id).await?;
    let kept = kept(&services, &task).await?;
    replay::replay(&services, &task, &kept, body.code).await.map(Json)
}

/// What the record of a task that has run says of its journal.
fn ended(task: &Task) -> Result<&Journaled, Refusal> {
    match (&task.journal, task.status) {
        (Some(journal), _) => Ok(journal),
        (None, Status::New | Status::Canceled) => Err(Refusal::illegal_state("the task has not run")),
        (None, Status::InProgress) => Err(Refusal::illegal_state("the task is still running")),
        (None, _) => Ok(&Journaled::Off),
    }
}

async fn kept(services: &Services, task: &Task) -> Result<Kept, Refusal> {
    match ended(task)? {
        Journaled::Here(text) => replay::readable(Some(text)),
        Journaled::Apart => {
            let text = services.tasks.store().journals().read(task).await;
            replay::readable(
                text.inspect_err(|error| tracing::error!(error = error.chain(), "no journal"))
                    .ok()
                    .flatten()
                    .as_deref(),
            )
        }
        Journaled::TooLarge => Err(Refusal::illegal_state("the task has no journal: it read more than one holds")),
        Journaled::Warm => Err(Refusal::illegal_state(
            "the task has no journal: it ran in a realm that earlier tasks of its function had used, and may depend on what \
             they left there",
        )),
        Journaled::Off => Err(Refusal::illegal_state(
            "the task has no journal: its function keeps none, or its script did not end by itself",
        )),
        Journaled::Lost => Err(Refusal::illegal_state("the task has no journal: it could not be written")),
    }
}

/// Masks the variables that the script had, and everything if they are not known any more.
fn mask(kept: &Kept, function: Option<Function>) -> Mask {
    let variables = function.map(|function| function.environment_variables).into_iter().flatten();
    let variables = variables.map(|(name, variable)| (name, variable.value)).collect();
    if kept.had_variables(&variables) { Mask::new(&variables) } else { Mask::Everything }
}

impl JournalView {
    fn without(state: JournalState) -> Self {
        let (requests, calls, start_timestamp) = (Vec::new(), Vec::new(), None);
        Self { state, start_timestamp, size_bytes: 0, clock_readings: 0, random: false, timers: 0, requests, calls }
    }

    fn new(kept: &Kept, mask: &Mask) -> Self {
        let journal = Journal::unpack(&kept.packed).unwrap_or_default();
        let (mut fetched, mut called, mut timers) = (HashMap::new(), HashMap::new(), 0);
        for event in journal.events() {
            match event {
                Event::Timer(_) => timers += 1,
                Event::Fetched { fetch, result } => drop(fetched.insert(fetch, result)),
                Event::Called { call, result } => drop(called.insert(call, result)),
                Event::Stopped(_) => {}
            }
        }
        let (mut requests, mut calls, mut room) = (Vec::new(), Vec::new(), MAX_BODIES_BYTES);
        for Asked { id, what, body_bytes, .. } in journal.asked() {
            match what {
                What::Request { method, url } if requests.len() < MAX_REQUESTS => {
                    let request = RequestView { method, url: mask.url(&url), body_bytes, response: None, error: None };
                    requests.push(request.ended(fetched.remove(&id), mask, &mut room));
                }
                What::Request { .. } => {}
                What::Call(kind) => calls.push(CallView::new(kind, body_bytes, called.remove(&id), mask)),
            }
        }
        Self {
            state: JournalState::Recorded,
            start_timestamp: Timestamp::from_millisecond(journal.started_ms).ok(),
            size_bytes: kept.packed.len(),
            clock_readings: journal.clock_readings(),
            random: journal.seed.is_some(),
            timers,
            requests,
            calls,
        }
    }
}

impl RequestView {
    fn ended(self, end: Option<Result<FetchResponse, FetchError>>, mask: &Mask, room: &mut usize) -> Self {
        match end {
            Some(Ok(response)) => {
                let headers = response.headers.iter();
                let response = ResponseView {
                    status: response.status,
                    headers: headers.map(|(name, value)| (name.clone(), mask.header(name, value))).collect(),
                    body_bytes: response.body.len(),
                    body: shown(&response.body, mask, room),
                };
                Self { response: Some(response), ..self }
            }
            Some(Err(error)) => Self { error: Some(failure(error.name, &error.message, mask)), ..self },
            None => self,
        }
    }
}

impl CallView {
    fn new(kind: CallKind, body_bytes: usize, end: Option<Result<String, CallError>>, mask: &Mask) -> Self {
        let (answer, error) = match end {
            Some(Ok(answer)) => (json::foreign(answer.as_bytes()).ok().map(|answer| mask.json(&answer)), None),
            Some(Err(error)) => (None, Some(failure(error.name, &error.message, mask))),
            None => (None, None),
        };
        Self { kind, body_bytes, answer, error }
    }
}

fn failure(name: String, message: &str, mask: &Mask) -> StepError {
    StepError { kind: None, name, message: mask.text(message) }
}

/// The beginning of a body that is text, masked before it is cut.
fn shown(body: &[u8], mask: &Mask, room: &mut usize) -> Option<String> {
    let mut text = mask.body(std::str::from_utf8(body).ok()?);
    text.truncate(text.floor_char_boundary(MAX_BODY_BYTES.min(*room)));
    *room -= text.len();
    Some(text)
}
