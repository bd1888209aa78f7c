//! Requests of many callers at once, on the real engines with their counts of calls and their faults.

use std::collections::BTreeMap;

use futures::future::join_all;
use harness::{World, until};
use serde_json::{Value, json};
use shared::bus::{Bus, Entry};
use shared::event::{Envelope, EventId, EventType, TenantId};
use shared::table::{Expression, Query, Table, is_new, key};
use shared::{Environment, Error, Function};

const CALLERS: usize = 50;
/// How often the SDK sends a request that is throttled.
const ATTEMPTS: u32 = 3;
/// More than an item may have.
const TOO_LARGE: usize = 500_000;

fn idle(environment: &Environment) -> Result<Function, Error> {
    Ok(Function::new(environment.seal()?, (axum::Router::new(), utoipa::openapi::OpenApi::default()), |_| async {
        Ok(())
    }))
}

/// A world in which nothing happens by itself, with its counts at zero.
pub(crate) async fn world() -> World {
    let world = World::builder().function("DispatcherFunction", idle).function("TaskFunction", idle).open().await;
    // The key ring is read once.
    bus(&world).publish(vec![entry("warm")]).await.unwrap();
    world.idle().await;
    world.take_events();
    world.emulator.reset_aws_calls();
    world
}

fn bus(world: &World) -> Bus {
    world.environment("TaskFunction").bus().unwrap()
}

fn entry(id: &str) -> Entry {
    let time = harness::NOW.parse().unwrap();
    let envelope = Envelope::new(EventType::known("tick"), EventId::new(id), TenantId::new("t"), time, json!({"n": 1}));
    Entry::fact("hookyard.custom", &envelope).unwrap()
}

fn row(number: usize) -> Value {
    json!({"eventId": format!("e{number}"), "item": "event", "version": 1, "text": "x"})
}

fn key_of(number: usize) -> Value {
    json!({"eventId": format!("e{number}"), "item": "event"})
}

fn calls(world: &World) -> BTreeMap<String, u64> {
    let calls = world.emulator.aws_calls();
    world.emulator.reset_aws_calls();
    calls
}

