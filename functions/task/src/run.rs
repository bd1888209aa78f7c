//! Runs the script of a task that this process owns, and concludes its record.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::Error;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::event::StepError;
use shared::scheduler::Scheduler;

use crate::claim::{self, Claims, Next};
use crate::sandbox::{Limits, Report, Sandbox, Script};
use crate::store::Store;
use crate::store::function::Function;
use crate::store::task::{Outcome, Task};
use crate::task_view::TaskView;
use crate::{answer, start};

/// The most memory that one script gets, whatever the limit of its function.
const MAX_MEMORY_MB: u32 = 256;
/// The size of a record, which `DynamoDB` limits to 400 KB in all.
const RECORD_BYTES: usize = 390_000;
/// The part of a record that is neither input, output nor log.
const OTHER_BYTES: usize = 8_000;
/// The part of a log line that is not its text.
const LINE_BYTES: usize = 64;

/// Runs the script, records the outcome and publishes it.
///
/// # Errors
///
/// When it must be called again: AWS failed, or another process has taken the task over.
pub(crate) async fn run(
    store: &Store,
    bus: &Bus,
    sandbox: &Sandbox,
    claims: &Claims,
    clock: &Clock,
    task: &Task,
) -> Result<(), Error> {
    let id = &task.task_id;
    let outcome = match runnable(store, &task.function_name).await? {
        Ok(function) => {
            let work = sandbox.run(script(task, &function), claim::marks_effect(store, claims, id));
            outcome(claim::keep(store, claims, clock, id, work).await?, task)
        }
        Err(error) => failed(error),
    };
    claim::finish(store, bus, claims, clock.now(), id, &outcome).await
}

/// Does what is left to do for a task that was started before, and that this process is not running.
pub(crate) async fn resume(
    store: &Store,
    bus: &Bus,
    scheduler: &Scheduler,
    sandbox: &Sandbox,
    claims: &Claims,
    clock: &Clock,
    task: &Task,
) -> Result<(), Error> {
    let (id, now) = (&task.task_id, clock.now());
    if let Some(outcome) = claims.take_unrecorded(id) {
        return claim::finish(store, bus, claims, now, id, &outcome).await;
    }
    match claim::next(task, claims.owner(), now) {
        Next::Answer => bus.publish(answer::entries(task, now)).await,
        Next::Wait => {
            start::schedule(scheduler, task).await?;
            bus.publish(answer::entries(task, now)).await
        }
        Next::Busy => Err(Error::new("resume a task", format!("another process may still run task {id}"))),
        Next::RunAgain => {
            claim::take_over(store, claims, now, task).await?;
            run(store, bus, sandbox, claims, clock, task).await
        }
        Next::GiveUp => {
            claim::take_over(store, claims, now, task).await?;
            claim::finish(store, bus, claims, now, id, &interrupted()).await
        }
    }
}

/// The function of a task, or why it cannot run.
async fn runnable(store: &Store, name: &str) -> Result<Result<Arc<Function>, StepError>, Error> {
    Ok(match store.functions.recent(name).await? {
        None => Err(StepError::invocation("FunctionNotFound", format!("no function `{name}` exists"))),
        Some(function) if !function.enabled => {
            Err(StepError::invocation("FunctionDisabled", format!("the function `{name}` is disabled")))
        }
        Some(function) => Ok(function),
    })
}

fn script(task: &Task, function: &Function) -> Script {
    let limits = Limits {
        time: Duration::from_secs(function.time_limit.into()),
        memory_bytes: usize::try_from(function.memory_limit.min(MAX_MEMORY_MB)).unwrap_or(0) * 1024 * 1024,
        ..Limits::default()
    };
    let variables = function.environment_variables.iter();
    Script {
        source: function.code.as_str().into(),
        file_name: format!("{}.js", function.name),
        entry_point: function.entry_point.clone(),
        input: serde_json::to_string(&TaskView::of(task)).unwrap_or_else(|_| "null".to_owned()),
        variables: variables.map(|(name, variable)| (name.clone(), variable.value.clone())).collect(),
        limits,
    }
}

/// The outcome of a script, with as much of its log as the record has room for.
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

fn interrupted() -> Outcome {
    let message = "the process that ran the task ended after the script had begun to send requests";
    failed(StepError::invocation("zombieTaskCleaned", message))
}
