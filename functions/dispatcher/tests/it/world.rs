//! The function on the emulator, with a worker that answers commands as their test says.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use emulator::{Clock, Emulator, Invoke, Options, Template};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::bus::{Bus, Entry};
use shared::clock::Ids;
use shared::event::{Envelope, EventId, StepError, StepFinished, StepId, StepRequested, Trace};
use shared::{Environment, Function};

const TEMPLATE: &str = include_str!("../../../../template.yaml");

/// How the worker answers a step.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Succeed(Value),
    Fail,
    Wait,
    Silence,
    /// The first answers fail, then they succeed.
    FailTimes(u32),
}

/// What the worker got and how it answers.
#[derive(Debug, Default)]
struct Work {
    replies: HashMap<String, Reply>,
    commands: Vec<Envelope>,
    answers: HashMap<StepId, StepFinished>,
}

/// The function with everything around it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) clock: Clock,
    pub(crate) bus: Bus,
    function: Function,
    environment: Environment,
    token: String,
    work: Arc<Mutex<Work>>,
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) body: Value,
}

impl World {
    /// Starts everything at a fixed time.
    pub(crate) async fn new() -> Self {
        let clock = Clock::fixed("2026-01-02T03:04:05.678Z".parse().unwrap());
        let options = Options { clock: clock.clone(), ..Options::default() };
        let emulator = Emulator::open(Template::parse(TEMPLATE).unwrap(), options).await.unwrap();
        let now = clock.clone();
        let environment = Environment {
            aws: Aws::new(&emulator.sdk_config()),
            config: emulator.environment("DispatcherFunction").into_iter().collect(),
            clock: shared::clock::Clock::from_fn(move || now.now()),
            ids: Ids::seeded(1),
        };
        let token = environment.tokens().unwrap();
        let token = token.issue("client", "tenant", vec!["*".to_owned()], 100_000_000).await.unwrap();
        let function = dispatcher::function(&environment).unwrap();
        let bus = environment.bus().unwrap();
        let world = Self { emulator, clock, bus, function, environment, token, work: Arc::default() };
        world.emulator.start(world.invoke());
        world
    }

    /// Forgets what the process had in memory, as a new one would.
    pub(crate) fn restarted(&self) -> Self {
        Self { function: dispatcher::function(&self.environment).unwrap(), ..self.clone() }
    }

