use std::collections::VecDeque;

use proptest::prelude::*;
use shared::event::TenantId;

use super::*;
use crate::access::Creator;
use crate::store::schedule::{Job, Program};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_767_323_045_678 + ms).unwrap()
}

fn schedule(interval_ms: i64, misfire: Misfire, jitter_ms: i64) -> Schedule {
    Schedule {
        tenant_id: TenantId::new("default"),
        schedule_id: "s".to_owned(),
        incarnation: "i".to_owned(),
        program: Program::Script { script: String::new(), config: String::new() },
        timing: Timing::Interval { interval_ms },
        init: at(0),
        end: None,
        running: true,
        overlap: Overlap::Allow,
        misfire,
        jitter_ms,
        settled_until: at(0),
        sweeping_as_of: None,
        queue: Vec::new(),
        last_task_id: None,
        last_fired: None,
        extra: None,
        creation_timestamp: at(0),
        update_timestamp: at(0),
        creator: Creator::default(),
        job: None,
        expires_at: None,
        version: 0,
        due_shard: None,
        due_at: None,
    }
}

#[test]
fn an_instant_has_the_fate_that_the_policy_gives_it() {
    use super::Outcome as O;
    let check = |overlap, is_caught_up, is_busy, waiting, outcome, reason| {
        let found = fate(overlap, is_caught_up, is_busy, waiting);
        assert_eq!(found, (outcome, reason), "{overlap:?} {is_caught_up} {is_busy} {waiting}");
    };
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Allow] {
        check(overlap, false, false, 0, O::Fired, None);
    }
    check(Overlap::Allow, true, true, 5, O::Fired, None);
    check(Overlap::Skip, false, true, 0, O::Skipped, Some(Reason::Overlap));
    check(Overlap::Skip, false, false, 1, O::Skipped, Some(Reason::Overlap));
    check(Overlap::Skip, true, true, 0, O::Queued, None);
    check(Overlap::Queue, false, true, 99, O::Queued, None);
    // Nobody overtakes.
    check(Overlap::Queue, false, false, 1, O::Queued, None);
    check(Overlap::Queue, false, true, 100, O::Skipped, Some(Reason::QueueFull));
}

#[test]
fn a_schedule_is_looked_at_when_something_is_to_be_done() {
    let check = |change: fn(&mut Schedule), expected: Option<i64>| {
        let mut schedule = schedule(7_000, Misfire::Skip, 0);
        change(&mut schedule);
        let instants = schedule.instants().unwrap();
        assert_eq!(due_at(&schedule, &instants, at(1)), expected.map(at));
    };
    check(|_| (), Some(7_000));
    check(|schedule| schedule.running = false, None);
    check(|schedule| schedule.timing = Timing::Interval { interval_ms: 120_000 }, Some(240_000));
    check(|schedule| schedule.end = Some(at(5_000)), Some(5_000));
    check(|schedule| (schedule.running, schedule.end) = (false, Some(at(9_000))), Some(9_000));
    check(
        |schedule| {
            schedule.timing = Timing::Interval { interval_ms: 120_000 };
            schedule.queue.push(0);
        },
        Some(60_001),
    );
}

#[test]
fn progress_is_applied_once() {
    let mut schedule = schedule(1_000, Misfire::Skip, 0);
    schedule.queue = vec![1, 2];
    schedule.job = Some(Job { limit: Some(9), ..Job::default() });
    schedule.sweeping_as_of = Some(at(0));
    let progress = Progress {
        // One that was due, and one that had waited.
        runs: vec![1, at(4_000).as_millisecond()],
        settled_until: Some(at(5_000)),
        fired: Some((at(4_000), "task".to_owned())),
        queued: vec![5],
        left_queue: vec![1],
        swept_as_of: Some(at(0)),
    };
    apply(&progress, &mut schedule);
    let once = schedule.clone();
    apply(&progress, &mut schedule);
    assert_eq!(schedule, once);
    assert_eq!((&schedule.queue, schedule.last_task_id.as_deref()), (&vec![2, 5], Some("task")));
    assert_eq!((schedule.sweeping_as_of, schedule.job.as_ref().map(|job| job.runs)), (None, Some(2)));
    assert_eq!(schedule.runs_left(), Some(9 - 2 - 2));
    // What is older changes nothing.
    let older =
        Progress { settled_until: Some(at(1_000)), fired: Some((at(1_000), "old".to_owned())), ..Progress::default() };
    apply(&older, &mut schedule);
    assert_eq!(schedule, once);
    // A sweep that has begun since then goes on.
    schedule.sweeping_as_of = Some(at(1));
    apply(&progress, &mut schedule);
    assert_eq!(schedule.sweeping_as_of, Some(at(1)));
}

