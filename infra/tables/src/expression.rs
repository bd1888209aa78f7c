//! DynamoDB's expressions: conditions, updates, projections and key conditions.
//!
//! A text is read into tokens ([`token`]) and parsed ([`parse`]); conditions are evaluated against an item
//! ([`condition`]), updates change one ([`update`]), and a key condition says where in a table to look ([`key`]).

pub(crate) mod condition;
pub(crate) mod key;
mod parse;
mod token;
pub(crate) mod update;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use crate::error::Error;
use crate::value::{Item, Value};
pub(crate) use parse::Parser;

/// The names and values that a request's expressions refer to, and which of them were used.
#[derive(Debug, Default)]
pub(crate) struct References {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    used_names: BTreeSet<String>,
    used_values: BTreeSet<String>,
}

impl References {
    /// Takes the `ExpressionAttributeNames` and `ExpressionAttributeValues` of a request.
    pub(crate) fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, Value>>,
    ) -> Result<Self, Error> {
        for (what, is_empty) in [
            ("Names", names.as_ref().is_some_and(BTreeMap::is_empty)),
            ("Values", values.as_ref().is_some_and(BTreeMap::is_empty)),
        ] {
            if is_empty {
                return Err(Error::validation(format!("ExpressionAttribute{what} must not be empty")));
            }
        }
        let (names, values) = (names.unwrap_or_default(), values.unwrap_or_default());
        let is_key = |key: &str, sign: char| {
            key.strip_prefix(sign)
                .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        if let Some(key) = names.keys().find(|key| !is_key(key, '#')) {
            let message = format!("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\"");
            return Err(Error::validation(message));
        }
        if let Some(key) = values.keys().find(|key| !is_key(key, ':')) {
            let message = format!("ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\"");
            return Err(Error::validation(message));
        }
        Ok(Self { names, values, ..Self::default() })
    }

    fn name(&mut self, reference: &str, kind: &str) -> Result<String, Error> {
        let found = self.names.get(reference).cloned();
        self.used_names.insert(reference.to_owned());
        found.ok_or_else(|| {
            invalid(
                kind,
                &format!(
                    "An expression attribute name used in the document path is not defined; attribute name: {reference}"
                ),
            )
        })
    }

    fn value(&mut self, reference: &str, kind: &str) -> Result<Value, Error> {
        let found = self.values.get(reference).cloned();
        self.used_values.insert(reference.to_owned());
        found.ok_or_else(|| {
            invalid(
                kind,
                &format!(
                    "An expression attribute value used in expression is not defined; attribute value: {reference}"
                ),
            )
        })
    }

    /// Refuses what no expression of the request has used.
    pub(crate) fn all_used(&self) -> Result<(), Error> {
        let unused = |what: &str, all: Vec<&String>, used: &BTreeSet<String>| {
            let unused: Vec<&str> = all.into_iter().filter(|key| !used.contains(*key)).map(String::as_str).collect();
            if unused.is_empty() {
                return Ok(());
            }
            let message = format!(
                "Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{}}}",
                unused.join(", ")
            );
            Err(Error::validation(message))
        };
        unused("Names", self.names.keys().collect(), &self.used_names)?;
        unused("Values", self.values.keys().collect(), &self.used_values)
    }
}

fn invalid(kind: &str, message: &str) -> Error {
    Error::validation(format!("Invalid {kind}: {message}"))
}

/// A place within an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// An attribute, or a member of a map.
    Name(String),
    /// An element of a list.
    Index(usize),
}

impl Path {
    /// Returns the attribute that the path begins with.
    pub(crate) fn root(&self) -> &str {
        match self.0.first() {
            Some(Segment::Name(name)) => name,
            _ => "",
        }
    }

