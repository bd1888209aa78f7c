//! Runs on demand: of a task, and of a text.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use serde_json::Value;
use shared::auth::Caller;
use shared::event::StepError;
use shared::http::method_not_allowed;
use shared::step::{Claimable as _, Marked};
use shared::{Error, Refusal};

use super::body::Verbatim;
use super::{TestBody, known};
use crate::access::Creator;
use crate::on_task_due;
use crate::sandbox::{Isolation, Limits, LogLine, Outside, Report, Script};
use crate::schedule::lifecycle;
use crate::services::Services;
use crate::store::task::{Status, Task};

/// The id that stands for a text to be run.
const TEST: &str = "test";
/// The longest text.
const TEXT_LIMIT_BYTES: usize = 256 * 1024;
/// How long a text may run, so that its end is answered before a gateway gives up waiting.
const TEST_TIME: Duration = Duration::from_secs(25);

/// Runs a task once now, whether it is running or not, and answers what its script returns.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/run", tag = "director",
    responses(
        (status = 200, description = "What the script returned; a string as HTML, anything else as JSON.", body = Value),
        (status = 500, description = "The script failed.", body = shared::http::PlainErrorBody),
    )
)]
pub(crate) async fn run(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let schedule = known(&services, &caller, &id).await?;
    let task = lifecycle::requested(&services, &schedule, &Creator::of(&caller), None).await?;
    // A client that goes away does not stop what it has started.
    let ended = tokio::spawn(async move { end_of(&services, &task).await }).await;
    let ended = ended.map_err(|cause| Refusal::from(Error::new("run a task", cause)))??;
    let output = ended.answer().and_then(|answer| answer.output.clone());
    match (ended.error(), ended.status) {
        (None, Status::Complete) => Ok(returned(output.unwrap_or_default())),
        (Some(error), _) => Err(failed(&error, &ended.logs, Some(&ended.task_id))),
        (None, status) => {
            let error = StepError::invocation("TaskNotEnded", format!("the task is {}", status.as_str()));
            Err(failed(&error, &[], Some(&ended.task_id)))
        }
    }
}

/// The same as a `PUT`.
#[utoipa::path(
    put, path = "/api/v1/tasks/{id}/run", tag = "director",
    responses(
        (status = 200, description = "What the script returned; a string as HTML, anything else as JSON.", body = Value),
        (status = 500, description = "The script failed.", body = shared::http::PlainErrorBody),
    )
)]
pub(crate) async fn run_by_put(
    services: State<Arc<Services>>,
    caller: Caller,
    id: Path<String>,
) -> Result<Response, Refusal> {
    run(services, caller, id).await
}

/// Runs the text of a script once now, and answers what it returns: `POST /api/v1/tasks/test`.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}", tag = "director", request_body = TestBody,
    params(("id" = String, Path, description = "Always `test`.")),
    responses(
        (status = 200, description = "What the script returned; a string as HTML, anything else as JSON.", body = Value),
        (status = 405, description = "No task takes this method.", body = shared::http::PlainErrorBody),
        (status = 500, description = "The script failed.", body = shared::http::PlainErrorBody),
    )
)]
pub(crate) async fn test(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    Verbatim { fields, mut texts }: Verbatim,
) -> Result<Response, Refusal> {
    // The other methods of this path are those of a task, whose id may be this one.
    if id != TEST {
        return Err(method_not_allowed().await);
    }
    let text = match fields.get("scriptText") {
        None | Some(Value::Null) => return Err(Refusal::missing_field("scriptText")),
        Some(Value::String(text)) if !text.trim().is_empty() && text.len() <= TEXT_LIMIT_BYTES => text,
        Some(_) => {
            let rule = format!("must be the text of a script, of at most {TEXT_LIMIT_BYTES} bytes");
            return Err(Refusal::field("scriptText", rule));
        }
    };
    let script = Script {
        tenant: caller.tenant_id().as_str().to_owned(),
        source: text.as_str().into(),
        files: Arc::default(),
        file_name: "script.js".to_owned(),
        entry_point: None,
        input: texts.remove("scriptConfig").unwrap_or_else(|| "{}".to_owned()),
        variables: BTreeMap::new(),
        limits: Limits { time: TEST_TIME, ..Limits::default() },
        outside: Outside::Live,
        isolation: Isolation::Fresh,
    };
    let Report { result, lines, .. } =
        services.sandbox.run(script, Arc::new(|| Box::pin(async { Ok(Marked::default()) }))).await?;
    result.map(returned).map_err(|error| failed(&error, &lines, None))
}

