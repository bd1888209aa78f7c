//! Runs the script of a task that this process has claimed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::clock::Clock;
use shared::event::{Answer, StepError};
use shared::step::Policy;
use shared::{Error, json};
use tokio::time::{Instant, interval_at};

use crate::kept::{self, Journaled, Kept};
use crate::retry;
use crate::sandbox::{BeforeEffect, Limits, LogLine, Outside, Recording, Report, Sandbox, Script};
use crate::store::function::{Function, Functions};
use crate::store::task::{Task, TaskView, Tasks};

/// How long after the last renewal no other process may take a task over.
const LEASE: SignedDuration = SignedDuration::from_secs(5);
/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(2);
/// A script acts with its first request.
pub(crate) const POLICY: Policy = Policy { lease: LEASE, acts_at_once: false };
/// The most memory that one script gets, whatever the limit of its function.
const MAX_MEMORY_MB: u32 = 256;
/// The size of a record, which `DynamoDB` limits to 400 KB in all.
const RECORD_BYTES: usize = 400_000;
/// The part of a record that is neither input, tag, answer nor log.
const OTHER_BYTES: usize = 6_000 + kept::MAX_INLINE_BYTES;
/// The part of a log line that is not its text.
const LINE_BYTES: usize = 64;

/// Runs the script and returns the task with its end.
///
/// # Errors
///
/// When it must be called again: AWS failed, or another process has taken the task over.
pub(crate) async fn run(
    tasks: &Arc<Tasks>,
    functions: &Functions,
    sandbox: &Sandbox,
    clock: &Clock,
    task: Task,
) -> Result<Task, Error> {
    let task = Arc::new(task);
    let function = runnable(functions, &task).await?;
    let mut kept = None;
    let report = match &function {
        Ok(function) => {
            let script = script(&task, function);
            kept = Some(Kept::of(&script, task.status_changed_timestamp));
            keep(tasks, &task, sandbox.run(script, marks_effect(tasks, &task))).await?
        }
        Err(error) => Report { result: Err(error.clone()), lines: Vec::new(), recording: Recording::Off },
    };
    let journal = match kept {
        Some(kept) => tasks.store().journals().keep(&task, kept, &report.recording).await,
        None => Journaled::Off,
    };
    let mut ended = ended(Arc::unwrap_or_clone(task), report, clock.now());
    ended.journal = Some(journal);
    retry::mark(&mut ended, function.ok().and_then(|function| function.retry_policy.clone()).as_ref());
    Ok(ended)
}

/// The function of a task, or why it cannot run.
async fn runnable(functions: &Functions, task: &Task) -> Result<Result<Arc<Function>, StepError>, Error> {
    let name = &task.function_name;
    Ok(match functions.recent(&task.tenant_id, name).await? {
        None => Err(StepError::invocation("FunctionNotFound", format!("no function `{name}` exists"))),
        Some(function) if !function.enabled => {
            Err(StepError::invocation("FunctionDisabled", format!("the function `{name}` is disabled")))
        }
        Some(function) => Ok(function),
    })
}

pub(crate) fn script(task: &Task, function: &Function) -> Script {
    let limits = Limits {
        time: Duration::from_secs(function.time_limit.into()),
        memory_bytes: usize::try_from(function.memory_limit.min(MAX_MEMORY_MB)).unwrap_or(0) * 1024 * 1024,
        ..Limits::default()
    };
    let variables = function.environment_variables.iter();
    Script {
        tenant: task.tenant_id.as_str().to_owned(),
        source: function.code.as_str().into(),
        file_name: format!("{}.js", function.name),
        entry_point: function.entry_point.clone(),
        input: serde_json::to_string(&TaskView::from(task)).unwrap_or_else(|_| "null".to_owned()),
        variables: variables.map(|(name, variable)| (name.clone(), variable.value.clone())).collect(),
        limits,
        outside: if function.journal { Outside::Recorded } else { Outside::Live },
    }
}

/// Renews the lease for as long as the work lasts.
async fn keep<T>(tasks: &Tasks, task: &Task, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::pin!(work);
    let mut renewals = interval_at(Instant::now() + RENEWAL, RENEWAL);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            // A failed renewal is tried again until the lease is over, which the next one notices.
            _ = renewals.tick() => if matches!(tasks.renew(task, LEASE).await, Ok(false)) {
                return Err(lost(task));
            },
        }
    }
}

/// Marks a task as having an effect, before the first one.
fn marks_effect(tasks: &Arc<Tasks>, task: &Arc<Task>) -> BeforeEffect {
    let (tasks, task) = (tasks.clone(), task.clone());
    Arc::new(move || {
        let (tasks, task) = (tasks.clone(), task.clone());
        Box::pin(async move { if tasks.mark_effect(&task).await? { Ok(()) } else { Err(lost(&task)) } })
    })
}

fn lost(task: &Task) -> Error {
    Error::new("keep the lease of a task", format!("another process has taken task {} over", task.task_id))
}

/// Ends a task as its script did, with as much of the log as the record has room for.
pub(crate) fn ended(mut task: Task, report: Report, now: Timestamp) -> Task {
    let answer = report.result.map_or_else(Answer::failed, Answer::succeeded);
    let tag_bytes: usize = task.tags.iter().map(String::len).sum();
    let room = RECORD_BYTES.saturating_sub(task.data.len() + tag_bytes + OTHER_BYTES);
    let (answer, mut room) = match room.checked_sub(json::size_bytes(&answer)) {
        Some(room) => (answer, room),
        None => {
            let message = format!("the record of the task has room for {room} bytes of output");
            (Answer::failed(StepError::invocation(StepError::OUTPUT_TOO_LARGE, message)), room)
        }
    };
    let fits = |line: &LogLine| match room.checked_sub(line.message.len() + LINE_BYTES) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    task.logs = report.lines.into_iter().take_while(fits).collect();
    task.end(answer, now);
    task
}
