//! JSON Schemas of callbacks: how they are given, normalised and checked.

mod body;
mod meter;
mod pattern;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use jsonschema::paths::Location;
use jsonschema::{Draft, Keyword, PatternOptions, ValidationError, Validator};
use moka::sync::Cache;
use serde_json::{Map, Value};
use shared::{Error, json};
use tokio::sync::{Mutex, Semaphore, oneshot};

use body::{Body, Metered};
use meter::{BUDGET, OverBudget};
use pattern::{PATTERNS_LIMIT_BYTES, Pattern, Unusable};

/// The largest schema, as compact JSON; with the largest body it still fits into one DynamoDB item.
pub(crate) const SCHEMA_LIMIT_BYTES: usize = 32 * 1024;
/// The stack for the deepest body against the longest chain of references.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How many schemas and bodies are worked on at once.
const CONCURRENT_CHECKS: usize = 2;
/// How much memory the states of a pattern for names take while it is matched.
const KEY_PATTERN_STATES_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// How much memory compiled schemas may take, and how much one takes for each byte of its JSON and of its patterns.
const COMPILED_BYTES: u64 = 96 * 1024 * 1024;
const MEMORY_PER_SCHEMA_BYTE: usize = 256;
const MEMORY_PER_PATTERN_BYTE: usize = 2;
/// What the checks of one callback may cost in a while, and what an attempt costs at least.
const ALLOWANCE: u64 = 10 * BUDGET;
const COST_OF_ATTEMPT: u64 = 1_000;
/// After how long the checks of a callback may cost as much again.
pub(crate) const ALLOWANCE_PERIOD: Duration = Duration::from_secs(600);
/// How many callbacks with recent checks are remembered.
const REMEMBERED_CALLBACKS: u64 = 100_000;
/// How much of a validation error is quoted.
const ERROR_LIMIT_CHARACTERS: usize = 400;

/// What `http://json-schema.org/schema#` stands for: the newest draft that the original service knew.
const LATEST: Draft = Draft::Draft7;

/// Takes a schema as JSON or as text with JSON in it, and returns it normalised; `None` where there is none.
///
/// Whether it can check bodies [`Checks::check_schema`] says.
/// A schema without `$schema` gets one: that of its numeric `version` (4, 6 or 7), which is removed, else draft 7.
pub(crate) fn normalised(given: &Value) -> Result<Option<Value>, String> {
    let text = match given {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    };
    if text.len() > 2 * SCHEMA_LIMIT_BYTES {
        return Err(too_large());
    }
    let mut schema = match json::foreign_within_limit(text.as_bytes()).map_err(unparsable)? {
        Value::Object(schema) => schema,
        Value::Bool(any_or_none) => return Ok(Some(any_or_none.into())),
        _ => return Err(unparsable("it has to be a JSON object or a boolean")),
    };
    if !schema.contains_key("$schema") {
        let draft = versioned(&mut schema).unwrap_or(LATEST);
        schema.insert("$schema".to_owned(), uri(draft).into());
    }
    let schema = Value::Object(schema);
    if schema.to_string().len() > SCHEMA_LIMIT_BYTES {
        return Err(too_large());
    }
    draft(&schema)?;
    Ok(Some(schema))
}

/// A schema that is ready to check bodies.
struct Compiled {
    validator: Validator<Metered>,
    /// The patterns for names of members.
    key_patterns: Arc<[Pattern]>,
    /// How much memory all patterns take.
    pattern_bytes: usize,
}

/// Why a body is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is not what the schema describes, or checking that takes too much work.
    Wrong(String),
    /// The checks of this callback have taken too much work in all.
    Exhausted,
}

/// What the checks of one callback have cost lately.
#[derive(Default)]
struct Attempts {
    /// Held by the check that is under way.
    turn: Mutex<()>,
    spent: AtomicU64,
}

