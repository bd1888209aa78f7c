//! The function in the world of the harness.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{Answer, Event, Request, until};
use serde_json::{Value, json};
use shared::event::{DispatcherId, EventId, StepId};
use shared::{Environment, Error, Function};

/// The name of the function in the template.
pub(crate) const TASK: &str = "TaskFunction";

pub(crate) struct World(pub(crate) harness::World);

impl std::ops::Deref for World {
    type Target = harness::World;

    fn deref(&self) -> &harness::World {
        &self.0
    }
}

impl World {
    /// Everything at a fixed time; commands and schedules reach the function.
    pub(crate) async fn new() -> Self {
        Self(builder().open().await)
    }

    /// Everything at a fixed time, with one more variable.
    pub(crate) async fn with_variable(name: &str, value: &str) -> Self {
        Self(builder().variable(name, value).open().await)
    }

    /// The same with parameters of the template.
    pub(crate) async fn with(parameters: &[(&str, &str)]) -> Self {
        Self(parameters.iter().fold(builder(), |world, (name, value)| world.parameter(name, value)).open().await)
    }

    /// Everything at a fixed time; what is for the function stays away from it, and is delivered by the test.
    pub(crate) async fn by_hand() -> Self {
        Self(builder().by_hand().open().await)
    }

    /// Everything as the builder says.
    pub(crate) async fn opened(builder: harness::Builder) -> Self {
        Self(builder.open().await)
    }

    /// As by hand, and nothing that is written expires.
    pub(crate) async fn for_years() -> Self {
        Self(builder().by_hand().variable("RETENTION_DAYS", "3650").open().await)
    }

    /// The function as it runs.
    pub(crate) fn process(&self) -> Function {
        self.0.function(TASK)
    }

    /// A further process with the same tables.
    pub(crate) fn another(&self) -> Function {
        self.0.another(TASK)
    }

    /// Hands a payload to the function.
    pub(crate) async fn invoke(&self, payload: Value) -> Result<Value, String> {
        self.0.invoke(TASK, payload).await
    }

    /// Creates a function from its script.
    pub(crate) async fn script(&self, name: &str, code: &str) {
        let answer = self.post("/tasks/v1/functions/", json!({"name": name, "code": code})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Asks for a step of a function and returns its output, or its error.
    pub(crate) async fn outcome(&self, step: &str, function: &str) -> Value {
        self.request(step, json!({"functionName": function})).await;
        let answer = self.answer(step).await;
        answer.get("output").or(answer.get("error")).cloned().unwrap_or_default()
    }

    /// The names of the stored parts of code.
    pub(crate) async fn parts(&self) -> Vec<String> {
        #[derive(serde::Deserialize)]
        struct Part {
            part: String,
        }
        let parts: Vec<Part> = self.table("CODE_TABLE").scan(None, 1_000).await.unwrap();
        parts.into_iter().map(|part| part.part).collect()
    }

    /// Sends a request with a token.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Value, token: &str) -> Answer {
        let request = Request::new(method, path).header("content-type", "application/json").bearer(token);
        self.0.send(if body.is_null() { request } else { request.json(body) }).await
    }

    /// Asks for a step on the bus and waits until all is quiet.
    pub(crate) async fn request(&self, step: &str, action: Value) {
        self.publish(&command(step, action)).await;
    }

    /// The contents of the published events of one type.
    pub(crate) fn heard(&self, kind: &str) -> Vec<Value> {
        self.published(kind).into_iter().map(|mut event| event["content"].take()).collect()
    }

    /// How the step was answered, the last time.
    pub(crate) async fn answer(&self, step: &str) -> Value {
        self.idle().await;
        self.0.answer(step).unwrap_or_default()
    }

    /// The record of a task as the table has it.
    pub(crate) async fn record(&self, id: &str) -> Value {
        self.table("TASKS_TABLE").get(&json!({"taskId": id})).await.unwrap().unwrap_or_default()
    }

    /// Waits until the record of a task shows that it runs.
    pub(crate) async fn until_it_runs(&self, id: &str) {
        until("the task runs", async || {
            let record = self.record(id).await;
            if record["status"] == "inProgress" { Ok(()) } else { Err(record) }
        })
        .await;
    }
}

pub(crate) fn builder() -> harness::Builder {
    harness::World::builder().function(TASK, function)
}

/// The function, whose scripts run in workers of its own binary.
pub(crate) fn function(environment: &Environment) -> Result<Function, Error> {
    let mut environment = environment.clone();
    environment.config.extend([("SCRIPT_WORKER".to_owned(), env!("CARGO_BIN_EXE_task").to_owned())]);
    task::function(&environment)
}

/// A package in base64, as clients send it.
pub(crate) fn package(files: &[(&str, &[u8])]) -> String {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    STANDARD.encode(writer.finish().unwrap().into_inner())
}

/// Bytes that cannot be compressed.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

/// The id of the task of a step.
pub(crate) fn task_id(step: &str) -> String {
    let (event_id, dispatcher_id) = (EventId::new("e1"), DispatcherId::new("d1"));
    StepId { event_id, dispatcher_id, step: step.to_owned(), attempt: 1 }.record_id()
}

/// The event that the steps belong to, as their scripts see it.
pub(crate) fn event() -> Value {
    let mut event = command("s", json!({})).detail["content"]["event"].take();
    event["creation_timestamp"] = 1_767_323_045_678_i64.into();
    event
}

/// The command for a step.
pub(crate) fn command(step: &str, action: Value) -> Event {
    Event::command("task", step, action)
}

/// The command for a step as EventBridge hands it to a function.
pub(crate) fn delivery(step: &str, action: Value) -> Value {
    command(step, action).payload()
}
