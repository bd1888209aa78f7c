use harness::{Answer, Request};
use serde_json::{Value, json};
use shared::event::{Answer as StepAnswer, StepError, StepFinished};

use crate::world::{Reply, World, event, succeeded, task, text};

/// Starts a run of `a`, then `b`, where `b` fails, and returns the path of the run.
async fn failed(world: &World, event_id: &str) -> String {
    world.reply("b", Reply::FailTimes(1));
    let actions = json!([task("a", &[]), task("b", &["a"]), task("c", &["b"])]);
    let dispatcher = world.dispatcher(json!({"eventType": "e", "actions": actions})).await;
    world.publish(&event(event_id, "e", json!({}))).await;
    assert_eq!(world.states(event_id).await, "failed [a:succeeded b:failed c:skipped]");
    format!("/runs/{event_id}/{dispatcher}")
}

async fn retry(world: &World, run: &str, key: &str, body: Value) -> Answer {
    let token = world.token(harness::TENANT, &["RETRY_RUNS"]).await;
    world
        .send(Request::new("POST", &format!("{run}/retry")).bearer(&token).header("idempotency-key", key).json(body))
        .await
}

fn refusal(answer: &Answer) -> (u16, u64) {
    (answer.status, answer.body["code"].as_u64().unwrap_or_default())
}

