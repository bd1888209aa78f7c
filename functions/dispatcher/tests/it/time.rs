use serde_json::json;

use crate::world::{Reply, World, event, succeeded, task};

#[tokio::test]
async fn a_failed_step_is_tried_again_at_its_time() {
    let world = World::new().await;
    world.reply("a", Reply::FailTimes(2));
    let mut action = task("a", &[]);
    action["retry"] = json!({"attempts": 3, "delaySeconds": 5, "backoff": "exponential"});
    world.dispatcher(json!({"eventType": "e", "actions": [action]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    assert_eq!(world.commands(), [("a#1".to_owned(), 1)].into());
    assert_eq!(world.states("e1").await, "running [a:requested]");
    world.advance(6).await;
    assert_eq!(world.commands(), [("a#1".to_owned(), 1), ("a#2".to_owned(), 1)].into());
    world.advance(11).await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
    assert_eq!(world.commands()["a#3"], 1);
}

#[tokio::test]
async fn a_schedule_that_fires_late_does_nothing() {
    let world = World::new().await;
    world.reply("a", Reply::Fail);
    let mut action = task("a", &[]);
    action["retry"] = json!({"attempts": 2});
    world.dispatcher(json!({"eventType": "e", "actions": [action]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    assert_eq!(world.states("e1").await, "failed [a:failed]");
    let before = world.commands();
    let id = world.command("a").unwrap().id;
    world.schedule(json!({"retry": id})).await.unwrap();
    assert_eq!(world.commands(), before);
    assert!(world.schedule(json!({"unknown": 1})).await.is_err());
}

#[tokio::test]
async fn the_sweeper_sends_commands_again_that_nobody_answered() {
    let world = World::new().await;
    world.reply("a", Reply::Silence);
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    world.sweep_after(59).await;
    assert_eq!(world.commands()["a#1"], 1);
    world.reply("a", Reply::Succeed(json!({})));
    world.sweep_after(1).await;
    assert_eq!(world.commands()["a#1"], 2);
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
    world.emulator.reset_aws_calls();
    world.sweep_after(3600).await;
    assert_eq!(world.commands()["a#1"], 2, "what is over is not swept");
}

#[tokio::test]
async fn the_sweeper_fails_steps_past_their_deadline_but_leaves_others_waiting() {
    let world = World::new().await;
    world.reply("short", Reply::Wait);
    world.reply("long", Reply::Wait);
    let mut short = task("short", &[]);
    short["timeoutSeconds"] = json!(90);
    world.dispatcher(json!({"eventType": "e", "actions": [short, task("long", &[])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    world.sweep_after(89).await;
    assert_eq!(world.states("e1").await, "waiting [short:waiting long:waiting]");
    world.sweep_after(1).await;
    assert_eq!(world.states("e1").await, "waiting [short:failed long:waiting]");
    assert_eq!(world.timeline("e1").await["runs"][0]["steps"][0]["error"]["name"], "TimedOut");
    world.sweep_after(86_400 * 20).await;
    assert_eq!(world.commands()["long#1"], 1, "who waits is not asked again");
    world.publish_answer(&succeeded(world.command("long").unwrap().id, json!(1))).await;
    world.idle().await;
    assert_eq!(world.states("e1").await, "failed [short:failed long:succeeded]");
}

#[tokio::test]
async fn a_step_that_nobody_answers_fails_visibly_in_its_time_and_is_not_done_again() {
    let world = World::new().await;
    world.reply("a", Reply::Silence);
    world.reply("b", Reply::Wait);
    let mut action = task("a", &[]);
    action["retry"] = json!({"attempts": 3});
    world.dispatcher(json!({"eventType": "e", "actions": [action, task("b", &[])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    for _ in 0..14 {
        world.sweep_after(60).await;
    }
    assert_eq!(world.states("e1").await, "running [a:requested b:waiting]");
    world.sweep_after(60).await;
    assert_eq!(world.states("e1").await, "waiting [a:failed b:waiting]");
    assert_eq!(world.timeline("e1").await["runs"][0]["steps"][0]["error"]["name"], "Unanswered");
    assert_eq!(world.commands().keys().collect::<Vec<_>>(), ["a#1", "b#1"]);
    assert_eq!(world.get("/runs?eq(status,waiting)").await.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_step_times_out_at_its_time_without_the_sweeper() {
    let world = World::new().await;
    world.reply("a", Reply::Wait);
    let mut action = task("a", &[]);
    action["timeoutSeconds"] = json!(7);
    action["onFailure"] = json!("continue");
    world.dispatcher(json!({"eventType": "e", "actions": [action, task("next", &["a"])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    world.advance(6).await;
    assert_eq!(world.states("e1").await, "waiting [a:waiting next:pending]");
    world.advance(2).await;
    assert_eq!(world.states("e1").await, "succeeded [a:failed next:succeeded]");
    assert_eq!(world.timeline("e1").await["runs"][0]["steps"][0]["error"]["name"], "TimedOut");
}

#[tokio::test]
async fn each_attempt_has_a_timeout_of_its_own() {
    let world = World::new().await;
    world.reply("a", Reply::Silence);
    let mut action = task("a", &[]);
    action["timeoutSeconds"] = json!(5);
    action["retry"] = json!({"attempts": 2, "delaySeconds": 10});
    world.dispatcher(json!({"eventType": "e", "actions": [action]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    world.advance(6).await;
    assert_eq!((world.states("e1").await.as_str(), world.commands()["a#1"]), ("running [a:requested]", 1));
    world.advance(11).await;
    assert_eq!((world.states("e1").await.as_str(), world.commands()["a#2"]), ("running [a:requested]", 1));
    world.advance(6).await;
    assert_eq!(world.states("e1").await, "failed [a:failed]");
}

#[tokio::test]
async fn runs_that_a_crash_kept_from_being_written_are_written_by_the_sweeper() {
    let world = World::new().await;
    for _ in 0..150 {
        world.dispatcher(json!({"eventType": "many", "actions": [task("a", &[])]})).await;
    }
    // The runs are written 25 at a time.
    world.emulator.pass("dynamodb.BatchExecuteStatement", 2);
    world.emulator.crash_before("dynamodb.BatchExecuteStatement", 1);
    assert!(world.deliver(&event("e1", "many", json!({}))).await.is_err());
    let broken_off = world.timeline("e1").await;
    assert_eq!(broken_off["outcome"], "running");
    assert!(broken_off["runs"].as_array().unwrap().len() < 150);
    world.sweep_after(61).await;
    let timeline = world.timeline("e1").await;
    assert_eq!((timeline["runs"].as_array().unwrap().len(), &timeline["outcome"]), (150, &json!("succeeded")));
    // A command that may not have been sent is sent again, and does nothing then.
    let requests: std::collections::HashSet<_> = world.requests_of("a").into_iter().collect();
    assert_eq!(requests.len(), 150);
}
