use std::collections::HashSet;

use harness::{Request, TENANT};
use serde_json::{Value, json};
use shared::event::{Answer, StepError, StepFinished};

use crate::world::{Reply, World, event, task, text};

/// Publishes so many events of a type whose runs fail.
async fn fail(world: &World, kind: &str, count: usize) {
    world.reply("a", Reply::FailTimes(1));
    for n in 0..count {
        world.publish(&event(&format!("{kind}{n}"), kind, json!({}))).await;
    }
}

async fn start(world: &World, body: Value) -> String {
    let answer = world.post("/runs/retry", body).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("running")), "{}", answer.body);
    text(&answer.body["id"]).to_owned()
}

async fn progress(world: &World, id: &str) -> Value {
    let answer = world.get(&format!("/runs/retries/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Lets time pass until a bulk retry is at its end.
async fn finish(world: &World, id: &str) -> Value {
    for _ in 0..100 {
        let bulk = progress(world, id).await;
        if bulk["status"] != "running" {
            return bulk;
        }
        world.advance(2).await;
    }
    panic!("it does not end: {}", progress(world, id).await);
}

fn counts(bulk: &Value) -> [&Value; 6] {
    ["found", "retried", "refused", "done", "succeeded", "failed"].map(|name| &bulk[name])
}

#[tokio::test]
async fn every_run_that_failed_is_retried_once() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    fail(&world, "e", 30).await;
    world.reply("a", Reply::Succeed(json!({})));
    world.publish(&event("fine", "e", json!({}))).await;
    let id = start(&world, json!({"filter": {}, "maxInProgress": 7})).await;
    let bulk = finish(&world, &id).await;
    assert_eq!(counts(&bulk), [30, 30, 0, 30, 30, 0].map(|n| json!(n)).each_ref(), "{bulk:#}");
    assert_eq!((&bulk["status"], &bulk["examined"], &bulk["inProgress"]), (&json!("done"), &json!(30), &json!(0)));
    assert_eq!((world.commands()["a#1"], world.commands()["a#2"], world.commands().get("a#3")), (31, 30, None));
    let run = &world.timeline("e0").await["runs"][0];
    assert_eq!((&run["status"], &run["retries"][0]["bulkId"]), (&json!("succeeded"), &json!(id)));
    let list = world.get("/runs/retries?eq(status,done)").await;
    assert_eq!((&list.body["page"]["total"], &list.body["data"][0]["id"]), (&json!(1), &json!(id)));
}

#[tokio::test]
async fn what_fails_again_is_counted_by_name_and_not_retried_again() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.reply("a", Reply::Fail);
    for n in 0..3 {
        world.publish(&event(&format!("e{n}"), "e", json!({}))).await;
    }
    let id = start(&world, json!({"filter": {"errorName": "Broken"}})).await;
    let bulk = finish(&world, &id).await;
    assert_eq!(counts(&bulk), [3, 3, 0, 3, 0, 3].map(|n| json!(n)).each_ref(), "{bulk:#}");
    assert_eq!(bulk["failedByName"], json!({"Broken": 3}));
    assert_eq!((world.commands()["a#2"], world.commands().get("a#3")), (3, None));
}

#[tokio::test]
async fn only_what_the_filter_takes_is_retried() {
    let world = World::new().await;
    let first = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("b", &[])]})).await;
    world.dispatcher(json!({"eventType": "f", "actions": [task("a", &[])]})).await;
    world.reply("b", Reply::FailTimes(1));
    fail(&world, "e", 2).await;
    fail(&world, "f", 2).await;
    let before = progress_of(&world, json!({"until": "2026-01-01T00:00:00Z"})).await;
    assert_eq!((&before["found"], &before["examined"]), (&json!(0), &json!(0)));
    let named = progress_of(&world, json!({"errorName": "Other"})).await;
    assert_eq!((&named["found"], &named["examined"]), (&json!(0), &json!(6)));
    let one = progress_of(&world, json!({"eventType": "e", "dispatcherId": first})).await;
    assert_eq!(one["succeeded"], 2, "{one:#}");
    assert_eq!(world.states("e0").await, "failed [a:succeeded] [b:failed]");
    assert_eq!(world.states("f0").await, "failed [a:failed]");
    let since = progress_of(&world, json!({"since": "2026-01-02T00:00:00Z", "errorName": "Broken"})).await;
    assert_eq!(since["succeeded"], 4, "{since:#}");
}

