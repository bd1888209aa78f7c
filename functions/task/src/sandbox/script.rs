//! A script with its limits, and the report of how it ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Error;
use shared::event::StepError;
use shared::step::Marked;

use super::console::LogLine;
use super::journal::Recording;

/// How long a script may run from a journal: about as long as an HTTP API waits for an answer.
const REPLAY_TIME: Duration = Duration::from_secs(25);

/// Called before the first request of a script is sent; the request waits for it, and tells what it gets that it leaves.
pub type BeforeEffect = Arc<dyn Fn() -> BoxFuture<'static, Result<Marked, Error>> + Send + Sync>;

/// The files of a package by their paths, which do not begin with a slash.
pub type Files = BTreeMap<String, Bytes>;

/// What to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Script {
    /// Whose it is: tenants take turns, and none of them has all places.
    pub tenant: String,
    /// The text: an ES module, `CommonJS`, or a plain script with a function of a known name. Empty if it has files.
    pub source: Arc<str>,
    /// The files of a package, which is run instead of a text.
    pub files: Arc<Files>,
    /// The name that stack traces show.
    pub file_name: String,
    /// The name of the exported function, in a package after that of its file; by default one of the known names.
    pub entry_point: Option<String>,
    /// The function's argument, as JSON.
    pub input: String,
    /// The content of `process.env`.
    pub variables: BTreeMap<String, String>,
    /// The limits within which it runs.
    pub limits: Limits,
    /// Where its time, its random values and the answers to its requests come from.
    pub outside: Outside,
    /// Whether it may run where it has run before.
    pub isolation: Isolation,
}

/// Whether a script starts in a realm of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// No other task has touched its realm.
    #[default]
    Fresh,
    /// An earlier task of the same tenant may have run there, with the same text here: it names code, settings and all
    /// else that a realm is made from.
    Warm(String),
}

/// Where a script's time, its random values and the answers to its requests come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outside {
    /// From the machine and the network.
    #[default]
    Live,
    /// From the machine and the network, and into a journal.
    Recorded,
    /// From a packed journal; nothing is sent.
    Replayed(Bytes),
}

impl Script {
    /// The size of what it brings along beside its heap.
    pub(super) fn package_bytes(&self) -> usize {
        self.files.values().map(Bytes::len).sum()
    }
}

/// The limits of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// From its start to its result, including the time it waits.
    pub time: Duration,
    /// The size of its heap.
    pub memory_bytes: usize,
    /// The size of its call stack.
    pub stack_bytes: usize,
    /// The size of its result as JSON.
    pub result_bytes: usize,
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it returned, or why it failed.
    pub result: Result<Value, StepError>,
    /// What it printed.
    pub lines: Vec<LogLine>,
    /// What it has read from outside.
    pub recording: Recording,
}

impl Script {
    /// How long it may run: a journal makes nothing wait, and the checks that it counts take longer on a slower machine.
    pub(super) fn time_limit(&self) -> Duration {
        match self.outside {
            Outside::Replayed(_) => REPLAY_TIME,
            Outside::Live | Outside::Recorded => self.limits.time,
        }
    }
}

impl Report {
    /// The report of a script that could not run.
    pub(crate) fn failed(error: StepError) -> Self {
        Self { result: Err(error), lines: Vec::new(), recording: Recording::Off }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            memory_bytes: 128 * 1024 * 1024,
            stack_bytes: 512 * 1024,
            result_bytes: shared::event::STEP_OUTPUT_LIMIT_BYTES,
        }
    }
}
