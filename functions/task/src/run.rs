//! Does the work of a task that this process has claimed: runs its script, or invokes its Lambda function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::event::{Answer, StepError, TenantId};
use shared::step::Policy;
use shared::{Error, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::code::Program;
use crate::emitter::Origin;
use crate::sandbox::{BeforeEffect, Limits, Log, LogLine, Place, Report, Script};
use crate::services::Services;
use crate::store::function::{Function, Functions};
use crate::store::task::{Task, TaskView, Tasks};
use crate::{direct, retry};

/// How long after the last renewal no other process may take a task over.
const LEASE: SignedDuration = SignedDuration::from_secs(5);
/// After how long a running task is looked at first, and how often then.
const TICK: Duration = Duration::from_secs(1);
/// Every how many ticks its lease is renewed.
const TICKS_OF_RENEWAL: u64 = 2;
/// Nobody knows what became of a direct execution that was interrupted, and whoever waited for it decides what to do.
pub(crate) const DIRECT: Policy = Policy { lease: LEASE, acts_at_once: true };
/// A script acts with its first request.
pub(crate) const POLICY: Policy = Policy { lease: LEASE, acts_at_once: false };
/// The most memory that one script gets, whatever the limit of its function.
const MAX_MEMORY_MB: u32 = 256;
/// The size of a record, which `DynamoDB` limits to 400 KB in all.
const RECORD_BYTES: usize = 400_000;
/// The part of a record that is neither input, tag, answer nor log.
const OTHER_BYTES: usize = 6_000;
/// The part of a log line that is not its text.
const LINE_BYTES: usize = 64;

/// Runs the script and returns the task with its end; without a place, it waits for one first.
///
/// # Errors
///
/// When it must be called again: AWS failed, or another process has taken the task over.
pub(crate) async fn run(services: &Services, mut task: Task, place: Option<Place>) -> Result<Task, Error> {
    let Services { tasks, functions, sandbox, runner, clock, .. } = services;
    let function = runnable(functions, &task).await?;
    task.function_version = function.as_ref().ok().map(|function| function.version);
    let running =
        Running { tasks: tasks.clone(), task: Arc::new(task), has_acted: Arc::default(), log: Log::default() };
    let report = match &function {
        Ok(function) => {
            let (task, version) = (&running.task, function.version);
            tracing::debug!(task_id = task.task_id, function = function.name, version, "a task runs");
            let work = async {
                let place = match place {
                    Some(place) => place,
                    None => sandbox.place(task.tenant_id.as_str(), &task.file_name(), task.priority).await?,
                };
                let is_retried = function.retry_policy.as_ref().is_some_and(|policy| policy.enabled);
                let origin = Origin::of_task(task, is_retried && !task.direct);
                let input = serde_json::to_string(&TaskView::from(&**task)).unwrap_or_else(|_| "null".to_owned());
                let limit = if task.direct { direct::TIME } else { Duration::MAX };
                let program = functions.program(&task.tenant_id, function).await?;
                let script = script(&task.tenant_id, function, program, input, limit);
                let run = runner.run_in(place, function, script, origin, running.marks_effect(), &running.log);
                Box::pin(run).await
            };
            Box::pin(running.keep(work)).await?
        }
        Err(error) => Report { result: Err(error.clone()), lines: Vec::new() },
    };
    let mut task = Task::clone(&running.task);
    if let Some(claim) = &mut task.claim {
        claim.effect |= running.has_acted.load(Ordering::Acquire);
    }
    let mut ended = ended(task, report, clock.now());
    // Whoever waits for a direct execution decides about another one.
    if !ended.direct {
        retry::mark(&mut ended, function.ok().and_then(|function| function.retry_policy.clone()).as_ref());
    }
    Ok(ended)
}

/// The function of a task, or why it cannot run.
async fn runnable(functions: &Functions, task: &Task) -> Result<Result<Arc<Function>, StepError>, Error> {
    if let Some(script) = &task.script {
        let message = format!("the script {script} cannot be fetched");
        return Ok(Err(StepError::invocation("ScriptNotFound", message)));
    }
    let name = &task.function_name;
    Ok(match functions.recent(&task.tenant_id, name).await? {
        None => Err(StepError::invocation("FunctionNotFound", format!("no function `{name}` exists"))),
        Some(function) if !function.enabled => {
            Err(StepError::invocation("FunctionDisabled", format!("the function `{name}` is disabled")))
        }
        Some(function) => Ok(function),
    })
}

/// The script of a function, which runs for at most so long, whatever the limit of its function.
pub(crate) fn script(
    tenant: &TenantId,
    function: &Function,
    program: Program,
    input: String,
    time_limit: Duration,
) -> Script {
    let (source, files) = program.into_parts();
    let limits = Limits {
        time: Duration::from_secs(function.time_limit.into()).min(time_limit),
        memory_bytes: usize::try_from(function.memory_limit.min(MAX_MEMORY_MB)).unwrap_or(0) * 1024 * 1024,
        ..Limits::default()
    };
    let variables = function.environment_variables.iter();
    Script {
        tenant: tenant.as_str().to_owned(),
        source,
        files,
        file_name: format!("{}.js", function.name),
        entry_point: function.entry_point.clone(),
        input,
        variables: variables.map(|(name, variable)| (name.clone(), variable.value.clone())).collect(),
        limits,
    }
}

/// A task whose work is under way.
struct Running {
    tasks: Arc<Tasks>,
    task: Arc<Task>,
    /// Whether its record says that it has had an effect.
    has_acted: Arc<AtomicBool>,
    log: Log,
}

impl Running {
    /// Renews the lease for as long as the work lasts, and shows in the record what it has printed so far.
    ///
    /// The lines take the place of a renewal, so that they cost one write more at most, after the first second.
    async fn keep<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::pin!(work);
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut ticked, mut shown) = (0_u64, 0);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                _ = ticks.tick() => ticked += 1,
            }
            let printed = self.log.count();
            let is_renewal = ticked.is_multiple_of(TICKS_OF_RENEWAL);
            if printed > shown && (is_renewal || ticked == 1) && matches!(self.show().await, Ok(true)) {
                shown = printed;
                continue;
            }
            // A failed renewal is tried again until the lease is over, which the next one notices.
            if is_renewal && matches!(self.tasks.renew(&self.task, LEASE).await, Ok(false)) {
                return Err(lost(&self.task));
            }
        }
    }

    /// Writes the lines so far into the record, with a new lease; false if the record has changed meanwhile.
    async fn show(&self) -> Result<bool, Error> {
        let mut task = Task::clone(&self.task);
        let room = room(&task);
        task.logs = fitting(self.log.lines(), room);
        if let Some(claim) = &mut task.claim {
            claim.effect = claim.effect || self.has_acted.load(Ordering::Acquire);
        }
        self.tasks.save(&task, LEASE).await
    }

    /// Marks the task as having an effect, before the first one.
    fn marks_effect(&self) -> BeforeEffect {
        let (tasks, task, has_acted) = (self.tasks.clone(), self.task.clone(), self.has_acted.clone());
        Arc::new(move || {
            let (tasks, task, has_acted) = (tasks.clone(), task.clone(), has_acted.clone());
            Box::pin(async move {
                if !tasks.mark_effect(&task).await? {
                    return Err(lost(&task));
                }
                has_acted.store(true, Ordering::Release);
                Ok(())
            })
        })
    }
}

