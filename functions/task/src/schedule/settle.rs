//! Settles instants whose time has come: each gets its row of the history, and perhaps its task.
//!
//! The row of an instant is written once, together with its task; whoever finds it there goes on from it. Only when the
//! tasks are published does the record of the schedule move on. So an instant fires once, however many settle it at the
//! same time and wherever one of them dies. In one process a schedule is settled by one at a time ([`super::passes`]),
//! and the instants of many schedules are written in one transaction ([`bundle`]).

mod bundle;
mod finish;
mod pass;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use shared::Error;
use shared::event::command::ScheduleDue;

use crate::schedule::last_task;
use crate::schedule::passes::Turn;
use crate::schedule::settle::pass::Pass;
use crate::services::Services;

/// How many schedules are written at once, each by itself.
const CONCURRENT_WRITES: usize = 32;

/// What is known of a schedule after it was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Settles what is due of these schedules; the first failure is returned beside what did not fail.
pub(crate) async fn settle(services: &Services, due: &[ScheduleDue]) -> (Vec<Settled>, Option<Error>) {
    let mut left: BTreeSet<ScheduleDue> = due.iter().cloned().collect();
    let (mut settled, mut failed) = (Vec::with_capacity(left.len()), None);
    while !left.is_empty() {
        let (turns, nexts) = services.passes.begin(std::mem::take(&mut left));
        let (done, error) = go_round(services, turns).await;
        settled.extend(done);
        failed = failed.or(error);
        for next in nexts {
            match next.outcome().await {
                Ok(outcome) => settled.extend(outcome),
                Err(key) => left.extend([key]),
            }
        }
    }
    (settled, failed)
}

/// Settles schedules, and once more those for which others come meanwhile, until nobody waits.
async fn go_round(services: &Services, mut turns: Vec<Turn>) -> (Vec<Settled>, Option<Error>) {
    let (mut settled, mut failed) = (BTreeMap::new(), None);
    while !turns.is_empty() {
        let keys: Vec<ScheduleDue> = turns.iter().map(|turn| turn.key().clone()).collect();
        let (done, error) = match settle_all(services, &keys).await {
            Ok((done, failed)) => (done, failed.into_iter().next()),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut done: BTreeMap<ScheduleDue, Settled> =
            done.into_iter().map(|settled| (settled.key.clone(), settled)).collect();
        let has_failed = error.is_some();
        failed = failed.or(error);
        let again = turns.into_iter().filter_map(|turn| {
            let outcome = done.remove(turn.key());
            settled.extend(outcome.clone().map(|settled| (settled.key.clone(), settled)));
            // It may be the one that failed: whoever waits for it tries again.
            if outcome.is_none() && has_failed { None } else { turn.passed(&outcome) }
        });
        turns = again.collect();
    }
    (settled.into_values().collect(), failed)
}

/// Settles what is due of schedules that nobody else in this process settles.
async fn settle_all(services: &Services, due: &[ScheduleDue]) -> Result<(Vec<Settled>, Vec<Error>), Error> {
    let now = services.clock.now();
    let schedules = services.schedules.read(due).await?;
    let last = last_task::read(services.tasks.store(), &schedules).await?;
    let passes = schedules.into_iter().filter_map(|schedule| Pass::new(services, schedule, &last, now));
    let (passes, mut failed) = split(at_once(passes.map(Pass::prepare).collect()).await);
    let (mut passes, more) = split(bundle::claim(passes).await);
    failed.extend(more);
    services.bus.publish(passes.iter_mut().flat_map(|pass| std::mem::take(&mut pass.entries)).collect()).await?;
    let (settled, more) = split(finish::all(services, passes).await);
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
