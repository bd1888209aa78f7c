use futures::future::join_all;
use serde_json::json;

use crate::world::{Reply, World, event, succeeded, task, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_copies_of_an_event_are_one_run() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let event = event("e1", "e", json!({}));
    let results = join_all((0..200).map(|_| world.deliver(&event))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
    let timeline = world.timeline("e1").await;
    assert_eq!(timeline["duplicates"], 199);
    assert_eq!(timeline["runs"].as_array().unwrap().len(), 1);
    let requested = timeline["runs"][0]["steps"][0]["attempts"].as_array().unwrap();
    assert_eq!(requested.len(), 1);
}

#[tokio::test]
async fn an_event_that_comes_again_runs_nothing_again() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[]), task("b", &["a"])]})).await;
    let event = event("e1", "e", json!({}));
    world.publish(&event).await;
    world.publish(&event).await;
    world.deliver_elsewhere(&event).await;
    world.idle().await;
    assert_eq!(world.commands(), [("a#1".to_owned(), 1), ("b#1".to_owned(), 1)].into());
    assert_eq!(world.timeline("e1").await["duplicates"], 2);
}

#[tokio::test]
async fn commands_that_were_not_sent_after_the_write_are_sent_by_the_redelivery() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let event = event("e1", "e", json!({}));
    world.emulator.throttle("eventbridge.PutEvents", 3);
    assert!(world.deliver(&event).await.unwrap_err().contains("publish"));
    assert_eq!(world.states("e1").await, "running [a:requested]");
    world.deliver(&event).await.unwrap();
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
    assert_eq!(world.commands(), [("a#1".to_owned(), 1)].into());
}

#[tokio::test]
async fn a_process_that_dies_after_the_write_is_completed_by_another() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[]), task("b", &[])]})).await;
    let event = event("e1", "e", json!({}));
    world.emulator.throttle("eventbridge.PutEvents", 3);
    world.deliver(&event).await.unwrap_err();
    world.deliver_elsewhere(&event).await;
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded]");
}

#[tokio::test]
async fn an_event_whose_run_is_missing_is_running_until_it_comes_again() {
    let world = World::new().await;
    let dispatcher = |name: &str| json!({"eventType": "e", "name": name, "actions": [task("a", &[])]});
    world.dispatcher(dispatcher("first")).await;
    let event = event("e1", "e", json!({}));
    world.emulator.pass("dynamodb.PutItem", 1);
    world.emulator.crash_before("dynamodb.PutItem", 1);
    world.deliver(&event).await.unwrap_err();
    assert_eq!(world.states("e1").await, "running ");
    // One that came later starts no run.
    world.dispatcher(dispatcher("later")).await;
    world.deliver_elsewhere(&event).await;
    world.idle().await;
    let timeline = world.timeline("e1").await;
    let names: Vec<_> = timeline["runs"].as_array().unwrap().iter().map(|run| &run["dispatcherName"]).collect();
    assert_eq!((&timeline["outcome"], names), (&json!("succeeded"), vec![&json!("first")]));
    assert_eq!(world.commands(), [("a#1".to_owned(), 1)].into());
}

#[tokio::test]
async fn an_event_whose_dispatchers_are_gone_when_it_comes_again_is_unmatched() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let event = event("e1", "e", json!({}));
    world.emulator.pass("dynamodb.PutItem", 1);
    world.emulator.crash_before("dynamodb.PutItem", 1);
    world.deliver(&event).await.unwrap_err();
    world.delete(&format!("/dispatchers/v1/{id}")).await;
    world.deliver_elsewhere(&event).await;
    assert_eq!(world.states("e1").await, "unmatched ");
}

#[tokio::test]
async fn commands_that_were_not_sent_after_an_answer_are_sent_when_it_comes_again() {
    let world = World::new().await;
    world.reply("a", Reply::Silence);
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[]), task("b", &["a"])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let answer = succeeded(world.command("a").unwrap().id, json!({}));
    world.publish_answer(&answer).await;
    // The answer itself is on the bus; what the function sends because of it is refused.
    world.emulator.throttle("eventbridge.PutEvents", 3);
    world.idle().await;
    assert_eq!(world.states("e1").await, "running [a:succeeded b:requested]");
    world.advance(10).await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded]");
    assert_eq!(world.commands(), [("a#1".to_owned(), 1), ("b#1".to_owned(), 1)].into());
}