fn lost(task: &Task) -> Error {
    Error::new("keep the lease of a task", format!("another process has taken task {} over", task.task_id))
}

/// Ends a task as its script did, with as much of the log as the record has room for.
pub(crate) fn ended(mut task: Task, report: Report, now: Timestamp) -> Task {
    let answer = report.result.map_or_else(Answer::failed, Answer::succeeded);
    let room = room(&task);
    let (answer, room) = match room.checked_sub(json::size_bytes(&answer)) {
        Some(room) => (answer, room),
        None => {
            let message = format!("the record of the task has room for {room} bytes of output");
            (Answer::failed(StepError::invocation(StepError::OUTPUT_TOO_LARGE, message)), room)
        }
    };
    task.logs = fitting(report.lines, room);
    task.end(answer, now);
    task
}

/// How many bytes of answer and log the record of a task has room for.
fn room(task: &Task) -> usize {
    let tag_bytes: usize = task.tags.iter().map(String::len).sum();
    RECORD_BYTES.saturating_sub(task.data.len() + tag_bytes + OTHER_BYTES)
}

/// The first lines, as far as there is room for them.
fn fitting(lines: Vec<LogLine>, mut room: usize) -> Vec<LogLine> {
    let fits = |line: &LogLine| match room.checked_sub(line.message.len() + LINE_BYTES) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    lines.into_iter().take_while(fits).collect()
}
