//! Settles instants whose time has come: each gets its row of the history, and perhaps its task.
//!
//! The row of an instant is written once, together with its task; whoever finds it there goes on from it. Only when the
//! tasks are published does the record of the schedule move on. So an instant fires once, however many settle it at the
//! same time and wherever one of them dies.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use shared::bus::Entry;
use shared::event::command::ScheduleDue;
use shared::event::fact::{SCHEDULE_MISSED, ScheduleMissed, TASK_SOURCE};
use shared::event::{Envelope, EventId};
use shared::{Error, clock};

use crate::on_task_due;
use crate::schedule::decide::{self, Backlog, Outcome, Progress, Reason, Summary};
use crate::schedule::last_task::{self, LastTask};
use crate::schedule::task::task_of;
use crate::schedule::timing::Instants;
use crate::schedule::wake;
use crate::services::Services;
use crate::store::history::Row;
use crate::store::schedule::{Overlap, Schedule};

/// How many schedules, or rows of one schedule, are written at once.
const CONCURRENT_WRITES: usize = 32;
/// The most instants of one schedule that are settled before its record is written.
const INSTANTS: usize = 200;
/// How often the record of a schedule is written anew because somebody else has changed it.
const ATTEMPTS: usize = 8;

/// What is known of a schedule after it was settled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The schedule.
    pub(crate) key: ScheduleDue,
    /// When its next instant starts a task, or when else it is to be looked at.
    pub(crate) next: Option<Timestamp>,
    /// Whether Scheduler wakes it for its instants.
    pub(crate) is_woken: bool,
    /// Whether instants were missed.
    pub(crate) has_missed: bool,
    /// Whether nothing is left that was due.
    pub(crate) is_through: bool,
}

/// One schedule while it is being settled.
struct Pass<'a> {
    services: &'a Services,
    now: Timestamp,
    schedule: Schedule,
    instants: Instants,
    /// Whether the last task has not ended.
    is_busy: bool,
    waiting: usize,
    progress: Progress,
    entries: Vec<Entry>,
    is_through: bool,
}

/// Settles what is due of these schedules; the first failure is returned beside what did not fail.
pub(crate) async fn settle(services: &Services, due: &[ScheduleDue]) -> (Vec<Settled>, Option<Error>) {
    match settle_all(services, due).await {
        Ok((settled, failed)) => (settled, failed.into_iter().next()),
        Err(error) => (Vec::new(), Some(error)),
    }
}

async fn settle_all(services: &Services, due: &[ScheduleDue]) -> Result<(Vec<Settled>, Vec<Error>), Error> {
    let now = services.clock.now();
    let schedules = services.schedules.read(due).await?;
    let last = last_task::read(services.tasks.store(), &schedules).await?;
    let passes = schedules.into_iter().filter_map(|schedule| Pass::new(services, schedule, &last, now));
    let passes = at_once(passes.map(Pass::run).collect()).await;
    let (mut passes, mut failed) = split(passes);
    services.bus.publish(passes.iter_mut().flat_map(|pass| std::mem::take(&mut pass.entries)).collect()).await?;
    let finished = at_once(passes.into_iter().map(Pass::finish).collect()).await;
    let (settled, more) = split(finished);
    failed.extend(more);
    Ok((settled.into_iter().flatten().collect(), failed))
}

/// Does pieces of work, a limited number of them at the same time.
async fn at_once<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    stream::iter(work).buffer_unordered(CONCURRENT_WRITES).collect().await
}

fn split<T>(results: Vec<Result<T, Error>>) -> (Vec<T>, Vec<Error>) {
    let (mut done, mut failed) = (Vec::with_capacity(results.len()), Vec::new());
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(error) => failed.push(error),
        }
    }
    (done, failed)
}

impl<'a> Pass<'a> {
    fn new(
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
        let is_busy = last.is_some_and(|last| last.is_running);
        let entries = last.and_then(|last| last.wake(&schedule.tenant_id, now)).into_iter().collect();
        let waiting = schedule.queue.len();
        Some(Self {
            services,
            now,
            schedule,
            instants,
            is_busy,
            waiting,
            progress: Progress::default(),
            entries,
            is_through: true,
        })
    }

    async fn run(mut self) -> Result<Self, Error> {
        if !self.schedule.running {
            return Ok(self);
        }
        self.drain().await?;
        self.is_through = self.sweep().await?;
        if !self.is_through {
            return Ok(self);
        }
        let after = self.progress.settled_until.unwrap_or(self.schedule.settled_until);
        let due: Vec<Timestamp> = self
            .instants
            .after(after)
            .take_while(|instant| decide::starts_at(&self.schedule, *instant) <= self.now)
            .take(INSTANTS)
            .collect();
        self.is_through = due.len() < INSTANTS;
        for instant in due {
            self.claim(instant, false).await?;
            self.progress.settled_until = Some(instant);
        }
        Ok(self)
    }