fn ids(world: &World) -> Vec<String> {
    let mut ids: Vec<String> =
        world.take_events().iter().map(|event| event["detail"]["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

/// Runs each on a task of its own, as different deliveries do.
async fn at_once<T: Send + 'static>(work: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = work.map(tokio::spawn).collect();
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn one_caller_alone_makes_the_request_that_it_always_made() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    let version = || Expression::new("#version = :before").name("#version", "version").value(":before", 1);
    assert!(table.put_if(&row(1), is_new("eventId")).await.unwrap());
    table.put(&row(2)).await.unwrap();
    assert!(table.replace_if(&row(1), &["text"], version()).await.unwrap());
    assert_eq!(calls(&world), BTreeMap::from([("dynamodb.PutItem".to_owned(), 3)]));
    let update = Expression::new("SET #text = :text").name("#text", "text").value(":text", "y");
    assert!(table.update_if(&key_of(1), update, version()).await.unwrap());
    assert_eq!(table.get::<Value>(&key_of(1)).await.unwrap().unwrap()["text"], "y");
    table.query::<Value>(Query::new(Expression::new("eventId = :id").value(":id", "e1"))).await.unwrap();
    bus(&world).publish((0..10).map(|number| entry(&number.to_string())).collect()).await.unwrap();
    let expected = ["dynamodb.GetItem", "dynamodb.Query", "dynamodb.UpdateItem", "eventbridge.PutEvents"]
        .map(|call| (call.to_owned(), 1));
    assert_eq!(calls(&world), BTreeMap::from(expected));
}

#[tokio::test]
async fn what_fifty_publish_at_once_is_a_few_requests_with_all_of_it() {
    let world = world().await;
    let bus = bus(&world);
    let publish = |number: usize| {
        let bus = bus.clone();
        async move { bus.publish(vec![entry(&format!("{number:02}"))]).await }
    };
    assert!(at_once((0..CALLERS).map(publish)).await.into_iter().all(|published| published.is_ok()));
    assert_eq!(ids(&world), (0..CALLERS).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    assert!(calls(&world)["eventbridge.PutEvents"] <= 8);
}

#[tokio::test]
async fn an_entry_that_the_bus_refuses_fails_alone_after_its_repetitions() {
    for (refusals, is_published) in [(3, true), (4, false)] {
        let world = world().await;
        let bus = bus(&world);
        world.emulator.fail_entries(refusals);
        let published = join_all((0..10).map(|number| bus.publish(vec![entry(&number.to_string())]))).await;
        let failed: Vec<usize> = (0..10).filter(|number| published[*number].is_err()).collect();
        assert_eq!(failed, if is_published { vec![] } else { vec![9] });
        let expected = if is_published { 10 } else { 9 };
        assert_eq!(ids(&world), (0..expected).map(|number| number.to_string()).collect::<Vec<_>>(), "each once");
        assert_eq!(calls(&world)["eventbridge.PutEvents"], 4, "one for all, then the refused entry alone");
        if let Some(Err(error)) = published.into_iter().nth(9) {
            assert_eq!(error.to_string(), "cannot publish 1 events");
        }
    }
}

#[tokio::test]
async fn entries_of_many_callers_keep_to_the_size_of_a_request() {
    let world = world().await;
    let bus = bus(&world);
    let large = |number: usize| {
        let content = json!({"text": "x".repeat(100_000)});
        let time = harness::NOW.parse().unwrap();
        let id = EventId::new(format!("{number:02}"));
        let envelope = Envelope::new(EventType::known("tick"), id, TenantId::new("t"), time, content);
        Entry::fact("hookyard.custom", &envelope).unwrap()
    };
    let published = join_all((0..20).map(|number| bus.publish(vec![large(number)]))).await;
    assert!(published.into_iter().all(|published| published.is_ok()));
    assert_eq!(ids(&world).len(), 20);
    assert_eq!(calls(&world)["eventbridge.PutEvents"], 10, "two entries fit in a request");
}

#[tokio::test]
async fn a_failure_reaches_every_caller_of_its_request_and_nobody_after_them() {
    let world = world().await;
    let (bus, table) = (bus(&world), world.table("RUNS_TABLE"));
    world.emulator.throttle("eventbridge.PutEvents", ATTEMPTS);
    let published = join_all((0..10).map(|number| bus.publish(vec![entry(&number.to_string())]))).await;
    for error in published.into_iter().map(Result::unwrap_err) {
        assert!(
            error.chain().starts_with("cannot publish events: ") && error.chain().contains("hrottl"),
            "{}",
            error.chain()
        );
    }
    bus.publish(vec![entry("later")]).await.unwrap();
    assert_eq!(ids(&world), ["later"]);
    world.emulator.throttle("dynamodb.BatchExecuteStatement", ATTEMPTS);
    let rows: Vec<Value> = (0..10).map(row).collect();
    let written = join_all(rows.iter().map(|row| table.put_if(row, is_new("eventId")))).await;
    for error in written.into_iter().map(Result::unwrap_err) {
        assert!(error.chain().starts_with("cannot write to table "), "{}", error.chain());
    }
    assert!(table.put_if(&row(0), is_new("eventId")).await.unwrap(), "nothing was written");
}

#[tokio::test]
async fn what_fifty_write_at_once_is_a_few_requests_with_an_answer_each() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    let create = |number: usize| {
        let table = table.clone();
        async move { table.put_if(&row(number % CALLERS), is_new("eventId")).await.unwrap() }
    };
    assert!(at_once((0..CALLERS).map(create)).await.into_iter().all(|is_new| is_new));
    let counted = calls(&world);
    assert!(counted.values().sum::<u64>() <= 6, "{counted:?}");
    assert_eq!(world.items("RUNS_TABLE").await.len(), CALLERS);
    assert!(at_once((0..CALLERS).map(create)).await.into_iter().all(|is_new| !is_new));
    calls(&world);
    let twice = at_once((CALLERS..3 * CALLERS).map(|number| {
        let table = table.clone();
        async move {
            table
                .put_if(&json!({"eventId": format!("f{}", number % CALLERS), "item": "event"}), is_new("item"))
                .await
                .unwrap()
        }
    }))
    .await;
    assert_eq!(twice.into_iter().filter(|is_new| *is_new).count(), CALLERS, "one of two that create the same item");
    let counted = calls(&world);
    assert!(counted.values().sum::<u64>() <= 16, "{counted:?}");
}

#[tokio::test]
async fn a_write_that_is_refused_fails_alone() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    let mut rows: Vec<Value> = (0..10).map(row).collect();
    rows[3]["text"] = "x".repeat(TOO_LARGE).into();
    for conditional in [true, false] {
        let write = |row| {
            let table = &table;
            async move {
                match conditional {
                    true => table.put_if(row, is_new("eventId")).await.map(|is_new| assert!(is_new)),
                    false => table.put(row).await,
                }
            }
        };
        let written = join_all(rows.iter().map(write)).await;
        let failed: Vec<usize> = (0..10).filter(|number| written[*number].is_err()).collect();
        assert_eq!(failed, [3], "conditional: {conditional}");
        let error = written.into_iter().nth(3).unwrap().unwrap_err();
        assert!(error.chain().contains("Item size"), "{}", error.chain());
    }
    assert_eq!(world.items("RUNS_TABLE").await.len(), 9);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_nobody_elses_and_writes_nothing() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    join_all((0..10).map(|number| async move { number }).map(|number| {
        let table = &table;
        async move { table.put(&row(number.await)).await.unwrap() }
    }))
    .await;
    calls(&world);
    let change = |number: usize| {
        let table = &table;
        async move {
            let update =
                Expression::new("SET #text = :text REMOVE absent").name("#text", "text").value(":text", "changed");
            let version = if number.is_multiple_of(2) { 1 } else { 7 };
            let condition = Expression::new("#version = :version AND attribute_not_exists(ended)");
            let condition = condition.name("#version", "version").value(":version", version);
            table.update_if(&key_of(number), update, condition).await.unwrap()
        }
    };
    let changed = join_all((0..20).map(change)).await;
    assert_eq!(changed, (0..20_usize).map(|number| number.is_multiple_of(2) && number < 10).collect::<Vec<_>>());
    assert_eq!(calls(&world), BTreeMap::from([("dynamodb.BatchExecuteStatement".to_owned(), 1)]));
    let texts: Vec<Value> =
        join_all(
            (0..20).map(|number| {
                let table = &table;
                async move {
                    table.get::<Value>(&key_of(number)).await.unwrap().map_or(Value::Null, |row| row["text"].clone())
                }
            }),
        )
        .await;
    let expected = (0..20_usize).map(|number| match number {
        0..10 if number.is_multiple_of(2) => "changed".into(),
        0..10 => "x".into(),
        _ => Value::Null,
    });
    assert_eq!(texts, expected.collect::<Vec<Value>>());
    assert_eq!(calls(&world), BTreeMap::from([("dynamodb.BatchGetItem".to_owned(), 1)]));
}

#[tokio::test]
async fn two_callers_who_read_the_same_item_both_get_it() {
    let world = world().await;
    let (table, others) = (world.table("RUNS_TABLE"), world.table("TASKS_TABLE"));
    table.put(&row(1)).await.unwrap();
    others.put(&json!({"taskId": "e1"})).await.unwrap();
    calls(&world);
    let run = async |number| table.get::<Value>(&key_of(number)).await.unwrap();
    let task_key = json!({"taskId": "e1"});
    let task = others.get::<Value>(&task_key);
    let (first, second, missing, task) = tokio::join!(run(1), run(1), run(2), task);
    assert_eq!((first, second, missing), (Some(row(1)), Some(row(1)), None));
    assert_eq!(task.unwrap(), Some(json!({"taskId": "e1"})));
    assert_eq!(calls(&world), BTreeMap::from([("dynamodb.BatchGetItem".to_owned(), 1)]));
}

#[tokio::test]
async fn a_key_that_the_table_does_not_have_fails_alone() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    table.put(&row(1)).await.unwrap();
    let wrong = key("other", "e1");
    let right = key_of(1);
    let (found, refused) = tokio::join!(table.get::<Value>(&right), table.get::<Value>(&wrong));
    assert_eq!(found.unwrap(), Some(row(1)));
    assert!(refused.unwrap_err().chain().starts_with("cannot read from table "));
}

