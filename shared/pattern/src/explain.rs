//! Why a pattern did not match.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::remedy::{Remedy, remedies};
use crate::rule::{Clause, Rule};
use crate::walk::{ClauseResult, any_leaf};

/// How many of a field's values are kept.
const MAX_FOUND: usize = 8;
/// How much of a value or rule is shown.
const MAX_SHOWN: usize = 200;
/// How many ways to satisfy a clause are described.
const MAX_REMEDIES: usize = 8;

/// A clause of a pattern that an event did not satisfy.
///
/// Clauses are taken in the order of their paths. Of several alternatives (`$or`) it is about the one that came
/// nearest: the one with the fewest failed clauses.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    clause: Arc<Clause>,
    found: Vec<Value>,
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
    /// Describes the failures of these clauses, of which at least one fails, alone or with those before it.
    ///
    /// Those that fail alone are all described; where none does, the first that fails with those before it is.
    pub(crate) fn all(
        event: &Value,
        clauses: &[(&Arc<Clause>, ClauseResult)],
        holds: impl Fn(usize) -> bool,
    ) -> Vec<Self> {
        let failed = clauses.iter().filter(|(_, result)| *result == ClauseResult::Fails);
        let failed: Vec<_> = failed.map(|(clause, result)| Self::new(event, clause, *result)).collect();
        if !failed.is_empty() {
            return failed;
        }
        let together = (1..=clauses.len()).find(|first| !holds(*first)).and_then(|first| clauses.get(first - 1));
        together.map(|(clause, result)| Self::new(event, clause, *result)).into_iter().collect()
    }

    fn new(event: &Value, clause: &Arc<Clause>, result: ClauseResult) -> Self {
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
        Self { clause: clause.clone(), found, reason }
    }

    /// The dotted path of the field.
    pub fn path(&self) -> &str {
        &self.clause.path
    }

    /// The field's rules as the pattern has them: an array.
    pub fn rule(&self) -> &Value {
        &self.clause.source
    }

    /// What at the path would satisfy the clause, the nearest to the values found first; at most eight.
    pub fn would_match(&self) -> Vec<Remedy> {
        let mut remedies = remedies(&self.clause, &self.found);
        remedies.truncate(MAX_REMEDIES);
        remedies
    }

    /// The values that the event has at the path, at most eight.
    pub fn found(&self) -> &[Value] {
        &self.found
    }

    /// In which way the clause failed.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// All of it as one JSON object: `{path, rule, found, reason, wouldMatch}`.
    ///
    /// Long texts in `found` are cut; `wouldMatch` has the nearest ways to satisfy the clause, `moreWouldMatch` how many there are besides.
    pub fn to_json(&self) -> Value {
        let would_match = self.would_match();
        let more = self.clause.rules.len() - would_match.len();
        let would_match: Vec<Value> = would_match.iter().map(Remedy::to_json).collect();
        let mut json = json!({
            "path": self.path(), "rule": self.rule(), "found": self.found.iter().map(cut).collect::<Vec<_>>(),
            "reason": self.reason.as_str(), "wouldMatch": would_match,
        });
        if more > 0 {
            json["moreWouldMatch"] = more.into();
        }
        json
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        let rule = shown(self.rule());
        let found = self.found.iter().map(shown).collect::<Vec<_>>().join(", ");
        match self.reason {
            Reason::Absent => write!(f, "\"{path}\" is absent, but must match {rule}"),
            Reason::Rejected => write!(f, "\"{path}\" is {found}, but must match {rule}"),
            Reason::NotComparable => {
                let mut domains: Vec<_> = self.clause.rules.iter().filter_map(Rule::domain).collect();
                domains.dedup();
                let domain = domains.join(" or ");
                write!(f, "\"{path}\" is {found}, which cannot be compared: {rule} takes only {domain}")
            }
            Reason::OtherElement => {
                write!(f, "\"{path}\" matches {rule}, but not in the same array element as the fields before it")
            }
            Reason::NotAnObject => write!(f, "the event is not an object, so \"{path}\" cannot match {rule}"),
        }
    }
}

/// A plain value, a text cut where it gets long.
fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => Value::String(format!("{}…", &text[..end])),
            None => value.clone(),
        },
        plain => plain.clone(),
    }
}

/// A value as JSON, cut where it gets long.
pub(crate) fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}
