//! Moves the records of schedules on when their instants are settled, many in one transaction.

use jiff::Timestamp;
use shared::Error;

use super::pass::Pass;
use super::{Settled, at_once, bundle};
use crate::schedule::decide;
use crate::schedule::wake;
use crate::services::Services;

/// How often the record of a schedule is written anew because somebody else has changed it.
const ATTEMPTS: usize = 8;

/// What is left to be done for a schedule.
enum Step {
    /// Its time is over.
    Over,
    /// It stays as it is.
    Stays(Settled),
    /// Its record is to be written.
    Moves(Settled),
}

/// Moves the records on, or removes them after their end; `None` for those that are gone.
pub(super) async fn all(services: &Services, passes: Vec<Pass<'_>>) -> Vec<Result<Option<Settled>, Error>> {
    let (mut results, mut moved, mut by_themselves) = (Vec::with_capacity(passes.len()), Vec::new(), Vec::new());
    for mut pass in passes {
        match step(&mut pass) {
            Step::Stays(settled) => results.push(Ok(Some(settled))),
            Step::Moves(settled) => moved.push((pass, settled)),
            Step::Over => by_themselves.push((pass, Step::Over)),
        }
    }
    for bundle in bundle::bundled(moved, |(pass, _)| (1, pass.schedule.size_bytes())) {
        let (done, left) = write(services, bundle).await;
        results.extend(done.into_iter().map(|settled| Ok(Some(settled))));
        by_themselves.extend(left.into_iter().map(|(pass, settled)| (pass, Step::Moves(settled))));
    }
    results.extend(at_once(by_themselves.into_iter().map(|(pass, step)| singly(pass, step)).collect()).await);
    results
}

/// Writes records in one transaction; returns the passes whose records have changed meanwhile, or could not be written.
async fn write<'a>(
    services: &Services,
    mut moved: Vec<(Pass<'a>, Settled)>,
) -> (Vec<Settled>, Vec<(Pass<'a>, Settled)>) {
    let mut left = Vec::new();
    while moved.len() > 1 {
        match services.schedules.replace_all(moved.iter().map(|(pass, _)| &pass.schedule)).await {
            Ok(changed) if changed.is_empty() => {
                return (moved.into_iter().map(|(_, settled)| settled).collect(), left);
            }
            Ok(changed) => {
                for index in changed.into_iter().rev() {
                    left.push(moved.remove(index));
                }
            }
            Err(_) => break,
        }
    }
    left.extend(moved);
    (Vec::new(), left)
}

/// Changes the record of a schedule in memory by what was settled; a second time changes nothing.
fn step(pass: &mut Pass<'_>) -> Step {
    let Pass { services, now, schedule, instants, progress, is_through, .. } = pass;
    let found = schedule.clone();
    decide::apply(progress, schedule);
    let next = decide::next_start(schedule, instants);
    if schedule.is_over(*now) && next.is_none() {
        return Step::Over;
    }
    wake::set_due(services, schedule, instants, *now);
    let due = schedule.due_at.and_then(|due_at| Timestamp::from_millisecond(due_at).ok());
    let settled = Settled {
        key: schedule.key(),
        next: next.into_iter().chain(due).min(),
        is_woken: decide::is_woken(schedule),
        has_missed: progress.swept_as_of.is_some(),
        is_through: *is_through,
    };
    if *schedule == found { Step::Stays(settled) } else { Step::Moves(settled) }
}

/// Moves one record on, however often somebody else changes it.
async fn singly(mut pass: Pass<'_>, mut next: Step) -> Result<Option<Settled>, Error> {
    let services = pass.services;
    for _ in 0..ATTEMPTS {
        match next {
            Step::Over => return wake::remove_over(services, &pass.schedule, pass.now).await.map(|()| None),
            Step::Stays(settled) => return Ok(Some(settled)),
            Step::Moves(settled) => {
                if services.schedules.replace(&mut pass.schedule).await? {
                    return Ok(Some(settled));
                }
            }
        }
        let Some(fresh) = services.schedules.find(&pass.schedule.key()).await? else { return Ok(None) };
        let Ok(instants) = fresh.instants() else { return Ok(None) };
        (pass.schedule, pass.instants) = (fresh, instants);
        next = step(&mut pass);
    }
    Err(Error::new("settle a schedule", format!("schedule {} changes all the time", pass.schedule.schedule_id)))
}
