//! The order in which tasks start that are due while there is no room.

use std::sync::{Arc, Mutex};

use harness::until;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use crate::support::{World, delivery, task_id};

/// How many tasks of one function have places beside each other.
const PLACES: usize = 86;

/// A server that notes which task has started, and answers as many as it may.
struct Gate {
    url: String,
    started: Arc<Mutex<Vec<String>>>,
    may_answer: Arc<Semaphore>,
}

impl Gate {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gate = Self { url, started: Arc::default(), may_answer: Arc::new(Semaphore::new(0)) };
        let (started, may_answer) = (gate.started.clone(), gate.may_answer.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (started, may_answer) = (started.clone(), may_answer.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let length = stream.read(&mut request).await.unwrap();
                    let request = String::from_utf8_lossy(&request[..length]).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().trim_matches('/').to_owned();
                    started.lock().unwrap().push(path);
                    may_answer.acquire().await.unwrap().forget();
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                    let _ = stream.write_all(answer).await;
                });
            }
        });
        gate
    }

    async fn started(&self, count: usize) -> Vec<String> {
        until("the next start", async || {
            let started = self.started.lock().unwrap().clone();
            if started.len() >= count { Ok(started) } else { Err(started.len()) }
        })
        .await
    }
}

async fn function(world: &World, gate: &Gate) {
    let code = format!("exports.main = async (task) => (await fetch(`{}/${{task.data.name}}`)).text()", gate.url);
    let function = json!({"name": "f", "code": code, "timeLimit": 300, "executionOptions": {"defaultPriority": 5}});
    assert_eq!(world.post("/tasks/v1/functions/", function).await.status, 200);
}

/// Leaves no place.
async fn fill(world: &World) {
    for _ in 0..PLACES {
        created(world, "first", 0).await;
    }
}

async fn until_it_waits(world: &World, step: &str) {
    until("the step waits", async || {
        let status = status(world, &task_id(step)).await;
        if status == "new" { Ok(()) } else { Err(status) }
    })
    .await;
}

async fn created(world: &World, name: &str, priority: i64) -> String {
    let body = json!({"functionName": "f", "data": {"name": name}, "priority": priority});
    let created = world.post("/tasks/v1/", body).await;
    created.body["id"].as_str().unwrap_or_else(|| panic!("{}", created.body)).to_owned()
}

async fn status(world: &World, id: &str) -> Value {
    world.get(&format!("/tasks/v1/{id}")).await.body["status"].take()
}

#[tokio::test]
async fn of_the_tasks_that_wait_the_one_with_the_highest_priority_starts_first() {
    let world = World::new().await;
    let gate = Gate::open().await;
    function(&world, &gate).await;
    fill(&world).await;
    gate.started(PLACES).await;
    let reads = || world.emulator.aws_calls().get("dynamodb.GetItem").copied().unwrap_or(0);
    let before = reads();
    let mut ids = Vec::new();
    for (name, priority) in [("low", 0), ("middle", 3), ("high", 7), ("canceled", 9)] {
        ids.push(created(&world, name, priority).await);
    }
    until("everybody waits", async || if reads() >= before + 4 { Ok(()) } else { Err(reads()) }).await;
    let step = delivery("s", json!({"functionName": "f", "data": {"name": "step"}}));
    let (process, step) = (world.process(), world.sealed_payload(step));
    let step = tokio::spawn(async move { process.invoke(step).await });
    until_it_waits(&world, "s").await;
    for id in &ids {
        assert_eq!(status(&world, id).await, "new");
    }
    let cancel = format!("/tasks/v1/{}/cancel", ids[3]);
    assert_eq!(world.post(&cancel, json!({})).await.status, 200);
    for (more, name) in ["high", "step", "middle", "low"].into_iter().enumerate() {
        gate.may_answer.add_permits(1);
        assert_eq!(gate.started(PLACES + more + 1).await.last().map(String::as_str), Some(name));
    }
    gate.may_answer.add_permits(2 * PLACES);
    step.await.unwrap().unwrap();
    world.idle().await;
    assert_eq!(world.answer("s").await["output"], "ok");
    assert_eq!(status(&world, &ids[3]).await, "canceled");
    assert_eq!(world.get("/tasks/v1/?eq(status,complete)").await.body["page"]["total"], PLACES + 4);
}

#[tokio::test]
async fn a_step_that_was_interrupted_and_has_to_wait_then_keeps_its_input() {
    let world = World::new().await;
    let gate = Gate::open().await;
    function(&world, &gate).await;
    let command =
        |step: &str| world.sealed_payload(delivery(step, json!({"functionName": "f", "data": {"name": step}})));
    let interrupted = command("interrupted");
    let gone = world.another();
    tokio::select! {
        ended = gone.invoke(interrupted.clone()) => panic!("the task has ended: {ended:?}"),
        _ = gate.started(1) => {}
    }
    gate.may_answer.add_permits(1);
    world.clock.advance(jiff::SignedDuration::from_secs(60));
    fill(&world).await;
    gate.started(1 + PLACES).await;
    // Of two steps that wait as long, the second one tells when the first one does no more wait for a place alone.
    let steps = [interrupted, command("new")].map(|command| {
        let process = world.process();
        tokio::spawn(async move { process.invoke(command).await })
    });
    until_it_waits(&world, "new").await;
    gate.may_answer.add_permits(2 * PLACES);
    for step in steps {
        step.await.unwrap().unwrap();
    }
    let task = world.get(&format!("/tasks/v1/{}", task_id("interrupted"))).await.body;
    assert_eq!((&task["status"], &task["data"]["name"]), (&json!("failed"), &json!("interrupted")), "{task}");
    assert!(task["data"]["event"].is_object(), "{task}");
}

#[tokio::test]
async fn a_step_has_the_priority_of_its_function_unless_it_names_one() {
    let world = World::new().await;
    let options = json!({"defaultPriority": 5});
    let body = json!({"name": "f", "code": "exports.main = (task) => task.priority", "executionOptions": options});
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    for (step, action, expected) in
        [("default", json!({"functionName": "f"}), 5), ("own", json!({"functionName": "f", "priority": -1}), -1)]
    {
        world.request(step, action).await;
        assert_eq!(world.answer(step).await["output"], expected);
    }
}
