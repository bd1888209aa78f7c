//! The facts about the outcomes of runs.

use std::collections::HashSet;

use serde_json::{Value, json};
use shared::event::{Answer, StepError, StepFinished, StepId};

use crate::world::{Reply, World, event, task, text};

/// A world with a dispatcher for `order.paid` whose step is called `pay`, and one that is told of outcomes.
async fn told_of(kind: &str) -> World {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "order.paid", "name": "orders", "actions": [task("pay", &[])]})).await;
    world.dispatcher(json!({"eventType": kind, "name": "told", "actions": [task("tell", &[])]})).await;
    world
}

/// The facts of a type that were published.
fn facts(world: &World, kind: &str) -> Vec<Value> {
    world.published(kind)
}

fn failed() -> Answer {
    Answer::failed(StepError::invocation("Broken", "it broke"))
}

#[tokio::test]
async fn a_failed_run_is_a_fact_for_the_dispatchers_that_wait_for_it() {
    let world = told_of("run.failed").await;
    world.reply("pay", Reply::Fail);
    world.publish(&event("e1", "order.paid", json!({}))).await;
    let fact = world.command("tell").unwrap().event;
    let run = &world.timeline("e1").await["runs"][0];
    let expected = json!({
        "eventId": "e1", "eventType": "order.paid", "dispatcherId": run["dispatcherId"], "dispatcherName": "orders",
        "failedSteps": [{
            "name": "pay", "type": "task", "error": {"type": "invocation", "name": "Broken", "message": "it broke"},
        }],
    });
    assert_eq!((fact.kind.as_str(), &fact.content), ("run.failed", &expected));
    assert_eq!(fact.trace.causation_id.as_deref(), Some("e1"));
    assert_eq!((fact.trace.correlation_id.as_str(), fact.trace.depth), ("e1", 1));
    assert!(fact.trace.budget.is_some_and(|budget| budget > 10 && budget < 1_000), "{:?}", fact.trace);
    assert_eq!(run["outcomeEventId"], fact.id.as_str());
    let told = world.timeline(fact.id.as_str()).await;
    assert_eq!((&told["source"], &told["outcome"]), (&json!("hookyard.dispatcher"), &json!("succeeded")));
}

#[tokio::test]
async fn what_an_error_says_is_sealed_on_the_bus() {
    let world = told_of("run.failed").await;
    world.reply("pay", Reply::Answer(Answer::failed(StepError::invocation("Broken", "the token is hush-hush"))));
    world.publish(&event("e1", "order.paid", json!({}))).await;
    assert_eq!(facts(&world, "run.failed").len(), 1);
    let seen = world.events_on_bus().iter().any(|event| event.to_string().contains("hush-hush"));
    assert!(!seen);
}

#[tokio::test]
async fn an_outcome_that_nobody_waits_for_is_no_event() {
    let world = told_of("run.failed").await;
    let filter = json!({"content": {"dispatcherName": ["another"]}});
    let body = json!({"eventType": "run.succeeded", "name": "picky", "filter": filter, "actions": [task("tell", &[])]});
    world.dispatcher(body).await;
    let body = json!({"eventType": "run.succeeded", "name": "off", "enabled": false, "actions": [task("tell", &[])]});
    world.dispatcher(body).await;
    world.publish(&event("e1", "order.paid", json!({}))).await;
    assert_eq!(world.states("e1").await, "succeeded [pay:succeeded]");
    assert_eq!((facts(&world, "run.succeeded").len(), facts(&world, "run.failed").len()), (0, 0));
    assert_eq!(world.timeline("e1").await["runs"][0].get("outcomeEventId"), None);
}

#[tokio::test]
async fn a_dispatcher_that_was_created_before_the_run_ended_is_told() {
    let world = World::new().await;
    world.reply("pay", Reply::Wait);
    world.dispatcher(json!({"eventType": "order.paid", "actions": [task("pay", &[])]})).await;
    world.publish(&event("e1", "order.paid", json!({}))).await;
    world.dispatcher(json!({"eventType": "run.succeeded", "actions": [task("tell", &[])]})).await;
    let id = world.command("pay").unwrap().id;
    world.publish_answer(&StepFinished { id, answer: Answer::succeeded(json!({})) }).await;
    world.idle().await;
    assert_eq!(world.command("tell").unwrap().event.content["failedSteps"], json!([]));
}

#[tokio::test]
async fn other_tenants_are_not_told() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "order.paid", "actions": [task("pay", &[])]})).await;
    let body = json!({"eventType": "run.succeeded", "actions": [task("tell", &[])]});
    assert_eq!(world.call_as("other", &["*"], "POST", "/dispatchers/v1/", body).await.status, 200);
    world.publish(&event("e1", "order.paid", json!({}))).await;
    assert_eq!(facts(&world, "run.succeeded").len(), 0);
}

