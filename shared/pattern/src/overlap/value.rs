//! A value that several clauses accept.

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use super::text;
use crate::cidr::Cidr;
use crate::number::Double;
use crate::rule::{Clause, Rule};

/// What was found out about a value.
#[derive(Debug)]
pub(super) enum Solution {
    /// All clauses accept this one.
    Value(Value),
    /// There is none, which is proven.
    Nothing,
    /// None was found.
    Unknown,
}

impl Solution {
    /// Returns the value, if one was found.
    pub(super) fn value(self) -> Option<Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Unknown => None,
        }
    }
}

/// Finds a value that all clauses accept.
///
/// The literals of the rules come first, as they are what events have. The kinds of values are decided one after the other:
/// of the plain kinds a few candidates stand for all values; texts are searched.
pub(super) fn solve(clauses: &[&Clause], work_left: &mut usize) -> Solution {
    let rules = || clauses.iter().flat_map(|clause| &clause.rules);
    let is_accepted = |value: &Value| clauses.iter().all(|clause| clause.accepts(value));
    let literals = rules().filter_map(literal);
    if let Some(value) = literals.chain(numbers(clauses)).find(&is_accepted) {
        return Solution::Value(value);
    }
    let blocks: Vec<&Cidr> = rules().filter_map(block).collect();
    if let Some(address) = addresses(&blocks, rules().count()).map(Value::from).find(&is_accepted) {
        return Solution::Value(address);
    }
    let found = text::search(clauses, work_left);
    if let Some(text) = found.text {
        return Solution::Value(text.into());
    }
    if let Some(value) = [Value::Bool(true), Value::Bool(false), Value::Null].into_iter().find(&is_accepted) {
        return Solution::Value(value);
    }
    let no_text = found.is_complete && (blocks.is_empty() || has_no_address(clauses));
    if no_text { Solution::Nothing } else { Solution::Unknown }
}

fn literal(rule: &Rule) -> Option<Value> {
    match rule {
        Rule::Null => Some(Value::Null),
        Rule::Bool(bool) => Some((*bool).into()),
        Rule::Number(number) => json_number(number.float()),
        Rule::String(text) | Rule::EqualsIgnoreCase(text) => Some((**text).into()),
        _ => None,
    }
}

/// Numbers that stand for all: what a rule says of a number changes nowhere but at the numbers in it.
fn numbers(clauses: &[&Clause]) -> impl Iterator<Item = Value> + use<> {
    let mut ends = BTreeSet::new();
    clauses.iter().for_each(|clause| clause.rules.iter().for_each(|rule| add_ends(rule, &mut ends)));
    // Whole numbers are the easiest to read.
    let whole = ends.clone().into_iter().flat_map(|end| [end.float().floor() + 1.0, end.float().ceil() - 1.0]);
    let exact = ends.into_iter().flat_map(|end| [Some(end), end.next_up(), end.next_down()]).flatten();
    whole.chain(exact.map(Double::float)).chain([1.0, 0.0]).filter_map(json_number)
}

fn add_ends(rule: &Rule, ends: &mut BTreeSet<Double>) {
    match rule {
        Rule::Number(number) => drop(ends.insert(*number)),
        Rule::Numeric(range) => ends.extend(range.ends()),
        Rule::AnythingBut(rules) => rules.iter().for_each(|rule| add_ends(rule, ends)),
        _ => {}
    }
}

/// The largest whole number below which every whole number is a double.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

#[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
fn json_number(float: f64) -> Option<Value> {
    if float.fract() == 0.0 && float.abs() <= MAX_WHOLE {
        return Some((float as i64).into());
    }
    Number::from_f64(float).map(Value::Number)
}

fn block(rule: &Rule) -> Option<&Cidr> {
    match rule {
        Rule::Cidr(block) => Some(block),
        _ => None,
    }
}

/// The first addresses of each block: more of them than there are rules that could refuse one.
fn addresses(blocks: &[&Cidr], rules: usize) -> impl Iterator<Item = String> {
    blocks.iter().flat_map(move |block| block.addresses().take(rules + 1))
}

/// Whether it is proven that no IP address is accepted, by two clauses that have no block in common or by one that only
/// accepts literals, which were tried.
fn has_no_address(clauses: &[&Clause]) -> bool {
    let of_texts = |clause: &Clause| clause.rules.iter().filter(|rule| text::may_accept(rule)).count();
    let only_literals = |clause: &&Clause| {
        of_texts(clause) == clause.rules.iter().filter(|rule| matches!(rule, Rule::String(_))).count()
    };
    let only_blocks = |clause: &&&Clause| of_texts(clause) == clause.rules.iter().filter_map(block).count();
    let blocks: Vec<&&Clause> = clauses.iter().filter(only_blocks).collect();
    let meet = |one: &Clause, other: &Clause| {
        let blocks = |clause: &'_ Clause| clause.rules.iter().filter_map(block).cloned().collect::<Vec<_>>();
        let others = blocks(other);
        blocks(one).iter().any(|block| others.iter().any(|other| block.meets(other)))
    };
    let apart = blocks.iter().enumerate().any(|(at, one)| blocks[at + 1..].iter().any(|other| !meet(one, other)));
    apart || clauses.iter().any(only_literals)
}
