//! How the budget of a task is shared out among what its script causes, so that no loop of scripts goes on for ever.
//!
//! A task may cause as many events, tasks and steps in all as its budget says. The calls of its script get shares that
//! are fixed in advance, as nobody knows how many there will be: an eighth of the budget for all of them alike, three
//! quarters by their order, the first one half of that. The last eighth is for the fact that the task failed. Tasks that
//! take the place of one another have half of what is left each.

use crate::sandbox::MAX_CALLS;

/// How many calls a script can make, of both kinds.
const CALLS: u64 = 2 * MAX_CALLS as u64;

/// Returns the part of a budget that a task has for itself, which takes the place of so many others, and whose place
/// another one may take.
pub(crate) fn of_attempt(budget: u64, earlier: usize, may_be_followed: bool) -> u64 {
    let halvings = earlier + usize::from(may_be_followed);
    u32::try_from(halvings).ok().and_then(|halvings| budget.checked_shr(halvings)).unwrap_or_default()
}

/// Returns the part of a task's budget that the call with this number, from 0, is paid from.
pub(crate) fn of_call(budget: u64, number: u32) -> u64 {
    let place = u64::from(number) + 1;
    let by_order = (budget - budget / 4) / place.saturating_mul(place + 1);
    if place > CALLS { 0 } else { budget / 8 / CALLS + by_order }
}

/// Returns the part of a budget that is left for the fact that a task failed, which takes the place of so many others.
pub(crate) fn of_failure(budget: u64, earlier: usize, has_acted: bool) -> u64 {
    match (earlier, has_acted) {
        (0, false) => budget,
        _ => of_attempt(budget, earlier, false) / 8,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_a_task_and_those_in_its_place_cause_is_within_its_budget(budget: u64, calls in 0..=200_u32, attempts in 1..=4_usize) {
            let mut all = 0_u128;
            for earlier in 0..attempts {
                let own = of_attempt(budget, earlier, earlier + 1 < attempts);
                all += (0..calls).map(|number| u128::from(of_call(own, number))).sum::<u128>();
            }
            all += u128::from(of_failure(budget, attempts - 1, calls > 0));
            prop_assert!(all <= u128::from(budget) || attempts == 1 && calls == 0);
        }
    }

    #[test]
    fn a_chain_of_scripts_goes_on_for_a_while_and_every_call_of_the_first_has_a_share() {
        let chain = std::iter::successors(Some(10_000), |budget| Some(of_call(*budget, 0)).filter(|left| *left > 2));
        assert!(chain.count() > 7);
        assert!(of_call(10_000, 199) > 2);
        assert_eq!(of_call(10_000, 200), 0);
        assert_eq!((of_failure(100, 0, false), of_failure(800, 0, true), of_failure(800, 1, false)), (100, 100, 50));
    }
}