#[tokio::test]
async fn an_outcome_is_one_event_however_often_everything_is_delivered() {
    let world = told_of("run.failed").await;
    world.emulator.deliver_twice(true);
    world.reply("pay", Reply::Fail);
    world.publish(&event("e1", "order.paid", json!({}))).await;
    // A command may come several times; its function finds the record of the first.
    let asked: HashSet<StepId> = world.requests_of("tell").into_iter().collect();
    assert_eq!(asked.len(), 1);
    let id = world.command("tell").unwrap().event.id;
    assert!(facts(&world, "run.failed").iter().all(|fact| fact["id"] == id.as_str()));
    assert_eq!(world.timeline(id.as_str()).await["runs"].as_array().unwrap().len(), 1);
}

/// A run whose last answer is at hand.
async fn at_its_end() -> (World, StepFinished) {
    let world = told_of("run.failed").await;
    world.reply("pay", Reply::Silence);
    world.publish(&event("e1", "order.paid", json!({}))).await;
    let id = world.command("pay").unwrap().id;
    (world, StepFinished { id, answer: failed() })
}

#[tokio::test]
async fn a_process_that_dies_before_the_fact_is_healed_by_the_redelivered_answer() {
    let (world, answer) = at_its_end().await;
    world.emulator.throttle("eventbridge.PutEvents", 3);
    world.deliver_answer(&answer).await.unwrap_err();
    assert_eq!(world.states("e1").await, "failed [pay:failed]");
    assert_eq!(facts(&world, "run.failed").len(), 0);
    world.deliver_answer(&answer).await.unwrap();
    world.deliver_answer(&answer).await.unwrap();
    world.idle().await;
    assert_eq!((facts(&world, "run.failed").len(), world.commands()["tell#1"]), (1, 1));
}

#[tokio::test]
async fn a_fact_that_was_lost_is_published_by_the_sweeper() {
    let (world, answer) = at_its_end().await;
    world.emulator.crash_before("eventbridge.PutEvents", 1);
    world.deliver_answer(&answer).await.unwrap_err();
    assert_eq!(world.states("e1").await, "failed [pay:failed]");
    world.sweep_after(59).await;
    assert_eq!(facts(&world, "run.failed").len(), 0);
    world.sweep_after(2).await;
    assert_eq!((facts(&world, "run.failed").len(), world.commands()["tell#1"]), (1, 1));
    world.sweep_after(3600).await;
    assert_eq!(facts(&world, "run.failed").len(), 1, "what is published is not open any more");
}

#[tokio::test]
async fn a_process_that_dies_after_the_fact_publishes_the_same_event_again() {
    let (world, answer) = at_its_end().await;
    world.emulator.crash_after("eventbridge.PutEvents", 1);
    world.deliver_answer(&answer).await.unwrap_err();
    world.idle().await;
    world.sweep_after(61).await;
    let facts = facts(&world, "run.failed");
    assert_eq!((facts.len(), &facts[0]), (2, &facts[1]));
    let told = world.timeline(text(&facts[0]["id"])).await;
    assert_eq!((&told["duplicates"], told["runs"].as_array().unwrap().len()), (&json!(1), 1));
    assert_eq!(world.commands()["tell#1"], 1);
}

#[tokio::test]
async fn a_run_that_is_over_at_once_has_an_outcome_too() {
    let world = told_of("run.failed").await;
    let broken =
        json!({"type": "task", "name": "b", "functionName": "f", "data": {"to": "{{ event.content.nobody }}"}});
    world.dispatcher(json!({"eventType": "order.lost", "actions": [broken]})).await;
    world.emulator.crash_before("eventbridge.PutEvents", 1);
    world.deliver(&event("e1", "order.lost", json!({}))).await.unwrap_err();
    assert_eq!(facts(&world, "run.failed").len(), 0);
    world.deliver(&event("e1", "order.lost", json!({}))).await.unwrap();
    world.idle().await;
    assert_eq!(facts(&world, "run.failed")[0]["content"]["failedSteps"][0]["error"]["name"], "TemplateError");
    assert_eq!(world.commands()["tell#1"], 1);
}

#[tokio::test]
async fn a_dispatcher_whose_own_failures_start_it_again_comes_to_an_end() {
    let world = told_of("run.failed").await;
    world.reply("pay", Reply::Fail);
    world.reply("tell", Reply::Fail);
    world.publish(&event("e1", "order.paid", json!({}))).await;
    let facts = facts(&world, "run.failed");
    let depths: Vec<_> = facts.iter().map(|fact| fact["trace"]["depth"].as_u64().unwrap()).collect();
    assert!((2..=4).contains(&facts.len()), "{facts:?}");
    assert_eq!(depths, (1..=facts.len() as u64).collect::<Vec<_>>());
    let last = world.timeline(text(&facts.last().unwrap()["id"])).await;
    assert_eq!(last["outcome"], "budget_exhausted");
}

#[tokio::test]
async fn the_success_of_a_run_that_an_outcome_started_is_no_event() {
    let world = told_of("run.succeeded").await;
    world.publish(&event("e1", "order.paid", json!({}))).await;
    assert_eq!((facts(&world, "run.succeeded").len(), world.commands()["tell#1"]), (1, 1));
}
