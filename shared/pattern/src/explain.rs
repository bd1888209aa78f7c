//! Why a pattern did not match.

use std::fmt;

use serde_json::{Value, json};

use crate::rule::{Clause, Rule};
use crate::walk::{ClauseResult, any_leaf};

/// How many of a field's values are kept.
const MAX_FOUND: usize = 8;
/// How much of a value or rule is shown.
const MAX_SHOWN: usize = 200;

/// The first clause of a pattern that an event did not satisfy.
///
/// Clauses are taken in the order of their paths. Of several alternatives (`$or`) it is about the one that came
/// nearest: the one with the fewest failed clauses.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    path: String,
    rule: Value,
    found: Vec<Value>,
    /// The only values that the rules can be asked about; empty where there is one for every value.
    domain: String,
    reason: Reason,
}

/// In which way a clause failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The event has no value at this path.
    Absent,
    /// No value at this path satisfies the rule.
    Rejected,
    /// No value at this path is of a type that the rule can be asked about, as a number is for `numeric`.
    NotComparable,
    /// A value satisfies the rule, but in another array element than the clauses before it.
    OtherElement,
    /// The event is not a JSON object.
    NotAnObject,
}

impl Reason {
    /// A stable name for programs: `absent`, `rejected`, `not_comparable`, `other_element` or `not_an_object`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Rejected => "rejected",
            Self::NotComparable => "not_comparable",
            Self::OtherElement => "other_element",
            Self::NotAnObject => "not_an_object",
        }
    }
}

impl Mismatch {
    /// Describes the first failure of these clauses, of which at least one fails, alone or with those before it.
    pub(crate) fn first(event: &Value, clauses: &[(&Clause, ClauseResult)], holds: impl Fn(usize) -> bool) -> Self {
        let failed = clauses.iter().position(|(_, result)| *result == ClauseResult::Fails);
        let at = failed.or_else(|| (1..=clauses.len()).find(|n| !holds(*n)).map(|n| n - 1)).unwrap_or_default();
        let (clause, result) = clauses[at];
        let mut found = Vec::new();
        any_leaf(event, &clause.path, &mut |leaf| {
            found.push(leaf.clone());
            found.len() == MAX_FOUND
        });
        let reason = match result {
            _ if !event.is_object() => Reason::NotAnObject,
            ClauseResult::Fails if found.is_empty() => Reason::Absent,
            ClauseResult::Fails if !found.iter().any(|leaf| clause.can_judge(leaf)) => Reason::NotComparable,
            ClauseResult::Fails | ClauseResult::MayBeAbsentInArray => Reason::Rejected,
            _ => Reason::OtherElement,
        };
        let mut domains: Vec<_> = clause.rules.iter().filter_map(Rule::domain).collect();
        domains.dedup();
        let domain = domains.join(" or ");
        Self { path: clause.path.to_string(), rule: clause.source.clone(), found, domain, reason }
    }

    /// The dotted path of the field.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The field's rules as the pattern has them: an array.
    pub fn rule(&self) -> &Value {
        &self.rule
    }

    /// The values that the event has at the path, at most eight.
    pub fn found(&self) -> &[Value] {
        &self.found
    }

    /// In which way the clause failed.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// All of it as one JSON object: `{path, rule, found, reason}`.
    pub fn to_json(&self) -> Value {
        json!({ "path": self.path, "rule": self.rule, "found": self.found, "reason": self.reason.as_str() })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, rule, domain, .. } = self;
        let rule = shown(rule);
        let found = self.found.iter().map(shown).collect::<Vec<_>>().join(", ");
        match self.reason {
            Reason::Absent => write!(f, "\"{path}\" is absent, but must match {rule}"),
            Reason::Rejected => write!(f, "\"{path}\" is {found}, but must match {rule}"),
            Reason::NotComparable => {
                write!(f, "\"{path}\" is {found}, which cannot be compared: {rule} takes only {domain}")
            }
            Reason::OtherElement => {
                write!(f, "\"{path}\" matches {rule}, but not in the same array element as the fields before it")
            }
            Reason::NotAnObject => write!(f, "the event is not an object, so \"{path}\" cannot match {rule}"),
        }
    }
}

/// A value as JSON, cut where it gets long.
fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}
