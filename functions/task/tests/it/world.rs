//! The function on an emulator, with a dispatcher that only listens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use emulator::{Clock, Emulator, Options, Template};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::bus::{Bus, Entry};
use shared::clock::Ids;
use shared::event::{DispatcherId, Envelope, EventId, StepId, StepRequested, Trace};
use shared::{Environment, Function};

pub(crate) const NOW: &str = "2026-01-02T03:04:05.678Z";

/// The function with everything around it.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) clock: Clock,
    pub(crate) bus: Bus,
    pub(crate) function: Function,
    environment: Environment,
    token: String,
    heard: Arc<Mutex<Vec<Value>>>,
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) body: Value,
}

impl World {
    /// Everything at a fixed time; commands and schedules reach the function.
    pub(crate) async fn new() -> Self {
        let world = Self::silent().await;
        let (function, heard) = (world.function.clone(), world.heard.clone());
        world.emulator.start(Arc::new(move |id, payload| {
            let (function, heard) = (function.clone(), heard.clone());
            Box::pin(async move {
                match id.as_str() {
                    "TaskFunction" => function.invoke(payload).await.map_err(|error| error.chain()),
                    _ => {
                        heard.lock().unwrap().push(payload["detail"].clone());
                        Ok(Value::Null)
                    }
                }
            })
        }));
        world
    }

    /// Everything at a fixed time; what is for the function stays away from it, and is delivered by the test.
    pub(crate) async fn by_hand() -> Self {
        let world = Self::silent().await;
        let heard = world.heard.clone();
        world.emulator.start(Arc::new(move |_, payload| {
            heard.lock().unwrap().push(payload["detail"].clone());
            Box::pin(async { Ok(Value::Null) })
        }));
        world
    }

    async fn silent() -> Self {
        let clock = Clock::fixed(NOW.parse().unwrap());
        let template = Template::parse(include_str!("../../../../template.yaml")).unwrap();
        let parameters = BTreeMap::from([("AllowedCidrs".to_owned(), "127.0.0.0/8".to_owned())]);
        let options = Options { clock: clock.clone(), parameters, ..Options::default() };
        let emulator = Emulator::open(template, options).await.unwrap();
        let environment = environment(&emulator, &clock, 1);
        let tokens = environment.tokens().unwrap();
        let token = tokens.issue("client", "tenant", vec!["*".to_owned()], 100_000_000).await.unwrap();
        let function = task::function(&environment).unwrap();
        let bus = environment.bus().unwrap();
        Self { emulator, clock, bus, function, environment, token, heard: Arc::default() }
    }

    /// A further process with the same tables.
    pub(crate) fn another(&self, seed: u64) -> Function {
        task::function(&environment(&self.emulator, &self.clock, seed)).unwrap()
    }

    /// A token of a client with these permissions.
    pub(crate) async fn token(&self, permissions: &[&str]) -> String {
        let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
        self.environment.tokens().unwrap().issue("client", "tenant", permissions, 3600).await.unwrap()
    }

    /// Creates a function from its script.
    pub(crate) async fn script(&self, name: &str, code: &str) {
        let answer = self.post("/tasks/v1/functions/", json!({"name": name, "code": code})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Value::Null, &self.token).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body, &self.token).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, body, &self.token).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, Value::Null, &self.token).await
    }

    /// Sends a request in payload format 2.0 of API Gateway's HTTP APIs.
    pub(crate) async fn send(&self, method: &str, path_and_query: &str, body: Value, token: &str) -> Answer {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut request = json!({
            "version": "2.0", "routeKey": "ANY /tasks/{proxy+}", "rawPath": path, "rawQueryString": query,
            "headers": {"authorization": format!("Bearer {token}"), "content-type": "application/json"},
            "requestContext": {
                "accountId": "123456789012", "apiId": "abc123", "stage": "$default", "requestId": "id=",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
            },
            "isBase64Encoded": false,
        });
        if !body.is_null() {
            request["body"] = body.to_string().into();
        }
        let answer = self.function.invoke(request).await.unwrap();
        let text = answer["body"].as_str().unwrap();
        let body = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text} is not valid JSON"));
        Answer { status: answer["statusCode"].as_u64().unwrap(), body }
    }

    /// Asks for a step on the bus and waits until all is quiet.
    pub(crate) async fn request(&self, step: &str, action: Value) {
        self.bus.publish(vec![command(step, action)]).await.unwrap();
        self.emulator.idle().await;
    }

    /// The contents of the events of one type that were delivered to the dispatcher, or to nobody but the test.
    pub(crate) fn heard(&self, kind: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|event| event["type"] == kind).map(|event| event["content"].clone()).collect()
    }

    /// How the step was answered, the last time.
    pub(crate) async fn answer(&self, step: &str) -> Value {
        self.emulator.idle().await;
        let mut answers = self.heard("step.finished");
        answers.retain(|answer| answer["step"] == step);
        answers.pop().unwrap_or_default()
    }

    /// The record of a task as the table has it.
    pub(crate) async fn record(&self, id: &str) -> Value {
        let table = self.environment.table("TASKS_TABLE").unwrap();
        table.get(&json!({"taskId": id})).await.unwrap().unwrap_or_default()
    }
}

fn environment(emulator: &Emulator, clock: &Clock, seed: u64) -> Environment {
    let clock = clock.clone();
    Environment {
        aws: Aws::new(&emulator.sdk_config()),
        config: emulator.environment("TaskFunction").into_iter().collect(),
        clock: shared::clock::Clock::from_fn(move || clock.now()),
        ids: Ids::seeded(seed),
    }
}

/// The first attempt at a step.
pub(crate) fn step_id(step: &str) -> StepId {
    StepId {
        event_id: EventId::new("event-1"),
        dispatcher_id: DispatcherId::new("0123456789abcdef01234567"),
        step: step.to_owned(),
        attempt: 1,
    }
}

/// The id of the task of a step.
pub(crate) fn task_id(step: &str) -> String {
    step_id(step).record_id()
}

/// The event that the steps belong to.
pub(crate) fn event() -> Envelope {
    let id = EventId::new("event-1");
    Envelope {
        trace: Trace::start(&id),
        id,
        kind: "user_deleted".to_owned(),
        dedup_window_seconds: None,
        tenant_id: "tenant".to_owned(),
        time: NOW.parse().unwrap(),
        content: json!({"id": "u1"}),
    }
}

/// The command for a step.
pub(crate) fn command(step: &str, action: Value) -> Entry {
    Entry::command("task", &StepRequested { id: step_id(step), action, event: event() }).unwrap()
}

/// The command for a step as EventBridge hands it to a function.
pub(crate) fn delivery(step: &str, action: Value) -> Value {
    delivered(&serde_json::from_str(command(step, action).detail()).unwrap())
}

/// A command as EventBridge hands it to a function.
///
/// Source: Amazon EventBridge user guide, "Events in Amazon EventBridge".
pub(crate) fn delivered(detail: &Value) -> Value {
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": detail["type"],
        "source": "hookyard.command", "account": "123456789012", "time": "2026-01-02T03:04:05Z",
        "region": "eu-central-1", "resources": [],
        "detail": detail,
    })
}
