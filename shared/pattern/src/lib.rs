//! The EventBridge event pattern language: compile, match, explain.
//!
//! A pattern is JSON in the shape of the events it matches, with an array of rules at every field:
//!
//! ```
//! use pattern::Pattern;
//! use serde_json::json;
//!
//! let pattern = Pattern::compile(&json!({
//!     "source": ["hookyard.custom"],
//!     "detail": {
//!         "type": [{ "prefix": "user." }],
//!         "$or": [{ "amount": [{ "numeric": [">", 100] }] }, { "vip": [true] }]
//!     }
//! }))?;
//! let event = json!({ "source": "hookyard.custom", "detail": { "type": "user.paid", "amount": 7, "vip": false } });
//! assert!(!pattern.matches(&event));
//! let why = pattern.explain(&event).unwrap();
//! assert_eq!(why.to_string(), r#""detail.amount" is 7, but must match [{"numeric":[">",100]}]"#);
//! # Ok::<(), pattern::PatternError>(())
//! ```
//!
//! All fields must match (and), one rule of a field must (or), one object of an `$or` must. A rule is a literal or
//! an object with one operator: `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`,
//! `cidr`, `exists`, `exactly`. A field of the event that is an array matches by any of its values; fields inside
//! an array of objects must match in the same object.
//!
//! The meaning is that of AWS's own matcher, in what is not documented too: dotted names equal nesting, `exists`
//! looks at values and not at objects, numbers compare by value as doubles.
//!
//! [`Index`] does the same for many patterns at once; [`Overlap`] constructs an event that several patterns match.
//!
//! In: JSON. Out: an answer; the crate does no I/O, never panics, and bounds what a pattern may cost.

mod cidr;
mod compile;
mod error;
mod explain;
mod index;
mod number;
mod operator;
mod overlap;
mod remedy;
mod rule;
mod text;
mod walk;
mod wildcard;

use std::sync::Arc;

use serde_json::Value;

pub use crate::error::PatternError;
pub use crate::explain::{Mismatch, Reason};
pub use crate::index::Index;
pub use crate::overlap::Overlap;
pub use crate::remedy::{Example, Remedy};

use crate::compile::Alternative;
use crate::rule::Clause;
use crate::walk::ClauseResult;

/// A compiled event pattern; a clone shares it.
#[derive(Debug, Clone)]
pub struct Pattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    clauses: Vec<Arc<Clause>>,
    alternatives: Vec<Alternative>,
}

impl Pattern {
    /// Compiles a pattern, or says at which field it is wrong.
    ///
    /// Refused is what EventBridge refuses, a pattern over 16 KiB or 64 levels, and one that names a field twice in
    /// one combination.
    pub fn compile(pattern: &Value) -> Result<Self, PatternError> {
        let (clauses, alternatives) = compile::compile(pattern)?;
        Ok(Self(Arc::new(Compiled { clauses, alternatives })))
    }

    /// Returns the pattern that every event matches.
    pub fn any() -> Self {
        Self(Arc::new(Compiled { clauses: Vec::new(), alternatives: vec![Alternative::new()] }))
    }

    /// Estimates the memory that the pattern takes beyond its text, which `$or` multiplies.
    pub fn size_bytes(&self) -> usize {
        let alternatives = self.alternatives().iter().map(|clauses| size_of::<Alternative>() + size_of_val(&**clauses));
        alternatives.sum::<usize>() + size_of::<Clause>() * self.clauses().len()
    }

    /// Whether an event matches; one that is not an object only matches [`Pattern::any`].
    pub fn matches(&self, event: &Value) -> bool {
        match self.alternatives() {
            [only] => self.holds(event, only, |clause| walk::evaluate(event, &self.clauses()[clause])),
            several => {
                let results = self.evaluate_all(event);
                several.iter().any(|alternative| self.holds(event, alternative, |clause| results[clause]))
            }
        }
    }

    /// Why an event does not match: the first clause that failed. `None` when it matches.
    ///
    /// Clauses are taken in the order of their paths. Of several alternatives (`$or`) it is about the one that came
    /// nearest: the one with the fewest failed clauses.
    pub fn explain(&self, event: &Value) -> Option<Mismatch> {
        self.explain_all(event, 1).into_iter().flatten().next()
    }

    /// Why an event does not match: all clauses that failed, of each of the alternatives that came nearest. Empty when it
    /// matches.
    pub fn explain_all(&self, event: &Value, most_alternatives: usize) -> Vec<Vec<Mismatch>> {
        let results = self.evaluate_all(event);
        let holds = |alternative: &[usize]| self.holds(event, alternative, |clause| results[clause]);
        if self.alternatives().iter().any(|alternative| holds(alternative)) {
            return Vec::new();
        }
        let failed =
            |alternative: &&Alternative| alternative.iter().filter(|at| results[**at] == ClauseResult::Fails).count();
        let mut nearest: Vec<&Alternative> = self.alternatives().iter().collect();
        nearest.sort_by_cached_key(failed);
        let explained = nearest.into_iter().take(most_alternatives).map(|alternative| {
            let clauses: Vec<_> = alternative.iter().map(|at| (&self.clauses()[*at], results[*at])).collect();
            Mismatch::all(event, &clauses, |first| holds(&alternative[..first]))
        });
        explained.collect()
    }

    /// Returns the dotted paths of all fields that the pattern is about; one may come more than once.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.clauses().iter().map(|clause| &*clause.path)
    }

    /// Evaluates each clause by itself.
    fn evaluate_all(&self, event: &Value) -> Vec<ClauseResult> {
        self.clauses().iter().map(|clause| walk::evaluate(event, clause)).collect()
    }

    fn holds(&self, event: &Value, alternative: &[usize], result: impl Fn(usize) -> ClauseResult) -> bool {
        walk::all_hold(event, self.clauses(), alternative, result)
    }

    pub(crate) fn clauses(&self) -> &[Arc<Clause>] {
        &self.0.clauses
    }

    pub(crate) fn alternatives(&self) -> &[Alternative] {
        &self.0.alternatives
    }
}
