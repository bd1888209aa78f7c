use serde_json::json;

use crate::support::{FUNCTION, Known, World};

#[tokio::test]
async fn a_callback_that_nobody_calls_in_time_fails_the_steps_that_wait() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({"expiresInSeconds": 90})).await);
    world.command("wait", json!({"action": "wait", "id": callback.id})).await;
    world.heard().await;
    world.advance(89).await;
    assert!(world.heard().await.is_empty());
    world.advance(2).await;
    let heard = world.heard().await;
    let types: Vec<_> = heard.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["callback.expired", "step.finished"], "{heard:?}");
    assert_eq!(heard[0]["content"]["callbackId"], json!(callback.id));
    assert_eq!(heard[1]["content"]["status"], "failed");
    assert_eq!(heard[1]["content"]["error"]["name"], "CallbackExpired");
    assert_eq!(heard[1]["content"].get("resumedBy"), None, "nobody called it");

    let late = world.call(&callback.path(), "{}").await;
    assert_eq!(late, (400, json!({"error": "callback has expired"})));
    world.command("late", json!({"action": "wait", "id": callback.id})).await;
    assert_eq!(world.answers().await[0]["error"]["name"], "CallbackExpired");
}

#[tokio::test]
async fn a_called_callback_does_not_expire() {
    let world = World::new().await;
    let callback = Known::of(&world.create_by_step(json!({"expiresInSeconds": 90})).await);
    assert_eq!(world.call(&callback.path(), r#"{"a": 1}"#).await.0, 200);
    assert_eq!(world.heard().await.len(), 1);
    world.advance(200).await;
    assert!(world.heard().await.is_empty());
}

#[tokio::test]
async fn an_overdue_callback_ends_at_its_call_before_its_schedule_fires() {
    let world = World::new().await;
    let callback = world.create(json!({"expiresInSeconds": 90})).await;
    let schedule = json!({"expire": callback.id, "deadlineMs": 1});
    world.invoke(FUNCTION, schedule).await.unwrap();
    assert!(world.heard().await.is_empty(), "another deadline is not meant");

    // The deadline has come, the full second at which schedules fire has not.
    world.advance(90).await;
    assert!(world.heard().await.is_empty());
    let late = world.call(&callback.path(), "{}").await;
    assert_eq!(late, (400, json!({"error": "callback has expired"})));
}

#[tokio::test]
async fn an_ended_record_is_removed_later_and_a_waiting_one_never() {
    let world = World::new().await;
    let called = world.create(json!({})).await;
    let waiting = world.create(json!({})).await;
    world.call(&called.path(), "{}").await;
    let rows = world.items("CALLBACKS_TABLE").await;
    let of = |id: &str| rows.iter().find(|row| row["callbackId"] == id).unwrap()["expiresAt"].as_i64();
    let now = world.clock.now().as_second();
    assert_eq!((of(&called.id), of(&waiting.id)), (Some(now + 30 * 24 * 3600), None));
}