    /// Fires the instant that has waited longest, if nothing keeps it waiting any more.
    async fn drain(&mut self) -> Result<(), Error> {
        let ready = match self.schedule.overlap {
            Overlap::Allow => self.schedule.queue.len(),
            Overlap::Skip | Overlap::Queue => usize::from(!self.is_busy && !self.schedule.queue.is_empty()),
        };
        let ready: Vec<i64> = self.schedule.queue.iter().take(ready).copied().collect();
        for instant_ms in ready {
            if let Ok(instant) = Timestamp::from_millisecond(instant_ms) {
                let row = self.fire(instant, true).await?;
                self.take(&row);
            }
            self.progress.left_queue.push(instant_ms);
            self.waiting -= 1;
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
        let Some(last) = backlog.last() else { return Ok(true) };
        self.miss(&backlog).await?;
        for instant in &backlog.caught_up {
            self.claim(*instant, true).await?;
        }
        self.progress.settled_until = Some(last);
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
        let summary = backlog.summary.map(|summary| services.history.summary(&schedule.incarnation, summary, *now));
        let own = backlog.missed.iter().map(|instant| Row {
            reason: Some(Reason::Late),
            ..services.history.row(&schedule.incarnation, *instant, Outcome::Missed, *now)
        });
        let rows: Vec<Row> = summary.into_iter().chain(own).collect();
        let claims = at_once(rows.into_iter().map(|row| services.history.claim(row)).collect()).await;
        claims.into_iter().collect::<Result<Vec<_>, _>>()?;
        tracing::warn!(schedule = schedule.schedule_id, count = missed.count, "instants of a schedule were missed");
        self.entries.extend(missed_fact(schedule, missed, *now));
        Ok(())
    }

    /// Decides about an instant, unless that was done before.
    async fn claim(&mut self, instant: Timestamp, is_caught_up: bool) -> Result<(), Error> {
        let (outcome, reason) = decide::fate(self.schedule.overlap, is_caught_up, self.is_busy, self.waiting);
        let row = match outcome {
            Outcome::Fired => self.fire(instant, false).await?,
            _ => {
                let history = &self.services.history;
                let row = history.row(&self.schedule.incarnation, instant, outcome, self.now);
                history.claim(Row { reason, ..row }).await?
            }
        };
        self.take(&row);
        Ok(())
    }

    /// Writes the row of an instant together with its task, and returns the row that counts.
    async fn fire(&self, instant: Timestamp, waits: bool) -> Result<Row, Error> {
        let Self { services, schedule, now, .. } = self;
        let task = task_of(services, schedule, Some(instant), schedule.task_id(instant), *now).await?;
        let row = services.history.row(&schedule.incarnation, instant, Outcome::Fired, *now);
        let row = Row { task_id: Some(task.task_id.clone()), ..row };
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
        match (row.outcome, &row.task_id) {
            (Outcome::Fired, Some(task_id)) => {
                self.entries.extend(on_task_due::command_for(&self.schedule.tenant_id, task_id, row.handled_at));
                if self.progress.fired.as_ref().is_none_or(|(last, _)| *last < instant) {
                    self.progress.fired = Some((instant, task_id.clone()));
                }
                self.is_busy = true;
            }
            (Outcome::Queued, _) => {
                self.progress.queued.push(row.instant);
                self.waiting += 1;
            }
            _ => {}
        }
    }

    /// Moves the record on, or removes it after its end.
    async fn finish(self) -> Result<Option<Settled>, Error> {
        let Self { services, now, mut schedule, mut instants, progress, is_through, .. } = self;
        for _ in 0..ATTEMPTS {
            let found = schedule.clone();
            decide::apply(&progress, &mut schedule);
            let next = decide::next_start(&schedule, &instants);
            if schedule.is_over(now) && next.is_none() {
                return wake::remove_over(services, &schedule, now).await.map(|()| None);
            }
            let due = decide::due_at(&schedule, &instants, now);
            schedule.set_due(due);
            if schedule == found || services.schedules.replace(&mut schedule).await? {
                return Ok(Some(Settled {
                    key: schedule.key(),
                    next: next.into_iter().chain(due).min(),
                    is_woken: decide::is_woken(&schedule),
                    has_missed: progress.swept_as_of.is_some(),
                    is_through,
                }));
            }
            let Some(fresh) = services.schedules.find(&schedule.key()).await? else { return Ok(None) };
            let Ok(fresh_instants) = fresh.instants() else { return Ok(None) };
            (schedule, instants) = (fresh, fresh_instants);
        }
        Err(Error::new("settle a schedule", format!("schedule {} changes all the time", schedule.schedule_id)))
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
