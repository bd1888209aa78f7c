//! How much one first event may cause in all, through whatever its steps cause in turn.
//!
//! Nobody counts: an event carries what is left for it, and shares that out among the steps of all of its runs before
//! they start. Every step, and every event that an attempt at it may cause, is paid for first. So no tree of events and
//! steps is larger than the budget of its first event, in whatever order and however often its parts are delivered.

/// Which part of what is left goes to the facts about the outcomes of the runs: enough for a few steps that attend to a
/// failure, and so little that an honest chain of events does not notice, and a chain of outcomes soon ends.
const OUTCOME_PART: u64 = 32;

/// What is left for a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// What each of its steps may cause.
    pub(crate) step: u64,
    /// What the fact about its outcome may cause.
    pub(crate) outcome: u64,
}

/// Returns the budget of each run of an event, given how many runs there are and how many attempts each step has; `None`
/// if what is left for the event does not even pay for these steps, and for the events that they and the runs' outcomes
/// may be.
pub(crate) fn share(left: u64, runs: u64, attempts: impl Iterator<Item = u32>) -> Option<Share> {
    let (steps, events) = attempts.fold((0, 0), |(steps, events), attempts| (steps + 1, events + u64::from(attempts)));
    let rest = left.checked_sub(steps + events + runs)?;
    let outcome = (rest / OUTCOME_PART).checked_div(runs).unwrap_or_default();
    let rest = rest - outcome * runs;
    Some(Share { step: rest.checked_div(steps).unwrap_or(rest), outcome })
}

/// Returns the part of an outcome's budget for a run that has ended so many times, as each retry ends it again.
pub(crate) fn of_ending(outcome: u64, endings: u32) -> u64 {
    outcome.checked_shr(endings).unwrap_or_default()
}

/// Returns the part of a step's budget for what one attempt causes; attempts count from 1.
///
/// The only attempt gets all, and one that may be followed by others half of what is left.
pub(crate) fn of_attempt(step: u64, attempt: u32, attempts: u32) -> u64 {
    if attempts <= 1 { step } else { step.checked_shr(attempt).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts the events and steps of a whole tree, in which every attempt is made and causes an event, and so does the
    /// outcome of every run.
    ///
    /// A tree can be thousands of events deep, too deep for a recursion.
    fn size(left: u64, levels: &[Vec<u32>]) -> u64 {
        let (mut size, mut events) = (0, vec![(left, 0)]);
        while let Some((left, depth)) = events.pop() {
            let attempts = &levels[depth % levels.len()];
            let share = share(left, 1, attempts.iter().copied()).filter(|_| !attempts.is_empty());
            let Some(Share { step, outcome }) = share else { continue };
            size += 1;
            events.push((of_ending(outcome, 1), depth + 1));
            for attempts in attempts {
                size += 1 + u64::from(*attempts);
                for attempt in 1..=*attempts {
                    let budget = of_attempt(step, attempt, *attempts);
                    // It cannot grow for ever: each event has less than the one before.
                    assert!(budget < left);
                    events.push((budget, depth + 1));
                }
            }
        }
        size
    }

    proptest! {
        #[test]
        fn no_tree_is_larger_than_its_budget(
            left in 0_u64..5_000,
            levels in prop::collection::vec(prop::collection::vec(1_u32..=10, 1..12), 1..4),
        ) {
            prop_assert!(size(left, &levels) <= left);
        }

        #[test]
        fn attempts_share_what_their_step_has(step: u64, attempts in 1_u32..=10) {
            let all: u128 = (1..=attempts).map(|attempt| u128::from(of_attempt(step, attempt, attempts))).sum();
            prop_assert!(all <= u128::from(step));
        }
    }

    #[test]
    fn the_deepest_tree_is_no_larger_than_its_budget() {
        // What is halved for further outcomes of the same run is left over.
        let size = size(5_000, &[vec![1]]);
        assert!((2400..=5_000).contains(&size), "{size}");
    }

    #[test]
    fn what_is_left_is_shared_among_the_steps() {
        let check = |left: u64, runs: u64, attempts: &[u32], expected: Option<(u64, u64)>| {
            let shared = share(left, runs, attempts.iter().copied());
            assert_eq!(shared.map(|share| (share.step, share.outcome)), expected, "{left} {attempts:?}");
        };
        check(10_000, 1, &[1], Some((9_685, 312)));
        check(10_000, 2, &[1, 1, 1, 1], Some((2_419, 156)));
        check(3, 1, &[1], Some((0, 0)));
        check(2, 1, &[1], None);
        check(0, 1, &[1], None);
        check(10_000, 1, &[10], Some((9_676, 312)));
        check(5_000, 1, &vec![1; 2_500], None);
        let rest = u64::MAX - 5;
        check(u64::MAX, 1, &[1, 1], Some(((rest - rest / 32) / 2, rest / 32)));
        assert_eq!((1..=3).map(|ending| of_ending(100, ending)).collect::<Vec<_>>(), [50, 25, 12]);
        assert_eq!(of_ending(100, 99), 0);
        assert_eq!((1..=3).map(|attempt| of_attempt(100, attempt, 3)).collect::<Vec<_>>(), [50, 25, 12]);
        assert_eq!(of_attempt(100, 1, 1), 100);
    }

    #[test]
    fn an_honest_chain_is_stopped_by_its_depth_and_not_by_its_budget() {
        for attempts in [1, 3] {
            let mut left = 10_000;
            for _ in 0..10 {
                left = of_attempt(share(left, 1, [attempts].into_iter()).unwrap().step, 1, attempts);
            }
            assert!(left > 1, "{attempts}");
        }
    }
}
