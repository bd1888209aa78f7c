//! EventBridge: `PutEvents` is answered once every matching delivery is durable.

mod entry;
mod seen;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;
use serde::Serialize;
use serde_json::{Value, json};

use self::entry::Event;
use self::seen::Fields;
use crate::arn::arn;
use crate::clock::Clock;
use crate::delivery::Deliveries;
use crate::delivery::row::Delivery;
use crate::fault::Faults;
use crate::journal::{Journal, Refused};
use crate::template::Stack;
use crate::wire::{Reply, read_json};

/// The most entries in one request.
const MAX_ENTRIES: usize = 10;
/// The largest size of all entries of one request.
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

/// Receives every accepted event.
pub(crate) type Observer = Box<dyn Fn(&str) + Send + Sync>;

/// The buses and rules of the template.
pub(crate) struct Bus {
    stack: Arc<Stack>,
    /// What the rules see of events.
    fields: Fields,
    clock: Clock,
    journal: Arc<Journal>,
    deliveries: Deliveries,
    faults: Arc<Faults>,
    unmatched: AtomicU64,
    observer: OnceLock<Observer>,
}

impl Bus {
    pub(crate) fn new(
        stack: Arc<Stack>,
        clock: Clock,
        journal: Arc<Journal>,
        deliveries: Deliveries,
        faults: Arc<Faults>,
    ) -> Self {
        let (unmatched, observer) = (AtomicU64::new(0), OnceLock::new());
        let fields = Fields::of(&stack.rules);
        Self { stack, fields, clock, journal, deliveries, faults, unmatched, observer }
    }

    /// How many events were dropped because no rule matched them.
    pub(crate) fn unmatched(&self) -> u64 {
        self.unmatched.load(Ordering::Relaxed)
    }

    /// The deliveries of an event of an AWS service itself, on the default bus; they are still to be written.
    pub(crate) fn of_aws(&self, entry: &Value) -> Vec<Delivery> {
        let mut accepted = Accepted::default();
        match Event::of_aws(entry, &self.fields, self.clock.now()) {
            Ok(event) => drop(self.accept(event, &mut accepted)),
            Err((code, message)) => tracing::error!(code, message, "an event of an AWS service is not one"),
        }
        accepted.deliveries
    }

    /// What delivers, for those who write deliveries of their own.
    pub(crate) fn deliveries(&self) -> Deliveries {
        self.deliveries.clone()
    }

    /// Sets what receives every accepted event; the first observer stays.
    pub(crate) fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, operation: &str, body: &[u8]) -> Reply {
        let answered = match operation {
            "PutEvents" => self.put_events(body).await,
            "DescribeEventBus" => self.describe(body),
            _ => {
                let message = format!("EventBridge's {operation} is not supported here");
                Err(Reply::error(400, "UnknownOperationException", message))
            }
        };
        answered.unwrap_or_else(|reply| reply)
    }

    async fn put_events(&self, body: &[u8]) -> Result<Reply, Reply> {
        let request = read_json(body)?;
        let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        check(entries)?;
        let mut accepted = Accepted::default();
        let failing = self.faults.fails_entry().then_some(entries.len() - 1);
        let answers: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                if failing == Some(index) {
                    return refused(("InternalFailure", "An internal failure occurred.".to_owned()));
                }
                match Event::read(entry, &self.stack.buses, &self.fields, self.clock.now()) {
                    Ok(event) => self.accept(event, &mut accepted),
                    Err(error) => refused(error),
                }
            })
            .collect();
        self.persist(accepted.deliveries).await?;
        if let Some(observer) = self.observer.get() {
            accepted.events.iter().for_each(|event| observer(event));
        }
        let failed = answers.iter().filter(|a| matches!(a, Answer::Refused { .. })).count();
        Ok(Reply::ok(&json!({"FailedEntryCount": failed, "Entries": answers})))
    }

    /// Adds a delivery for every target of every rule that matches.
    fn accept(&self, mut event: Event<'_>, accepted: &mut Accepted) -> Answer {
        let steady = self.clock.steady();
        let seen = event.take_seen(&self.fields);
        let text: Arc<str> = event.text().into();
        let before = accepted.deliveries.len();
        let rules = self.stack.rules.iter();
        for rule in rules.filter(|rule| rule.bus == event.bus && rule.pattern.matches(&seen)) {
            accepted.deliveries.extend(rule.targets.iter().map(|target| {
                let input = target.input.as_ref().unwrap_or(&text);
                Delivery::new(target.id.clone(), input.clone(), target.retry, steady)
            }));
        }
        if accepted.deliveries.len() == before {
            self.unmatched.fetch_add(1, Ordering::Relaxed);
        }
        accepted.events.push(text);
        Answer::Accepted { event_id: event.id }
    }

    async fn persist(&self, mut rows: Vec<Delivery>) -> Result<(), Reply> {
        if rows.is_empty() {
            return Ok(());
        }
        let queue = self.deliveries.clone();
        let insert = move |connection: &Connection| {
            rows.iter_mut().try_for_each(|row| row.insert(connection))?;
            Ok(rows)
        };
        let committed = self.journal.write_then(insert, move |rows| queue.committed(rows)).await;
        committed.map_err(|Refused| Reply::internal("the event could not be made durable"))
    }

    fn describe(&self, body: &[u8]) -> Result<Reply, Reply> {
        let request = read_json(body)?;
        let name = entry::bus(&request["Name"]);
        if !self.stack.buses.iter().any(|bus| bus == name) {
            let message = format!("Event bus {name} does not exist.");
            return Err(Reply::error(400, "ResourceNotFoundException", message));
        }
        let arn = arn("events", &format!("event-bus/{name}"));
        Ok(Reply::ok(&json!({"Name": name, "Arn": arn})))
    }
}

/// The events of one request, and their deliveries.
#[derive(Default)]
struct Accepted {
    events: Vec<Arc<str>>,
    deliveries: Vec<Delivery>,
}

/// Checks a request as a whole, as EventBridge does.
fn check(entries: &[Value]) -> Result<(), Reply> {
    if entries.is_empty() || entries.len() > MAX_ENTRIES {
        return Err(Reply::validation(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: \
             Member must have length between 1 and {MAX_ENTRIES}"
        )));
    }
    if entries.iter().map(entry::size_bytes).sum::<usize>() > MAX_BYTES {
        return Err(Reply::validation("Total size of the entries in the request is over the limit."));
    }
    Ok(())
}

fn refused((code, message): (&'static str, String)) -> Answer {
    Answer::Refused { code, message }
}