async fn progress_of(world: &World, filter: Value) -> Value {
    let id = start(world, json!({"filter": filter})).await;
    finish(world, &id).await
}

#[tokio::test]
async fn a_bulk_retry_goes_through_an_event_with_more_runs_than_may_be_in_progress() {
    let world = World::new().await;
    for n in 0..12 {
        world.dispatcher(json!({"eventType": "e", "name": format!("d{n}"), "actions": [task("a", &[])]})).await;
    }
    fail(&world, "e", 2).await;
    let id = start(&world, json!({"filter": {}, "maxInProgress": 5})).await;
    let bulk = finish(&world, &id).await;
    assert_eq!(counts(&bulk), [24, 24, 0, 24, 24, 0].map(|n| json!(n)).each_ref(), "{bulk:#}");
    assert_eq!((world.commands()["a#2"], world.commands().get("a#3")), (24, None));
}

#[tokio::test]
async fn no_more_runs_are_in_progress_than_asked_for() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    fail(&world, "e", 10).await;
    world.reply("a", Reply::Silence);
    let id = start(&world, json!({"filter": {}, "maxInProgress": 4})).await;
    for _ in 0..10 {
        world.advance(2).await;
    }
    let bulk = progress(&world, &id).await;
    assert_eq!((&bulk["retried"], &bulk["inProgress"]), (&json!(4), &json!(4)), "{bulk:#}");
    let cancelled = world.post(&format!("/runs/retries/{id}/cancel"), json!(null)).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")));
    for _ in 0..200 {
        world.advance(2).await;
    }
    let settled = progress(&world, &id).await;
    assert_eq!(
        (&settled["retried"], &settled["inProgress"], &settled["leftWaiting"]),
        (&json!(4), &json!(0), &json!(4))
    );
    assert_eq!(world.requests_of("a").into_iter().filter(|id| id.attempt == 2).collect::<HashSet<_>>().len(), 4);
    let again = world.post(&format!("/runs/retries/{id}/cancel"), json!(null)).await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("cancelled")));
}

#[tokio::test]
async fn what_waits_does_not_hold_up_the_others() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    fail(&world, "e", 6).await;
    world.reply("a", Reply::Wait);
    let id = start(&world, json!({"filter": {}, "maxInProgress": 2})).await;
    let bulk = finish(&world, &id).await;
    assert_eq!((&bulk["retried"], &bulk["leftWaiting"], &bulk["status"]), (&json!(6), &json!(6), &json!("done")));
}

#[tokio::test]
async fn an_interrupted_round_is_done_again_and_counts_once() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    fail(&world, "e", 9).await;
    let answer = world.post("/runs/retry", json!({"filter": {}})).await;
    let id = text(&answer.body["id"]).to_owned();
    // Some runs are written and their commands refused, however they are gathered, so that the round ends in the middle.
    world.emulator.throttle("eventbridge.PutEvents", 1_000);
    world.advance(1).await;
    assert_eq!(progress(&world, &id).await["retried"], 0);
    world.emulator.recover("eventbridge.PutEvents");
    let bulk = finish(&world, &id).await;
    assert_eq!(counts(&bulk), [9, 9, 0, 9, 9, 0].map(|n| json!(n)).each_ref(), "{bulk:#}");
    assert_eq!((world.commands()["a#2"], world.commands().get("a#3")), (9, None));
}

#[tokio::test]
async fn the_sweeper_goes_on_with_a_bulk_retry_whose_schedule_is_lost() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    fail(&world, "e", 2).await;
    world.emulator.throttle("scheduler.CreateSchedule", 10);
    assert_eq!(world.post("/runs/retry", json!({"filter": {}})).await.status, 503);
    let id = text(&world.get("/runs/retries").await.body["data"][0]["id"]).to_owned();
    world.emulator.recover("scheduler.CreateSchedule");
    world.sweep_after(61).await;
    let bulk = finish(&world, &id).await;
    assert_eq!((&bulk["succeeded"], world.commands()["a#2"]), (&json!(2), 2));
}

