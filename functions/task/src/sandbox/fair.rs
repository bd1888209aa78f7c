//! A queue in which everyone takes turns, however many each of them has waiting.

use std::collections::VecDeque;

/// What waits, in queues of their owners that are served in turn.
#[derive(Debug)]
pub(super) struct Fair<T> {
    queues: VecDeque<(String, VecDeque<T>)>,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self { queues: VecDeque::new() }
    }
}

impl<T> Fair<T> {
    /// Puts something at the end of its owner's queue.
    pub(super) fn push(&mut self, owner: &str, item: T) {
        self.push_before(owner, item, |_| false);
    }

    /// Puts something into its owner's queue, before the first that it precedes.
    pub(super) fn push_before(&mut self, owner: &str, item: T, precedes: impl Fn(&T) -> bool) {
        let Some((_, queue)) = self.queues.iter_mut().find(|(name, _)| name == owner) else {
            self.queues.push_back((owner.to_owned(), VecDeque::from([item])));
            return;
        };
        let place = queue.iter().position(precedes).unwrap_or(queue.len());
        queue.insert(place, item);
    }

    /// Takes the first that may be taken, of the owner who has waited longest for a turn.
    pub(super) fn next_where(&mut self, mut may_go: impl FnMut(&str, &T) -> bool) -> Option<(String, T)> {
        let mut find = |(owner, queue): &(String, VecDeque<T>)| queue.iter().position(|item| may_go(owner, item));
        let (at, place) =
            self.queues.iter().enumerate().find_map(|(at, queue)| find(queue).map(|place| (at, place)))?;
        let (owner, mut queue) = self.queues.remove(at)?;
        let item = queue.remove(place)?;
        if !queue.is_empty() {
            self.queues.push_back((owner.clone(), queue));
        }
        Some((owner, item))
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(|(_, queue)| queue.len()).sum()
    }

    /// Takes the next.
    #[cfg(test)]
    pub(super) fn next(&mut self) -> Option<T> {
        self.next_where(|_, _| true).map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_take_turns_and_keep_their_own_order() {
        let mut fair = Fair::default();
        for (owner, item) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
            fair.push(owner, item);
        }
        let order: Vec<i32> = std::iter::from_fn(|| fair.next()).collect();
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn what_precedes_others_goes_before_those_of_its_own_owner() {
        let mut fair = Fair::default();
        for (owner, item) in [("a", 1), ("a", 5), ("b", 3), ("a", 5), ("a", 9), ("b", 4)] {
            fair.push_before(owner, item, |other| *other < item);
        }
        let order: Vec<i32> = std::iter::from_fn(|| fair.next()).collect();
        assert_eq!(order, [9, 4, 5, 3, 5, 1]);
    }

    #[test]
    fn who_may_not_go_is_passed_over_and_keeps_the_place() {
        let mut fair = Fair::default();
        for (owner, item) in [("a", 1), ("a", 2), ("b", 3)] {
            fair.push(owner, item);
        }
        assert_eq!(fair.next_where(|owner, item| owner != "a" || *item == 2), Some(("a".to_owned(), 2)));
        assert_eq!(fair.next_where(|owner, _| owner == "c"), None);
        assert_eq!([fair.next(), fair.next(), fair.next()], [Some(3), Some(1), None]);
    }
}
