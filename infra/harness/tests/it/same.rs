//! Writes that share requests do what each of them does alone.

use std::collections::BTreeMap;

use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use shared::table::{Expression, Query, Table, is_new};

use crate::gather;

/// One access to one item.
#[derive(Debug, Clone)]
enum Access {
    Get,
    Put(Value),
    Create(Value),
    /// Replaces an item of this version.
    Replace(u8, Value),
    /// Changes some attributes of an item of this version.
    Change(u8, Value),
    /// Removes an attribute of an item that has a place with this text.
    Remove(&'static str),
    /// Changes an item that is there and has no end.
    Touch(u8),
}

/// The attributes that an item may lack.
const MAY_LACK: &[&str] = &["a.b", "list", "place", "ended", "touched"];

fn item() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just(""), Just("x"), Just("it's \"quoted\" ? :v #n"), Just("ü€😀")].prop_map(Value::from);
    let leaf =
        prop_oneof![text, any::<i32>().prop_map(Value::from), any::<bool>().prop_map(Value::from), Just(Value::Null)];
    let place = prop_oneof![Just("here"), Just("there")]
        .prop_map(|text| json!({"text": text, "deep": {"er": [1, {"x": null}]}}));
    let list = prop::collection::vec(leaf.clone(), 0..3).prop_map(Value::from);
    (0u8..3, prop::option::of(leaf), prop::option::of(list), prop::option::of(place), prop::bool::weighted(0.2))
        .prop_map(|(version, odd, list, place, has_ended)| {
            let mut item = json!({"version": version});
            odd.into_iter().for_each(|odd| item["a.b"] = odd);
            list.into_iter().for_each(|list| item["list"] = list);
            place.into_iter().for_each(|place| item["place"] = place);
            has_ended.then(|| item["ended"] = true.into());
            item
        })
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![
        Just(Access::Get),
        item().prop_map(Access::Put),
        item().prop_map(Access::Create),
        (0u8..3, item()).prop_map(|(version, item)| Access::Replace(version, item)),
        (0u8..3, item()).prop_map(|(version, item)| Access::Change(version, item)),
        prop_oneof![Just("here"), Just("there")].prop_map(Access::Remove),
        (0u8..9).prop_map(Access::Touch),
    ]
}

/// Accesses of the same moment, each to an item of its own; one moment after the other.
fn moments() -> impl Strategy<Value = Vec<BTreeMap<u8, Access>>> {
    prop::collection::vec(prop::collection::btree_map(0u8..12, access(), 1..12), 1..8)
}

fn version(version: u8) -> Expression {
    Expression::new("#version = :version").name("#version", "version").value(":version", version)
}

/// Does one and says what came of it.
async fn perform(table: &Table, key: Value, access: Access) -> Value {
    let whole = |item: Value| {
        let mut whole = key.clone();
        whole.as_object_mut().unwrap().extend(item.as_object().unwrap().clone());
        whole
    };
    let update = |text: &str| Expression::new(text).name("#list", "list").name("#place", "place");
    let done = match access {
        Access::Get => return table.get(&key).await.unwrap().unwrap_or_default(),
        Access::Put(item) => table.put(&whole(item)).await.map(|()| true),
        Access::Create(item) => table.put_if(&whole(item), is_new("item")).await,
        Access::Replace(before, item) => table.replace_if(&whole(item), MAY_LACK, version(before)).await,
        Access::Change(before, item) => {
            let change = Expression::new("SET #version = :next, #odd = :odd, #list = :list").name("#odd", "a.b");
            let change = change.name("#list", "list").value(":next", &item["version"]);
            let change = change.value(":odd", &item["a.b"]).value(":list", &item["list"]);
            table.update_if(&key, change, version(before)).await
        }
        Access::Remove(text) => {
            let is_there = Expression::new("#place.#text = :text AND attribute_exists(eventId)").name("#text", "text");
            let change = update("SET #place.deep = :deep REMOVE #list").value(":deep", json!({"removed": true}));
            table.update_if(&key, change, is_there.value(":text", text)).await
        }
        Access::Touch(number) => {
            let change = Expression::new("SET touched = :number").value(":number", number);
            let open =
                Expression::new("attribute_exists(eventId) AND attribute_not_exists(ended) AND version >= :least");
            table.update_if(&key, change, open.value(":least", 0)).await
        }
    };
    done.map_or_else(|error| error.chain().into(), Value::from)
}

/// Returns all items of a partition.
async fn rows(table: &Table, partition: &str) -> Vec<Value> {
    let query = Query::new(Expression::new("eventId = :id").value(":id", partition));
    let mut rows: Vec<Value> = table.query(query).await.unwrap();
    rows.iter_mut().for_each(|row| row["eventId"] = Value::Null);
    rows
}

async fn check(table: &Table, case: usize, moments: Vec<BTreeMap<u8, Access>>) -> Result<(), TestCaseError> {
    let key = |way: &str, item: u8| json!({"eventId": format!("{case}-{way}"), "item": format!("{item:02}")});
    for moment in moments {
        let gathered = moment.clone().into_iter().map(|(item, access)| perform(table, key("together", item), access));
        let gathered = join_all(gathered).await;
        let mut alone = Vec::new();
        for (item, access) in moment.clone() {
            alone.push(perform(table, key("alone", item), access).await);
        }
        for row in gathered.iter().chain(&alone).cloned().collect::<Vec<_>>() {
            prop_assert!(!row.is_string(), "{row}");
        }
        let without_id = |mut row: Value| {
            row.as_object_mut().into_iter().for_each(|row| drop(row.remove("eventId")));
            row
        };
        let (gathered, alone): (Vec<_>, Vec<_>) =
            (gathered.into_iter().map(without_id).collect(), alone.into_iter().map(without_id).collect());
        prop_assert_eq!(gathered, alone, "{:?}", moment);
    }
    prop_assert_eq!(rows(table, &format!("{case}-together")).await, rows(table, &format!("{case}-alone")).await);
    Ok(())
}

#[test]
fn gathered_and_single_accesses_answer_the_same_and_leave_the_same_tables() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(gather::world());
    let table = world.table("RUNS_TABLE");
    let mut case = 0;
    let cases = std::cell::RefCell::new(&mut case);
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&moments(), |moments| {
        **cases.borrow_mut() += 1;
        let case = **cases.borrow();
        runtime.block_on(check(&table, case, moments))
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let calls = world.emulator.aws_calls();
    for gathered in ["BatchExecuteStatement", "BatchGetItem"] {
        assert!(calls[&format!("dynamodb.{gathered}")] > 5, "{calls:?}");
    }
}
