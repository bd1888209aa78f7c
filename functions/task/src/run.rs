//! Does the work of a task that this process has claimed: runs its script, or invokes its Lambda function.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::event::{Answer, StepError, TenantId};
use shared::step::Policy;
use shared::{Error, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::code::Runnable;
use crate::replay::kept::{self, Journaled, Kept};
use crate::runner::emitter::Origin;
use crate::sandbox::{BeforeEffect, Isolation, Limits, Log, LogLine, Outside, Place, Report, Script};
use crate::scripts::Source;
use crate::services::Services;
use crate::store::function::{self, Function, Functions};
use crate::store::task::{INTERRUPTED, Task, TaskView, Tasks};
use crate::{direct, lambda, retry};

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
/// How long a script may run that is no function and so has no limit of its own.
const SCRIPT_TIME: Duration = Duration::from_secs(300);
/// The size of a record, which `DynamoDB` limits to 400 KB in all.
const RECORD_BYTES: usize = 400_000;
/// The part of a record that is neither input, tag, answer nor log.
const OTHER_BYTES: usize = 6_000 + kept::MAX_INLINE_BYTES;
/// The part of a log line that is not its text.
const LINE_BYTES: usize = 64;

/// Does the work and returns the task with its end; without a place, it waits for one first.
///
/// # Errors
///
/// When it must be called again: AWS failed, or another process has taken the task over.
pub(crate) async fn run(services: &Services, task: Task, place: Option<Place>) -> Result<Task, Error> {
    let Services { tasks, functions, clock, .. } = services;
    let function = function(functions, &task).await?;
    let function_version = function.as_ref().ok().and_then(Option::as_deref).map(|function| function.version);
    let policy = function.as_ref().ok().and_then(|function| function.as_ref()?.retry_policy.as_ref());
    // Whoever waits for a direct execution decides about another one.
    let policy = policy.filter(|_| !task.direct);
    let retries_interruption = policy.is_some_and(|policy| policy.covers(INTERRUPTED));
    let task = Arc::new(Task { function_version, retries_interruption, ..task });
    let running = Running { tasks: tasks.clone(), task, has_acted: Arc::default(), log: Log::default() };
    let (report, kept) = match &function {
        Ok(function) => running.keep(Box::pin(work(services, &running, function.as_deref(), place))).await?,
        Err(error) => (Report::failed(error.clone()), None),
    };
    let mut task = Task::clone(&running.task);
    task.journal = Some(match kept {
        Some(kept) => tasks.store().journals().keep(&task, kept, &report.recording).await,
        None => Journaled::Off,
    });
    if let Some(claim) = &mut task.claim {
        claim.effect |= running.has_acted.load(Ordering::Acquire);
    }
    task.retries_interruption = false;
    let mut ended = ended(task, report, clock.now());
    retry::mark(&mut ended, policy);
    Ok(ended)
}

/// The function of a task, `None` for one that runs a script; or why it cannot run.
async fn function(functions: &Functions, task: &Task) -> Result<Result<Option<Arc<Function>>, StepError>, Error> {
    if task.script.is_some() {
        return Ok(Ok(None));
    }
    let name = &task.function_name;
    Ok(match functions.recent(&task.tenant_id, name).await? {
        None => Err(StepError::invocation("FunctionNotFound", format!("no function `{name}` exists"))),
        Some(function) if !function.enabled => {
            Err(StepError::invocation("FunctionDisabled", format!("the function `{name}` is disabled")))
        }
        function => Ok(function),
    })
}

/// Runs the script of a task or invokes its Lambda function, and reports how that ended, with what its journal needs if
/// it has one.
async fn work(
    services: &Services,
    running: &Running,
    function: Option<&Function>,
    place: Option<Place>,
) -> Result<(Report, Option<Kept>), Error> {
    let Services { functions, sandbox, runner, invoker, clock, .. } = services;
    let (task, before_effect) = (&*running.task, running.marks_effect());
    let place = match place {
        Some(place) => place,
        None => sandbox.place(task.tenant_id.as_str(), &task.file_name(), task.priority).await?,
    };
    if let Some((function, target)) = function.and_then(|function| Some((function, function.lambda.as_ref()?))) {
        let time_limit = Duration::from_secs(function.time_limit.into());
        let report = lambda::run(invoker, target, input(task), time_limit, before_effect, clock).await?;
        return Ok((report, None));
    }
    let mut script = match script_of(functions, function, task).await? {
        Ok(script) => script,
        Err(error) => return Ok((Report::failed(error), None)),
    };
    let kept = function.is_none_or(|function| function.journal).then(|| {
        script.outside = Outside::Recorded;
        let has_token = function.is_some_and(|function| !function.permissions().is_empty());
        Kept::of(&script, task.status_changed_timestamp).with_token(has_token)
    });
    let is_retried = function.and_then(|function| function.retry_policy.as_ref()).is_some_and(|policy| policy.enabled);
    let origin = Origin::of_task(task, is_retried && !task.direct);
    let report = runner.run(function, script, origin, before_effect, place, &running.log).await?;
    Ok((report, kept))
}

/// What a task runs, or why it cannot.
pub(crate) async fn script_of(
    functions: &Functions,
    function: Option<&Function>,
    task: &Task,
) -> Result<Result<Script, StepError>, Error> {
    match (function, &task.script) {
        (Some(function), _) => {
            let program = functions.program(&task.tenant_id, function).await?;
            let time_limit = if task.direct { direct::TIME } else { Duration::MAX };
            Ok(Ok(script(&task.tenant_id, function, program, input(task), time_limit)))
        }
        (None, script) => {
            let source = functions.scripts.source(&task.tenant_id, script.as_deref().unwrap_or_default()).await?;
            Ok(source.map(|source| script_by_url(task, source)))
        }
    }
}

/// A script that a task names by its URL; it gets what the task was given as its `config`.
pub(crate) fn script_by_url(task: &Task, source: Source) -> Script {
    Script {
        tenant: task.tenant_id.as_str().to_owned(),
        source: source.text,
        files: Arc::default(),
        file_name: source.file_name,
        entry_point: None,
        input: task.data.clone(),
        variables: BTreeMap::new(),
        limits: Limits { time: SCRIPT_TIME, ..Limits::default() },
        outside: Outside::Live,
        isolation: Isolation::Fresh,
    }
}

/// The task as its function gets it.
pub(crate) fn input(task: &Task) -> String {
    serde_json::to_string(&TaskView::from(task)).unwrap_or_else(|_| "null".to_owned())
}

/// The script of a function, which runs for at most so long, whatever the limit of its function.
pub(crate) fn script(
    tenant: &TenantId,
    function: &Function,
    program: Runnable,
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
        outside: Outside::Live,
        isolation: isolation(function),
    }
}