/// Which instants are missed and which are caught up, one by one.
fn naive(schedule: &Schedule, as_of: Timestamp) -> (VecDeque<Timestamp>, Vec<Timestamp>) {
    let Timing::Interval { interval_ms } = schedule.timing else { panic!("it is an interval") };
    let late = |instant: &Timestamp| as_of.duration_since(starts_at(schedule, *instant)) > tolerance(&schedule.timing);
    let end = schedule.end.unwrap_or(Timestamp::MAX);
    let all = (0..).map(|k| schedule.init + SignedDuration::from_millis(k * interval_ms));
    let mut missed: VecDeque<Timestamp> = all
        .take_while(|instant| late(instant) && *instant < end)
        .filter(|instant| *instant > schedule.settled_until)
        .collect();
    let fires = match schedule.misfire {
        Misfire::Skip => 0,
        Misfire::Once => 1,
        Misfire::All => 100,
    };
    let caught_up = missed.split_off(missed.len().saturating_sub(fires));
    (missed, caught_up.into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_backlog_is_what_a_naive_model_says(
        interval_ms in 1_000_i64..100_000,
        jitter in 0.0..0.99,
        init_ms in -300_000_i64..300_000,
        settled_ms in -100_000_i64..100_000,
        passed_ms in 0_i64..3_000_000,
        end_ms in proptest::option::of(400_000_i64..2_000_000),
        misfire in prop_oneof![Just(Misfire::Skip), Just(Misfire::Once), Just(Misfire::All)],
    ) {
        let jitter_ms = (interval_ms as f64 * jitter) as i64;
        let mut schedule = schedule(interval_ms, misfire, jitter_ms);
        (schedule.init, schedule.settled_until, schedule.end) = (at(init_ms), at(settled_ms), end_ms.map(at));
        let as_of = at(settled_ms + passed_ms);
        let (mut missed, caught_up) = naive(&schedule, as_of);
        let backlog = backlog(&schedule, &schedule.instants().unwrap(), as_of);
        prop_assert_eq!(backlog.caught_up.last().or(backlog.missed.last()).copied().or(backlog.summary.map(|summary| summary.to)), caught_up.last().copied().or(missed.back().copied()));
        prop_assert_eq!(&backlog.caught_up, &caught_up);
        let all = backlog.all_missed().map(|all| (all.from, all.to, all.count));
        let naively = missed.front().map(|first| (*first, missed[missed.len() - 1], missed.len() as u64));
        prop_assert_eq!(all, naively);
        let own = missed.split_off(missed.len().saturating_sub(OWN_ROWS));
        prop_assert_eq!(&backlog.missed, &Vec::from(own));
        let summary = backlog.summary.map(|summary| (summary.from, summary.to, summary.count));
        let naively = missed.front().map(|first| (*first, missed[missed.len() - 1], missed.len() as u64));
        prop_assert_eq!(summary, naively);
    }

    #[test]
    fn a_start_is_delayed_by_less_than_the_jitter(ms: i32, jitter_ms in 1_i64..100_000) {
        let schedule = schedule(100_000, Misfire::Skip, jitter_ms);
        let delay = starts_at(&schedule, at(ms.into())).duration_since(at(ms.into()));
        prop_assert!((0..jitter_ms).contains(&i64::try_from(delay.as_millis()).unwrap()));
        prop_assert_eq!(starts_at(&schedule, at(ms.into())), starts_at(&schedule, at(ms.into())));
    }

    #[test]
    fn no_pattern_panics_or_takes_for_ever(pattern in "[0-9*/,LW#?+@A-Za-z -]{0,40}", zone in "UTC|Asia/Kathmandu|America/St_Johns") {
        let timing = Timing::Cron { expression: pattern, timezone: zone };
        if let Ok(instants) = Instants::new(&timing, at(0), None) {
            let found: Vec<Timestamp> = instants.after(at(0)).take(20).collect();
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", found);
        }
    }
}