#[tokio::test]
async fn everything_delivered_twice_still_happens_once() {
    let world = World::new().await;
    world.emulator.deliver_twice(true);
    world.reply("flaky", Reply::FailTimes(2));
    let mut flaky = task("flaky", &["a"]);
    flaky["retry"] = json!({"attempts": 3});
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[]), task("b", &["a"]), flaky, task("c", &["b", "flaky"])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded flaky:succeeded c:succeeded]");
    let timeline = world.timeline("e1").await;
    let attempts = |step: usize| timeline["runs"][0]["steps"][step]["attempts"].as_array().unwrap().len();
    assert_eq!([attempts(0), attempts(1), attempts(2), attempts(3)], [1, 1, 3, 1]);
}

#[tokio::test]
async fn lost_replies_and_refused_entries_change_nothing() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[]), task("b", &["a"])]})).await;
    let event = event("e1", "e", json!({}));
    world.emulator.lose_reply("dynamodb.PutItem", 2);
    world.emulator.fail_entries(2);
    world.deliver(&event).await.unwrap();
    world.emulator.lose_reply("dynamodb.PutItem", 1);
    world.idle().await;
    world.advance(10).await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_come_at_once_all_count() {
    let world = World::new().await;
    let names: Vec<_> = (0..40).map(|n| format!("s{n}")).collect();
    let mut actions: Vec<_> = names.iter().map(|name| task(name, &[])).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    actions.push(task("last", &all));
    world.dispatcher(json!({"eventType": "e", "actions": actions})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let timeline = world.timeline("e1").await;
    assert_eq!(timeline["outcome"], "succeeded");
    assert_eq!(world.commands()["last#1"], 1);
}

#[tokio::test]
async fn without_a_window_the_same_delivery_still_runs_once() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "order.paid", "name": "d", "actions": [task("one", &[])]})).await;
    let first = shared::event::Envelope { dedup_window_seconds: Some(0), ..event("e1", "order.paid", json!({})) };
    world.publish(&first).await;
    world.publish(&first).await;
    assert_eq!(world.commands(), [("one#1".to_owned(), 1)].into());
    let time = first.time + jiff::SignedDuration::from_millis(1);
    world.publish(&shared::event::Envelope { time, ..first }).await;
    assert_eq!(world.commands(), [("one#1".to_owned(), 2)].into());
}

#[tokio::test]
async fn what_comes_again_after_its_time_runs_again_once() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "order.paid", "name": "d", "actions": [task("one", &[])]})).await;
    let at = |seconds: i64| {
        let first = event("e1", "order.paid", json!({}));
        let time = first.time + jiff::SignedDuration::from_secs(seconds);
        shared::event::Envelope { time, dedup_window_seconds: Some(60), ..first }
    };
    let publish = async |seconds: i64| world.publish(&at(seconds)).await;
    publish(0).await;
    publish(59).await;
    let timeline = world.timeline("e1").await;
    assert_eq!((timeline.get("latestEventId"), timeline.get("laterEvents")), (None, None));
    publish(60).await;
    let second = text(&world.timeline("e1").await["latestEventId"]).to_owned();
    assert_eq!(world.states(&second).await, "succeeded [one:succeeded]");
    // The same delivery, repetitions of it, and a late repetition of the first one.
    for seconds in [60, 61, 119, 1] {
        publish(seconds).await;
        assert_eq!(world.timeline("e1").await["latestEventId"], second, "{seconds}");
    }
    assert_eq!(world.commands(), [("one#1".to_owned(), 2)].into());
    publish(120).await;
    let third = text(&world.timeline("e1").await["latestEventId"]).to_owned();
    assert_ne!(third, second);
    let later = [(60, &second), (120, &third)]
        .map(|(seconds, id)| json!({"eventId": id, "time": format!("{:.3}", at(seconds).time)}));
    assert_eq!(world.timeline("e1").await["laterEvents"], json!(later));
    let timeline = world.timeline(&third).await;
    assert_eq!((&timeline["outcome"], &timeline["duplicates"]), (&json!("succeeded"), &json!(0)));
    assert_eq!(timeline["event"]["trace"], json!({"correlationId": third, "causationId": "e1", "depth": 0}));
}
