use harness::{Answer, Request, TENANT};
use serde_json::{Value, json};

use crate::world::{World, event, task, text};

async fn replay(world: &World, event_id: &str, key: &str, body: Value) -> Answer {
    let token = world.token(TENANT, &["RETRY_RUNS"]).await;
    let request = Request::new("POST", &format!("/events/v1/{event_id}/replay")).bearer(&token);
    let request = request.header("idempotency-key", key);
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = world.send(request).await;
    world.idle().await;
    answer
}

#[tokio::test]
async fn a_replay_is_a_new_event_for_the_dispatchers_that_match_now() {
    let world = World::new().await;
    let first = world.dispatcher(json!({"eventType": "e", "name": "first", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "e", json!({"n": 7}))).await;
    world.dispatcher(json!({"eventType": "e", "name": "second", "actions": [task("b", &[])]})).await;
    world.advance(60).await;
    let answer = world.post("/events/v1/e1/replay", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    world.idle().await;
    let id = text(&answer.body["id"]).to_owned();
    assert_ne!(id, "e1");
    let replayed = world.timeline(&id).await;
    let event = &replayed["event"];
    assert_eq!((&event["type"], &event["content"]), (&json!("e"), &json!({"n": 7})));
    assert_eq!(event["trace"], json!({"correlationId": "e1", "causationId": "e1", "depth": 0}));
    assert_eq!((&event["replayOf"], &event["time"]), (&json!({"eventId": "e1"}), &answer.body["time"]));
    assert_eq!((&replayed["source"], replayed["runs"].as_array().unwrap().len()), (&json!("hookyard.webhook"), 2));
    let original = world.timeline("e1").await;
    assert_eq!(original["replays"], json!([{"eventId": id, "time": answer.body["time"]}]));
    let replayed = |moment: &&Value| moment["what"] == "event.replayed";
    assert_eq!(original["timeline"].as_array().unwrap().iter().find(replayed).unwrap()["detail"], json!(id));
    assert_eq!(original["runs"][0]["dispatcherId"], json!(first));
    assert_eq!((original["runs"].as_array().unwrap().len(), world.commands()["a#1"]), (1, 2));
}

#[tokio::test]
async fn a_filter_can_leave_out_replays() {
    let world = World::new().await;
    let filter = json!({"replayOf": {"eventId": [{"exists": false}]}});
    world.dispatcher(json!({"eventType": "e", "name": "once", "actions": [task("a", &[])], "filter": filter})).await;
    world.dispatcher(json!({"eventType": "e", "name": "always", "actions": [task("b", &[])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let answer = replay(&world, "e1", "k", Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.commands(), [("a#1".to_owned(), 1), ("b#1".to_owned(), 2)].into());
}

#[tokio::test]
async fn replays_asked_for_at_once_under_one_key_are_one() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(world.dispatcher(json!({"eventType": "e", "name": name, "actions": [task(name, &[])]})).await);
    }
    world.publish(&event("e1", "e", json!({}))).await;
    let all = ids.iter().cycle().take(6).map(|id| replay(&world, "e1", "k", json!({"dispatcherId": id})));
    let answers = futures::future::join_all(all).await;
    let taken: Vec<&Value> = answers.iter().filter(|answer| answer.status == 200).map(|answer| &answer.body).collect();
    assert_eq!(taken.len(), 2, "{answers:?}");
    assert_eq!(taken[0], taken[1]);
    let runs = world.timeline(text(&taken[0]["id"])).await["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");
    assert_eq!(runs[0]["dispatcherId"], taken[0]["replayOf"]["dispatcherId"]);
}

#[tokio::test]
async fn a_replay_can_be_for_one_dispatcher_that_did_not_exist_then() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "e", json!({"n": 7}))).await;
    let filter = json!({"content": {"n": [7]}});
    let late = world.dispatcher(json!({"eventType": "e", "actions": [task("b", &[])], "filter": filter})).await;
    let answer = replay(&world, "e1", "k", json!({"dispatcherId": late})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["replayOf"], json!({"eventId": "e1", "dispatcherId": late}));
    assert_eq!(world.states(text(&answer.body["id"])).await, "succeeded [b:succeeded]");
    assert_eq!(world.commands(), [("a#1".to_owned(), 1), ("b#1".to_owned(), 1)].into());
}

#[tokio::test]
async fn a_dispatcher_that_would_not_run_is_refused() {
    let world = World::new().await;
    world.publish(&event("e1", "e", json!({"n": 7}))).await;
    let check = async |body: Value, expected: (u16, u64, &str)| {
        let id = world.dispatcher(body).await;
        let answer = replay(&world, "e1", "k", json!({"dispatcherId": id})).await;
        let message = text(&answer.body["message"]);
        assert_eq!((answer.status, answer.body["code"].as_u64().unwrap()), (expected.0, expected.1), "{message}");
        assert!(message.contains(expected.2), "{message}");
    };
    let actions = json!([task("a", &[])]);
    check(json!({"eventType": "f", "actions": actions}), (400, 27, "it reacts to `f`")).await;
    check(json!({"eventType": "e", "enabled": false, "actions": actions}), (400, 27, "switched off")).await;
    let filter = json!({"content": {"n": [8]}});
    check(json!({"eventType": "e", "actions": actions, "filter": filter}), (400, 27, "content.n")).await;
    let unknown = json!({"dispatcherId": "0123456789abcdef01234567"});
    assert_eq!(replay(&world, "e1", "k", unknown.clone()).await.status, 404);
    assert_eq!(replay(&world, "e2", "k", json!({})).await.status, 404);
    assert_eq!(replay(&world, "e1", "k", json!({"dispatcher": "x"})).await.status, 400);
    let as_other = world.call_as("other", &["RETRY_RUNS"], "POST", "/events/v1/e1/replay", json!({})).await;
    assert_eq!((as_other.status, &as_other.body["code"]), (404, &json!(16)));
    let unpermitted = world.call_as(TENANT, &["CREATE_EVENTS"], "POST", "/events/v1/e1/replay", json!({})).await;
    assert_eq!((unpermitted.status, &unpermitted.body["code"]), (401, &json!(10)));
    assert_eq!(world.timeline("e1").await.get("replays"), None);
}

#[tokio::test]
async fn the_same_key_replays_once() {
    let world = World::new().await;
    let dispatcher = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let first = replay(&world, "e1", "k", json!({})).await;
    world.advance(5).await;
    let again = replay(&world, "e1", "k", json!({})).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(replay(&world, "e1", "k", json!({"dispatcherId": dispatcher})).await.body["code"], 15);
    assert_eq!(world.commands()["a#1"], 2);
    assert_ne!(replay(&world, "e1", "another", json!({})).await.body["id"], first.body["id"]);
    assert_eq!(world.commands()["a#1"], 3);
    assert_eq!(world.timeline("e1").await["replays"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_replay_that_is_delivered_twice_is_shown_and_runs_once() {
    let world = World::new().await;
    world.emulator.deliver_twice(true);
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let replayed = replay(&world, "e1", "k", json!({})).await;
    assert_eq!(world.timeline("e1").await["replays"].as_array().unwrap().len(), 1);
    let timeline = world.timeline(text(&replayed.body["id"])).await;
    assert_eq!(timeline["runs"][0]["steps"][0]["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_replay_of_a_chain_that_is_too_deep_stays_too_deep() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let mut deep = event("e1", "e", json!({}));
    deep.trace.depth = shared::event::Trace::MAX_DEPTH + 1;
    world.publish(&deep).await;
    let replayed = replay(&world, "e1", "k", json!({})).await;
    assert_eq!(world.states(text(&replayed.body["id"])).await, "loop_detected ");
}