    fn invoke(&self) -> Invoke {
        let world = self.clone();
        // The emulator must not be kept alive by what it calls.
        let (function, work, bus, clock) = (world.function, world.work, world.bus, world.clock);
        Arc::new(move |id, payload| -> BoxFuture<'static, Result<Value, String>> {
            let (function, work, bus, now) = (function.clone(), work.clone(), bus.clone(), clock.now());
            async move {
                if id == "DispatcherFunction" {
                    return function.invoke(payload).await.map_err(|error| error.chain());
                }
                if payload.get("detail-type").is_none() {
                    return Ok(Value::Null);
                }
                let command: Envelope = serde_json::from_value(payload["detail"].clone()).unwrap();
                let Some(answer) = answer(&work, &command) else { return Ok(Value::Null) };
                let entry = Entry::step_finished(&answer, &command, now).unwrap();
                bus.publish(vec![entry]).await.map_err(|error| error.chain())?;
                Ok(Value::Null)
            }
            .boxed()
        })
    }

    /// Says how the worker answers a step from now on; without a word it succeeds.
    pub(crate) fn reply(&self, step: &str, reply: Reply) {
        self.work.lock().unwrap().replies.insert(step.to_owned(), reply);
    }

    /// Counts the commands that came to the worker, by step and attempt.
    pub(crate) fn commands(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for command in &self.work.lock().unwrap().commands {
            let request: StepRequested = command.content().unwrap();
            *counts.entry(format!("{}#{}", request.id.step, request.id.attempt)).or_default() += 1;
        }
        counts
    }

    /// Returns the newest command for a step.
    pub(crate) fn command(&self, step: &str) -> Option<StepRequested> {
        let work = self.work.lock().unwrap();
        let requests = work.commands.iter().rev().map(|command| command.content::<StepRequested>().unwrap());
        requests.into_iter().find(|request| request.id.step == step)
    }

    /// Publishes an answer that came from elsewhere.
    pub(crate) async fn publish_answer(&self, answer: &StepFinished) {
        let cause = event("answer", "anything", json!({}));
        let entry = Entry::step_finished(answer, &cause, self.clock.now()).unwrap();
        self.bus.publish(vec![entry]).await.unwrap();
    }

    /// Publishes a fact and waits until all that follows has happened.
    pub(crate) async fn publish(&self, event: &Envelope) {
        self.bus.publish(vec![Entry::fact("hookyard.webhook", event).unwrap()]).await.unwrap();
        self.emulator.idle().await;
    }

    /// Hands a fact to the function directly; an error is what Lambda would see.
    pub(crate) async fn deliver(&self, event: &Envelope) -> Result<(), String> {
        let detail = serde_json::to_value(event).unwrap();
        let payload = json!({
            "version": "0", "id": "b0c1", "detail-type": event.kind, "source": "hookyard.webhook",
            "account": "000000000000", "time": "2026-01-02T03:04:05Z", "region": "us-east-1", "resources": [],
            "detail": detail,
        });
        self.function.invoke(payload).await.map(|_| ()).map_err(|error| error.chain())
    }

    /// Gives the function the input of a schedule.
    pub(crate) async fn schedule(&self, input: Value) -> Result<(), String> {
        let result = self.function.invoke(input).await.map(|_| ()).map_err(|error| error.chain());
        self.emulator.idle().await;
        result
    }

    /// Moves the clock on and lets the sweeper look, as its schedule would every minute.
    pub(crate) async fn sweep_after(&self, seconds: i64) {
        self.clock.set(self.clock.now() + jiff::SignedDuration::from_secs(seconds));
        self.emulator.idle().await;
        self.schedule(json!({"sweep": "runs"})).await.unwrap();
    }

    /// Sends a request with an administrator's token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_with(method, path, &[("authorization", &format!("Bearer {}", self.token))], body).await
    }

    /// Sends a request with a token that has these permissions.
    pub(crate) async fn call_as(&self, permissions: &[&str], method: &str, path: &str) -> Answer {
        let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
        let tokens = self.environment.tokens().unwrap();
        let token = tokens.issue("other", "tenant", permissions, 300).await.unwrap();
        self.call_with(method, path, &[("authorization", &format!("Bearer {token}"))], Some(json!({}))).await
    }

    /// Sends a request with more headers than a token.
    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut named = json!({"content-type": "application/json", "authorization": format!("Bearer {}", self.token)});
        for (name, value) in headers {
            named[*name] = json!(value);
        }
        let payload = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": named,
            "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
            "body": body.map(|body| body.to_string()), "isBase64Encoded": false,
        });
        let answer = self.function.invoke(payload).await.unwrap();
        let body = answer["body"].as_str().unwrap();
        Answer { status: answer["statusCode"].as_u64().unwrap(), body: serde_json::from_str(body).unwrap_or_default() }
    }

    /// Creates a dispatcher and returns its id.
    pub(crate) async fn dispatcher(&self, body: Value) -> String {
        let answer = self.call("POST", "/dispatchers/v1/", Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Returns the timeline of an event.
    pub(crate) async fn timeline(&self, event_id: &str) -> Value {
        let answer = self.call("GET", &format!("/runs/{event_id}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// Returns an event's outcome and the state of each step of each run.
    pub(crate) async fn states(&self, event_id: &str) -> String {
        let timeline = self.timeline(event_id).await;
        let runs = timeline["runs"].as_array().unwrap().iter().map(|run| {
            let steps = run["steps"].as_array().unwrap().iter();
            let steps: Vec<_> =
                steps.map(|step| format!("{}:{}", text(&step["name"]), text(&step["status"]))).collect();
            format!("[{}]", steps.join(" "))
        });
        format!("{} {}", text(&timeline["outcome"]), runs.collect::<Vec<_>>().join(" "))
    }
}

/// Records a command and finds its answer; a command that comes again gets the same one, as a real worker's record gives.
fn answer(work: &Mutex<Work>, command: &Envelope) -> Option<StepFinished> {
    let request: StepRequested = command.content().unwrap();
    let mut work = work.lock().unwrap();
    work.commands.push(command.clone());
    if let Some(earlier) = work.answers.get(&request.id) {
        return Some(earlier.clone());
    }
    let id = request.id.clone();
    let failed = |id: StepId| StepFinished::failed(id, StepError::invocation("Broken", "it broke"));
    let answer = match work.replies.get(&id.step).cloned() {
        None => StepFinished::succeeded(id, json!({"did": request.id.step})),
        Some(Reply::Succeed(output)) => StepFinished::succeeded(id, output),
        Some(Reply::Fail) => failed(id),
        Some(Reply::FailTimes(times)) if id.attempt <= times => failed(id),
        Some(Reply::FailTimes(_)) => StepFinished::succeeded(id, json!({})),
        Some(Reply::Wait) => StepFinished::waiting(id),
        Some(Reply::Silence) => return None,
    };
    work.answers.insert(request.id, answer.clone());
    Some(answer)
}

/// Makes an event.
pub(crate) fn event(id: &str, kind: &str, content: Value) -> Envelope {
    let id = EventId::new(id);
    let time: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
    let trace = Trace::start(&id);
    Envelope {
        id,
        kind: kind.to_owned(),
        dedup_window_seconds: None,
        tenant_id: "tenant".to_owned(),
        time,
        content,
        trace,
    }
}

/// Makes the action of a step that the worker does.
pub(crate) fn task(name: &str, dependencies: &[&str]) -> Value {
    json!({"type": "task", "name": name, "functionName": name, "dependencies": dependencies})
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
