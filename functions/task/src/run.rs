//! Runs a task that this process owns, and records how it ended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::Error;
use shared::event::StepError;
use tokio::time::{Instant, interval_at};

use crate::record::{Definition, Task};
use crate::sandbox::{BeforeEffect, Limits, Report, Script};
use crate::store::Outcome;
use crate::task::TaskView;
use crate::{Tasks, answer, lease};

/// The most memory that one script gets, whatever its function asks for.
const MAX_MEMORY_MB: u32 = 256;
/// What a record may hold; `DynamoDB` takes 400 KB in all.
const RECORD_BYTES: usize = 390_000;
/// What a record needs besides input, output and log.
const OTHER_BYTES: usize = 8_000;
/// What a log line needs besides its text.
const LINE_BYTES: usize = 64;

/// Runs the task, records its outcome and tells the bus.
///
/// # Errors
///
/// When it must be tried again: AWS failed, or another process has taken the task over.
pub(crate) async fn run(tasks: &Arc<Tasks>, task: Task) -> Result<(), Error> {
    let outcome = match runnable(tasks, &task.function_name).await? {
        Ok(definition) => outcome(owned(tasks, &task, &definition).await?, &task),
        Err(error) => failed(error),
    };
    finish(tasks, &task, &outcome).await
}

/// Records an outcome that could not be recorded before, and tells the bus. Returns whether there was one.
pub(crate) async fn record(tasks: &Tasks, task: &Task) -> Result<bool, Error> {
    match tasks.unrecorded.remove(&task.task_id) {
        Some(outcome) => finish(tasks, task, &outcome).await.map(|()| true),
        None => Ok(false),
    }
}

/// Records that nobody knows what the task did, and tells the bus.
pub(crate) async fn give_up(tasks: &Tasks, task: &Task) -> Result<(), Error> {
    let message = "the process that ran the task ended after the script had begun to send requests";
    finish(tasks, task, &failed(StepError::invocation("zombieTaskCleaned", message))).await
}

/// The function of a task, or why it cannot run.
async fn runnable(tasks: &Tasks, name: &str) -> Result<Result<Arc<Definition>, StepError>, Error> {
    Ok(match tasks.store.recent_definition(name).await? {
        None => Err(StepError::invocation("FunctionNotFound", format!("no function `{name}` exists"))),
        Some(definition) if !definition.enabled => {
            Err(StepError::invocation("FunctionDisabled", format!("the function `{name}` is disabled")))
        }
        Some(definition) => Ok(definition),
    })
}

/// Runs the script while the lease is kept; losing it stops the script.
async fn owned(tasks: &Arc<Tasks>, task: &Task, definition: &Definition) -> Result<Report, Error> {
    let script = tasks.sandbox.run(script(task, definition), marks_effect(tasks, task));
    tokio::pin!(script);
    let mut renewals = interval_at(Instant::now() + lease::RENEWAL, lease::RENEWAL);
    loop {
        tokio::select! {
            biased;
            report = &mut script => return report,
            _ = renewals.tick() => {
                let until_ms = lease::until_ms(tasks.clock.now());
                // A failed renewal is tried again until the lease is over, which the next one notices.
                let renewed = tasks.store.renew(&task.task_id, &tasks.owner, until_ms).await;
                if matches!(renewed, Ok(false)) {
                    return Err(lost(task));
                }
            }
        }
    }
}

fn script(task: &Task, definition: &Definition) -> Script {
    let limits = Limits {
        time: Duration::from_secs(definition.time_limit.into()),
        memory_bytes: usize::try_from(definition.memory_limit.min(MAX_MEMORY_MB)).unwrap_or(0) * 1024 * 1024,
        ..Limits::default()
    };
    let variables = definition.environment_variables.iter();
    Script {
        source: definition.code.as_str().into(),
        file_name: format!("{}.js", definition.name),
        entry_point: definition.entry_point.clone(),
        input: serde_json::to_string(&TaskView::of(task)).unwrap_or_else(|_| "null".to_owned()),
        variables: variables.map(|(name, variable)| (name.clone(), variable.value.clone())).collect(),
        limits,
    }
}

fn marks_effect(tasks: &Arc<Tasks>, task: &Task) -> BeforeEffect {
    let (tasks, task) = (tasks.clone(), Arc::new(task.clone()));
    Arc::new(move || {
        let (tasks, task) = (tasks.clone(), task.clone());
        Box::pin(async move {
            match tasks.store.mark_effect(&task.task_id, &tasks.owner).await? {
                true => Ok(()),
                false => Err(lost(&task)),
            }
        })
    })
}

/// What is recorded of a report.
fn outcome(report: Report, task: &Task) -> Outcome {
    let result = report.result.map(|value: Value| value.to_string());
    let output_bytes = result.as_ref().map_or(0, String::len);
    let mut room = RECORD_BYTES.saturating_sub(task.data.len() + output_bytes + OTHER_BYTES);
    let mut logs = Vec::new();
    for line in report.lines {
        let Some(rest) = room.checked_sub(line.message.len() + LINE_BYTES) else {
            break;
        };
        room = rest;
        logs.push(line);
    }
    Outcome { result, logs }
}

fn failed(error: StepError) -> Outcome {
    Outcome { result: Err(error), logs: Vec::new() }
}

async fn finish(tasks: &Tasks, task: &Task, outcome: &Outcome) -> Result<(), Error> {
    let now = tasks.clock.now();
    let finished = tasks.store.finish_task(&task.task_id, &tasks.owner, now, outcome).await.inspect_err(|_| {
        tasks.unrecorded.insert(task.task_id.clone(), outcome.clone());
    })?;
    let finished = match finished {
        Some(finished) => finished,
        // Our own write may have been done although its answer was lost.
        None => {
            tasks.store.task(&task.task_id).await?.filter(|task| task.status.is_final()).ok_or_else(|| lost(task))?
        }
    };
    tasks.bus.publish(answer::entries(&finished, now)).await
}

fn lost(task: &Task) -> Error {
    Error::new("keep the lease of a task", format!("another process has taken task {} over", task.task_id))
}