#[tokio::test]
async fn a_failed_run_goes_on_where_it_failed() {
    let world = World::new().await;
    let run = failed(&world, "e1").await;
    world.advance(10).await;
    let answer = world.post(&format!("{run}/retry"), json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("running")), "{}", answer.body);
    assert_eq!((&answer.body["eventId"], &answer.body["retries"][0]["status"]), (&json!("e1"), &json!("failed")));
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded c:succeeded]");
    let expected = [("a#1", 1), ("b#1", 1), ("b#2", 1), ("c#1", 1)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(world.commands(), expected.into());
    let timeline = world.timeline("e1").await;
    let what = timeline["timeline"].as_array().unwrap().iter().map(|moment| {
        let parts = [&moment["what"], &moment["step"], &moment["detail"]];
        parts.into_iter().map(text).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    });
    insta::assert_snapshot!(what.collect::<Vec<_>>().join("\n"), @"
    event.received e
    dispatcher.matched
    step.requested a
    step.succeeded a
    step.requested b
    step.failed b Broken: it broke
    run.finished failed
    run.retried
    step.requested b
    step.succeeded b
    step.requested c
    step.succeeded c
    run.finished succeeded
    ");
}

#[tokio::test]
async fn redrive_is_another_name_for_retry() {
    let world = World::new().await;
    let run = failed(&world, "e1").await;
    let answer = world.post(&format!("{run}/redrive"), json!({"from": "a"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded c:succeeded]");
    assert_eq!((world.commands()["a#2"], world.commands()["b#2"]), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_retried_is_refused() {
    let world = World::new().await;
    let run = failed(&world, "e1").await;
    let unknown = "0123456789abcdef01234567";
    assert_eq!(refusal(&world.post(&format!("/runs/e1/{unknown}/retry"), json!({})).await), (404, 16));
    assert_eq!(refusal(&world.post(&format!("/runs/e2/{unknown}/retry"), json!({})).await), (404, 16));
    let path = format!("{run}/retry");
    let check = async |body: Value, expected: (u16, u64)| {
        let answer = world.post(&path, body.clone()).await;
        assert_eq!(refusal(&answer), expected, "{body} {}", answer.body);
    };
    check(json!({"from": "x"}), (400, 15)).await;
    check(json!({"from": 1}), (400, 15)).await;
    check(json!({"form": "a"}), (400, 15)).await;
    check(json!({"from": "c"}), (400, 27)).await;
    assert_eq!(world.call_as(harness::TENANT, &["VIEW_RUNS"], "POST", &path, json!({})).await.status, 401);
    assert_eq!(refusal(&world.call_as("other", &["RETRY_RUNS"], "POST", &path, json!({})).await), (404, 16));
    assert_eq!(
        refusal(&world.call_as("other", &["RETRY_RUNS"], "POST", &format!("{run}/cancel"), json!(null)).await),
        (404, 16)
    );
    world.post(&path, json!({})).await;
    world.idle().await;
    check(json!({}), (400, 27)).await;
    assert_eq!(refusal(&world.post(&format!("{run}/cancel"), json!({})).await), (400, 27));
    assert_eq!(world.commands().values().sum::<u32>(), 4);
}

#[tokio::test]
async fn the_same_key_retries_once() {
    let world = World::new().await;
    let run = failed(&world, "e1").await;
    world.reply("b", Reply::Fail);
    let first = retry(&world, &run, "k", json!({})).await;
    assert_eq!(first.status, 200, "{}", first.body);
    world.idle().await;
    let again = retry(&world, &run, "k", json!({})).await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("failed")), "{}", again.body);
    world.idle().await;
    assert_eq!(world.commands()["b#2"], 1);
    assert_eq!(refusal(&retry(&world, &run, "k", json!({"from": "a"})).await), (400, 15));
    assert_eq!(retry(&world, &run, "other", json!({})).await.status, 200);
    world.idle().await;
    assert_eq!((world.commands()["b#3"], world.commands().get("b#4")), (1, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_retries_at_once_one_counts() {
    let world = World::new().await;
    let run = failed(&world, "e1").await;
    world.reply("b", Reply::Silence);
    let path = format!("{run}/retry");
    let all = (0..20).map(|_| world.post(&path, json!({})));
    let statuses: Vec<u16> = futures::future::join_all(all).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    world.idle().await;
    assert_eq!((world.commands()["b#2"], world.commands().get("b#3")), (1, None));
}

#[tokio::test]
async fn commands_that_were_not_sent_after_a_retry_are_sent_by_its_repetition_or_the_sweeper() {
    let world = World::new().await;
    let run = failed(&world, "e1").await;
    world.emulator.throttle("eventbridge.PutEvents", 3);
    assert_eq!(retry(&world, &run, "k", json!({})).await.status, 503);
    world.idle().await;
    assert_eq!(world.states("e1").await, "running [a:succeeded b:requested c:pending]");
    assert_eq!(retry(&world, &run, "k", json!({})).await.status, 200);
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded c:succeeded]");

    world.emulator.throttle("eventbridge.PutEvents", 3);
    assert_eq!(retry(&world, &run, "another", json!({"from": "c"})).await.status, 503);
    world.sweep_after(61).await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded c:succeeded]");
    assert_eq!((world.commands()["b#2"], world.commands()["c#2"]), (1, 1));
}

#[tokio::test]
async fn a_run_whose_event_has_expired_is_not_retried_and_one_that_is_retried_is_kept() {
    let world = World::new().await;
    let run = failed(&world, "e1").await;
    let day = 24 * 3600;
    world.advance(29 * day).await;
    world.reply("b", Reply::Fail);
    assert_eq!(world.post(&format!("{run}/retry"), json!({})).await.status, 200);
    world.idle().await;
    world.advance(29 * day).await;
    assert_eq!(world.post(&format!("{run}/retry"), json!({})).await.status, 200);
    world.idle().await;
    world.advance(31 * day).await;
    let answer = world.post(&format!("{run}/retry"), json!({})).await;
    assert_eq!(refusal(&answer), (404, 16));
    assert!(text(&answer.body["message"]).contains("event"), "{}", answer.body);
    assert_eq!(refusal(&world.post("/events/v1/e1/replay", json!({})).await), (404, 16));
}

#[tokio::test]
async fn a_cancelled_run_starts_nothing_more() {
    let world = World::new().await;
    world.reply("a", Reply::Silence);
    let actions = json!([task("a", &[]), task("b", &["a"])]);
    let dispatcher = world.dispatcher(json!({"eventType": "e", "actions": actions})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let path = format!("/runs/e1/{dispatcher}/cancel");
    let id = world.command("a").unwrap().id;
    world.take_events();
    for _ in 0..2 {
        let answer = world.post(&path, json!(null)).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("cancelled")), "{}", answer.body);
    }
    let cancellations = world.published("task.cancel.requested");
    assert_eq!(cancellations[0]["content"], json!({"taskId": id.record_id()}));
    assert_eq!(world.states("e1").await, "cancelled [a:requested b:skipped]");
    world.publish_answer(&succeeded(id, json!({"n": 1}))).await;
    world.idle().await;
    world.sweep_after(3600).await;
    assert_eq!(world.states("e1").await, "cancelled [a:succeeded b:skipped]");
    assert_eq!(world.timeline("e1").await["runs"][0]["steps"][0]["output"], json!({"n": 1}));
    assert_eq!(world.commands(), [("a#1".to_owned(), 1)].into());
    assert_eq!(refusal(&world.post(&format!("/runs/e1/{dispatcher}/retry"), json!({})).await), (400, 27));
}

#[tokio::test]
async fn an_attempt_that_is_still_to_come_is_cancelled_with_its_run() {
    let world = World::new().await;
    world.reply("a", Reply::Fail);
    let mut a = task("a", &[]);
    a["retry"] = json!({"attempts": 3, "delaySeconds": 60});
    let dispatcher = world.dispatcher(json!({"eventType": "e", "actions": [a]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    assert_eq!(world.post(&format!("/runs/e1/{dispatcher}/cancel"), json!(null)).await.status, 200);
    world.advance(120).await;
    world.sweep_after(120).await;
    assert_eq!(world.states("e1").await, "cancelled [a:skipped]");
    assert_eq!(world.commands(), [("a#1".to_owned(), 1)].into());
}

#[tokio::test]
async fn what_may_have_been_done_is_done_again_only_by_hand() {
    let world = World::new().await;
    world.reply("a", Reply::Silence);
    let mut a = task("a", &[]);
    a["retry"] = json!({"attempts": 3});
    let dispatcher = world.dispatcher(json!({"eventType": "e", "actions": [a]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let answer = StepAnswer::failed(StepError::invocation(StepError::OUTCOME_UNKNOWN, "it broke off"));
    world.publish_answer(&StepFinished { id: world.command("a").unwrap().id, answer }).await;
    world.idle().await;
    assert_eq!(world.states("e1").await, "failed [a:failed]");
    world.reply("a", Reply::Succeed(json!({})));
    assert_eq!(world.post(&format!("/runs/e1/{dispatcher}/retry"), json!({})).await.status, 200);
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
    assert_eq!(world.commands()["a#2"], 1);
}
