//! Commands that are delivered again, with and without a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::until;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use crate::support::{World, delivery, task_id};

/// A server that counts the requests, and answers them once it may.
struct Sink {
    url: String,
    count: Arc<AtomicUsize>,
    arrived: Arc<Notify>,
    may_answer: Arc<Notify>,
}

impl Sink {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let sink = Self { url, count: Arc::default(), arrived: Arc::default(), may_answer: Arc::default() };
        let (count, arrived, may_answer) = (sink.count.clone(), sink.arrived.clone(), sink.may_answer.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (count, arrived, may_answer) = (count.clone(), arrived.clone(), may_answer.clone());
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    arrived.notify_one();
                    may_answer.notified().await;
                    let _ =
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
                });
            }
        });
        sink
    }

    fn script(&self) -> String {
        format!("exports.main = async () => (await fetch('{}')).text()", self.url)
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_command_that_comes_twice_runs_once() {
    let world = World::new().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    world.emulator.deliver_twice(true);
    sink.may_answer.notify_one();
    world.request("s", json!({"functionName": "f"})).await;
    assert_eq!(world.answer("s").await["output"], "ok");
    assert_eq!(sink.count(), 1);
}

#[tokio::test]
async fn a_command_that_comes_again_is_answered_from_its_record() {
    let world = World::by_hand().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    sink.may_answer.notify_one();
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    for process in [&world.process(), &world.process(), &world.another()] {
        process.invoke(command.clone()).await.unwrap();
    }
    world.idle().await;
    let answers = world.heard("step.finished");
    assert_eq!((answers.len(), sink.count()), (3, 1));
    assert!(answers.iter().all(|answer| answer == &answers[0]));
}

#[tokio::test]
async fn a_second_delivery_to_the_same_process_leaves_the_first_alone() {
    let world = World::by_hand().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    let (process, first) = (world.process(), command.clone());
    let first = tokio::spawn(async move { process.invoke(first).await });
    sink.arrived.notified().await;
    world.invoke(command).await.unwrap();
    sink.may_answer.notify_one();
    first.await.unwrap().unwrap();
    world.idle().await;
    assert_eq!((world.heard("step.finished").len(), sink.count()), (1, 1));
}

#[tokio::test]
async fn a_task_without_an_effect_so_far_is_run_again_after_a_crash() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => new Promise((resolve) => setTimeout(resolve, 20000))").await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    {
        let (run, id) = (world.invoke(command.clone()), task_id("s"));
        tokio::select! {
            ended = run => panic!("the task has ended: {ended:?}"),
            () = world.until_it_runs(&id) => {}
        }
    }
    let after = world.another();
    let error = after.invoke(command.clone()).await.unwrap_err();
    assert!(error.chain().contains("may still be doing it"), "{}", error.chain());
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => 'second'"})).await;
    world.clock.advance(jiff::SignedDuration::from_secs(5));
    world.another().invoke(command).await.unwrap();
    assert_eq!(world.answer("s").await["output"], "second");
    assert_eq!(world.heard("step.finished").len(), 1);
}

