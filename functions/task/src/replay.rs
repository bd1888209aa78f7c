//! Runs the script of a task again from its journal, and compares how it ended.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use shared::clock::Clock;
use shared::event::{Answer, StepError};
use shared::step::Claimable as _;
use shared::{Error, Refusal};

use crate::kept::{Change, Kept};
use crate::mask::Mask;
use crate::run;
use crate::sandbox::journal::Journal;
use crate::sandbox::{LogLine, Recording, Sandbox, Script};
use crate::store::function::Function;
use crate::store::task::Task;

const MEMORY_LIMIT_EXCEEDED: &str = "MemoryLimitExceeded";
/// How many differences are listed.
const MAX_DIFFERENCES: usize = 20;
/// How much of a result a difference quotes.
const QUOTED_BYTES: usize = 500;

/// How a task ended when it ran again, with secrets masked.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replayed {
    /// Whether it read, printed and returned the same as the task.
    identical: bool,
    /// What was not the same, in words.
    differences: Vec<String>,
    /// What the script returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
    /// What it printed, at the times of the task's lines.
    logs: Vec<LogLine>,
}

/// Runs a task again, with its function's code or with another one; nothing outside is touched.
pub(crate) async fn replay(
    sandbox: &Sandbox,
    task: &Task,
    function: &Function,
    kept: &Kept,
    code: Option<&str>,
) -> Result<Replayed, Refusal> {
    let started = task.as_started(kept.started_at());
    let script = run::script(&started, function);
    let mask = Mask::new(&script.variables);
    let script = match code {
        Some(code) => Script { source: code.into(), ..script },
        None => unchanged(kept, script)?,
    };
    let report = sandbox.replay(kept.replaying(script), &times(&task.logs)).await?;
    let recording = report.recording.clone();
    let again = run::ended(started, report, task.status_changed_timestamp);
    let differences = differences(task, &again, &kept.packed, &recording);
    let answer = again.answer();
    Ok(Replayed {
        identical: differences.is_empty(),
        differences: differences.iter().take(MAX_DIFFERENCES).map(|difference| mask.text(difference)).collect(),
        result: answer.and_then(|answer| answer.output.as_ref()).map(|output| mask.json(output)),
        error: again.error().map(|error| StepError { message: mask.text(&error.message), ..error }),
        logs: again.logs.iter().map(|line| LogLine { message: mask.text(&line.message), ..line.clone() }).collect(),
    })
}

/// Refuses to run what is not what ran.
fn unchanged(kept: &Kept, script: Script) -> Result<Script, Refusal> {
    let message = match kept.change(&script) {
        None => return Ok(script),
        Some(Change::Code) => "the code of the function has changed since the task ran: send the code to run as `code`",
        Some(Change::Variables) => {
            "the environment variables of the function have changed since the task ran, so that it would read others"
        }
        Some(Change::Input) => "the record of the task has changed since its script got it",
    };
    Err(Refusal::illegal_state(message))
}

/// A clock that gives each line the time at which it was printed.
fn times(lines: &[LogLine]) -> Clock {
    let times: Vec<_> = lines.iter().map(|line| line.timestamp).collect();
    let at = Mutex::new(0);
    Clock::from_fn(move || {
        let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
        let time = times.get(*at).or(times.last()).copied().unwrap_or_default();
        *at += 1;
        time
    })
}

fn differences(task: &Task, again: &Task, packed: &[u8], recording: &Recording) -> Vec<String> {
    let mut found = Vec::new();
    let (was, is) = (outcome(task.answer()), outcome(again.answer()));
    if was != is {
        found.push(format!("the task {was}, and now {is}"));
    }
    let lines = task.logs.iter().map(Some).chain(std::iter::repeat(None));
    let lines_again = again.logs.iter().map(Some).chain(std::iter::repeat(None));
    let count = task.logs.len().max(again.logs.len());
    for (number, (was, is)) in (1..=count).zip(lines.zip(lines_again)) {
        let text =
            |line: Option<&LogLine>| line.map_or("missing".to_owned(), |line| quoted(&format!("{:?}", line.message)));
        if was != is {
            found.push(format!("line {number} was {}, and is {}", text(was), text(is)));
        }
    }
    // Where a script runs out of memory depends on how the allocator rounds: it may read once more or less.
    let out_of_memory = |task: &Task| task.error().is_some_and(|error| error.name == MEMORY_LIMIT_EXCEEDED);
    match recording {
        Recording::Kept(again) if again == packed => {}
        Recording::Kept(_) if out_of_memory(task) && out_of_memory(again) => {}
        Recording::Kept(again) => found.extend(read_otherwise(packed, again)),
        Recording::Off | Recording::TooLarge => found.push("the script read more than a journal holds".to_owned()),
    }
    found
}

/// What a script read that is not what it had read.
fn read_otherwise(packed: &[u8], again: &[u8]) -> Vec<String> {
    let requests = |packed| Journal::unpack(packed).map(|journal| journal.requests().collect()).unwrap_or_default();
    let (was, is): (Vec<_>, Vec<_>) = (requests(packed), requests(again));
    let missing = was.iter().skip(is.len()).map(|asked| format!("the script did not ask for {}", asked.text()));
    let missing: Vec<String> = missing.collect();
    match missing.is_empty() {
        true => vec!["the script read the time, random values or its events otherwise".to_owned()],
        false => missing,
    }
}

fn outcome(answer: Option<&Answer>) -> String {
    match answer {
        Some(Answer { error: Some(error), .. }) => quoted(&format!("failed with {}: {}", error.name, error.message)),
        Some(Answer { output: Some(output), .. }) => quoted(&format!("returned {output}")),
        _ => "returned nothing".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    let end = text.floor_char_boundary(QUOTED_BYTES);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

/// Reads what is kept of the task, or says why it has no journal.
pub(crate) fn readable(text: Option<&str>) -> Result<Kept, Refusal> {
    let kept = text.and_then(Kept::parse).filter(|kept| Journal::unpack(&kept.packed).is_some());
    kept.ok_or_else(|| {
        let error = Error::new("read a journal", "it is damaged");
        tracing::error!(error = error.chain(), "the journal of a task cannot be read");
        Refusal::illegal_state("the journal of the task is gone or cannot be read")
    })
}