    /// Returns what the path leads to.
    pub(crate) fn get<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        let Segment::Name(name) = first else { return None };
        rest.iter().try_fold(item.get(name)?, |value, segment| match (value, segment) {
            (Value::M(map), Segment::Name(name)) => map.get(name),
            (Value::L(list), Segment::Index(index)) => list.get(*index),
            _ => None,
        })
    }

    /// Whether one of two paths leads through the other.
    fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(left, right)| left == right)
    }

    /// Whether two paths take what they lead through as a map and as a list.
    fn conflicts(&self, other: &Self) -> bool {
        let same = self.0.iter().zip(&other.0).take_while(|(left, right)| left == right).count();
        let kinds = (self.0.get(same), other.0.get(same));
        same > 0
            && matches!(
                kinds,
                (Some(Segment::Name(_)), Some(Segment::Index(_))) | (Some(Segment::Index(_)), Some(Segment::Name(_)))
            )
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments: Vec<String> = self
            .0
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => name.clone(),
                Segment::Index(index) => format!("[{index}]"),
            })
            .collect();
        write!(f, "[{}]", segments.join(", "))
    }
}

/// Refuses paths of which one leads through another.
fn check_apart<'a>(kind: &str, paths: impl Iterator<Item = &'a Path>) -> Result<(), Error> {
    let paths: Vec<&Path> = paths.collect();
    let mut roots = HashSet::with_capacity(paths.len());
    if paths.iter().all(|path| roots.insert(path.root())) {
        return Ok(());
    }
    for (at, path) in paths.iter().enumerate() {
        for other in &paths[at + 1..] {
            let problem = match (path.overlaps(other), path.conflicts(other)) {
                (true, _) => "overlap",
                (false, true) => "conflict",
                (false, false) => continue,
            };
            let message = format!(
                "Two document paths {problem} with each other; must remove or rewrite one of these paths; path one: {path}, path two: {other}"
            );
            return Err(invalid(kind, &message));
        }
    }
    Ok(())
}

/// The attributes that an answer shows of its items.
#[derive(Debug, Clone)]
pub(crate) struct Projection(Vec<Path>);

impl Projection {
    /// Parses a `ProjectionExpression`.
    pub(crate) fn parse(text: &str, references: &mut References) -> Result<Self, Error> {
        let paths = Parser::new(text, "ProjectionExpression", references)?.paths()?;
        check_apart("ProjectionExpression", paths.iter())?;
        Ok(Self(paths))
    }

    /// Returns a projection on attributes as a whole.
    pub(crate) fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| Path(vec![Segment::Name(name)])).collect())
    }

    /// Returns a projection on paths.
    pub(crate) fn on(paths: Vec<Path>) -> Self {
        Self(paths)
    }

    /// Returns the attributes that it looks at.
    pub(crate) fn roots(&self) -> Vec<&str> {
        self.0.iter().map(Path::root).collect()
    }

    /// Returns what it shows of an item; elements of lists keep their order.
    pub(crate) fn apply(&self, item: &Item) -> Item {
        let mut shown = Value::M(Item::new());
        let mut paths: Vec<&Path> = self.0.iter().collect();
        paths.sort();
        for path in paths {
            if let Some(value) = path.get(item) {
                place(&mut shown, &path.0, value, &Value::M(item.clone()));
            }
        }
        match shown {
            Value::M(shown) => shown,
            _ => Item::new(),
        }
    }
}

/// Puts a value where the path leads to, with the maps and lists on its way.
fn place(target: &mut Value, path: &[Segment], value: &Value, source: &Value) {
    let Some((first, rest)) = path.split_first() else { return };
    match (target, first, source) {
        (Value::M(map), Segment::Name(name), Value::M(from)) => {
            let Some(from) = from.get(name) else { return };
            if rest.is_empty() {
                map.insert(name.clone(), value.clone());
                return;
            }
            let inner = map.entry(name.clone()).or_insert_with(|| empty_like(from));
            place(inner, rest, value, from);
        }
        (Value::L(list), Segment::Index(index), Value::L(from)) => {
            let Some(from) = from.get(*index) else { return };
            if rest.is_empty() {
                list.push(value.clone());
                return;
            }
            let mut inner = empty_like(from);
            place(&mut inner, rest, value, from);
            list.push(inner);
        }
        _ => {}
    }
}

fn empty_like(value: &Value) -> Value {
    match value {
        Value::L(_) => Value::L(Vec::new()),
        _ => Value::M(Item::new()),
    }
}
