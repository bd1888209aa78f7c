//! What Discord's answers mean.

use std::time::Duration;

use crate::chat::Answer;
use serde_json::{Map, Value, json};

use crate::chat::{Problem, Verdict};

/// Success is any 2xx, with the message where there is one.
pub(super) fn parse_send(answer: &Answer) -> Verdict {
    let body = read(answer);
    if !is_success(answer) {
        let after = body["retry_after"].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        return Verdict::failed(answer, problem(answer, &body), after);
    }
    if !answer.body.is_empty() && !body.is_object() {
        return Verdict::Unknown(problem(answer, &body));
    }
    let message_id = body["id"].as_str().map(str::to_owned);
    let channel_id = body["channel_id"].as_str().map(|id| ("channelId".to_owned(), json!(id)));
    Verdict::Sent { message_id, metadata: channel_id.into_iter().collect() }
}

/// The bot's user, if the token is good.
pub(super) fn parse_health(answer: &Answer) -> Result<Map<String, Value>, Problem> {
    let body = read(answer);
    if !is_success(answer) || !body["id"].is_string() {
        return Err(problem(answer, &body));
    }
    let details = ["id", "username"].into_iter().filter(|name| body[*name].is_string());
    Ok(details.map(|name| (name.to_owned(), body[name].clone())).collect())
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

fn read(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Names Discord's own code where there is one, and every field that it found fault with.
fn problem(answer: &Answer, body: &Value) -> Problem {
    let code = body["code"].as_i64().filter(|code| *code != 0).unwrap_or_else(|| answer.status.into());
    let Some(message) = body["message"].as_str() else {
        let message = format!("the answer with status {} is not what Discord writes", answer.status);
        return Problem::new(code, message);
    };
    let mut explanation = message.to_owned();
    explain(&body["errors"], "", &mut explanation);
    Problem::new(code, explanation)
}

/// Adds what is wrong with each field: errors are lists called `_errors` in a tree that has the shape of the request.
fn explain(errors: &Value, path: &str, explanation: &mut String) {
    let Value::Object(members) = errors else { return };
    for (name, inner) in members {
        if name == "_errors" {
            let messages = inner.as_array().into_iter().flatten().filter_map(|error| error["message"].as_str());
            messages.for_each(|message| explanation.push_str(&format!("; {path}: {message}")));
        } else {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            explain(inner, &path, explanation);
        }
    }
}
