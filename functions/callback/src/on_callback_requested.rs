//! The command `callback.requested`: a step creates a callback, or waits for one.
//!
//! Neither acts on the outside world, and doing either again changes nothing: the id of a callback derives from its
//! step, and a step waits once.

use jiff::Timestamp;
use shared::Error;
use shared::bus::Bus;
use shared::clock::{self, Clock};
use shared::event::{Answer, Received, RecordKind, StepError, StepRequested};
use shared::scheduler::Scheduler;
use shared::step::{Origin, perform};

use crate::action::Action;
use crate::creation;
use crate::ending::{self, NOT_FOUND};
use crate::expiry;
use crate::schema::Checks;
use crate::store::{CallbackSpec, CallbackState, Store};
use crate::url::Urls;

/// How often a step tries to wait when the callback ends at the same time.
const ATTEMPTS: u32 = 3;

/// Does a step and answers it.
pub(crate) async fn handle(
    store: &Store,
    bus: &Bus,
    scheduler: &Scheduler,
    urls: &Urls,
    checks: &Checks,
    clock: &Clock,
    command: &Received,
) -> Result<(), Error> {
    let now = clock.now();
    perform(bus, clock, command, async |origin, request: StepRequested<Received>| {
        let action = match Action::read(request.action) {
            Ok(Action::Create { schema: Some(schema), lifetime }) => {
                checks.check_schema(&schema).await?.map(|()| Action::Create { schema: Some(schema), lifetime })
            }
            read => read,
        };
        let answer = match action {
            Ok(Action::Create { schema, lifetime }) => {
                let spec = CallbackSpec {
                    id: clock::derived_uuid(&[b"callback", origin.step.record_id().as_bytes()]).to_string(),
                    tenant_id: origin.command.tenant_id.clone(),
                    schema,
                    deadline: lifetime.map(|lifetime| expiry::deadline(lifetime, now)),
                    created_by: Some(origin.command),
                };
                create(store, scheduler, urls, now, spec).await?
            }
            Ok(Action::Wait { id }) => wait(store, bus, now, &origin, &id).await?,
            Err(rule) => Answer::failed(StepError::bad_request(rule)),
        };
        Ok(Some(answer.into()))
    })
    .await
}

async fn create(
    store: &Store,
    scheduler: &Scheduler,
    urls: &Urls,
    now: Timestamp,
    spec: CallbackSpec,
) -> Result<Answer, Error> {
    let Some(url) = urls.configured() else {
        let message = "BASE_URL is not set, so the URL of the callback is unknown";
        return Ok(Answer::failed(StepError::invocation("BaseUrlMissing", message)));
    };
    let id = spec.id.clone();
    let created = creation::create(store, scheduler, &url, now, spec).await?;
    let answer = serde_json::to_value(created).map(Answer::succeeded).map_err(Error::cannot("write an output"))?;
    Ok(answer.with_record(RecordKind::Callback, id))
}

async fn wait(store: &Store, bus: &Bus, now: Timestamp, origin: &Origin, id: &str) -> Result<Answer, Error> {
    for _ in 0..ATTEMPTS {
        let callback = ending::current(store, bus, now, id).await?;
        let Some(callback) = callback.filter(|callback| callback.tenant_id == origin.command.tenant_id) else {
            return Ok(Answer::failed(StepError::invocation("CallbackUnknown", NOT_FOUND)));
        };
        if callback.state != CallbackState::Waiting {
            return ending::answer(store, &callback).await;
        }
        if store.wait(id, origin).await? {
            return Ok(Answer::waiting().with_record(RecordKind::Callback, callback.callback_id));
        }
    }
    // It still waits and takes no further step: only their number can be the reason.
    let message = "too many steps wait for this callback";
    Ok(Answer::failed(StepError::invocation("TooManyWaiters", message)))
}
