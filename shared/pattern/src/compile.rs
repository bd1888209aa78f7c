//! From a pattern to alternatives of clauses.
//!
//! `$or` is multiplied out: a pattern becomes a list of alternatives, each a conjunction of clauses, of which one
//! must hold. So clauses can be judged together in an array of objects whichever branch they come from. The
//! clauses themselves are shared between the alternatives.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::PatternError;
use crate::operator::{RESERVED, Refused, rule};
use crate::rule::Clause;

/// How deep objects and `$or` may be nested.
const MAX_DEPTH: usize = 64;
/// How large a pattern may be: bytes of text, and two for every value. EventBridge allows 4,096 characters.
const MAX_SIZE: usize = 16 * 1024;
/// EventBridge's limit of rule combinations.
const MAX_ALTERNATIVES: usize = 1_000;
/// How many clauses all alternatives may have together.
const MAX_EXPANSION: usize = 10_000;

/// Positions in the list of clauses, sorted by the clauses' paths.
pub(crate) type Alternative = Vec<usize>;

/// Compiles the JSON of a pattern.
pub(crate) fn compile(pattern: &Value) -> Result<(Vec<Arc<Clause>>, Vec<Alternative>), PatternError> {
    let Value::Object(fields) = pattern else {
        return Err(PatternError::new("", "an event pattern must be an object"));
    };
    let mut compiler = Compiler { clauses: Vec::new(), size_left: MAX_SIZE };
    let mut alternatives = compiler.object(fields, &Place { path: None, depth: 0, in_or: false })?;
    for alternative in &mut alternatives {
        compiler.arrange(alternative)?;
    }
    Ok((compiler.clauses, alternatives))
}

struct Compiler {
    clauses: Vec<Arc<Clause>>,
    size_left: usize,
}

/// Where in the pattern we are.
struct Place<'a> {
    /// `None` at the top; a field may have the empty name.
    path: Option<&'a str>,
    depth: usize,
    in_or: bool,
}

impl Place<'_> {
    fn refuse(&self, reason: impl Into<String>) -> PatternError {
        PatternError::new(self.path.unwrap_or_default(), reason)
    }
}

impl Compiler {
    fn object(&mut self, fields: &Map<String, Value>, at: &Place<'_>) -> Result<Vec<Alternative>, PatternError> {
        if fields.is_empty() {
            return Err(at.refuse("an empty object is not allowed"));
        }
        if at.depth >= MAX_DEPTH {
            return Err(at.refuse(format!("nested more than {MAX_DEPTH} deep")));
        }
        let mut alternatives = vec![Alternative::new()];
        for (name, value) in fields {
            self.pay(name.len() + 2)?;
            let of_field = if name == "$or" { self.or(value, at)? } else { self.field(name, value, at)? };
            alternatives = product(alternatives, &of_field).ok_or_else(|| too_complex(at))?;
        }
        Ok(alternatives)
    }

    fn or(&mut self, value: &Value, at: &Place<'_>) -> Result<Vec<Alternative>, PatternError> {
        let branches = value.as_array().ok_or_else(|| at.refuse("$or must be an array of objects"))?;
        if branches.len() < 2 {
            return Err(at.refuse("$or must have at least two objects"));
        }
        let mut alternatives = Vec::new();
        for branch in branches {
            let Value::Object(fields) = branch else {
                return Err(at.refuse("only objects are allowed in $or"));
            };
            alternatives.extend(self.object(fields, &Place { depth: at.depth + 1, in_or: true, path: at.path })?);
            if alternatives.len() > MAX_ALTERNATIVES {
                return Err(too_complex(at));
            }
        }
        Ok(alternatives)
    }

    fn field(&mut self, name: &str, value: &Value, at: &Place<'_>) -> Result<Vec<Alternative>, PatternError> {
        let path = at.path.map_or_else(|| name.to_owned(), |parent| format!("{parent}.{name}"));
        if at.in_or && RESERVED.contains(&name) {
            return Err(PatternError::new(&path, format!("{name} is an operator, not a field name, inside $or")));
        }
        match value {
            Value::Object(fields) => {
                self.object(fields, &Place { path: Some(&path), depth: at.depth + 1, in_or: at.in_or })
            }
            Value::Array(rules) => Ok(vec![vec![self.clause(&path, rules)?]]),
            _ => Err(PatternError::new(&path, "must be an object or an array of rules")),
        }
    }

    fn clause(&mut self, path: &str, rules: &[Value]) -> Result<usize, PatternError> {
        if rules.is_empty() {
            return Err(PatternError::new(path, "an empty array is not allowed"));
        }
        for rule in rules {
            self.pay_for(rule, 0)?;
        }
        let source = Value::Array(rules.to_vec());
        let rules: Result<_, Refused> = rules.iter().map(rule).collect();
        let rules = rules.map_err(|reason| PatternError::new(path, reason))?;
        self.clauses.push(Arc::new(Clause { path: path.into(), rules, source }));
        Ok(self.clauses.len() - 1)
    }

    /// Subtracts a rule's size from the budget; no operator nests deeper than four.
    fn pay_for(&mut self, value: &Value, depth: usize) -> Result<(), PatternError> {
        match value {
            _ if depth > 4 => Err(PatternError::new("", "a rule is nested too deep")),
            Value::String(text) => self.pay(text.len() + 2),
            Value::Array(items) => {
                self.pay(2)?;
                items.iter().try_for_each(|item| self.pay_for(item, depth + 1))
            }
            Value::Object(entries) => entries.iter().try_for_each(|(name, value)| {
                self.pay(name.len() + 2)?;
                self.pay_for(value, depth + 1)
            }),
            _ => self.pay(2),
        }
    }

    fn pay(&mut self, size: usize) -> Result<(), PatternError> {
        let too_large = || PatternError::new("", format!("larger than {MAX_SIZE} bytes"));
        self.size_left = self.size_left.checked_sub(size).ok_or_else(too_large)?;
        Ok(())
    }

    /// Sorts an alternative by path; one that names a field twice is refused, for it is not clear what it means.
    fn arrange(&self, alternative: &mut Alternative) -> Result<(), PatternError> {
        alternative.sort_by_key(|clause| &self.clauses[*clause].path);
        let twice = alternative.windows(2).find(|pair| self.clauses[pair[0]].path == self.clauses[pair[1]].path);
        match twice {
            Some(pair) => Err(PatternError::new(&self.clauses[pair[0]].path, "the same field is given more than once")),
            None => Ok(()),
        }
    }
}

/// Every alternative of one with every alternative of the other; `None` when that is too much.
fn product(mut left: Vec<Alternative>, right: &[Alternative]) -> Option<Vec<Alternative>> {
    let clauses = |side: &[Alternative]| side.iter().map(Vec::len).sum::<usize>();
    let expansion = clauses(&left) * right.len() + clauses(right) * left.len();
    if left.len() * right.len() > MAX_ALTERNATIVES || expansion > MAX_EXPANSION {
        return None;
    }
    if let [only] = right {
        left.iter_mut().for_each(|alternative| alternative.extend(only));
        return Some(left);
    }
    Some(left.iter().flat_map(|l| right.iter().map(move |r| [l.as_slice(), r].concat())).collect())
}

fn too_complex(at: &Place<'_>) -> PatternError {
    let limits = format!("at most {MAX_ALTERNATIVES} combinations with {MAX_EXPANSION} fields in all");
    at.refuse(format!("too complex: $or may lead to {limits}"))
}