/// Runs a task to its end.
async fn end_of(services: &Services, task: &Task) -> Result<Task, Error> {
    crate::start(services, &on_task_due::due(task)).await?;
    let ended = services.tasks.store().get(&task.tenant_id, &task.task_id).await?;
    ended.ok_or_else(|| Error::new("run a task", "its record is gone"))
}

/// Answers what a script returned. A page of a script's own must not act in the name of who looks at it.
fn returned(value: Value) -> Response {
    let headers = [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (CONTENT_SECURITY_POLICY, "sandbox")];
    match value {
        Value::String(text) => (headers, Html(text)).into_response(),
        value => (headers, Json(value)).into_response(),
    }
}

/// Says why a script failed, where in it, and which task has its log.
fn failed(error: &StepError, lines: &[LogLine], task_id: Option<&str>) -> Refusal {
    let task = task_id.map(|id| format!("task {id}"));
    let where_to_look = [place(error, lines).map(str::to_owned), task];
    let where_to_look: Vec<String> = where_to_look.into_iter().flatten().collect();
    let mut message = format!("Error running script: {}: {}", error.name, error.message);
    if !where_to_look.is_empty() {
        message += &format!(" ({})", where_to_look.join(", "));
    }
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, 1, "SERVER_EXCEPTION", message)
}

/// The file, line and column that the stack of the error names, which is among the lines of its script's log.
fn place<'a>(error: &StepError, lines: &'a [LogLine]) -> Option<&'a str> {
    let text = format!("{}: {}", error.name, error.message);
    let frames = lines.iter().rev().find_map(|line| {
        let (head, frames) = line.message.split_once("\n    at ")?;
        // The error may quote what was thrown.
        text.trim_end_matches([':', ' ']).ends_with(head.trim_end_matches([':', ' '])).then_some(frames)
    })?;
    let first = frames.lines().next()?;
    let place = first.strip_suffix(')').and_then(|first| first.rsplit_once('(')).map_or(first, |(_, place)| place);
    place.ends_with(|last: char| last.is_ascii_digit()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn the_place_of_an_error_is_that_of_its_own_stack() {
        let check = |name: &str, message: &str, lines: &[&str], expected: Option<&str>| {
            let line = |text: &&str| LogLine { message: (*text).to_owned(), timestamp: Timestamp::UNIX_EPOCH };
            let lines: Vec<LogLine> = lines.iter().map(line).collect();
            let error = StepError { kind: None, name: name.to_owned(), message: message.to_owned() };
            assert_eq!(place(&error, &lines), expected, "{name}: {message}");
        };
        let stack = "TypeError: no\n    at f (a.js:2:5)\n    at a.js:9:1";
        check("TypeError", "no", &["before", stack], Some("a.js:2:5"));
        check("TypeError", "no", &["Error: other\n    at b.js:1:1"], None);
        check("TimeLimitExceeded", "the script did not end", &[stack], None);
        check("UnhandledRejection", "nothing handles it: TypeError: no", &[stack], Some("a.js:2:5"));
        check("SyntaxError", "no", &["SyntaxError: no\n    at a (1).js:3:1"], Some("a (1).js:3:1"));
        check("Error", "", &["Error\n    at a.js:3:1"], Some("a.js:3:1"));
        check("Error", "x", &[], None);
    }
}
