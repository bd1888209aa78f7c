//! A small template, an emulator on it, and a function that records its calls.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use emulator::{Clock, Emulator, Invoke, Options, Template};
use futures::FutureExt;
use serde_json::{Value, json};

pub(crate) const TEMPLATE: &str = include_str!("template.yaml");
pub(crate) const START: &str = "2030-01-01T00:00:00Z";

/// What functions were called with, in order.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<(String, Value)>>>);

impl Calls {
    pub(crate) fn all(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().clone()
    }

    /// The events of one function.
    pub(crate) fn of(&self, function: &str) -> Vec<Value> {
        let all = self.all().into_iter();
        all.filter(|(id, _)| id == function).map(|(_, event)| event).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// A function that accepts everything.
    pub(crate) fn accepting(&self) -> Invoke {
        self.answering(|_| Ok(Value::Null))
    }

    /// A function that answers by the event.
    pub(crate) fn answering(&self, answer: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static) -> Invoke {
        let calls = self.clone();
        Arc::new(move |function, event| {
            let event: Value = serde_json::from_str(&event).unwrap();
            let answer = answer(&event).map(drop);
            calls.0.lock().unwrap().push((function.to_string(), event));
            async move { answer }.boxed()
        })
    }
}

pub(crate) fn fixed() -> Clock {
    Clock::fixed(START.parse().unwrap())
}

pub(crate) fn template() -> Template {
    Template::parse(TEMPLATE).unwrap()
}

/// An emulator in memory whose clock stands still.
pub(crate) async fn in_memory() -> (Emulator, Clock) {
    let clock = fixed();
    let options = Options { clock: clock.clone(), ..Options::default() };
    (Emulator::open(template(), options).await.unwrap(), clock)
}

/// An emulator on a directory.
pub(crate) async fn on_disk(data: &Path, clock: &Clock) -> Emulator {
    let options = Options { data: Some(data.to_owned()), clock: clock.clone(), ..Options::default() };
    Emulator::open(template(), options).await.unwrap()
}

/// Publishes one event that goes to `TaskFunction`.
pub(crate) async fn publish(emulator: &Emulator, number: usize) {
    let events = aws_sdk_eventbridge::Client::new(&emulator.sdk_config());
    let entry = entry("task.requested", &json!({"number": number}));
    let answer = events.put_events().entries(entry).send().await.unwrap();
    assert_eq!(answer.failed_entry_count(), 0, "{answer:?}");
}

pub(crate) fn entry(kind: &str, detail: &Value) -> aws_sdk_eventbridge::types::PutEventsRequestEntry {
    aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
        .event_bus_name("hookyard")
        .source("hookyard.command")
        .detail_type(kind)
        .detail(detail.to_string())
        .build()
}

/// Waits until something holds, and fails when it does not within what a slow machine may need.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

/// The numbers of the events that a function received.
pub(crate) fn numbers(events: &[Value]) -> Vec<u64> {
    let mut numbers: Vec<_> = events.iter().filter_map(|event| event["detail"]["number"].as_u64()).collect();
    numbers.sort_unstable();
    numbers
}