#[tokio::test]
async fn a_query_that_is_shared_sees_what_each_of_its_callers_has_written() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    let write_and_read = |number: usize| {
        let table = table.clone();
        async move {
            let item = format!("run#{number:02}");
            assert!(table.put_if(&json!({"eventId": "e", "item": item}), is_new("item")).await.unwrap());
            let query = Query::new(Expression::new("eventId = :id").value(":id", "e"));
            let rows: Vec<Value> = table.query(query).await.unwrap();
            rows.iter().any(|row| row["item"] == item.as_str())
        }
    };
    assert!(at_once((0..CALLERS).map(write_and_read)).await.into_iter().all(|is_seen| is_seen));
    let queries = calls(&world)["dynamodb.Query"];
    assert!(queries <= 12, "{queries} queries");
    let other = Query::new(Expression::new("eventId = :id").value(":id", "e")).descending().limit(1);
    let all = Query::new(Expression::new("eventId = :id").value(":id", "e"));
    let (all, newest) = tokio::join!(table.query::<Value>(all), table.query::<Value>(other));
    assert_eq!((all.unwrap().len(), newest.unwrap()), (CALLERS, vec![json!({"eventId": "e", "item": "run#49"})]));
}

/// Waits until an operation has been called this often.
async fn called(world: &World, operation: &str, times: u64) {
    until(operation, async || {
        let count = world.emulator.aws_calls().get(operation).copied().unwrap_or_default();
        if count < times { Err(count) } else { Ok(()) }
    })
    .await;
}

