//! From a path to the values of an event, and what arrays of objects mean.
//!
//! A path is the names of the fields joined by dots, on both sides: the event `{"a.b": 1}` has the same field as
//! `{"a": {"b": 1}}`. Arrays do not show in a path: every element has the field. Only values that are neither
//! object nor array count; an empty array or object has none.
//!
//! When fields are in an array of objects, those that a pattern names must be found in the same element. That is
//! judged here by descending with all clauses at once, which is linear in the event, instead of by trying every
//! combination of values.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::rule::Clause;

/// Deeper than any JSON parser goes by default; what is deeper is not seen.
const MAX_DEPTH: usize = 256;
/// How many clauses may hold either by a value or by absence inside arrays, each of which doubles the work.
const MAX_UNDECIDED: usize = 6;

/// What remains of a path; `None` when all of it is consumed.
type Rest<'a> = Option<&'a str>;

/// The result of evaluating a clause by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClauseResult {
    Fails,
    /// It holds, whatever the others do.
    Holds,
    /// It holds, but perhaps only in some elements of an array.
    HoldsInArray,
    /// There is a value and it is wrong, but an element that others choose may have none.
    MayBeAbsentInArray,
}

/// Evaluates one clause by itself.
pub(crate) fn evaluate(event: &Value, clause: &Clause) -> ClauseResult {
    if !event.is_object() {
        return ClauseResult::Fails;
    }
    let mut seen = false;
    let mut accepts = |leaf: &Value| {
        seen = true;
        clause.accepts(leaf)
    };
    let mut search = Search { found: &mut accepts, in_array: false };
    let holds = search.any(event, Some(&*clause.path), 0);
    match (holds, search.in_array, clause.accepts_absence()) {
        (true, false, _) => ClauseResult::Holds,
        (true, true, _) => ClauseResult::HoldsInArray,
        (false, _, true) if !seen => ClauseResult::Holds,
        (false, true, true) => ClauseResult::MayBeAbsentInArray,
        _ => ClauseResult::Fails,
    }
}

/// Whether an alternative's clauses hold together, given the result of each by itself.
pub(crate) fn all_hold(
    event: &Value,
    all: &[Arc<Clause>],
    alternative: &[usize],
    result: impl Fn(usize) -> ClauseResult,
) -> bool {
    let mut in_arrays = 0;
    for clause in alternative {
        match result(*clause) {
            ClauseResult::Holds => {}
            ClauseResult::HoldsInArray => in_arrays += 1,
            ClauseResult::MayBeAbsentInArray => in_arrays += 2,
            ClauseResult::Fails => return false,
        }
    }
    let in_arrays_only = alternative.iter().filter(|clause| result(**clause) != ClauseResult::Holds);
    in_arrays < 2 || all_hold_together(event, in_arrays_only.map(|clause| &*all[*clause]))
}

/// Calls `found` with every value at a path until it returns `true`.
pub(crate) fn any_leaf<'v>(event: &'v Value, path: &str, found: &mut dyn FnMut(&'v Value) -> bool) -> bool {
    event.is_object() && Search { found, in_array: false }.any(event, Some(path), 0)
}

struct Search<'f, 'v> {
    found: &'f mut dyn FnMut(&'v Value) -> bool,
    /// Whether the search has been inside an array's element that is not a plain value.
    in_array: bool,
}

impl<'v> Search<'_, 'v> {
    fn any(&mut self, value: &'v Value, rest: Rest<'_>, depth: usize) -> bool {
        match value {
            _ if depth > MAX_DEPTH => false,
            Value::Object(fields) => {
                rest.is_some_and(|rest| children(fields, rest).any(|(child, rest)| self.any(child, rest, depth + 1)))
            }
            Value::Array(elements) => elements.iter().any(|element| {
                self.in_array |= is_container(element);
                self.any(element, rest, depth + 1)
            }),
            leaf => rest.is_none() && (self.found)(leaf),
        }
    }
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// The fields of an object through which a path can go on: for `a.b.c` those named `a`, `a.b` and `a.b.c`.
fn children<'v, 'p>(fields: &'v Map<String, Value>, rest: &'p str) -> impl Iterator<Item = (&'v Value, Rest<'p>)> {
    let inner = rest.match_indices('.').map(|(dot, _)| (&rest[..dot], Some(&rest[dot + 1..])));
    inner.chain([(rest, None)]).filter_map(|(name, rest)| Some((fields.get(name)?, rest)))
}

