//! What scripts publish and start: `hookyard.publish` and `hookyard.startTask`.
//!
//! The ids derive from the task, the call and what it says, so that a task in the place of another one publishes the
//! same event under the same id, which runs nothing twice.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::bus::{Bus, Entry};
use shared::clock::{Clock, derived_hex24, derived_uuid};
use shared::event::fact::{CUSTOM_SOURCE, check_published};
use shared::event::{Envelope, EventId, EventType, TenantId, Trace};
use shared::scheduler::Scheduler;
use shared::{Error, Refusal};

use crate::function_body::check_name;
use crate::new_task::{NewTask, check_data};
use crate::on_task_due;
use crate::runner::credentials;
use crate::runner::share;
use crate::sandbox::{Call, CallError, CallKind, Calls};
use crate::store::function::Functions;
use crate::store::task::{Task, Tasks};

/// The longest key of an event, in bytes.
const KEY_LIMIT_BYTES: usize = 255;

/// Does what scripts call for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Emitter {
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) functions: Functions,
    pub(crate) bus: Bus,
    pub(crate) scheduler: Scheduler,
    pub(crate) clock: Clock,
    /// How many events and steps a first event may cause.
    pub(crate) event_budget: u64,
}

/// Whose script calls.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) tenant: TenantId,
    pub(crate) function_name: String,
    /// The id of the work: of the task, or the first one in whose place it runs, or of the request.
    pub(crate) id: String,
    /// Where what it causes comes from, with the budget of all that its script causes.
    pub(crate) trace: Trace,
    /// How many tasks ran before it in its place, and whether another one may follow.
    pub(crate) attempt: (usize, bool),
}

/// An event as a script publishes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewEvent {
    #[serde(rename = "type")]
    kind: EventType,
    #[serde(default = "empty_object")]
    content: Value,
    /// The same key from the same function is the same event.
    idempotency_key: Option<String>,
}

impl Origin {
    /// The script of a task, in whose place another one may run after it.
    pub(crate) fn of_task(task: &Task, is_retried: bool) -> Self {
        let earlier = task.retry_for_task_ids.len();
        Self {
            tenant: task.tenant_id.clone(),
            function_name: task.function_name.clone(),
            id: task.first_id().to_owned(),
            trace: task.trace(),
            attempt: (earlier, is_retried && earlier < crate::retry::MOST),
        }
    }

    /// The script of a request to an API function.
    pub(crate) fn of_request(tenant: &TenantId, function_name: &str, id: &str) -> Self {
        Self {
            tenant: tenant.clone(),
            function_name: function_name.to_owned(),
            id: id.to_owned(),
            trace: Trace::start(&EventId::new(id)),
            attempt: (0, false),
        }
    }
}

impl Emitter {
    /// Returns what does the calls of one script.
    pub(crate) fn calls(&self, origin: Origin) -> Calls {
        let (emitter, origin) = (self.clone(), Arc::new(origin));
        Arc::new(move |call, number| {
            let (emitter, origin) = (emitter.clone(), origin.clone());
            Box::pin(async move {
                let done = match call.kind {
                    CallKind::Publish => emitter.publish(&origin, &call, number).await,
                    CallKind::StartTask => emitter.start_task(&origin, &call, number).await,
                };
                done.map(|id| json!({ "id": id }).to_string()).map_err(Failed::into_error)
            })
        })
    }

    async fn publish(&self, origin: &Origin, call: &Call, number: u32) -> Result<String, Failed> {
        let event: NewEvent = shared::json::read(call.body.as_bytes())?;
        check_published(&event.kind)?;
        let tenant = origin.tenant.as_str().as_bytes();
        let id = match event.idempotency_key.as_deref() {
            Some(key) if !(1..=KEY_LIMIT_BYTES).contains(&key.len()) => {
                let rule = format!("must have 1 to {KEY_LIMIT_BYTES} bytes");
                return Err(Refusal::field("idempotencyKey", rule).into());
            }
            Some(key) => derived_uuid(&[b"keyed event", tenant, origin.function_name.as_bytes(), key.as_bytes()]),
            None => derived_uuid(&[b"event of script", tenant, &work(origin, call, number)]),
        };
        let (id, now) = (EventId::new(id.to_string()), self.clock.now());
        let budget = self.share(origin, number).saturating_sub(1);
        let envelope = Envelope::new(event.kind, id.clone(), origin.tenant.clone(), now, event.content);
        let envelope = envelope.with_trace(Trace { budget: Some(budget), ..origin.trace.clone() });
        // A script can publish what a step handed on.
        let entry = Entry::sealed(CUSTOM_SOURCE, &envelope).map_err(|error| Refusal::too_large(error.to_string()))?;
        self.bus.publish(vec![entry]).await?;
        Ok(id.to_string())
    }

