//! One schedule while it is being settled.

use std::collections::{BTreeMap, VecDeque};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use shared::bus::Entry;
use shared::event::fact::{SCHEDULE_MISSED, ScheduleMissed, TASK_SOURCE};
use shared::event::{Envelope, EventId};
use shared::table::Write;
use shared::{Error, clock};

use super::bundle;
use crate::on_task_due;
use crate::schedule::decide::{self, Backlog, Outcome, Progress, Reason, Summary};
use crate::schedule::last_task::LastTask;
use crate::schedule::task::task_of;
use crate::schedule::timing::Instants;
use crate::services::Services;
use crate::store::history::Row;
use crate::store::schedule::{Overlap, Program, Schedule};
use crate::store::task::Task;

/// The most instants of one schedule that are settled before its record is written.
const INSTANTS: usize = 200;
/// The bytes of a row and of a task without its input.
const OTHER_BYTES: usize = 4_000;
/// How many transactions with missed instants of one schedule are under way at once.
const CONCURRENT_MISSES: usize = 4;

/// One schedule while it is being settled.
pub(super) struct Pass<'a> {
    pub(super) services: &'a Services,
    pub(super) now: Timestamp,
    pub(super) schedule: Schedule,
    pub(super) instants: Instants,
    standing: Standing,
    /// Whether the function that its tasks would run is gone.
    lacks_function: bool,
    /// The instants that are to be settled, and whether they are caught up.
    due: VecDeque<(Timestamp, bool)>,
    pub(super) progress: Progress,
    pub(super) entries: Vec<Entry>,
    pub(super) is_through: bool,
}

/// The rows of the next instants, with their tasks, if nobody else has settled one of them.
pub(super) type Plan = Vec<(Row, Option<Task>)>;

/// What is known of a schedule as its instants are decided about one after the other.
#[derive(Clone, Copy)]
struct Standing {
    /// Whether the last task has not ended.
    is_busy: bool,
    waiting: usize,
    /// How many runs it may still start, if there is a limit.
    runs_left: Option<u64>,
}

impl Standing {
    /// Notes what became of an instant.
    fn note(&mut self, outcome: Outcome, has_task: bool) {
        match outcome {
            Outcome::Fired if has_task => {
                self.is_busy = true;
                self.runs_left = self.runs_left.map(|left| left.saturating_sub(1));
            }
            Outcome::Queued => {
                self.waiting += 1;
                self.runs_left = self.runs_left.map(|left| left.saturating_sub(1));
            }
            _ => {}
        }
    }