/// Decides for every clause whether it is to hold by a value or by absence, trying both where both are possible.
fn all_hold_together<'c>(event: &Value, clauses: impl Iterator<Item = &'c Clause>) -> bool {
    let mut goals = Vec::new();
    let mut undecided = Vec::new();
    for clause in clauses {
        let present = any_leaf(event, &clause.path, &mut |_| true);
        let by_value = any_leaf(event, &clause.path, &mut |leaf| clause.accepts(leaf));
        if clause.accepts_absence() && !present {
            continue;
        }
        if clause.accepts_absence() && by_value {
            undecided.push(goals.len());
        }
        goals.push(Goal { clause, rest: Some(&*clause.path), by_value });
    }
    undecided.truncate(MAX_UNDECIDED);
    (0..1_usize << undecided.len()).any(|choice| {
        for (bit, goal) in undecided.iter().enumerate() {
            goals[*goal].by_value = choice >> bit & 1 == 0;
        }
        reached(event, &goals, 0)
    })
}

/// A clause on its way down the event.
#[derive(Clone, Copy)]
struct Goal<'a> {
    clause: &'a Clause,
    rest: Rest<'a>,
    /// Whether a value must be found, or none.
    by_value: bool,
}

impl<'a> Goal<'a> {
    /// Whether this value, with what is below it, can satisfy the clause by itself.
    fn finds(&self, value: &Value, depth: usize) -> bool {
        let mut found = |leaf: &Value| !self.by_value || self.clause.accepts(leaf);
        Search { found: &mut found, in_array: false }.any(value, self.rest, depth)
    }

    /// The goal as it continues below each field that leads on.
    fn ways<'v>(self, fields: &'v Map<String, Value>) -> impl Iterator<Item = (&'v Value, Self)> + use<'v, 'a> {
        let on = self.rest.into_iter().flat_map(move |rest| children(fields, rest));
        on.map(move |(child, rest)| (child, Self { rest, ..self }))
    }

    /// The first field below which the clause can be satisfied by itself.
    fn way(self, fields: &Map<String, Value>, depth: usize) -> Option<(&Value, Self)> {
        self.ways(fields).find(|(child, goal)| goal.finds(child, depth))
    }
}

/// Whether all goals are reached in this part of the event with one choice of elements.
fn reached(value: &Value, goals: &[Goal<'_>], depth: usize) -> bool {
    match value {
        _ if depth > MAX_DEPTH => goals.iter().all(|goal| !goal.by_value),
        Value::Object(fields) => reached_in_object(fields, goals, depth),
        Value::Array(elements) => reached_in_array(value, elements, goals, depth),
        leaf => goals.iter().all(|goal| match goal.rest {
            None => goal.by_value && goal.clause.accepts(leaf),
            Some(_) => !goal.by_value,
        }),
    }
}

/// Different fields do not share an array, so each must reach its own goals.
fn reached_in_object(fields: &Map<String, Value>, goals: &[Goal<'_>], depth: usize) -> bool {
    // Most elements of an array fail here, before anything is allocated.
    if goals.iter().any(|goal| goal.by_value && goal.way(fields, depth + 1).is_none()) {
        return false;
    }
    let mut groups = Vec::new();
    for goal in goals {
        if goal.by_value {
            goal.way(fields, depth + 1).into_iter().for_each(|(child, goal)| join(&mut groups, child, goal));
        } else {
            goal.ways(fields).for_each(|(child, goal)| join(&mut groups, child, goal));
        }
    }
    groups.iter().all(|(child, group)| reached(child, group, depth + 1))
}

/// Adds a goal to those of the same field.
fn join<'v, 'g>(groups: &mut Vec<(&'v Value, Vec<Goal<'g>>)>, child: &'v Value, goal: Goal<'g>) {
    match groups.iter_mut().find(|(other, _)| std::ptr::eq(*other, child)) {
        Some((_, group)) => group.push(goal),
        None => groups.push((child, vec![goal])),
    }
}

/// One element must do for all that is not found among the plain values of the array.
///
/// Clauses choose the element in the order of their paths. So a clause that requires absence is judged in that
/// element only when a clause before it has chosen, and over the whole array otherwise.
fn reached_in_array(array: &Value, elements: &[Value], goals: &[Goal<'_>], depth: usize) -> bool {
    let among_plain_values = |goal: &Goal<'_>| {
        let mut plain = elements.iter().filter(|element| !is_container(element));
        goal.rest.is_none() && plain.any(|leaf| !goal.by_value || goal.clause.accepts(leaf))
    };
    let mut left = Vec::with_capacity(goals.len());
    let mut chosen = false;
    for goal in goals {
        match (goal.by_value, among_plain_values(goal)) {
            (true, true) => {}
            (false, true) => return false,
            (true, false) => {
                chosen = true;
                left.push(*goal);
            }
            (false, false) if chosen => left.push(*goal),
            (false, false) if goal.finds(array, depth) => return false,
            (false, false) => {}
        }
    }
    left.is_empty() || elements.iter().any(|element| is_container(element) && reached(element, &left, depth + 1))
}
