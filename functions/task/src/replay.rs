//! Runs the script of a task again from its journal, and compares how it ended.

pub(crate) mod kept;
pub(crate) mod mask;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use shared::clock::Clock;
use shared::event::{Answer, StepError};
use shared::step::Claimable as _;
use shared::{Error, Refusal};

use crate::code::Code;
use crate::function_body::invalid_code;
use crate::replay::kept::{Change, Kept};
use crate::replay::mask::Mask;
use crate::run;
use crate::sandbox::journal::Journal;
use crate::sandbox::{LogLine, Recording, Script};
use crate::scripts::Source;
use crate::services::Services;
use crate::store::function::{Function, Functions};
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

/// Runs a task again, with the code that ran or with another one; nothing outside is touched.
pub(crate) async fn replay(
    services: &Services,
    task: &Task,
    kept: &Kept,
    code: Option<String>,
) -> Result<Replayed, Refusal> {
    let started = task.as_started(kept.started_at());
    let script = match code {
        Some(code) => other(&services.functions, &started, code).await?,
        None => unchanged(kept, same(&services.functions, &started).await?)?,
    };
    let mask = Mask::new(&script.variables);
    let report = services.runner.replay(kept.replaying(script), kept.had_token, &times(&task.logs)).await?;
    let recording = report.recording.clone();
    let again = run::ended(started, report, task.status_changed_timestamp);
    let differences = differences(task, &again, &kept.packed, &recording, &mask);
    let answer = again.answer();
    Ok(Replayed {
        identical: differences.is_empty(),
        differences: differences.into_iter().take(MAX_DIFFERENCES).collect(),
        result: answer.and_then(|answer| answer.output.as_ref()).map(|output| mask.json(output)),
        error: again.error().map(|error| StepError { message: mask.text(&error.message), ..error }),
        logs: again.logs.iter().map(|line| LogLine { message: mask.text(&line.message), ..line.clone() }).collect(),
    })
}

/// The function as it was when a task ran it, or as it is now if that version is gone; `None` for a script by its URL.
pub(crate) async fn function(functions: &Functions, task: &Task) -> Result<Option<Function>, Error> {
    let (tenant, name) = (&task.tenant_id, &task.function_name);
    match (functions.get(tenant, name).await?, task.function_version) {
        (Some(current), Some(number)) if current.version != number => {
            let version = functions.versions().get(tenant, name, number).await?;
            Ok(Some(version.map_or(current, |version| version.function)))
        }
        (current, _) => Ok(current),
    }
}

async fn known_function(functions: &Functions, task: &Task) -> Result<Function, Refusal> {
    let function = function(functions, task).await?;
    function.ok_or_else(|| Refusal::unknown("function", &task.function_name))
}

/// The script of a task.
async fn same(functions: &Functions, task: &Task) -> Result<Script, Refusal> {
    let function = match &task.script {
        Some(_) => None,
        None => Some(known_function(functions, task).await?),
    };
    run::script_of(functions, function.as_ref(), task).await?.map_err(|error| {
        let message =
            format!("the script of the task cannot be read: {}: send the code to run as `code`", error.message);
        Refusal::illegal_state(message)
    })
}

/// Another script in place of that of a task.
async fn other(functions: &Functions, task: &Task, code: String) -> Result<Script, Refusal> {
    if task.script.is_some() {
        let source = Source { text: code.into(), file_name: task.file_name() };
        return Ok(run::script_by_url(task, source));
    }
    let function = known_function(functions, task).await?;
    let program = Code::read(code).and_then(|code| code.program()).map_err(invalid_code)?;
    // How long it may take is not up to the function.
    Ok(run::script(&task.tenant_id, &function, program, run::input(task), Duration::MAX))
}

/// Refuses to run what is not what ran.
fn unchanged(kept: &Kept, script: Script) -> Result<Script, Refusal> {
    let message = match kept.change(&script) {
        None => return Ok(script),
        Some(Change::Code) => "the code that ran is not there any more: send the code to run as `code`",
        Some(Change::Variables) => {
            "the environment variables of the function have changed, and the version that ran is not there any more"
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

/// What is not the same in words, masked before it is cut.
fn differences(task: &Task, again: &Task, packed: &[u8], recording: &Recording, mask: &Mask) -> Vec<String> {
    let mut found = Vec::new();
    let (was, is) = (outcome(task.answer()), outcome(again.answer()));
    if was != is {
        found.push(format!("the task {}, and now {}", quoted(&mask.text(&was)), quoted(&mask.text(&is))));
    }
    let lines = task.logs.iter().map(Some).chain(std::iter::repeat(None));
    let lines_again = again.logs.iter().map(Some).chain(std::iter::repeat(None));
    let count = task.logs.len().max(again.logs.len());
    for (number, (was, is)) in (1..=count).zip(lines.zip(lines_again)) {
        let text = |line: Option<&LogLine>| {
            line.map_or("missing".to_owned(), |line| quoted(&format!("{:?}", mask.text(&line.message))))
        };
        if was != is {
            found.push(format!("line {number} was {}, and is {}", text(was), text(is)));
        }
    }
    // Where a script runs out of memory depends on how the allocator rounds: it may read once more or less.
    let out_of_memory = |task: &Task| task.error().is_some_and(|error| error.name == MEMORY_LIMIT_EXCEEDED);
    match recording {
        Recording::Kept(again) if again == packed => {}
        Recording::Kept(_) if out_of_memory(task) && out_of_memory(again) => {}
        Recording::Kept(again) => found.extend(read_otherwise(packed, again).iter().map(|text| mask.text(text))),
        Recording::Off | Recording::TooLarge | Recording::Warm => {
            found.push("the script read more than a journal holds".to_owned())
        }
    }
    found
}

/// What a script read that is not what it had read.
fn read_otherwise(packed: &[u8], again: &[u8]) -> Vec<String> {
    let asked = |packed| Journal::unpack(packed).map(|journal| journal.asked().collect()).unwrap_or_default();
    let (was, is): (Vec<_>, Vec<_>) = (asked(packed), asked(again));
    let missing = was.iter().skip(is.len()).map(|asked| format!("the script did not ask for {}", asked.text()));
    let missing: Vec<String> = missing.collect();
    match missing.is_empty() {
        true => vec!["the script read the time, random values or its events otherwise".to_owned()],
        false => missing,
    }
}

fn outcome(answer: Option<&Answer>) -> String {
    match answer {
        Some(Answer { error: Some(error), .. }) => format!("failed with {}: {}", error.name, error.message),
        Some(Answer { output: Some(output), .. }) => format!("returned {output}"),
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