/// Checks bodies on a few threads of its own, with a budget for each check and for all checks of a callback.
#[derive(Clone)]
pub(crate) struct Checks {
    turns: Arc<Semaphore>,
    compiled: Cache<String, Arc<Compiled>>,
    attempts: Cache<String, Arc<Attempts>>,
}

impl Checks {
    /// Begins without any schema in memory.
    pub(crate) fn new() -> Self {
        let weigh = |schema: &String, compiled: &Arc<Compiled>| {
            let bytes = MEMORY_PER_SCHEMA_BYTE * schema.len() + MEMORY_PER_PATTERN_BYTE * compiled.pattern_bytes;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            turns: Arc::new(Semaphore::new(CONCURRENT_CHECKS)),
            compiled: Cache::builder().max_capacity(COMPILED_BYTES).weigher(weigh).build(),
            attempts: Cache::builder().max_capacity(REMEMBERED_CALLBACKS).time_to_live(ALLOWANCE_PERIOD).build(),
        }
    }

    /// Checks that a normalised schema is one; the inner error says what is wrong with it.
    pub(crate) async fn check_schema(&self, schema: &Value) -> Result<Result<(), String>, Error> {
        let schema = schema.clone();
        self.on_thread(move || compile(&schema).map(drop)).await
    }

    /// Checks a body of a callback against its normalised schema.
    pub(crate) async fn check(
        &self,
        callback_id: &str,
        schema: Value,
        body: Value,
    ) -> Result<Result<(), Unfit>, Error> {
        let attempts = self.attempts.get_with(callback_id.to_owned(), Arc::default);
        let _turn = attempts.turn.lock().await;
        if attempts.spent.load(Ordering::Relaxed) >= ALLOWANCE {
            return Ok(Err(Unfit::Exhausted));
        }
        let compiled = self.compiled.clone();
        let check = move || {
            let compiled = compiled.try_get_with(schema.to_string(), || compile(&schema).map(Arc::new));
            compiled.map_or_else(|rule| (Err(rule.to_string()), 0), |compiled| compiled.check(&body))
        };
        let (checked, cost) = self.on_thread(check).await?;
        attempts.spent.fetch_add(cost + COST_OF_ATTEMPT, Ordering::Relaxed);
        Ok(checked.map_err(Unfit::Wrong))
    }

    /// Does work on a thread with a stack for the deepest body and the longest chain of references.
    async fn on_thread<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::cannot("wait for a turn"))?;
        let (sender, outcome) = oneshot::channel();
        let thread = thread::Builder::new().name("schema".to_owned()).stack_size(STACK_BYTES);
        let run = move || {
            let _turn = turn;
            // The receiver is gone only when nobody waits any more.
            let _ = sender.send(work());
        };
        thread.spawn(run).map_err(Error::cannot("start a thread"))?;
        outcome.await.map_err(Error::cannot("work on a schema"))
    }
}

impl Compiled {
    /// Checks a body on this thread; returns what the check cost, too.
    fn check(&self, body: &Value) -> (Result<(), String>, u64) {
        let validate = || self.validator.validate(Body(body)).map_err(|error| described(&error));
        let (checked, cost) = meter::run(STACK_BYTES, &self.key_patterns, validate);
        let too_much = |OverBudget| "unable to validate body: that takes more work than a callback allows".to_owned();
        (checked.map_err(too_much).flatten(), cost)
    }
}

fn described(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
    let rule: String = error.to_string().chars().take(ERROR_LIMIT_CHARACTERS).collect();
    format!("unable to validate body: {rule}{place}")
}

