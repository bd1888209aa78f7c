use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Known, World, nested, plain};

type Answer = (u16, Value);

fn error(status: u16, error: &str) -> Answer {
    (status, json!({ "error": error }))
}

fn resolved() -> Answer {
    (200, json!({"message": "The callback has been resolved"}))
}

const NOT_FOUND: &str = "failed to load callback from public id: callback not found";
const NO_TOKEN: &str = "binding error on field 'CallbackSecret' of type 'handleCallbackIn': missing query parameter: t";

#[tokio::test]
async fn another_method_is_refused_in_the_words_of_this_surface() {
    let world = World::new().await;
    let callback = world.create(json!({})).await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = world.send(method, &callback.path(), "", "").await;
        assert_eq!(answer.headers["allow"], "POST");
        assert_eq!(plain(answer), error(405, "a callback is called with POST and a JSON object"), "{method}");
    }
    assert_eq!(world.call(&callback.path(), "{}").await, resolved());
}

#[tokio::test]
async fn a_call_is_corrected_until_it_satisfies_the_schema_and_then_resolves_it_once() {
    let world = World::new().await;
    let schema = r#"{"$schema": "http://json-schema.org/schema#", "type": "object", "additionalProperties": false,
        "required": ["success"], "properties": {"success": {"type": "boolean"}}}"#;
    let callback = world.create(json!({ "schema": schema })).await;
    let path = callback.path();
    assert_eq!(world.call(path.split('?').next().unwrap(), "{}").await, error(400, NO_TOKEN));
    for wrong in ["", "{}", r#"{"success": "true"}"#] {
        let (status, body) = world.call(&path, wrong).await;
        assert_eq!(status, 400, "{wrong}");
        let text = body["error"].as_str().unwrap();
        assert!(text.starts_with("unable to validate body: "), "{wrong}: {text}");
    }
    assert_eq!(world.call(&path, r#"{"success": true}"#).await, resolved());
    assert_eq!(world.call(&path, r#"{"success": true}"#).await, error(400, "callback has already been resolved"));
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_said_in_one_order() {
    let world = World::new().await;
    let callback = world.create(json!({"schema": {"required": ["a"]}})).await;
    let with = |id: &str, token: &str| format!("/unsecured/callback/{id}?t={token}");
    let other = "0f8fad5b-d9cb-469f-a165-70867728950e";

    let broken = world.call(&format!("/unsecured/callback/{other}"), "[1]").await;
    assert_eq!(broken, error(400, "binding error: the body has to be a JSON object"), "the body before the token");
    assert_eq!(world.call(&with(other, ""), "{}").await, error(400, NO_TOKEN));
    assert_eq!(world.call(&with(other, &callback.token), "{}").await, error(404, NOT_FOUND));
    for unreadable in ["no-uuid", "%ff", "%00", "a%2Fb", "%", "%C3%28"] {
        assert_eq!(world.call(&with(unreadable, &callback.token), "{}").await, error(404, NOT_FOUND), "{unreadable}");
    }
    let several = NO_TOKEN.replace("missing query parameter: t", "multiple values not supported");
    assert_eq!(world.call(&format!("{}&t=y", callback.path()), r#"{"a": 1}"#).await, error(400, &several));
    assert_eq!(world.call(&with(&callback.id, other), "{}").await, error(404, NOT_FOUND), "as if it did not exist");
    assert_eq!(world.call(&callback.path(), "{}").await.0, 400);
    assert_eq!(world.call(&callback.path(), r#"{"a": 1}"#).await, resolved());
    assert_eq!(world.call(&with(&callback.id, other), "{}").await, error(404, NOT_FOUND));
    assert_eq!(world.call(&callback.path(), "{}").await, error(400, "callback has already been resolved"));
}

#[tokio::test]
async fn a_body_may_have_256_kib_and_be_empty_without_a_schema() {
    let world = World::new().await;
    let callback = world.create(json!({})).await;
    let body = |size: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8));
    let refused = world.call(&callback.path(), &body(256 * 1024 + 1)).await;
    assert_eq!(refused, error(413, "the body is larger than 262144 bytes"));
    let (status, far) = world.call(&callback.path(), &body(1100 * 1024)).await;
    assert_eq!((status, far["error"].is_string()), (413, true), "{far:?}");
    let large_schema = json!({"schema": {"description": "x".repeat(32_000)}});
    let guarded = world.create(large_schema).await;
    assert_eq!(world.call(&guarded.path(), &body(256 * 1024)).await, resolved(), "both limits fit into one record");
    assert_eq!(world.call(&callback.path(), "").await, resolved());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_fifty_calls_at_the_same_time_exactly_one_resolves_it() {
    let world = Arc::new(World::new().await);
    // The schema makes every call pause between its look at the record and its write.
    for round in 0..3 {
        let callback = world.create(json!({"schema": {"required": ["caller"]}})).await;
        let calls = (0..50).map(|n| {
            let (world, path) = (world.clone(), callback.path());
            tokio::spawn(async move { world.call(&path, &json!({ "caller": n }).to_string()).await })
        });
        let answers: Vec<Answer> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<usize> = (0..50).filter(|n| answers[*n].0 == 200).collect();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let lost = error(400, "callback has already been resolved");
        assert!(answers.iter().enumerate().all(|(n, answer)| n == winners[0] || *answer == lost), "{answers:?}");

        assert_eq!(world.body(&callback).await, json!({ "caller": winners[0] }));
        let facts = world.heard().await;
        assert_eq!((facts.len(), &facts[0]["type"]), (1, &json!("callback.resolved")), "{facts:?}");
    }
}

#[tokio::test]
async fn a_winner_whose_answer_from_the_table_was_lost_is_still_the_winner() {
    let world = World::new().await;
    let callback = world.create(json!({})).await;
    world.emulator.lose_reply("dynamodb.UpdateItem", 1);
    assert_eq!(world.call(&callback.path(), r#"{"a": 1}"#).await, resolved());
    assert_eq!(world.heard().await.len(), 1);
}

#[tokio::test]
async fn a_body_of_64_levels_resolves_its_step_and_a_deeper_one_is_refused() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({})).await);
    world.command("wait", json!({"action": "wait", "id": callback.id})).await;
    world.heard().await;
    let refused = world.call(&callback.path(), &nested(65).to_string()).await;
    assert_eq!(refused, error(400, "binding error: the JSON nests more than 64 levels deep"));
    assert!(world.heard().await.is_empty());
    assert_eq!(world.call(&callback.path(), &nested(64).to_string()).await, resolved());
    let answers = world.answers().await;
    assert_eq!((&answers[0]["status"], &answers[0]["output"]["body"]), (&json!("succeeded"), &nested(64)));
    world.command("late", json!({"action": "wait", "id": callback.id})).await;
    assert_eq!(world.answers().await[0]["output"]["body"], nested(64));
    assert_eq!(world.body(&callback).await, nested(64));
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_a_503() {
    let world = World::new().await;
    let callback = world.create(json!({})).await;
    world.emulator.throttle("dynamodb.GetItem", 10);
    let (status, body) = world.call(&callback.path(), "{}").await;
    assert_eq!((status, body["error"].is_string()), (503, true), "{body:?}");
}

#[tokio::test]
async fn a_call_is_announced_although_the_bus_was_down_when_it_came() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({})).await);
    world.command("wait", json!({"action": "wait", "id": callback.id})).await;
    assert_eq!(world.answers().await[0]["status"], "waiting");

    world.emulator.throttle("eventbridge.PutEvents", 3);
    assert_eq!(world.call(&callback.path(), r#"{"a": 1}"#).await, resolved());
    assert!(world.heard().await.is_empty());
    world.advance(60).await;
    let heard = world.heard().await;
    let types: Vec<_> = heard.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["callback.resolved", "step.finished"]);
    assert_eq!(heard[1]["content"]["output"]["body"], json!({"a": 1}));
    world.advance(120).await;
    assert!(world.heard().await.is_empty(), "it is announced once");
}
