//! Many patterns against one event, without asking each.

use std::collections::HashMap;

use serde_json::Value;

use crate::Pattern;
use crate::number::Millionths;
use crate::rule::{Clause, Rule};
use crate::walk::any_leaf;

/// A set of patterns, each with a key, that finds those that match an event.
///
/// An alternative of a pattern can match only where each of its clauses finds a value. So the index watches one
/// clause of every alternative, the one that the fewest patterns share, and looks at an event from the other side:
/// what its values are, and who waits for them. Strings, numbers, prefixes and suffixes are looked up in tables;
/// other rules are tried on the value. Who was waiting is a candidate, and a candidate is then really matched, so the
/// answer is always that of [`Pattern::matches`]. An alternative that only asks for absence is always a candidate.
#[derive(Debug)]
pub struct Index<K> {
    entries: Vec<(K, Pattern)>,
    watches: Vec<Watch>,
    /// Entries that must be matched with every event.
    always: Vec<usize>,
}

impl<K> Index<K> {
    /// The keys of the patterns that match, in the order in which they came.
    pub fn matching<'i>(&'i self, event: &'i Value) -> impl Iterator<Item = &'i K> {
        let mut candidates = self.always.clone();
        for watch in &self.watches {
            any_leaf(event, &watch.path, &mut |leaf| {
                watch.collect(leaf, &self.entries, &mut candidates);
                false
            });
        }
        candidates.sort_unstable();
        candidates.dedup();
        let entries = candidates.into_iter().map(|at| &self.entries[at]);
        entries.filter(|(_, pattern)| pattern.matches(event)).map(|(key, _)| key)
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K> FromIterator<(K, Pattern)> for Index<K> {
    fn from_iter<I: IntoIterator<Item = (K, Pattern)>>(patterns: I) -> Self {
        let mut index = Self { entries: patterns.into_iter().collect(), watches: Vec::new(), always: Vec::new() };
        let demand = Demand::of(&index.entries);
        let mut at_path = HashMap::new();
        for (entry, (_, pattern)) in index.entries.iter().enumerate() {
            for alternative in pattern.alternatives() {
                let Some(clause) = demand.rarest(pattern, alternative) else {
                    index.always.push(entry);
                    continue;
                };
                let path = &pattern.clauses()[clause].path;
                let watch = *at_path.entry(path.clone()).or_insert_with(|| {
                    index.watches.push(Watch { path: path.clone(), ..Watch::default() });
                    index.watches.len() - 1
                });
                index.watches[watch].add(pattern, Waiting { entry, clause });
            }
        }
        index.always.dedup();
        index
    }
}

/// What is known of a value that satisfies a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hint<'r> {
    Text(&'r str),
    Number(Millionths),
    Prefix(&'r str),
    Suffix(&'r str),
    /// Nothing that a table could find.
    Unknown,
}

impl<'r> Hint<'r> {
    fn of(rule: &'r Rule) -> Self {
        let (prefix, suffix) = match rule {
            Rule::String(text) => return Self::Text(text),
            Rule::Number(number) => return Self::Number(*number),
            Rule::Prefix(prefix) => (&**prefix, ""),
            Rule::Suffix(suffix) => ("", &**suffix),
            Rule::Wildcard(wildcard) => (wildcard.prefix(), wildcard.suffix()),
            _ => ("", ""),
        };
        match (prefix, suffix) {
            ("", "") => Self::Unknown,
            ("", suffix) => Self::Suffix(suffix),
            (prefix, _) => Self::Prefix(prefix),
        }
    }
}

/// How often each value is waited for, to choose what to watch.
struct Demand<'p> {
    counts: HashMap<(&'p str, Hint<'p>), usize>,
    entries: usize,
}

impl<'p> Demand<'p> {
    fn of<K>(entries: &'p [(K, Pattern)]) -> Self {
        let mut counts = HashMap::new();
        for clause in entries.iter().flat_map(|(_, pattern)| pattern.clauses()) {
            for rule in &clause.rules {
                *counts.entry((&*clause.path, Hint::of(rule))).or_default() += 1;
            }
        }
        Self { counts, entries: entries.len() }
    }

    /// The clause to watch, if there is one that needs a value.
    fn rarest(&self, pattern: &'p Pattern, alternative: &[usize]) -> Option<usize> {
        let clauses = pattern.clauses();
        let needing_value = alternative.iter().copied().filter(|clause| !clauses[*clause].accepts_absence());
        needing_value.min_by_key(|clause| self.cost(&clauses[*clause]))
    }

    /// How many candidates a watch on this clause would bring along; what cannot be looked up counts as all.
    fn cost(&self, clause: &'p Clause) -> usize {
        let of_rule = |rule| match Hint::of(rule) {
            Hint::Unknown => self.entries,
            hint => self.counts.get(&(&*clause.path, hint)).copied().unwrap_or_default(),
        };
        clause.rules.iter().map(of_rule).sum()
    }
}

/// Who waits for a value at one path.
#[derive(Debug, Default)]
struct Watch {
    path: Box<str>,
    texts: HashMap<Box<str>, Vec<usize>>,
    numbers: HashMap<Millionths, Vec<usize>>,
    prefixes: Affixes,
    suffixes: Affixes,
    unknown: Vec<Waiting>,
}

/// A clause of an entry's pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    entry: usize,
    clause: usize,
}

/// Prefixes or suffixes, and which lengths they have.
#[derive(Debug, Default)]
struct Affixes {
    lengths: Vec<usize>,
    entries: HashMap<Box<str>, Vec<usize>>,
}

impl Affixes {
    fn add(&mut self, affix: &str, entry: usize) {
        if !self.lengths.contains(&affix.len()) {
            self.lengths.push(affix.len());
        }
        self.entries.entry(affix.into()).or_default().push(entry);
    }

    /// Those whose affix the text has, when `cut` takes that many bytes off the text.
    fn of<'t>(&self, cut: impl Fn(usize) -> Option<&'t str>) -> impl Iterator<Item = &usize> {
        self.lengths.iter().filter_map(move |length| self.entries.get(cut(*length)?)).flatten()
    }
}

impl Watch {
    fn add(&mut self, pattern: &Pattern, waiting: Waiting) {
        let entry = waiting.entry;
        for rule in &pattern.clauses()[waiting.clause].rules {
            match Hint::of(rule) {
                Hint::Text(text) => self.texts.entry(text.into()).or_default().push(entry),
                Hint::Number(number) => self.numbers.entry(number).or_default().push(entry),
                Hint::Prefix(prefix) => self.prefixes.add(prefix, entry),
                Hint::Suffix(suffix) => self.suffixes.add(suffix, entry),
                Hint::Unknown if self.unknown.last() == Some(&waiting) => {}
                Hint::Unknown => self.unknown.push(waiting),
            }
        }
    }

    /// Adds the entries that may match because of this value.
    fn collect<K>(&self, leaf: &Value, entries: &[(K, Pattern)], candidates: &mut Vec<usize>) {
        match leaf {
            Value::String(text) => {
                candidates.extend(self.texts.get(text.as_str()).into_iter().flatten());
                candidates.extend(self.prefixes.of(|length| text.get(..length)));
                candidates.extend(self.suffixes.of(|length| text.get(text.len().checked_sub(length)?..)));
            }
            Value::Number(number) => {
                let waiting = Millionths::of(number).and_then(|number| self.numbers.get(&number));
                candidates.extend(waiting.into_iter().flatten());
            }
            _ => {}
        }
        let accepted = |waiting: &&Waiting| entries[waiting.entry].1.clauses()[waiting.clause].accepts(leaf);
        candidates.extend(self.unknown.iter().filter(accepted).map(|waiting| waiting.entry));
    }
}