    /// Notes that an instant does not wait any more.
    fn leave_queue(&mut self) {
        self.waiting -= 1;
        self.runs_left = self.runs_left.map(|left| left.saturating_add(1));
    }
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        services: &'a Services,
        schedule: Schedule,
        last: &BTreeMap<String, LastTask>,
        now: Timestamp,
    ) -> Option<Self> {
        let instants = match schedule.instants() {
            Ok(instants) => instants,
            Err(problem) => {
                tracing::error!(schedule = schedule.schedule_id, %problem, "a schedule has no instants and is left out");
                return None;
            }
        };
        let last = schedule.last_task_id.as_ref().and_then(|id| last.get(id));
        let entries = last.and_then(|last| last.wake(&schedule.tenant_id, now)).into_iter().collect();
        Some(Self {
            services,
            now,
            standing: Standing {
                is_busy: last.is_some_and(|last| last.is_running),
                waiting: schedule.queue.len(),
                runs_left: schedule.runs_left(),
            },
            lacks_function: false,
            due: VecDeque::new(),
            schedule,
            instants,
            progress: Progress::default(),
            entries,
            is_through: true,
        })
    }

    /// Empties the queue, sweeps what was missed, and finds the instants that are due.
    pub(super) async fn prepare(mut self) -> Result<Self, Error> {
        if !self.schedule.running || (self.is_spent() && self.schedule.queue.is_empty()) {
            // Nothing is left to be swept.
            self.progress.swept_as_of = self.schedule.sweeping_as_of;
            return Ok(self);
        }
        self.lacks_function = self.find_lack().await?;
        self.drain().await?;
        self.is_through = self.sweep().await?;
        if !self.is_through || self.is_spent() {
            return Ok(self);
        }
        let last = self.due.back().map(|(instant, _)| *instant).or(self.progress.settled_until);
        let after = last.unwrap_or(self.schedule.settled_until);
        let due: Vec<Timestamp> = self
            .instants
            .after(after)
            .take_while(|instant| decide::starts_at(&self.schedule, *instant) <= self.now)
            .take(INSTANTS)
            .collect();
        self.is_through = due.len() < INSTANTS;
        self.due.extend(due.into_iter().map(|instant| (instant, false)));
        Ok(self)
    }

    /// Tells whether the function of its tasks is gone, if anything may be due at all.
    async fn find_lack(&self) -> Result<bool, Error> {
        let Program::Function { function_name, .. } = &self.schedule.program else { return Ok(false) };
        let next = decide::next_start(&self.schedule, &self.instants);
        if self.schedule.queue.is_empty() && next.is_none_or(|next| next > self.now) {
            return Ok(false);
        }
        Ok(self.services.functions.recent(&self.schedule.tenant_id, function_name).await?.is_none())
    }

    /// Whether it may start no run any more.
    fn is_spent(&self) -> bool {
        self.standing.runs_left == Some(0)
    }

    /// Fires the instant that has waited longest, if nothing keeps it waiting any more.
    async fn drain(&mut self) -> Result<(), Error> {
        let ready = match self.schedule.overlap {
            Overlap::Allow => self.schedule.queue.len(),
            _ if self.lacks_function => self.schedule.queue.len(),
            Overlap::Skip | Overlap::Queue => usize::from(!self.standing.is_busy && !self.schedule.queue.is_empty()),
        };
        let ready: Vec<i64> = self.schedule.queue.iter().take(ready).copied().collect();
        for instant_ms in ready {
            self.standing.leave_queue();
            if let Ok(instant) = Timestamp::from_millisecond(instant_ms) {
                if self.lacks_function {
                    let row = self.row(instant, Outcome::Skipped, Some(Reason::FunctionMissing));
                    self.services.history.end_wait(&row).await?;
                } else {
                    let row = self.fire(instant, true).await?;
                    self.take(&row);
                }
            }
            self.progress.left_queue.push(instant_ms);
        }
        Ok(())
    }

    /// Settles what was not handled in time; false if somebody else is ahead, so that all must be read again.
    async fn sweep(&mut self) -> Result<bool, Error> {
        let as_of = self.schedule.sweeping_as_of.unwrap_or(self.now);
        let mut backlog = decide::backlog(&self.schedule, &self.instants, as_of);
        if !backlog.is_empty() && self.schedule.sweeping_as_of.is_none() {
            if !self.begin_sweep().await? {
                return Ok(false);
            }
            backlog = decide::backlog(&self.schedule, &self.instants, as_of);
        }
        self.progress.swept_as_of = self.schedule.sweeping_as_of;
        if backlog.is_empty() || self.is_spent() {
            return Ok(true);
        }
        self.miss(&backlog).await?;
        let missed = backlog.missed.last().copied().or(backlog.summary.map(|summary| summary.to));
        self.progress.settled_until = missed.or(self.progress.settled_until);
        self.due.extend(backlog.caught_up.iter().map(|instant| (*instant, true)));
        // What has become late since then is for another sweep.
        Ok(as_of == self.now)
    }

    /// Fixes as of when instants are missed, after those that somebody has claimed already.
    ///
    /// From then on everybody who sweeps comes to the same result.
    async fn begin_sweep(&mut self) -> Result<bool, Error> {
        let Self { services, schedule, .. } = self;
        let rows = services.history.after(&schedule.incarnation, schedule.settled_until, INSTANTS).await?;
        for row in &rows {
            self.take(row);
            self.progress.settled_until = Timestamp::from_millisecond(row.instant).ok();
        }
        self.services.bus.publish(std::mem::take(&mut self.entries)).await?;
        let mut begun = self.schedule.clone();
        decide::apply(&self.progress, &mut begun);
        begun.sweeping_as_of = Some(self.now);
        let is_ours = self.services.schedules.replace(&mut begun).await?;
        match is_ours {
            true => self.schedule = begun,
            // The rows may be those of a sweep that somebody else has begun, with gaps between them.
            false => self.progress = Progress::default(),
        }
        Ok(is_ours)
    }

    /// Writes the rows of missed instants, and the fact about them.
    async fn miss(&mut self, backlog: &Backlog) -> Result<(), Error> {
        let Some(missed) = backlog.all_missed() else { return Ok(()) };
        let Self { services, schedule, now, .. } = self;
        let history = &services.history;
        let summary = backlog.summary.map(|summary| history.summary(&schedule.incarnation, summary, *now));
        let bundles = backlog.missed.chunks(bundle::WRITES).map(|instants| {
            let row = |instant: &Timestamp| history.row(&schedule.incarnation, *instant, Outcome::Missed, *now);
            history.claim_all(instants.iter().map(|at| Row { reason: Some(Reason::Late), ..row(at) }).collect())
        });
        let bundles: Vec<_> = bundles.collect();
        stream::iter(bundles).buffer_unordered(CONCURRENT_MISSES).try_collect::<()>().await?;
        if let Some(summary) = summary {
            history.claim(summary).await?;
        }
        tracing::warn!(schedule = schedule.schedule_id, count = missed.count, "instants of a schedule were missed");
        self.entries.extend(missed_fact(schedule, missed, *now));
        Ok(())
    }

    pub(super) fn has_nothing_to_do(&self) -> bool {
        self.due.is_empty() || self.is_spent()
    }

    /// How many writes, and bytes at most, its next plan has.
    pub(super) fn room(&self) -> (usize, usize) {
        let planned = self.planned();
        (planned * 2, planned * (self.schedule.size_bytes() + OTHER_BYTES))
    }

    /// How many instants are planned together.
    fn planned(&self) -> usize {
        let by_size = bundle::BYTES / (self.schedule.size_bytes() + OTHER_BYTES);
        self.due.len().min(bundle::WRITES / 2).min(by_size.max(1))
    }

    /// Decides about the next instants as if nobody else settled them.
    pub(super) async fn plan(&self) -> Result<Plan, Error> {
        let mut standing = self.standing;
        let mut plan = Vec::with_capacity(self.planned());
        for (instant, is_caught_up) in self.due.iter().take(self.planned()) {
            if standing.runs_left == Some(0) {
                break;
            }
            let (row, task) = self.decide(*instant, *is_caught_up, standing).await?;
            standing.note(row.outcome, task.is_some());
            plan.push((row, task));
        }
        Ok(plan)
    }

    /// Decides about an instant; one that fires has a task.
    async fn decide(
        &self,
        instant: Timestamp,
        is_caught_up: bool,
        standing: Standing,
    ) -> Result<(Row, Option<Task>), Error> {
        let (outcome, reason) = match self.lacks_function {
            true => (Outcome::Skipped, Some(Reason::FunctionMissing)),
            false => decide::fate(self.schedule.overlap, is_caught_up, standing.is_busy, standing.waiting),
        };
        let task = match outcome {
            Outcome::Fired => Some(self.task(instant).await?),
            _ => None,
        };
        let task_id = task.as_ref().map(|task| task.task_id.clone());
        Ok((Row { task_id, ..self.row(instant, outcome, reason) }, task))
    }

    async fn task(&self, instant: Timestamp) -> Result<Task, Error> {
        let Self { services, schedule, now, .. } = self;
        task_of(services, schedule, Some(instant), schedule.task_id(instant), *now).await
    }

    fn row(&self, instant: Timestamp, outcome: Outcome, reason: Option<Reason>) -> Row {
        Row { reason, ..self.services.history.row(&self.schedule.incarnation, instant, outcome, self.now) }
    }

    /// The writes of a plan.
    pub(super) fn writes(&self, plan: &Plan) -> Result<Vec<Write>, Error> {
        let mut writes = Vec::with_capacity(plan.len() * 2);
        for (row, task) in plan {
            writes.push(self.services.history.firing(row, false)?);
            if let Some(task) = task {
                writes.push(self.services.tasks.store().creating(task)?);
            }
        }
        Ok(writes)
    }

    /// Goes on from a plan that was written.
    pub(super) fn accept(&mut self, plan: Plan) {
        for (row, _) in plan {
            self.settled(&row);
        }
    }

    /// Settles the next instants one after the other.
    pub(super) async fn claim_singly(mut self, count: usize) -> Result<Self, Error> {
        for _ in 0..count {
            let Some((instant, is_caught_up)) = self.due.front().copied().filter(|_| !self.is_spent()) else { break };
            let row = match self.decide(instant, is_caught_up, self.standing).await? {
                (_, Some(_)) => self.fire(instant, false).await?,
                (row, None) => self.services.history.claim(row).await?,
            };
            self.settled(&row);
        }
        Ok(self)
    }

    /// Goes on behind the next instant, of which this is the row.
    fn settled(&mut self, row: &Row) {
        self.take(row);
        self.progress.settled_until = self.due.pop_front().map(|(instant, _)| instant);
    }

    /// Writes the row of an instant together with its task, and returns the row that counts.
    async fn fire(&self, instant: Timestamp, waits: bool) -> Result<Row, Error> {
        let Self { services, .. } = self;
        let task = self.task(instant).await?;
        let row = Row { task_id: Some(task.task_id.clone()), ..self.row(instant, Outcome::Fired, None) };
        let writes = vec![services.history.firing(&row, waits)?, services.tasks.store().creating(&task)?];
        if services.history.transact(writes).await? {
            return Ok(row);
        }
        match services.history.get(&row).await? {
            Some(found) if found.outcome != Outcome::Queued => Ok(found),
            // The task is there, and its row has expired or was never changed.
            Some(_) => services.history.end_wait(&row).await.map(|_| row),
            None => services.history.claim(row).await,
        }
    }

    /// Notes what a row says.
    fn take(&mut self, row: &Row) {
        let Ok(instant) = Timestamp::from_millisecond(row.instant) else { return };
        self.standing.note(row.outcome, row.task_id.is_some());
        match (row.outcome, &row.task_id) {
            (Outcome::Fired, Some(task_id)) => {
                self.entries.extend(on_task_due::command_for(&self.schedule.tenant_id, task_id, row.handled_at));
                self.progress.runs.push(row.instant);
                if self.progress.fired.as_ref().is_none_or(|(last, _)| *last < instant) {
                    self.progress.fired = Some((instant, task_id.clone()));
                }
            }
            (Outcome::Queued, _) => self.progress.queued.push(row.instant),
            _ => {}
        }
    }
}

fn missed_fact(schedule: &Schedule, missed: Summary, now: Timestamp) -> Option<Entry> {
    let Summary { from, to, count, at_least } = missed;
    let content = ScheduleMissed {
        schedule_id: schedule.schedule_id.clone(),
        from,
        to,
        count,
        at_least,
        reason: Reason::Late.as_str().to_owned(),
    };
    let parts = [from, to].map(|time| time.as_millisecond().to_be_bytes());
    let id = clock::derived_uuid(&[b"schedule.missed", schedule.incarnation.as_bytes(), &parts[0], &parts[1]]);
    let id = EventId::new(id.to_string());
    Entry::fact(TASK_SOURCE, &Envelope::new(SCHEDULE_MISSED, id, schedule.tenant_id.clone(), now, content)).ok()
}
