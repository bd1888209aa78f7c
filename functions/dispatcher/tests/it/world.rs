//! The function in a harness world, with a worker that answers commands as its test says.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use harness::{Answer, Event, Request, TENANT};
use serde_json::{Value, json};
use shared::bus::{Bus, Entry};
use shared::event::{Envelope, EventId, EventType, Received, StepError, StepFinished, StepId, StepRequested, TenantId};

pub(crate) const FUNCTION: &str = "DispatcherFunction";

/// How the worker answers a step.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Succeed(Value),
    Fail,
    Wait,
    Silence,
    /// The first answers fail, then they succeed.
    FailTimes(u32),
    Answer(shared::event::Answer),
}

/// What the worker got and how it answers.
#[derive(Debug, Default)]
struct Work {
    replies: HashMap<String, Reply>,
    commands: Vec<Received>,
    answers: HashMap<StepId, shared::event::Answer>,
}

/// The function with everything around it.
pub(crate) struct World {
    world: harness::World,
    bus: Bus,
    work: Arc<Mutex<Work>>,
}

impl Deref for World {
    type Target = harness::World;

    fn deref(&self) -> &harness::World {
        &self.world
    }
}

impl World {
    /// Starts everything at a fixed time.
    pub(crate) async fn new() -> Self {
        let world = harness::World::builder().function(FUNCTION, dispatcher::function).open().await;
        let (bus, work) = (world.environment(FUNCTION).bus().unwrap(), Arc::<Mutex<Work>>::default());
        let (worker_bus, worker, clock) = (bus.clone(), work.clone(), world.clock.clone());
        world.stand_in(Arc::new(move |_, payload| {
            let (bus, work, now) = (worker_bus.clone(), worker.clone(), clock.now());
            async move {
                if payload.get("detail-type").is_none() {
                    return Ok(Value::Null);
                }
                let command: Received = serde_json::from_value(payload["detail"].clone()).unwrap();
                if let Some((id, answer)) = answer(&work, &command) {
                    let entry = Entry::step_finished(&id, &answer, &command, now);
                    bus.publish(vec![entry]).await.map_err(|error| error.chain())?;
                }
                Ok(Value::Null)
            }
            .boxed()
        }));
        Self { world, bus, work }
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

    /// Returns the ids of all commands for a step that came to the worker.
    pub(crate) fn requests_of(&self, step: &str) -> Vec<StepId> {
        let work = self.work.lock().unwrap();
        let ids = work.commands.iter().map(|command| command.content::<StepRequested>().unwrap().id);
        ids.filter(|id| id.step == step).collect()
    }

    /// Returns every command that came to the worker, in order.
    pub(crate) fn requests(&self) -> Vec<StepRequested> {
        self.work.lock().unwrap().commands.iter().map(|command| command.content().unwrap()).collect()
    }

    /// Forgets the commands that came so far.
    pub(crate) fn forget(&self) {
        self.work.lock().unwrap().commands.clear();
    }

    /// Publishes an answer that came from elsewhere.
    pub(crate) async fn publish_answer(&self, finished: &StepFinished) {
        let cause = event("answer", "anything", json!({}));
        let entry = Entry::step_finished(&finished.id, &finished.answer, &cause, self.clock.now());
        self.bus.publish(vec![entry]).await.unwrap();
    }

    /// Hands an answer to the function directly; an error is what Lambda would see.
    pub(crate) async fn deliver_answer(&self, finished: &StepFinished) -> Result<(), String> {
        let cause = event("answer", "anything", json!({}));
        let entry = Entry::step_finished(&finished.id, &finished.answer, &cause, self.clock.now());
        let detail = serde_json::from_str(&entry.detail()).unwrap();
        self.world.deliver(FUNCTION, &Event { source: "hookyard.step".to_owned(), detail }).await
    }

    /// Publishes a fact and waits until all that follows has happened.
    pub(crate) async fn publish(&self, event: &Envelope) {
        self.world.publish(&fact(event)).await;
    }

    /// Hands a fact to the function directly; an error is what Lambda would see.
    pub(crate) async fn deliver(&self, event: &Envelope) -> Result<(), String> {
        self.world.deliver(FUNCTION, &fact(event)).await
    }

    /// Hands a fact to another process.
    pub(crate) async fn deliver_elsewhere(&self, event: &Envelope) {
        self.another(FUNCTION).invoke(fact(event).payload()).await.unwrap();
        self.idle().await;
    }

    /// Gives the function the input of a schedule.
    pub(crate) async fn schedule(&self, input: Value) -> Result<(), String> {
        let result = self.invoke(FUNCTION, input).await.map(drop);
        self.idle().await;
        result
    }

    /// Moves the clock on and lets the sweeper look, as its schedule would every minute.
    pub(crate) async fn sweep_after(&self, seconds: i64) {
        self.advance(seconds).await;
        self.schedule(json!({"sweep": "runs"})).await.unwrap();
    }

    /// Sends a request of a client with these permissions, perhaps with a body.
    pub(crate) async fn call_as(
        &self,
        tenant: &str,
        permissions: &[&str],
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let request = Request::new(method, path).bearer(&self.token(tenant, permissions).await);
        self.send(if body.is_null() { request } else { request.json(body) }).await
    }

    /// Creates a dispatcher and returns its id.
    pub(crate) async fn dispatcher(&self, body: Value) -> String {
        let answer = self.post("/dispatchers/v1/", body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Returns the timeline of an event.
    pub(crate) async fn timeline(&self, event_id: &str) -> Value {
        let answer = self.get(&format!("/runs/{event_id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// Returns an event's outcome and the state of each step of each run.
    pub(crate) async fn states(&self, event_id: &str) -> String {
        states(&self.timeline(event_id).await)
    }
}

/// Writes the outcome of a timeline and the state of each step of each run.
pub(crate) fn states(timeline: &Value) -> String {
    let runs = timeline["runs"].as_array().unwrap().iter().map(|run| {
        let steps = run["steps"].as_array().unwrap().iter();
        let steps: Vec<_> = steps.map(|step| format!("{}:{}", text(&step["name"]), text(&step["status"]))).collect();
        format!("[{}]", steps.join(" "))
    });
    format!("{} {}", text(&timeline["outcome"]), runs.collect::<Vec<_>>().join(" "))
}

/// Records a command and finds its answer; a command that comes again gets the same one, as a real worker's record gives.
fn answer(work: &Mutex<Work>, command: &Received) -> Option<(StepId, shared::event::Answer)> {
    use shared::event::Answer;

    let id = command.content::<StepRequested>().unwrap().id;
    let mut work = work.lock().unwrap();
    work.commands.push(command.clone());
    if let Some(earlier) = work.answers.get(&id) {
        return Some((id, earlier.clone()));
    }
    let failed = || Answer::failed(StepError::invocation("Broken", "it broke"));
    let answer = match work.replies.get(&id.step).cloned() {
        None => Answer::succeeded(json!({"did": id.step})),
        Some(Reply::Succeed(output)) => Answer::succeeded(output),
        Some(Reply::Fail) => failed(),
        Some(Reply::FailTimes(times)) if id.attempt <= times => failed(),
        Some(Reply::FailTimes(_)) => Answer::succeeded(json!({})),
        Some(Reply::Answer(answer)) => answer,
        Some(Reply::Wait) => Answer::waiting(),
        Some(Reply::Silence) => return None,
    };
    work.answers.insert(id.clone(), answer.clone());
    Some((id, answer))
}

/// Builds an event.
pub(crate) fn event(id: &str, kind: &str, content: Value) -> Envelope {
    let (kind, time) = (EventType::parse(kind).unwrap(), "2026-01-02T03:04:05.5Z".parse().unwrap());
    Envelope::new(kind, EventId::new(id), TenantId::new(TENANT), time, content)
}

/// Puts an event on its way to the bus.
fn fact(event: &Envelope) -> Event {
    Event { source: "hookyard.webhook".to_owned(), detail: json!(event) }
}

/// Builds the successful answer to a command.
pub(crate) fn succeeded(id: StepId, output: Value) -> StepFinished {
    StepFinished { id, answer: shared::event::Answer::succeeded(output) }
}

/// Builds the action of a step that the worker does.
pub(crate) fn task(name: &str, dependencies: &[&str]) -> Value {
    json!({"type": "task", "name": name, "functionName": name, "dependencies": dependencies})
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
