//! How much one first event may cause in all, through whatever its steps cause in turn.
//!
//! Nobody counts: an event carries what is left for it, and shares that out among the steps of all of its runs before
//! they start. Every step, and every event that an attempt at it may cause, is paid for first. So no tree of events and
//! steps is larger than the budget of its first event, in whatever order and however often its parts are delivered.

/// Returns the budget of each step of all runs of an event, given how many attempts each step has; `None` if what is
/// left for the event does not even pay for these steps and the events that they may cause.
pub(crate) fn share(left: u64, attempts: impl Iterator<Item = u32>) -> Option<u64> {
    let (steps, events) = attempts.fold((0, 0), |(steps, events), attempts| (steps + 1, events + u64::from(attempts)));
    left.checked_sub(steps + events).map(|rest| rest.checked_div(steps).unwrap_or(rest))
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

    /// Counts the events and steps of a whole tree, in which every attempt is made and causes an event.
    ///
    /// A tree can be thousands of events deep, too deep for a recursion.
    fn size(left: u64, levels: &[Vec<u32>]) -> u64 {
        let (mut size, mut events) = (0, vec![(left, 0)]);
        while let Some((left, depth)) = events.pop() {
            let attempts = &levels[depth % levels.len()];
            let Some(step) = share(left, attempts.iter().copied()).filter(|_| !attempts.is_empty()) else { continue };
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
        assert_eq!(size(5_000, &[vec![1]]), 5_000);
    }

    #[test]
    fn what_is_left_is_shared_among_the_steps() {
        let check = |left: u64, attempts: &[u32], expected: Option<u64>| {
            assert_eq!(share(left, attempts.iter().copied()), expected, "{left} {attempts:?}");
        };
        check(10_000, &[1], Some(9_998));
        check(10_000, &[1, 1, 1, 1], Some(2_498));
        check(2, &[1], Some(0));
        check(1, &[1], None);
        check(0, &[1], None);
        check(10_000, &[10], Some(9_989));
        check(5_000, &vec![1; 2_501], None);
        check(u64::MAX, &[1, 1], Some((u64::MAX - 4) / 2));
        assert_eq!((1..=3).map(|attempt| of_attempt(100, attempt, 3)).collect::<Vec<_>>(), [50, 25, 12]);
        assert_eq!(of_attempt(100, 1, 1), 100);
    }

    #[test]
    fn an_honest_chain_is_stopped_by_its_depth_and_not_by_its_budget() {
        for attempts in [1, 3] {
            let mut left = 10_000;
            for _ in 0..10 {
                left = of_attempt(share(left, [attempts].into_iter()).unwrap(), 1, attempts);
            }
            assert!(left > 1, "{attempts}");
        }
    }
}
