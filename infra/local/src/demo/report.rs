//! The timeline of a run, for people.

use serde_json::{Map, Value};

use crate::demo::conversation::print;
use crate::failure::Failure;

/// Prints the timeline and the steps of `GET /runs/{eventId}`.
pub(super) fn show(answer: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(());
    }
    print(&format!("\nTimeline of event {}", text(&answer["event"]["id"])))?;
    for entry in list(&answer["timeline"]) {
        print(&line(entry))?;
    }
    for run in list(&answer["runs"]) {
        print(&format!("\nRun of dispatcher {}: {}", text(&run["dispatcherName"]), text(&run["status"])))?;
        for step in list(&run["steps"]) {
            print(&format!("  {:<10} {:<10} output {}", text(&step["name"]), text(&step["status"]), step["output"]))?;
            for attempt in list(&step["attempts"]) {
                print(&format!("    attempt {}: {}", attempt["attempt"], times(attempt)))?;
            }
        }
    }
    print("\nThe run succeeded.")
}

fn line(entry: &Value) -> String {
    let shown = ["time", "what"];
    let empty = Map::new();
    let rest = entry.as_object().unwrap_or(&empty).iter().filter(|(key, _)| !shown.contains(&key.as_str()));
    let rest: Vec<String> = rest.map(|(key, value)| format!("{key}={}", text(value))).collect();
    format!("  {}  {:<16} {}", text(&entry["time"]), text(&entry["what"]), rest.join(" "))
}

fn times(attempt: &Value) -> String {
    let keys = ["requestedAt", "startedAt", "finishedAt"];
    let known = keys.iter().filter(|key| !attempt[**key].is_null());
    let times: Vec<String> = known.map(|key| format!("{key} {}", text(&attempt[*key]))).collect();
    times.join(", ")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
