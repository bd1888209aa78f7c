use serde_json::{Value, json};

use crate::support::{Known, World, nested};

#[tokio::test]
async fn a_created_callback_is_answered_with_its_url_token_and_schema() {
    let world = World::new().await;
    let output = world.create_by_step(json!({"schema": "{\"version\": 4, \"type\": \"object\"}"})).await;
    let Known { id, token } = Known::of(&output);
    let schema = json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"});
    let url = format!("https://foo.bar/unsecured/callback/{id}?t={token}");
    assert_eq!(output, json!({"id": id, "token": token, "url": url, "schema": schema}));
    let plain = World::new().await.create_by_step(json!({})).await;
    assert_eq!(plain["schema"], Value::Null);
    let deep = World::new().await.create_by_step(json!({"schema": {"const": nested(63)}})).await;
    assert_eq!(deep["schema"]["const"], nested(63));
}

#[tokio::test]
async fn a_redelivered_create_answers_the_same_callback_also_after_its_call() {
    let world = World::new().await;
    let first = world.create_by_step(json!({"schema": {"type": "object"}, "expiresInSeconds": 60})).await;
    world.advance(1).await;
    let again = world.create_by_step(json!({"schema": {"type": "object"}, "expiresInSeconds": 60})).await;
    assert_eq!(again, first);
    assert_eq!(world.call(&Known::of(&first).path(), "{}").await.0, 200);
    world.heard().await;
    let late = world.create_by_step(json!({"schema": {"type": "object"}, "expiresInSeconds": 60})).await;
    assert_eq!(late, first);
}

#[tokio::test]
async fn creating_survives_a_lost_answer_of_the_table() {
    let world = World::new().await;
    world.emulator.lose_reply("dynamodb.PutItem", 1);
    let output = world.create_by_step(json!({})).await;
    assert_eq!(world.call(&Known::of(&output).path(), "{}").await.0, 200);
}

#[tokio::test]
async fn a_step_that_waits_before_the_call_is_answered_when_it_comes() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({})).await);
    let wait = json!({"action": "WAIT", "id": callback.id});
    world.command("wait", wait.clone()).await;
    world.command("wait", wait).await;
    let record = json!({"kind": "callback", "id": callback.id});
    let waiting = json!({
        "eventId": "e1", "dispatcherId": "d1", "step": "wait", "attempt": 1, "status": "waiting", "record": record,
    });
    assert_eq!(world.answers().await, [waiting.clone(), waiting]);

    assert_eq!(world.call(&callback.path(), r#"{"success": true}"#).await.0, 200);
    let heard = world.heard().await;
    assert_eq!(heard.len(), 2, "one fact and one answer: {heard:?}");
    assert_eq!(heard[0]["type"], "callback.resolved");
    let date = "2026-01-02T03:04:05.678Z";
    assert_eq!(heard[0]["content"], json!({"callbackId": callback.id, "date": date}));
    assert_eq!(heard[0]["trace"]["correlationId"], "e1", "it belongs to the run that created the callback");
    let output = json!({"id": callback.id, "date": date, "body": {"success": true}});
    assert_eq!((&heard[1]["content"]["status"], &heard[1]["content"]["output"]), (&json!("succeeded"), &output));
    assert_eq!(
        (&heard[1]["content"]["resumedBy"], &heard[1]["content"]["record"]),
        (&json!("callback.called"), &record)
    );
    assert_eq!(heard[1]["trace"]["causationId"], "wait-requested");
}

#[tokio::test]
async fn a_step_that_waits_after_the_call_is_answered_at_once() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({})).await);
    assert_eq!(world.call(&callback.path(), r#"{"n": 1}"#).await.0, 200);
    world.heard().await;
    for _ in 0..2 {
        world.command("wait", json!({"action": "wait", "id": callback.id})).await;
        let answers = world.answers().await;
        assert_eq!((answers.len(), &answers[0]["status"]), (1, &json!("succeeded")), "{answers:?}");
        assert_eq!(answers[0]["output"]["body"], json!({"n": 1}));
        assert_eq!(answers[0].get("resumedBy"), None, "it did not wait");
    }
}

#[tokio::test]
async fn several_steps_wait_for_one_callback_but_not_any_number() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({})).await);
    for n in 0..21 {
        world.command(&format!("wait-{n:02}"), json!({"action": "wait", "id": callback.id})).await;
    }
    let answers = world.answers().await;
    let failed: Vec<_> = answers.iter().filter(|answer| answer["status"] == "failed").collect();
    assert_eq!((answers.len(), failed.len()), (21, 1), "{answers:?}");
    assert_eq!(failed[0]["error"]["name"], "TooManyWaiters");
    assert_eq!(world.call(&callback.path(), "{}").await.0, 200);
    let answers = world.answers().await;
    assert_eq!(answers.len(), 20);
    assert!(answers.iter().all(|answer| answer["status"] == "succeeded"));
}

#[tokio::test]
async fn what_can_never_work_is_a_failed_step() {
    let world = World::new().await;
    let foreign = world.token("other", &["CREATE_CALLBACKS"]).await;
    let foreign = world.send("POST", "/callbacks", &foreign, "{}").await.body["id"].clone();
    for (action, name, message) in [
        (json!({"action": "poke"}), "BadRequest", "invalid action \"poke\""),
        (json!({"action": "wait"}), "BadRequest", "missing \"id\" parameter"),
        (json!({"action": "create", "schema": "{"}), "BadRequest", "unable to parse provided schema: "),
        (json!({"action": "create", "schema": {"const": nested(64)}}), "BadRequest", "64 levels"),
        (json!({"action": "create", "expires": 60}), "BadRequest", "unknown field `expires`"),
        (json!({"action": "create", "expiresInSeconds": "soon"}), "BadRequest", "`expiresInSeconds` must be"),
        (json!(["create"]), "BadRequest", "must be an object"),
        (
            json!({"action": "wait", "id": "0f8fad5b-d9cb-469f-a165-70867728950e"}),
            "CallbackUnknown",
            "callback not found",
        ),
        (json!({"action": "wait", "id": foreign}), "CallbackUnknown", "callback not found"),
    ] {
        world.command("step", action.clone()).await;
        let answers = world.answers().await;
        assert_eq!(answers.len(), 1, "{action}");
        assert_eq!((&answers[0]["status"], &answers[0]["error"]["name"]), (&json!("failed"), &json!(name)), "{action}");
        assert!(answers[0]["error"]["message"].as_str().unwrap().contains(message), "{answers:?}");
    }
}

#[tokio::test]
async fn a_step_cannot_create_a_url_without_a_base() {
    let world = World::with_base("").await;
    world.command("create", json!({"action": "create"})).await;
    let answers = world.answers().await;
    assert_eq!(answers[0]["error"]["name"], "BaseUrlMissing", "{answers:?}");
}

#[tokio::test]
async fn a_body_too_long_for_a_step_fails_it_and_is_kept_for_http() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({})).await);
    world.command("wait", json!({"action": "wait", "id": callback.id})).await;
    world.heard().await;
    let body = json!({"text": "x".repeat(200_000)});
    assert_eq!(world.call(&callback.path(), &body.to_string()).await.0, 200);
    let answers = world.answers().await;
    assert_eq!(answers[0]["error"]["name"], "OutputTooLarge", "{answers:?}");
    let hint = format!("; GET /callbacks/{}/wait returns it", callback.id);
    assert!(answers[0]["error"]["message"].as_str().unwrap().ends_with(&hint), "{answers:?}");
    assert_eq!(world.body(&callback).await, body);
}
