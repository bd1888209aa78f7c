//! The world itself, around a function that writes one record for each event.

use harness::{Event, World};
use serde_json::json;
use shared::{Environment, Error, Function, Incoming};

fn keeper(environment: &Environment) -> Result<Function, Error> {
    let table = environment.table("TASKS_TABLE")?;
    let on_event = move |incoming: Incoming| {
        let table = table.clone();
        async move {
            let Incoming::Event { envelope, .. } = incoming else { return Ok(()) };
            table.put(&json!({"taskId": envelope.id})).await
        }
    };
    Ok(Function::new(environment.seal()?, (axum::Router::new(), utoipa::openapi::OpenApi::default()), on_event))
}

fn command() -> Event {
    Event::command("task", "keep", json!({}))
}

#[tokio::test]
async fn a_crash_before_or_after_a_call_ends_the_process_and_the_delivery_comes_again() {
    for (after, kept) in [(false, 0), (true, 1)] {
        let world = World::builder().function("TaskFunction", keeper).open().await;
        if after {
            world.emulator.crash_after("dynamodb.PutItem", 1);
        } else {
            world.emulator.crash_before("dynamodb.PutItem", 1);
        }
        let writes = || world.emulator.aws_calls().get("dynamodb.PutItem").copied().unwrap_or_default();
        let before = writes();
        world.publish(&command()).await;
        assert_eq!(world.items("TASKS_TABLE").await.len(), kept);
        world.advance(1).await;
        assert_eq!(world.items("TASKS_TABLE").await.len(), 1);
        assert_eq!(writes() - before, 2);
        assert_eq!(world.published("task.requested").len(), 1, "the delivery is repeated, not the event");
    }
}

#[tokio::test]
async fn a_crash_by_hand_is_an_error() {
    let world = World::builder().function("TaskFunction", keeper).by_hand().open().await;
    world.publish(&command()).await;
    assert_eq!(world.items("TASKS_TABLE").await.len(), 0, "the bus does not reach the function");
    world.emulator.crash_after("dynamodb.PutItem", 1);
    assert_eq!(world.deliver("TaskFunction", &command()).await, Err("the process crashed".to_owned()));
    assert_eq!(world.items("TASKS_TABLE").await, [json!({"taskId": "keep-requested"})]);
}

#[tokio::test]
async fn a_world_on_a_directory_opens_again_with_what_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::builder().function("TaskFunction", keeper).directory(folder.path()).open().await;
    world.publish(&command()).await;
    world.advance(5).await;
    let now = world.clock.now();
    let world = world.reopen().await;
    assert_eq!((world.items("TASKS_TABLE").await.len(), world.clock.now()), (1, now));
    assert_eq!(world.events().len(), 0, "events are those of this process");
}