fn creation(table: &Table, number: usize) -> impl Future<Output = bool> + Send + 'static {
    let table = table.clone();
    async move { table.put_if(&row(number), is_new("eventId")).await.unwrap() }
}

#[tokio::test]
async fn a_caller_that_is_dropped_harms_nobody_else() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    // Both requests that go out first never return.
    world.emulator.crash_before("dynamodb.PutItem", 2);
    let first = tokio::spawn(creation(&table, 0));
    called(&world, "dynamodb.PutItem", 1).await;
    let second = tokio::spawn(creation(&table, 1));
    called(&world, "dynamodb.PutItem", 2).await;
    let waiting: Vec<_> = (2..12).map(|number| tokio::spawn(creation(&table, number))).collect();
    tokio::task::yield_now().await;
    // One that waits goes, then one whose request is under way.
    let mut waiting = waiting.into_iter();
    waiting.next().unwrap().abort();
    first.abort();
    for written in join_all(waiting).await {
        assert!(written.unwrap());
    }
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    assert!(creation(&table, 1).await, "the one whose request was under way has written nothing");
    assert_eq!(world.items("RUNS_TABLE").await.len(), 10);
}

#[tokio::test]
async fn requests_that_hang_do_not_hold_back_others_forever() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    world.emulator.crash_before("dynamodb.PutItem", 2);
    let mut hanging = Vec::new();
    for number in 0..2 {
        hanging.push(tokio::spawn(creation(&table, number)));
        called(&world, "dynamodb.PutItem", number as u64 + 1).await;
    }
    assert!(creation(&table, 2).await);
    assert!(hanging.iter().all(|task| !task.is_finished()));
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_caller_is_not_held_up_by_one_that_nobody_polls() {
    let world = world().await;
    let table = world.table("RUNS_TABLE");
    let mut unpolled: Vec<_> = (0..4).map(|number| Box::pin(creation(&table, number))).collect();
    for future in &mut unpolled {
        assert!(futures::poll!(future).is_pending());
    }
    assert!(creation(&table, 9).await);
    assert_eq!(world.items("RUNS_TABLE").await.len(), 5);
}
