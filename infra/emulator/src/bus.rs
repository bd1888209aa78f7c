//! EventBridge: `PutEvents` is answered when every matching delivery is durable.

mod entry;

use std::sync::Arc;

use rusqlite::Connection;
use serde::Serialize;
use serde_json::{Value, json};

use self::entry::Event;
pub(crate) use self::entry::time_text;
use crate::connector::{Reply, read_json};
use crate::delivery::row::Delivery;
use crate::engines::Engines;
use crate::journal::Refused;

/// Entries in one request at most.
const MAX_ENTRIES: usize = 10;
/// Size of all entries of one request at most.
const MAX_BYTES: usize = 256 * 1024;

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Accepted {
        #[serde(rename = "EventId")]
        event_id: String,
    },
    Refused {
        #[serde(rename = "ErrorCode")]
        code: &'static str,
        #[serde(rename = "ErrorMessage")]
        message: String,
    },
}

/// Answers a request.
pub(crate) async fn answer(engines: &Engines, operation: &str, body: &[u8]) -> Reply {
    match operation {
        "PutEvents" => match put_events(engines, body).await {
            Ok(reply) | Err(reply) => reply,
        },
        "DescribeEventBus" => describe(engines, body).unwrap_or_else(|reply| reply),
        _ => Reply::error(400, "UnknownOperationException", format!("EventBridge's {operation} is not served here")),
    }
}

async fn put_events(engines: &Engines, body: &[u8]) -> Result<Reply, Reply> {
    let request = read_json(body)?;
    let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() || entries.len() > MAX_ENTRIES {
        return Err(Reply::validation(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: \
             Member must have length between 1 and {MAX_ENTRIES}"
        )));
    }
    if entries.iter().map(entry::size_bytes).sum::<usize>() > MAX_BYTES {
        let message = "Total size of the entries in the request is over the limit.";
        return Err(Reply::validation(message));
    }
    let (mut accepted, mut deliveries) = (Vec::new(), Vec::new());
    let failing = engines.faults.fails_entry().then_some(entries.len() - 1);
    let answers: Vec<_> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            if failing == Some(index) {
                let message = "An internal failure happened.".to_owned();
                return refused(("InternalFailure", message));
            }
            match Event::read(entry, engines) {
                Ok(mut event) => accept(engines, &mut event, &mut accepted, &mut deliveries),
                Err(error) => refused(error),
            }
        })
        .collect();
    persist(engines, deliveries).await?;
    if let Some(observer) = engines.observer.get() {
        accepted.iter().for_each(|event| observer(event));
    }
    let failed = answers.iter().filter(|a| matches!(a, Answer::Refused { .. })).count();
    Ok(Reply::ok(&json!({"FailedEntryCount": failed, "Entries": answers})))
}

fn refused((code, message): (&'static str, String)) -> Answer {
    Answer::Refused { code, message }
}

/// Adds a delivery for every target of every rule that matches.
fn accept(
    engines: &Engines,
    event: &mut Event<'_>,
    accepted: &mut Vec<Arc<str>>,
    deliveries: &mut Vec<Delivery>,
) -> Answer {
    let now = engines.clock.now();
    let seen = event.take_value();
    let text: Arc<str> = event.text().into();
    let before = deliveries.len();
    let rules = engines.stack.rules.iter();
    for rule in rules.filter(|rule| rule.bus == event.bus && rule.pattern.matches(&seen)) {
        deliveries.extend(rule.targets.iter().map(|target| {
            let input = target.input.as_ref().unwrap_or(&text);
            Delivery::new(target.function.clone(), input.clone(), target.retry, now)
        }));
    }
    if deliveries.len() == before {
        engines.count_unmatched();
    }
    accepted.push(text);
    Answer::Accepted { event_id: event.id.clone() }
}

async fn persist(engines: &Engines, mut rows: Vec<Delivery>) -> Result<(), Reply> {
    if rows.is_empty() {
        return Ok(());
    }
    let queue = engines.deliveries.clone();
    let insert = move |connection: &Connection| {
        rows.iter_mut().try_for_each(|row| row.insert(connection))?;
        Ok(rows)
    };
    let committed = engines.journal.write_then(insert, move |rows| queue.committed(rows)).await;
    committed.map_err(|Refused| Reply::internal("the event could not be made durable"))
}

fn describe(engines: &Engines, body: &[u8]) -> Result<Reply, Reply> {
    let request = read_json(body)?;
    let name = entry::bus(&request["Name"]);
    if !engines.stack.buses.iter().any(|bus| bus == name) {
        let message = format!("Event bus {name} does not exist.");
        return Err(Reply::error(400, "ResourceNotFoundException", message));
    }
    let arn = crate::template::arn("events", &format!("event-bus/{name}"));
    Ok(Reply::ok(&json!({"Name": name, "Arn": Value::from(arn)})))
}