/// With whom the script of a function shares its realm: only with runs of what is the same in every respect.
fn isolation(function: &Function) -> Isolation {
    let Function { name, version, change_id, isolation, .. } = function;
    match isolation {
        function::Isolation::Fresh => Isolation::Fresh,
        function::Isolation::Warm => Isolation::Warm(format!("{name}#{version}#{change_id}")),
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
    /// Waits for the end of the work, and attends to the record meanwhile.
    async fn keep<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            result = work => result,
            lost = self.attend() => Err(lost),
        }
    }

    /// Renews the lease and shows in the record what was printed so far, until the task is lost to another process.
    ///
    /// The lines take the place of a renewal, so that they cost one write more at most, after the first second. That write
    /// puts the task into the lists, too.
    async fn attend(&self) -> Error {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut ticked, mut shown, mut is_listed) = (0_u64, 0, self.task.listed_tenant.is_some());
        loop {
            ticks.tick().await;
            ticked += 1;
            let printed = self.log.count();
            let is_renewal = ticked.is_multiple_of(TICKS_OF_RENEWAL);
            let has_printed = printed > shown && (is_renewal || ticked == 1);
            if (has_printed || !is_listed) && matches!(self.show().await, Ok(true)) {
                (shown, is_listed) = (printed, true);
                continue;
            }
            // A failed renewal is tried again until the lease is over, which the next one notices.
            if is_renewal && matches!(self.tasks.renew(&self.task, LEASE).await, Ok(false)) {
                return lost(&self.task);
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
                // Before the write, whose answer may be lost.
                has_acted.store(true, Ordering::Release);
                tasks.mark_effect(&task).await?.ok_or_else(|| lost(&task))
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