#[tokio::test]
async fn the_same_key_is_the_same_bulk_retry() {
    let world = World::new().await;
    let token = world.token(TENANT, &["RETRY_RUNS"]).await;
    let post = async |body: Value| {
        let request = Request::new("POST", "/runs/retry").bearer(&token).header("idempotency-key", "k");
        world.send(request.json(body)).await
    };
    let first = post(json!({"filter": {"eventType": "e"}})).await;
    let again = post(json!({"filter": {"eventType": "e"}})).await;
    assert_eq!((again.status, &again.body["id"]), (200, &first.body["id"]));
    assert_eq!(post(json!({"filter": {}})).await.body["code"], 15);
}

#[tokio::test]
async fn bulk_retries_belong_to_their_tenant_and_need_permissions() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    fail(&world, "e", 2).await;
    let as_other =
        world.call_as("other", &["RETRY_RUNS", "VIEW_RUNS"], "POST", "/runs/retry", json!({"filter": {}})).await;
    let others = text(&as_other.body["id"]).to_owned();
    for _ in 0..5 {
        world.advance(2).await;
    }
    assert_eq!(world.states("e0").await, "failed [a:failed]");
    for (method, path) in
        [("GET", format!("/runs/retries/{others}")), ("POST", format!("/runs/retries/{others}/cancel"))]
    {
        let answer = world.call_as(TENANT, &["RETRY_RUNS", "VIEW_RUNS"], method, &path, json!(null)).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!(16)), "{path}");
    }
    let unpermitted = world.call_as(TENANT, &["VIEW_RUNS"], "POST", "/runs/retry", json!({"filter": {}})).await;
    assert_eq!((unpermitted.status, &unpermitted.body["code"]), (401, &json!(10)));
    let check = async |body: Value, code: u64| {
        let answer = world.post("/runs/retry", body.clone()).await;
        assert_eq!((answer.status, answer.body["code"].as_u64()), (400, Some(code)), "{body} {}", answer.body);
    };
    check(json!({}), 14).await;
    check(json!({"filter": {"status": "failed"}}), 15).await;
    for time in [json!("yesterday"), json!("2026-01-02"), json!("2026-01-02T03:04"), json!(1)] {
        let answer = world.post("/runs/retry", json!({"filter": {"since": time}})).await;
        let rule = "`filter.since` must be a time such as 2026-01-02T03:04:05Z";
        assert_eq!(answer.body["message"], rule, "{time}");
    }
    check(json!({"filter": {"dispatcherId": "the name of one"}}), 15).await;
    check(json!({"filter": {}, "maxInProgress": 0}), 15).await;
    check(json!({"filter": {}, "maxInProgress": 501}), 15).await;
    check(json!({"filter": {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}), 15).await;
}

#[tokio::test]
async fn a_run_that_is_retried_by_hand_meanwhile_is_left_alone() {
    let world = World::new().await;
    let dispatcher = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    fail(&world, "e", 2).await;
    let id = text(&world.post("/runs/retry", json!({"filter": {}})).await.body["id"]).to_owned();
    world.reply("a", Reply::Silence);
    assert_eq!(world.post(&format!("/runs/e0/{dispatcher}/retry"), json!({})).await.status, 200);
    world.idle().await;
    let step = world.command("a").unwrap().id;
    world.reply("a", Reply::Succeed(json!({})));
    let bulk = finish(&world, &id).await;
    assert_eq!((&bulk["found"], &bulk["retried"]), (&json!(1), &json!(1)), "{bulk:#}");
    let answer = Answer::failed(StepError::invocation("Again", "no"));
    world.publish_answer(&StepFinished { id: step, answer }).await;
    world.idle().await;
    assert_eq!(world.states("e0").await, "failed [a:failed]");
    assert_eq!(finish(&world, &id).await["found"], 1);
}
