use std::collections::HashSet;

use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use crate::world::{Reply, World, event, succeeded, task};

const MANY: usize = 1_000;

/// Creates so many dispatchers of one type.
async fn dispatchers(world: &World, count: usize) {
    let create = |n: usize| {
        world.dispatcher(
            json!({"eventType": "e", "name": format!("d{n}"), "actions": [task("a", &[]), task("b", &["a"])]}),
        )
    };
    let all: Vec<_> = (0..count).map(create).collect();
    stream::iter(all).buffer_unordered(8).collect::<Vec<_>>().await;
}

fn succeeded_runs(timeline: &Value) -> HashSet<String> {
    let runs = timeline["runs"].as_array().unwrap().iter();
    let names = runs.filter(|run| run["status"] == "succeeded").map(|run| run["dispatcherName"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_with_a_thousand_dispatchers_starts_each_once() {
    let world = World::new().await;
    dispatchers(&world, MANY).await;
    world.emulator.reset_aws_calls();
    world.publish(&event("e1", "e", json!({}))).await;
    let timeline = world.timeline("e1").await;
    assert_eq!((&timeline["outcome"], succeeded_runs(&timeline).len()), (&json!("succeeded"), MANY));
    assert_eq!((world.commands()["a#1"], world.commands()["b#1"]), (1_000, 1_000));
    assert!(!world.emulator.aws_calls().contains_key("dynamodb.TransactWriteItems"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fan_out_that_breaks_off_anywhere_is_completed() {
    // The runs are written 25 at a time.
    for passed in [0, 3, 7] {
        let world = World::new().await;
        dispatchers(&world, 230).await;
        world.emulator.pass("dynamodb.BatchExecuteStatement", passed);
        world.emulator.crash_before("dynamodb.BatchExecuteStatement", 1);
        let event = event("e1", "e", json!({}));
        assert!(world.deliver(&event).await.is_err());
        world.deliver_elsewhere(&event).await;
        world.idle().await;
        let timeline = world.timeline("e1").await;
        assert_eq!((&timeline["outcome"], succeeded_runs(&timeline).len()), (&json!("succeeded"), 230), "{passed}");
        let requests: HashSet<_> = world.requests_of("a").into_iter().collect();
        assert_eq!(requests.len(), 230, "{passed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_a_batch_that_were_not_sent_are_sent_when_the_event_comes_again() {
    let world = World::new().await;
    dispatchers(&world, 250).await;
    world.emulator.pass("eventbridge.PutEvents", 12);
    world.emulator.throttle("eventbridge.PutEvents", 40);
    world.reply("a", Reply::Silence);
    let event = event("e1", "e", json!({}));
    assert!(world.deliver(&event).await.is_err());
    // As the bus does until it succeeds.
    while world.deliver(&event).await.is_err() {}
    world.idle().await;
    let runs: HashSet<String> = world.requests_of("a").into_iter().map(|id| id.dispatcher_id.to_string()).collect();
    assert_eq!(runs.len(), 250);
}

#[tokio::test]
async fn the_sweeper_completes_a_fan_out_that_nobody_delivers_again() {
    let world = World::new().await;
    dispatchers(&world, 150).await;
    world.emulator.pass("dynamodb.BatchExecuteStatement", 2);
    world.emulator.crash_before("dynamodb.BatchExecuteStatement", 1);
    assert!(world.deliver(&event("e1", "e", json!({}))).await.is_err());
    world.sweep_after(61).await;
    let timeline = world.timeline("e1").await;
    assert_eq!((&timeline["outcome"], succeeded_runs(&timeline).len()), (&json!("succeeded"), 150));
}

#[tokio::test]
async fn a_run_that_had_moved_on_when_the_fan_out_broke_off_is_not_set_back() {
    let world = World::new().await;
    dispatchers(&world, 150).await;
    world.reply("a", Reply::Silence);
    // The first hundred runs.
    world.emulator.pass("dynamodb.BatchExecuteStatement", 4);
    world.emulator.crash_before("dynamodb.BatchExecuteStatement", 1);
    let event = event("e1", "e", json!({}));
    assert!(world.deliver(&event).await.is_err());
    world.idle().await;
    let id = world.command("a").unwrap().id;
    world.publish_answer(&succeeded(id.clone(), json!({"mine": 1}))).await;
    world.idle().await;
    world.deliver_elsewhere(&event).await;
    world.idle().await;
    let timeline = world.timeline("e1").await;
    let runs = timeline["runs"].as_array().unwrap();
    let run = runs.iter().find(|run| run["dispatcherId"] == json!(id.dispatcher_id)).unwrap();
    assert_eq!((&run["steps"][0]["output"], runs.len()), (&json!({"mine": 1}), 150));
}
