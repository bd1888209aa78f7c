//! The payloads that platforms and their libraries publish as examples, each as the platform would send it.
//!
//! They are not part of this repository: `CONTRIBUTING.md` says how to download them.

mod find;
mod payload;
mod source;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::setup::{Answer, Request, Setup};
use payload::{Part, Payload};

/// The environment variable that names the directory with the unpacked packages.
const DIRECTORY: &str = "PUBLISHED_PAYLOADS";
/// More would not be read.
const REPORTED_LIMIT: usize = 100;

#[tokio::test]
#[ignore = "needs downloaded packages, see CONTRIBUTING.md"]
#[expect(clippy::print_stdout, reason = "how many payloads each package has is what this test finds out")]
#[expect(clippy::disallowed_methods, reason = "only who runs this test knows where the packages are")]
async fn what_platforms_publish_as_examples_becomes_events_and_loses_nothing() {
    let directory =
        PathBuf::from(std::env::var(DIRECTORY).unwrap_or_else(|_| panic!("{DIRECTORY} names no directory")));
    let payloads = find::payloads(&directory);
    let (mut counts, mut failures) = (BTreeMap::<String, usize>::new(), Vec::new());
    let setup = Setup::new().await;
    let mut channels = BTreeMap::new();
    for payload in &payloads {
        if let Entry::Vacant(entry) = channels.entry(payload.source) {
            entry.insert(setup.channel(payload.source.channel()).await);
        }
        *counts.entry(format!("{:?} {}", payload.source, payload.package)).or_default() += 1;
        for request in payload.requests(&channels[&payload.source]) {
            let failure = check(&setup, payload, request).await.err();
            failures.extend(failure.map(|failure| format!("{payload}: {failure}")));
        }
    }
    println!("{counts:#?}\n{} payloads", payloads.len());
    let shown = failures.iter().take(REPORTED_LIMIT).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} failures:\n{shown}", failures.len());
    assert!(!payloads.is_empty(), "no payload below {}", directory.display());
}

/// Sends a payload twice and compares its events with its parts.
async fn check(setup: &Setup, payload: &Payload, request: Request) -> Result<(), String> {
    setup.take_events();
    let answer = setup.send(request.clone()).await;
    let ids = accepted(&answer)?;
    let events: Vec<Value> = setup.take_events().into_iter().map(|mut event| event["detail"].take()).collect();
    let rejected: Vec<&Value> = events.iter().filter(|event| event["type"] == "message.rejected").collect();
    if !rejected.is_empty() || answer.body["failed"].as_u64().unwrap_or_default() > 0 {
        return Err(format!("rejected: {rejected:?}"));
    }
    if events.iter().map(|event| &event["id"]).ne(&ids) {
        return Err(format!("answered {ids:?}, published {events:?}"));
    }
    let again = accepted(&setup.send(request).await)?;
    if again != ids {
        return Err(format!("{ids:?} at first, then {again:?}"));
    }
    compare(&payload.parts(), &events)
}

/// Returns the ids of the events of an accepted webhook.
fn accepted(answer: &Answer) -> Result<Vec<Value>, String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("{}: {}", answer.status, answer.body));
    }
    if let Some(ids) = answer.headers["hookyard-events"].as_str() {
        return Ok(ids.split(',').map(Value::from).collect());
    }
    Ok(answer.body["events"].as_array().cloned().unwrap_or_default())
}

/// Each part is an event of its type with all that it says, and nothing else is an event.
fn compare(parts: &[Part], events: &[Value]) -> Result<(), String> {
    let distinct: BTreeSet<String> = parts.iter().map(|part| part.content.to_string()).collect();
    if events.len() != distinct.len() {
        let types: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
        return Err(format!("{} parts became {types:?}", distinct.len()));
    }
    for part in parts {
        let event = events.iter().find(|event| event["content"]["payload"] == part.content);
        let event = event.ok_or_else(|| format!("{} is not in {}", part.content, json!(events)))?;
        let kind = event["type"].as_str().unwrap_or_default();
        if !part.kind.is(kind) {
            return Err(format!("it is {kind}, not {:?}: {}", part.kind, part.content));
        }
        let text = &event["content"]["message"]["content"]["text"];
        if part.text.as_ref().is_some_and(|expected| text != expected) {
            return Err(format!("it says {text}, not {:?}", part.text));
        }
    }
    Ok(())
}
