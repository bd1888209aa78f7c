//! Whether several patterns can match the same event, shown by an event that they all match.
//!
//! A *simple* event has one value at most at each path: no arrays, and no field that is written both nested and dotted. For
//! simple events the paths are independent of each other, because `{"a": 1, "a.b": 2}` is one: the patterns have a common
//! event exactly if, for one choice of their alternatives, each path has a value, or an absence, that all clauses accept.

mod build;
mod text;
mod value;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Pattern;
use crate::rule::Clause;
use build::build;
use value::Solution;

/// How many choices of alternatives are tried.
const MAX_CHOICES: usize = 1_000;
/// How many choices are tried with lists, after none was found without.
const MAX_CHOICES_WITH_LISTS: usize = 16;
/// How many places of automata the searches for texts go through, in all choices together.
const MAX_WORK: usize = 300_000;

/// Whether several patterns can match the same event.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlap {
    /// This event matches all, and each of its fields has one value.
    Witness(Value),
    /// This event matches all; it has lists, without which none was found.
    WitnessWithLists(Value),
    /// It is proven that no simple event matches all, and none with lists was found.
    Disjoint,
    /// No event was found, and it was not proven that there is none.
    Unknown,
}

/// What the clauses of all patterns require of each path.
type Paths<'a> = BTreeMap<&'a str, Vec<&'a Clause>>;

/// What an event has at a path.
#[derive(Debug)]
enum Field {
    Absent,
    /// A value; `true` if the clauses also accept that there is none.
    Value(Value, bool),
    /// A list of values, one for each clause.
    List(Vec<Value>),
}

impl Overlap {
    /// Constructs an event that matches all of the patterns.
    ///
    /// What is returned as a witness was matched with each of them.
    pub fn of(patterns: &[&Pattern]) -> Self {
        Self::of_events(patterns, |_| false)
    }

    /// Constructs an event that matches all of the patterns, and that has no list at the paths that hold a single value in
    /// every event.
    pub fn of_events(patterns: &[&Pattern], is_single: impl Fn(&str) -> bool) -> Self {
        let counts = patterns.iter().map(|pattern| pattern.alternatives().len());
        let all = counts.clone().fold(1_usize, usize::saturating_mul);
        let mut work_left = MAX_WORK;
        let mut is_proven = all <= MAX_CHOICES;
        for choice in 0..all.min(MAX_CHOICES) {
            match fields(&paths(patterns, choice), &mut work_left) {
                Found::Fields(fields) => match matched(patterns, build(&fields)) {
                    Some(event) => return Self::Witness(event),
                    None => is_proven = false,
                },
                Found::Nothing => {}
                Found::Unknown => is_proven = false,
            }
        }
        for choice in 0..all.min(MAX_CHOICES_WITH_LISTS) {
            let with_lists = fields_with_lists(&paths(patterns, choice), &is_single, &mut work_left);
            if let Some(event) = with_lists.and_then(|fields| matched(patterns, build(&fields))) {
                return Self::WitnessWithLists(event);
            }
        }
        if is_proven { Self::Disjoint } else { Self::Unknown }
    }
}

/// Returns the clauses of one alternative of each pattern, by their paths; `choice` counts through all choices.
fn paths<'a>(patterns: &[&'a Pattern], mut choice: usize) -> Paths<'a> {
    let mut paths = Paths::new();
    for pattern in patterns {
        let alternatives = pattern.alternatives();
        let alternative = &alternatives[choice % alternatives.len()];
        choice /= alternatives.len();
        for clause in alternative {
            let clause = &*pattern.clauses()[*clause];
            paths.entry(&*clause.path).or_default().push(clause);
        }
    }
    paths
}

/// What was found for a choice of alternatives.
enum Found<'a> {
    Fields(Vec<(&'a str, Field)>),
    Nothing,
    Unknown,
}

fn fields<'a>(paths: &Paths<'a>, work_left: &mut usize) -> Found<'a> {
    let (mut fields, mut is_unknown) = (Vec::new(), false);
    for (path, clauses) in paths {
        let may_be_absent = clauses.iter().all(|clause| clause.accepts_absence());
        let field = match value::solve(clauses, work_left) {
            Solution::Value(value) => Field::Value(value, may_be_absent),
            _ if may_be_absent => Field::Absent,
            Solution::Nothing => return Found::Nothing,
            Solution::Unknown => {
                is_unknown = true;
                continue;
            }
        };
        fields.push((*path, field));
    }
    if is_unknown { Found::Unknown } else { Found::Fields(fields) }
}

/// Gives a path a list where no single value does for all of its clauses.
fn fields_with_lists<'a>(
    paths: &Paths<'a>,
    is_single: &impl Fn(&str) -> bool,
    work_left: &mut usize,
) -> Option<Vec<(&'a str, Field)>> {
    let mut fields = Vec::new();
    for (path, clauses) in paths {
        let may_be_absent = clauses.iter().all(|clause| clause.accepts_absence());
        let field = match value::solve(clauses, work_left) {
            Solution::Value(value) => Field::Value(value, may_be_absent),
            _ if may_be_absent => Field::Absent,
            _ if is_single(path) => return None,
            _ => {
                let mut each = clauses.iter().map(|clause| value::solve(&[clause], work_left).value());
                Field::List(each.by_ref().collect::<Option<Vec<_>>>()?)
            }
        };
        fields.push((*path, field));
    }
    Some(fields)
}

fn matched(patterns: &[&Pattern], event: Value) -> Option<Value> {
    patterns.iter().all(|pattern| pattern.matches(&event)).then_some(event)
}
