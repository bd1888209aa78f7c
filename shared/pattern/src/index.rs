//! Many patterns against one event, without evaluating each.

mod watch;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::Pattern;
use crate::index::watch::{Demand, Watch};
use crate::rule::Clause;
use crate::walk::{all_hold, any_leaf, evaluate};

/// A set of patterns, each with a key, that finds those that match an event.
///
/// An alternative of a pattern can match only where each of its clauses finds a value. So the index watches one
/// clause of every alternative, the one that the fewest alternatives share, and starts from the values of an event:
/// the alternatives that wait for one of them are candidates. A candidate is then really matched, so the result is
/// always that of [`Pattern::matches`]. A clause that many patterns share is evaluated once. An alternative that only
/// requires absence is always a candidate.
#[derive(Debug)]
pub struct Index<K> {
    keys: Vec<K>,
    /// The different clauses of all patterns.
    clauses: Vec<Arc<Clause>>,
    /// The alternatives of all patterns, in the order of their keys.
    alternatives: Vec<Candidate>,
    watches: Vec<Watch>,
    /// Alternatives that must be matched with every event.
    always: Vec<usize>,
}

/// An alternative of the pattern with this key.
#[derive(Debug)]
struct Candidate {
    key: usize,
    clauses: Vec<usize>,
}

impl<K> Index<K> {
    /// The keys of the patterns that match, in the order in which they came.
    pub fn matching<'i>(&'i self, event: &'i Value) -> impl Iterator<Item = &'i K> {
        let mut candidates = self.always.clone();
        for watch in &self.watches {
            any_leaf(event, watch.path(), &mut |leaf| {
                watch.collect(leaf, &self.clauses, &mut candidates);
                false
            });
        }
        candidates.sort_unstable();
        candidates.dedup();
        let results = vec![OnceCell::new(); self.clauses.len()];
        let mut last = None;
        candidates.into_iter().filter_map(move |candidate| {
            let Candidate { key, clauses } = &self.alternatives[candidate];
            let evaluate_once = |clause: usize| *results[clause].get_or_init(|| evaluate(event, &self.clauses[clause]));
            if last == Some(*key) || !all_hold(event, &self.clauses, clauses, evaluate_once) {
                return None;
            }
            last = Some(*key);
            Some(&self.keys[*key])
        })
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Chooses for every alternative what to watch.
    fn watch_all(&mut self) {
        let clauses = &self.clauses;
        let used = self.alternatives.iter().flat_map(|alternative| &alternative.clauses);
        let demand = Demand::of(used.map(|clause| &*clauses[*clause]));
        let mut at_path = HashMap::new();
        for (number, alternative) in self.alternatives.iter().enumerate() {
            let needing_value = alternative.clauses.iter().filter(|clause| !clauses[**clause].accepts_absence());
            let Some(&rarest) = needing_value.min_by_key(|clause| demand.cost(&clauses[**clause])) else {
                self.always.push(number);
                continue;
            };
            let path = &*clauses[rarest].path;
            let watch = *at_path.entry(path).or_insert_with(|| {
                self.watches.push(Watch::at(path));
                self.watches.len() - 1
            });
            self.watches[watch].add(&clauses[rarest], rarest, number);
        }
    }
}

impl<K> FromIterator<(K, Pattern)> for Index<K> {
    fn from_iter<I: IntoIterator<Item = (K, Pattern)>>(patterns: I) -> Self {
        let (keys, patterns): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
        let (mut clauses, mut alternatives) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        for (key, pattern) in patterns.iter().enumerate() {
            let mut share = |clause| {
                *known.entry(clause).or_insert_with_key(|clause: &&Arc<Clause>| {
                    clauses.push(Arc::clone(clause));
                    clauses.len() - 1
                })
            };
            let shared: Vec<usize> = pattern.clauses().iter().map(&mut share).collect();
            for alternative in pattern.alternatives() {
                let clauses = alternative.iter().map(|clause| shared[*clause]).collect();
                alternatives.push(Candidate { key, clauses });
            }
        }
        let mut index = Self { keys, clauses, alternatives, watches: Vec::new(), always: Vec::new() };
        index.watch_all();
        index
    }
}
