//! Which alternatives wait for which value at a path.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::number::{Double, Range};
use crate::rule::{Clause, Rule};

/// What is known of a value that satisfies a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hint<'r> {
    Text(&'r str),
    Number(Double),
    Prefix(&'r str),
    Suffix(&'r str),
    Range(Range),
    /// Nothing that spares trying.
    Unknown,
}

impl<'r> Hint<'r> {
    fn of(rule: &'r Rule) -> Self {
        let (prefix, suffix) = match rule {
            Rule::String(text) => return Self::Text(text),
            Rule::Number(number) => return Self::Number(*number),
            Rule::Numeric(range) => return Self::Range(*range),
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
pub(crate) struct Demand<'p> {
    counts: HashMap<(&'p str, Hint<'p>), usize>,
    all: usize,
}

impl<'p> Demand<'p> {
    pub(crate) fn of(clauses: impl Iterator<Item = &'p Clause>) -> Self {
        let mut demand = Self { counts: HashMap::new(), all: 0 };
        for clause in clauses {
            demand.all += 1;
            for rule in &clause.rules {
                *demand.counts.entry((&*clause.path, Hint::of(rule))).or_default() += 1;
            }
        }
        demand
    }

    /// How many candidates a watch on this clause would bring along; what no table answers counts as all.
    pub(crate) fn cost(&self, clause: &'p Clause) -> usize {
        let of_rule = |rule| match Hint::of(rule) {
            Hint::Unknown | Hint::Range(_) => self.all,
            hint => self.counts.get(&(&*clause.path, hint)).copied().unwrap_or_default(),
        };
        clause.rules.iter().map(of_rule).sum()
    }
}

/// The alternatives, by number, that wait for a value at one path.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    path: Box<str>,
    texts: HashMap<Box<str>, Vec<usize>>,
    numbers: HashMap<Double, Vec<usize>>,
    prefixes: Affixes,
    suffixes: Affixes,
    ranges: Vec<(Range, usize)>,
    /// By the clause that must be tried.
    others: HashMap<usize, Vec<usize>>,
}

impl Watch {
    pub(crate) fn at(path: &str) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Lets an alternative wait for a value that satisfies the clause, whose number is given too.
    pub(crate) fn add(&mut self, clause: &Clause, number: usize, alternative: usize) {
        for rule in &clause.rules {
            match Hint::of(rule) {
                Hint::Text(text) => self.texts.entry(text.into()).or_default().push(alternative),
                Hint::Number(number) => self.numbers.entry(number).or_default().push(alternative),
                Hint::Prefix(prefix) => self.prefixes.add(prefix, alternative),
                Hint::Suffix(suffix) => self.suffixes.add(suffix, alternative),
                Hint::Range(range) => self.ranges.push((range, alternative)),
                Hint::Unknown => self.others.entry(number).or_default().push(alternative),
            }
        }
    }

    /// Adds the alternatives that may hold because of this value, some perhaps more than once.
    pub(crate) fn collect(&self, leaf: &Value, clauses: &[Arc<Clause>], candidates: &mut Vec<usize>) {
        match leaf {
            Value::String(text) => {
                candidates.extend(self.texts.get(text.as_str()).into_iter().flatten());
                candidates.extend(self.prefixes.of(|length| text.get(..length)));
                candidates.extend(self.suffixes.of(|length| text.get(text.len().checked_sub(length)?..)));
            }
            Value::Number(number) => {
                if let Some(number) = Double::of(number) {
                    candidates.extend(self.numbers.get(&number).into_iter().flatten());
                    let ranges = self.ranges.iter().filter(|(range, _)| range.contains(number));
                    candidates.extend(ranges.map(|(_, alternative)| alternative));
                }
            }
            _ => {}
        }
        let accepting = self.others.iter().filter(|(clause, _)| clauses[**clause].accepts(leaf));
        candidates.extend(accepting.flat_map(|(_, alternatives)| alternatives));
    }
}

/// Prefixes or suffixes, and which lengths they have.
#[derive(Debug, Default)]
struct Affixes {
    lengths: Vec<usize>,
    alternatives: HashMap<Box<str>, Vec<usize>>,
}

impl Affixes {
    fn add(&mut self, affix: &str, alternative: usize) {
        if !self.lengths.contains(&affix.len()) {
            self.lengths.push(affix.len());
        }
        self.alternatives.entry(affix.into()).or_default().push(alternative);
    }

    /// Returns those whose affix the text has; `cut` returns as many bytes of the text.
    fn of<'t>(&self, cut: impl Fn(usize) -> Option<&'t str>) -> impl Iterator<Item = &usize> {
        self.lengths.iter().filter_map(move |length| self.alternatives.get(cut(*length)?)).flatten()
    }
}