    async fn start_task(&self, origin: &Origin, call: &Call, number: u32) -> Result<String, Failed> {
        let mut new: NewTask = shared::json::read(call.body.as_bytes())?;
        let (tenant, now) = (&origin.tenant, self.clock.now());
        check_name("functionName", &new.function_name)?;
        let function = self.functions.recent(tenant, &new.function_name).await?;
        let function = function.ok_or_else(|| Refusal::unknown("function", &new.function_name))?;
        if !function.enabled {
            return Err(Refusal::illegal_state(format!("the function `{}` is disabled", function.name)).into());
        }
        new.priority = new.priority.or(function.default_priority());
        let depth = origin.trace.depth + 1;
        if depth > Trace::MAX_DEPTH {
            let message = format!("tasks and events have started one another {} times", Trace::MAX_DEPTH);
            return Err(Failed::Theirs(CallError::new("LoopDetected", message)));
        }
        // The task is paid for, and the fact that it fails.
        let Some(budget) = self.share(origin, number).checked_sub(2) else {
            let message = "what the first event or task of this chain may cause is used up";
            return Err(Failed::Theirs(CallError::new("BudgetExhausted", message)));
        };
        let id = derived_hex24(&[b"task of script", tenant.as_str().as_bytes(), &work(origin, call, number)]);
        let mut task = new.into_task(id, tenant.clone(), now, self.tasks.store().expires_at(now))?;
        check_data(&task.data)?;
        task.created_by_application_id = Some(credentials::client_id(&origin.function_name));
        task.trace = Some(Trace { depth, budget: Some(budget), ..origin.trace.clone() });
        on_task_due::submit(&self.tasks, &self.bus, &self.scheduler, &self.clock, &task).await?;
        Ok(task.task_id)
    }

    /// The part of the budget that a call has.
    fn share(&self, origin: &Origin, number: u32) -> u64 {
        let (earlier, may_be_followed) = origin.attempt;
        let budget = origin.trace.budget.unwrap_or(self.event_budget);
        share::of_call(share::of_attempt(budget, earlier, may_be_followed), number)
    }
}

/// Which work a call is part of, and what it says.
fn work(origin: &Origin, call: &Call, number: u32) -> Vec<u8> {
    [origin.id.as_bytes(), b"/", number.to_string().as_bytes(), b"/", call.body.as_bytes()].concat()
}

/// Why a call was not done.
enum Failed {
    /// The script asked for what cannot be done.
    Theirs(CallError),
    /// AWS failed.
    Ours(Error),
}

impl Failed {
    fn into_error(self) -> CallError {
        match self {
            Self::Theirs(error) => error,
            Self::Ours(error) => {
                tracing::error!(error = error.chain(), "a call of a script failed");
                CallError::new(
                    "ServiceUnreachable",
                    "a service behind this one is not answering; it may have been done",
                )
            }
        }
    }
}

impl From<Refusal> for Failed {
    /// A script sees the name of a refusal as errors in JavaScript are named: `FIELD_FORMAT_EXCEPTION` as `FieldFormat`.
    fn from(refusal: Refusal) -> Self {
        let words = refusal.name.trim_end_matches("_EXCEPTION").split('_');
        let name = words.map(|word| word[..1].to_owned() + &word[1..].to_ascii_lowercase()).collect::<String>();
        Self::Theirs(CallError { name, message: refusal.message })
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

fn empty_object() -> Value {
    Value::Object(Map::new())
}
