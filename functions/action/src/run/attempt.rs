//! One attempt: the request is sent, and its answer read.

use jiff::Timestamp;
use serde_json::Value;
use shared::Error;
use shared::clock::derived_hex24;
use shared::outbound::{Request, Response};
use shared::step::Marked;

use crate::failure::{Failure, FailureType};
use crate::run::prepare::Prepared;
use crate::run::shown::{Received, Sent};
use crate::run::target::Target;
use crate::services::Services;
use crate::store::run::RunRecord;
use crate::{answer, circuit};

/// What came of a request.
pub(crate) struct Exchange {
    /// The output, or why there is none.
    pub(crate) outcome: Result<Value, Failure>,
    /// The answer.
    pub(crate) response: Option<Response>,
    /// Whether the app may have got a request that it did not answer.
    pub(crate) is_unanswered: bool,
}

/// What came of an attempt; what it shows is masked.
pub(crate) struct Tried {
    /// The output, or why there is none.
    pub(crate) outcome: Result<Value, Failure>,
    /// The request, if it was sent.
    pub(crate) sent: Option<Sent>,
    /// The answer.
    pub(crate) received: Option<Received>,
    /// Whether the app may have got a request that it did not answer.
    pub(crate) is_unanswered: bool,
    /// Whether the circuit breaker refused it.
    pub(crate) is_refused: bool,
}

impl Tried {
    /// An attempt that did not get as far as a request.
    pub(crate) fn unsent(failure: Failure) -> Self {
        Self { outcome: Err(failure), sent: None, received: None, is_unanswered: false, is_refused: false }
    }
}

/// Returns what every attempt at a run says to an app that looks at it: the same for all attempts at the same step.
pub(crate) fn idempotency_key(record: &RunRecord, target: &Target) -> String {
    let app = target.place.access_tag.as_str().as_bytes();
    match &record.origin {
        Some(origin) => {
            let step = &origin.step;
            let parts = [step.event_id.as_str(), step.dispatcher_id.as_str(), &step.step];
            derived_hex24(&[parts[0].as_bytes(), parts[1].as_bytes(), parts[2].as_bytes(), app])
        }
        None => derived_hex24(&[record.action_run_id.as_bytes(), app]),
    }
}

/// Sends a request and reads its answer.
pub(crate) async fn exchange(services: &Services, target: &Target, request: Request) -> Exchange {
    match services.outbound.send(request).await {
        Ok(response) => Exchange {
            outcome: answer::read(&response, services.clock.now()),
            response: Some(response),
            is_unanswered: false,
        },
        Err(error) => {
            let outcome = Err(answer::failure(&error, target.is_repeatable()));
            Exchange { outcome, response: None, is_unanswered: error.may_have_arrived() }
        }
    }
}

/// Makes an attempt, unless the circuit of the app's environment is open.
pub(crate) async fn attempt(
    services: &Services,
    target: &Target,
    prepared: &Prepared,
    record: &mut RunRecord,
    deadline: Timestamp,
) -> Result<Tried, Error> {
    if let Err(failure) = circuit::admit(services, &target.place, &target.app.circuit).await? {
        return Ok(Tried { is_refused: true, ..Tried::unsent(failure) });
    }
    let marked = mark_effect(services, target, record).await?;
    let mut request = prepared.request.clone();
    let left = deadline.duration_since(services.clock.now());
    request.timeout = request.timeout.min(left.try_into().unwrap_or_default());
    let masks = &prepared.masks;
    let sent = Sent::of(&request, masks);
    marked.acts()?;
    let Exchange { outcome, response, is_unanswered } = exchange(services, target, request).await;
    if let Err(error) = circuit::note(services, &target.place, &target.app.circuit, outcome.as_ref().err()).await {
        // The run goes on all the same: its request was sent.
        tracing::error!(error = error.chain(), "how a request ended was not noted for its circuit");
    }
    let outcome = match outcome {
        Ok(output) => Ok(masks.value(&output)),
        Err(failure) => Err(Failure { message: masks.text(&failure.message), ..failure }),
    };
    let received = response.map(|response| Received::of(&response, masks));
    Ok(Tried { outcome, sent: Some(sent), received, is_unanswered, is_refused: false })
}

/// Marks that the outside world may notice the run from now on, unless it does no harm to notice it twice.
async fn mark_effect(services: &Services, target: &Target, record: &mut RunRecord) -> Result<Marked, Error> {
    if target.is_repeatable() || record.claim.as_ref().is_none_or(|claim| claim.effect) {
        return Ok(Marked::default());
    }
    let marked = services.runs.mark_effect(record).await?;
    let marked = marked.ok_or_else(|| Error::new("run an action", "another process has taken the run over"))?;
    if let Some(claim) = &mut record.claim {
        claim.effect = true;
    }
    Ok(marked)
}

/// The failure of a run whose time is over.
pub(crate) fn out_of_time() -> Failure {
    Failure::new(FailureType::Timeout, "the time of the run was over before another request could be sent")
}
