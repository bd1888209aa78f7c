//! One script in a worker, from its start to what is known of its end.

use std::sync::Arc;
use std::time::Duration;

use shared::Error;
use shared::clock::Clock;
use shared::event::StepError;
use shared::outbound::Outbound;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::calls::{Answering, Calls};
use super::console::Log;
use super::failure;
use super::journal::Recording;
use super::message::{Said, ToWorker, Work};
use super::presence::Present;
use super::process::Process;
use super::requests::{FirstEffect, Requests};
use super::script::{BeforeEffect, Script};
use super::stop::Reason;

/// How long after its time limit, or after it was told to stop, a script may take to stop before it is given up.
const GRACE: Duration = Duration::from_secs(2);

/// What is known of a script's end.
pub(super) enum Ended {
    /// It has ended, with this result as JSON.
    Reported(Result<String, StepError>, Recording),
    /// The worker has ended before it; `has_acted` tells whether it may have sent a request.
    Lost { has_acted: bool },
    /// The worker takes no scripts any more.
    Refused(Present),
}

/// What a script reaches through this process.
#[derive(Clone)]
pub(super) struct Reach {
    /// Sends its requests.
    pub(super) outbound: Outbound,
    /// Does its calls.
    pub(super) calls: Calls,
    /// Is called before the first of both.
    pub(super) before_effect: BeforeEffect,
    /// The threads that its requests are sent on, if not those of the script's supervision.
    pub(super) sending: Option<Handle>,
}

/// Starts a script in a worker and waits for its end; dropping the future stops it.
///
/// # Errors
///
/// When the effect of its first request could not be marked: the request was not sent, and the script was stopped.
pub(super) async fn supervise(
    process: &Arc<Process>,
    present: Present,
    script: &Script,
    work: Work,
    clock: &Clock,
    log: &Log,
    reach: Reach,
) -> Result<Ended, Error> {
    let (id, heard) = match process.enter(present) {
        Ok(entered) => entered,
        Err(present) => return Ok(Ended::Refused(present)),
    };
    let mut guard = Guard { process: process.clone(), id, heard: Some(heard) };
    log.restart();
    let first_effect = FirstEffect::new(reach.before_effect);
    let mut requests = Requests::new(reach.outbound, first_effect.clone(), reach.sending);
    let mut calls = Answering::new(reach.calls, first_effect.clone());
    let limit = script.time_limit() + GRACE;
    let start = ToWorker::Start { id, script: script.clone(), work };
    let mut told = process.tell(&start).await?;
    let mut patience = Box::pin(tokio::time::sleep(limit));
    let mut was_stopped = false;
    while told {
        tokio::select! {
            biased;
            said = guard.hear() => match said {
                Some(Said::Done { result, recording }) => {
                    guard.heard = None;
                    return Ok(Ended::Reported(result.map_err(Into::into), recording));
                }
                Some(Said::Fetch { fetch, request }) => requests.start(fetch, request),
                Some(Said::AbortFetch { fetch }) => requests.abort(fetch),
                Some(Said::Call { id, call }) => calls.start(id, call),
                Some(Said::Print { text }) => if !log.print(clock.now(), text) {
                    told = process.tell(&ToWorker::Stop { id, reason: Reason::Output }).await?;
                },
                Some(Said::Note { text }) => log.keep(clock.now(), text),
                None => break,
            },
            Some((fetch, outcome)) = requests.next() => {
                told = process.tell(&ToWorker::Fetched { id, fetch, result: outcome? }).await?;
            }
            Some((call, outcome)) = calls.next() => {
                told = process.tell(&ToWorker::Called { id, call, result: outcome? }).await?;
            }
            () = &mut patience => {
                if was_stopped {
                    tracing::error!("a script does not stop, so its thread is given up");
                    process.give_up(id);
                    guard.heard = None;
                    let error = failure::stopped(Reason::Time, &script.limits);
                    return Ok(Ended::Reported(Err(error), Recording::Off));
                }
                was_stopped = true;
                patience.set(tokio::time::sleep(GRACE));
                told = process.tell(&ToWorker::Stop { id, reason: Reason::Time }).await?;
            }
        }
    }
    guard.heard = None;
    Ok(Ended::Lost { has_acted: first_effect.has_happened() })
}

/// Stops a script that nobody waits for any more.
struct Guard {
    process: Arc<Process>,
    id: u64,
    /// None once the script needs no stopping.
    heard: Option<mpsc::Receiver<Said>>,
}

impl Guard {
    async fn hear(&mut self) -> Option<Said> {
        self.heard.as_mut()?.recv().await
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (Some(heard), Ok(runtime)) = (self.heard.take(), Handle::try_current()) else { return };
        runtime.spawn(abandon(self.process.clone(), self.id, heard));
    }
}

/// Tells a script to stop, and gives it up if it does not.
async fn abandon(process: Arc<Process>, id: u64, mut heard: mpsc::Receiver<Said>) {
    let stop = ToWorker::Stop { id, reason: Reason::Abandoned };
    let stopped = async {
        if process.tell(&stop).await.unwrap_or(false) {
            while heard.recv().await.is_some_and(|said| !matches!(said, Said::Done { .. })) {}
        }
    };
    if tokio::time::timeout(GRACE, stopped).await.is_err() {
        tracing::error!("a script does not stop, so its thread is given up");
        process.give_up(id);
    }
}
