//! Jobs over HTTP, and the tasks that run their actions.

mod limits;
mod runs;

use harness::Event;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::World;

pub(super) const JOBS: &str = "/actions/jobs";

/// The fields of an action, as a client sends them.
fn action() -> Value {
    json!({
        "env": "prd", "product_tag": "shop", "app": "mailer", "event": "send", "input": {"body": {"to": "a@b.test"}},
        "session": {"tag": "user", "token": "planted.token"}, "retries": 3,
    })
}

impl World {
    async fn job(&self, fields: Value) -> Value {
        let mut body = action();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let created = self.post(JOBS, body).await;
        assert_eq!(created.status, 200, "{}", created.body);
        self.idle().await;
        created.body
    }

    async fn job_now(&self, job: &Value) -> Value {
        self.get(&path(job, "")).await.body
    }

    /// The runs of a job, the oldest first: time and status.
    async fn runs(&self, job: &Value) -> Vec<Value> {
        let list = self.get(&path(job, "/history?limit(50)")).await.body;
        list["data"].as_array().unwrap_or_else(|| panic!("{list}")).iter().rev().cloned().collect()
    }

    /// The commands for actions so far.
    fn asked(&self) -> Vec<Value> {
        self.published("action.requested")
    }

    /// Answers a command as the action function does.
    async fn answer_action(&self, command: &Value, answer: Value) {
        self.publish(&answer_to(command, &answer)).await;
    }

    /// The facts about jobs, without their ids.
    fn job_facts(&self) -> Vec<String> {
        let events = self.events();
        let kinds = events.iter().filter_map(|event| event["detail-type"].as_str());
        kinds.filter_map(|kind| kind.strip_prefix("job.")).map(str::to_owned).collect()
    }

    /// Lets the minute schedule come once a minute.
    async fn minutes(&self, minutes: usize) {
        for _ in 0..minutes {
            self.pass_time(self.invoke(json!({"sweep": "schedules"}))).await.unwrap();
            self.idle().await;
        }
    }
}

pub(super) fn path(job: &Value, rest: &str) -> String {
    format!("{JOBS}/{}{rest}", job["job_id"].as_str().unwrap_or_else(|| panic!("{job}")))
}

/// The answer to a command as the bus carries it.
pub(super) fn answer_to(command: &Value, answer: &Value) -> Event {
    let mut content = json!({});
    for name in ["eventId", "dispatcherId", "step", "attempt"] {
        content[name] = command["content"][name].clone();
    }
    content.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    let detail = json!({
        "id": format!("{}-finished", command["id"].as_str().unwrap()), "type": "step.finished",
        "tenantId": command["tenantId"], "time": command["time"], "content": content,
        "trace": {
            "correlationId": command["trace"]["correlationId"], "causationId": command["id"],
            "depth": command["trace"]["depth"],
        },
    });
    Event { source: "hookyard.step".to_owned(), detail }
}

pub(super) fn succeeded() -> Value {
    json!({"status": "succeeded", "output": {"status": 200}})
}

pub(super) fn failed() -> Value {
    json!({"status": "failed", "error": {"type": "invocation", "name": "TIMEOUT", "message": "no answer"}})
}

pub(super) fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}