#[tokio::test]
async fn a_process_that_dies_between_the_mark_of_an_effect_and_its_request_leaves_an_unknown_outcome() {
    let world = World::by_hand().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f", "data": {"n": 1}, "tags": ["t"]})));
    world.emulator.crash_after("dynamodb.PutItem", 1);
    world.invoke(command.clone()).await.unwrap_err();
    let marked = world.record(&task_id("s")).await;
    assert_eq!((&marked["status"], &marked["claim"]["effect"]), (&json!("inProgress"), &json!(true)));
    world.clock.advance(jiff::SignedDuration::from_secs(5));
    world.another().invoke(command).await.unwrap();
    let answer = world.answer("s").await;
    assert_eq!((&answer["error"]["name"], sink.count()), (&json!("OutcomeUnknown"), 0));
    // What the mark left out is there again.
    let task = world.get(&format!("/tasks/v1/{}", task_id("s"))).await.body;
    assert_eq!((&task["data"]["n"], &task["tags"], &task["status"]), (&json!(1), &json!(["t"]), &json!("failed")));
    assert_eq!(world.get("/tasks/v1/").await.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_process_that_dies_before_the_mark_of_an_effect_leaves_nothing_and_the_task_runs_again() {
    let world = World::by_hand().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    world.emulator.crash_before("dynamodb.PutItem", 1);
    world.invoke(command.clone()).await.unwrap_err();
    assert!(world.items("TASKS_TABLE").await.is_empty());
    sink.may_answer.notify_one();
    world.another().invoke(command).await.unwrap();
    assert_eq!((world.answer("s").await["output"].clone(), sink.count()), (json!("ok"), 1));
    assert_eq!(world.get("/tasks/v1/").await.body["page"]["total"], 1);
}

#[tokio::test]
async fn of_two_processes_with_the_same_command_one_acts() {
    let world = World::by_hand().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    let (one, other) = (world.process(), world.another());
    let (first, second) = (command.clone(), command.clone());
    let tasks =
        [tokio::spawn(async move { one.invoke(first).await }), tokio::spawn(async move { other.invoke(second).await })];
    sink.arrived.notified().await;
    sink.may_answer.notify_one();
    let mut delivered = 0;
    for task in tasks {
        delivered += usize::from(task.await.unwrap().is_ok());
    }
    assert!(delivered >= 1);
    // The one that came second is told to come again, or finds the outcome.
    world.another().invoke(command).await.unwrap();
    assert_eq!((world.answer("s").await["output"].clone(), sink.count()), (json!("ok"), 1));
    assert_eq!(world.get("/tasks/v1/").await.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_task_that_had_begun_to_send_is_given_up_after_a_crash() {
    let world = World::by_hand().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    {
        let run = world.invoke(command.clone());
        tokio::select! {
            _ = run => panic!("the sink does not answer"),
            () = sink.arrived.notified() => {}
        }
    }
    assert_eq!(world.record(&task_id("s")).await["claim"]["effect"], true);
    world.clock.advance(jiff::SignedDuration::from_secs(5));
    world.another().invoke(command).await.unwrap();
    let answer = world.answer("s").await;
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("OutcomeUnknown")));
    assert_eq!(answer["error"]["type"], "invocation");
    assert_eq!((world.heard("task_failed").len(), sink.count()), (1, 1));
    assert_eq!(world.heard("task_failed")[0]["error"]["name"], "zombieTaskCleaned");
    let task = world.get(&format!("/tasks/v1/{}", task_id("s"))).await.body;
    assert_eq!((&task["status"], &task["error"]["name"]), (&json!("failed"), &json!("zombieTaskCleaned")));
}

#[tokio::test]
async fn a_task_that_had_begun_to_send_is_tried_again_if_its_function_names_the_interruption() {
    let policy = json!({"enabled": true, "errorsToRetry": ["zombieTaskCleaned"]});
    for (policy, expected) in [(json!({"enabled": true}), "failed"), (policy, "retried")] {
        let world = World::by_hand().await;
        let sink = Sink::start().await;
        world.script("f", &sink.script()).await;
        world.put("/tasks/v1/functions/f", json!({"retryPolicy": policy})).await;
        let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
        {
            let run = world.invoke(command.clone());
            tokio::select! {
                _ = run => panic!("the sink does not answer"),
                () = sink.arrived.notified() => {}
            }
        }
        world.clock.advance(jiff::SignedDuration::from_secs(5));
        for process in [world.another(), world.another()] {
            process.invoke(command.clone()).await.unwrap();
        }
        let task = world.get(&format!("/tasks/v1/{}", task_id("s"))).await.body;
        assert_eq!((&task["status"], &task["error"]["name"]), (&json!(expected), &json!("zombieTaskCleaned")));
        if expected == "failed" {
            assert!(!world.heard("task_failed").is_empty());
            continue;
        }
        assert_eq!(
            (world.answer("s").await["status"].clone(), world.heard("task_failed").len()),
            (json!("waiting"), 0)
        );
        let next = world.get(&format!("/tasks/v1/{}", task["retriedByTaskId"].as_str().unwrap())).await.body;
        assert_eq!((&next["status"], &next["retryForTaskIds"]), (&json!("new"), &json!([task_id("s")])));
    }
}

#[tokio::test]
async fn a_living_owner_keeps_its_task() {
    let world = World::by_hand().await;
    let sink = Sink::start().await;
    world.script("f", &sink.script()).await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    let (process, first) = (world.process(), command.clone());
    let first = tokio::spawn(async move { process.invoke(first).await });
    sink.arrived.notified().await;
    let lease = world.record(&task_id("s")).await["claim"]["leaseUntilMs"].as_i64().unwrap();
    world.clock.advance(jiff::SignedDuration::from_secs(4));
    until("the lease is prolonged", async || {
        let claim = world.record(&task_id("s")).await["claim"].take();
        if claim["leaseUntilMs"].as_i64() == Some(lease) { Err(claim) } else { Ok(()) }
    })
    .await;
    world.clock.advance(jiff::SignedDuration::from_secs(4));
    assert!(world.another().invoke(command).await.is_err());
    sink.may_answer.notify_one();
    first.await.unwrap().unwrap();
    assert_eq!(world.answer("s").await["output"], "ok");
}

#[tokio::test]
async fn an_owner_that_lost_its_task_stops_and_records_nothing() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => new Promise((resolve) => setTimeout(resolve, 20000, 'first'))").await;
    let command = world.sealed_payload(delivery("s", json!({"functionName": "f"})));
    let (process, first) = (world.process(), command.clone());
    let first = tokio::spawn(async move { process.invoke(first).await });
    world.until_it_runs(&task_id("s")).await;
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => 'second'"})).await;
    // The owner may renew its lease in between.
    until("another takes it over", async || {
        world.clock.advance(jiff::SignedDuration::from_secs(6));
        world.another().invoke(command.clone()).await.map_err(|error| error.chain())
    })
    .await;
    let error = first.await.unwrap().unwrap_err();
    assert!(error.chain().contains("taken"), "{}", error.chain());
    assert_eq!(world.answer("s").await["output"], "second");
    assert_eq!(world.heard("step.finished").len(), 1);
}