/// Compiles a schema without ever following a reference out of it, with patterns whose time is linear.
fn compile(schema: &Value) -> Result<Compiled, String> {
    let draft = draft(schema)?;
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), uri(draft).into());
    }
    let room_bytes = Arc::new(AtomicUsize::new(PATTERNS_LIMIT_BYTES));
    let room = room_bytes.clone();
    let key_patterns = key_patterns(&schema, &room_bytes)?;
    let limits =
        PatternOptions::regex().size_limit(2 * PATTERNS_LIMIT_BYTES).dfa_size_limit(KEY_PATTERN_STATES_LIMIT_BYTES);
    let options = jsonschema::options_for::<Metered>().with_draft(draft).offline().with_pattern_options(limits);
    let options = options.with_keyword("pattern", move |_: &_, pattern: &Value, _: Location| {
        let source = pattern.as_str().ok_or_else(|| ValidationError::custom("`pattern` must be a string"))?;
        let pattern = fitting(source, &room).map_err(|unusable| ValidationError::custom(unusable.to_string()))?;
        Ok(Box::new(pattern) as Box<dyn for<'i> Keyword<'i, Metered>>)
    });
    let validator = options.build(&schema).map_err(unparsable)?;
    let pattern_bytes = PATTERNS_LIMIT_BYTES - room_bytes.load(Ordering::Relaxed);
    Ok(Compiled { validator, key_patterns, pattern_bytes })
}

/// Compiles a pattern into what memory is left for those of its schema.
fn fitting(source: &str, room_bytes: &AtomicUsize) -> Result<Pattern, Unusable> {
    let left = room_bytes.load(Ordering::Relaxed);
    let (pattern, taken) = Pattern::compile(source, left)?;
    room_bytes.store(left.saturating_sub(taken), Ordering::Relaxed);
    Ok(pattern)
}

/// Compiles every pattern for names of members, wherever it may be one.
fn key_patterns(schema: &Value, room_bytes: &AtomicUsize) -> Result<Arc<[Pattern]>, String> {
    let mut sources = BTreeSet::new();
    let mut rest = vec![schema];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(elements) => rest.extend(elements),
            Value::Object(members) => {
                let patterns = members.get("patternProperties").and_then(Value::as_object);
                sources.extend(patterns.into_iter().flat_map(Map::keys).map(String::as_str));
                rest.extend(members.values());
            }
            _ => {}
        }
    }
    let compiled = sources.into_iter().map(|source| fitting(source, room_bytes).map_err(unparsable));
    compiled.collect::<Result<Vec<_>, _>>().map(Into::into)
}

fn draft(schema: &Value) -> Result<Draft, String> {
    if schema.is_boolean() {
        return Ok(LATEST);
    }
    let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let named = named.trim_end_matches('#').trim_start_matches("http://").trim_start_matches("https://");
    match named {
        "json-schema.org/schema" => Ok(LATEST),
        "json-schema.org/draft-04/schema" => Ok(Draft::Draft4),
        "json-schema.org/draft-06/schema" => Ok(Draft::Draft6),
        "json-schema.org/draft-07/schema" => Ok(Draft::Draft7),
        "json-schema.org/draft/2019-09/schema" => Ok(Draft::Draft201909),
        "json-schema.org/draft/2020-12/schema" => Ok(Draft::Draft202012),
        _ => Err(unparsable("`$schema` names none of the drafts 4, 6, 7, 2019-09 and 2020-12")),
    }
}

fn versioned(schema: &mut Map<String, Value>) -> Option<Draft> {
    let draft = match schema.get("version")?.as_f64()? {
        4.0 => Draft::Draft4,
        6.0 => Draft::Draft6,
        7.0 => Draft::Draft7,
        _ => return None,
    };
    schema.remove("version");
    Some(draft)
}

fn uri(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "http://json-schema.org/draft-04/schema#",
        Draft::Draft6 => "http://json-schema.org/draft-06/schema#",
        Draft::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
        Draft::Draft202012 => "https://json-schema.org/draft/2020-12/schema",
        _ => "http://json-schema.org/draft-07/schema#",
    }
}

fn unparsable(cause: impl std::fmt::Display) -> String {
    let cause: String = cause.to_string().chars().take(ERROR_LIMIT_CHARACTERS).collect();
    format!("unable to parse provided schema: {cause}")
}

fn too_large() -> String {
    unparsable(format!("it is larger than {SCHEMA_LIMIT_BYTES} bytes"))
}

#[cfg(test)]
mod tests;
