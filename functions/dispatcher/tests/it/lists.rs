use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::events::record;
use crate::world::{World, event};

/// A condition on events, and what it says of the one of a number.
#[derive(Debug, Clone)]
struct Condition {
    query: String,
    holds: fn(i64, i64) -> bool,
    operand: i64,
}

/// An order, and how it numbers the events.
type Order = (&'static str, fn(i64) -> i64);

/// How many events there are, of three types in turn.
const EVENTS: i64 = 130;

fn kind(n: i64) -> &'static str {
    match n % 3 {
        0 => "red",
        1 => "green",
        _ => "blue",
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let of = |query: String, holds, operand| Condition { query, holds, operand };
    let created = |n: i64| 995_000 + n * 1_000;
    prop_oneof![
        4 => (0_i64..3).prop_map(move |n| of(format!("eq(type,{})", kind(n)), |n, operand| n % 3 == operand, n)),
        1 => (0_i64..3).prop_map(move |n| of(format!("in(type,red,{})", kind(n)), |n, operand| [0, operand].contains(&(n % 3)), n)),
        1 => (0_i64..3).prop_map(move |n| of(format!("ne(type,{})", kind(n)), |n, operand| n % 3 != operand, n)),
        2 => (-5..EVENTS).prop_map(move |n| of(format!("ge(creation_timestamp,{})", created(n)), |n, operand| n >= operand, n)),
        2 => (-5..EVENTS + 5).prop_map(move |n| of(format!("lt(creationTimestamp,{}.5)", created(n)), |n, operand| n <= operand, n)),
        1 => (0..EVENTS).prop_map(move |n| of(format!("gt(update_timestamp,{})", created(n) + 5_000), |n, operand| n > operand, n)),
        1 => (0..EVENTS).prop_map(move |n| of(format!("le(content.n,{n})"), |n, operand| n <= operand, n)),
        1 => (0..EVENTS).prop_map(move |n| of(format!("in(id,e{n:05},e00003,nobody)"), |n, operand| [3, operand].contains(&n), n)),
    ]
}

#[tokio::test]
async fn whatever_an_index_answers_is_what_a_plain_list_would_be() {
    let world = World::new().await;
    record(&world, EVENTS, kind).await;
    // Orders of which every place is certain, and how they number the events.
    let orders: [Order; 6] = [
        ("", |n| -n),
        ("sort(-creation_timestamp)", |n| -n),
        ("sort(creationTimestamp)", |n| n),
        ("sort(update_timestamp)", |n| n),
        ("sort(-content.n)", |n| -n),
        ("sort(id)", |n| n),
    ];
    let strategy = (prop::collection::vec(condition(), 0..4), 0_usize..6, 1_usize..60, 0_usize..70, any::<bool>());
    let mut runner = TestRunner::deterministic();
    for _ in 0..150 {
        let (conditions, order, limit, offset, counts) = strategy.new_tree(&mut runner).unwrap().current();
        let mut parts: Vec<&str> = conditions.iter().map(|condition| condition.query.as_str()).collect();
        let page = format!("limit({limit},{offset})");
        parts.extend([orders[order].0, &page, if counts { "" } else { "skipCount()" }]);
        let query = parts.join("&");
        let mut expected: Vec<i64> = (0..EVENTS)
            .filter(|n| conditions.iter().all(|condition| (condition.holds)(*n, condition.operand)))
            .collect();
        expected.sort_by_key(|n| (orders[order].1)(*n));
        let total = counts.then_some(expected.len());
        let expected: Vec<String> =
            expected.into_iter().skip(offset).take(limit.min(50)).map(|n| format!("e{n:05}")).collect();
        let answer = world.get(&format!("/events/v1/?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let found: Vec<&str> =
            answer.body["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
        assert_eq!(answer.body["page"]["total"].as_u64(), total.map(|total| total as u64), "{query}");
        assert_eq!(answer.body["page"]["limit"], limit.min(50), "{query}");
    }
}

async fn total(world: &World, path: &str) -> Value {
    let answer = world.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body["page"]["total"].clone()
}

#[tokio::test]
async fn an_event_is_in_the_list_at_once_whatever_was_listed_before() {
    let world = World::new().await;
    record(&world, 60, |_| "red").await;
    for path in ["/events/v1/", "/events/v1/?eq(type,red)", "/events/v1/?sort(creation_timestamp)"] {
        assert_eq!(total(&world, path).await, 60, "{path}");
    }
    world.publish(&event("young", "red", json!({}))).await;
    // One that has long been on its way: its time is before that of all that were counted.
    let mut old = event("old", "red", json!({}));
    old.time = "1970-01-01T00:00:01Z".parse().unwrap();
    world.publish(&old).await;
    for path in ["/events/v1/", "/events/v1/?eq(type,red)", "/events/v1/?sort(creation_timestamp)"] {
        assert_eq!(total(&world, path).await, 62, "{path}");
    }
    let ids = async |query: &str| {
        let answer = world.get(&format!("/events/v1/?{query}")).await;
        let data = answer.body["data"].as_array().unwrap().clone();
        data.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("limit(2)").await, ["young", "e00059"]);
    assert_eq!(ids("limit(2,60)").await, ["e00000", "old"]);
    assert_eq!(ids("limit(2,1)&sort(creation_timestamp)").await, ["e00000", "e00001"]);
    assert_eq!(ids("limit(5,61)&sort(creation_timestamp)").await, ["young"]);
    assert_eq!(ids("limit(3,62)").await, [""; 0]);
    assert_eq!(ids("limit(3,18446744073709551615)").await, [""; 0]);
}

#[tokio::test]
async fn pages_read_one_after_the_other_are_the_whole_list_while_events_come() {
    let world = World::new().await;
    record(&world, 3_000, |n| if n % 2 == 0 { "red" } else { "green" }).await;
    for (query, count) in [("", 3_000), ("eq(type,red)", 1_500), ("ne(type,red)", 1_500)] {
        let mut ids = BTreeSet::new();
        let mut pages = 0;
        loop {
            let list = world.get(&format!("/events/v1/?{query}&limit(50,{})", pages * 50)).await.body;
            ids.extend(list["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()));
            pages += 1;
            if list["page"]["total"].as_u64().unwrap() <= pages * 50 {
                break;
            }
            if pages == 7 {
                // It comes first, so that one is seen twice and none is missing.
                world.publish(&event(&format!("new {count} {query}"), "red", json!({}))).await;
            }
        }
        let recorded = ids.iter().filter(|id| id.starts_with('e')).count();
        assert_eq!(recorded, count, "{query}");
    }
}

#[tokio::test]
async fn dispatchers_are_listed_by_what_their_pointers_know() {
    let world = World::new().await;
    let action = json!({"type": "task", "name": "a", "functionName": "f"});
    let mut ids = Vec::new();
    for n in 0..120 {
        let body = json!({
            "eventType": format!("kind.{}", n % 4), "name": format!("d{n:03}"), "tags": [format!("t{}", n % 3), "all"],
            "description": format!("the {n}th"), "enabled": n % 5 != 0, "actions": [action],
        });
        ids.push(world.dispatcher(body).await);
        world.advance(1).await;
    }
    let check = async |query: &str, expected: u64, first: usize| {
        let answer = world.get(&format!("/dispatchers/v1/?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert_eq!(answer.body["page"]["total"], expected, "{query}");
        assert_eq!(answer.body["data"][0]["id"], ids[first], "{query}");
        let whole = world.get(&format!("/dispatchers/v1/{}", ids[first])).await.body;
        assert_eq!(answer.body["data"][0], whole, "{query}");
    };
    check("", 120, 0).await;
    check("limit(50,100)", 120, 100).await;
    check("eq(eventType,kind.2)&eq(tags,t1)", 10, 10).await;
    check("in(name,d007,d005,nobody)", 2, 5).await;
    check("eq(name,d007)&eq(enabled,true)", 1, 7).await;
    check(&format!("in(id,{},{},nobody)", ids[9], ids[4]), 2, 4).await;
    check("eq(description,the%2099th)", 1, 99).await;
    check("contains(actions,eq(functionName,f))&eq(enabled,false)&sort(-name)", 24, 115).await;
    check("sort(-creationTimestamp)", 120, 119).await;

    // What is listed is what was last written, wherever the dispatcher moved.
    let change = json!({"eventType": "kind.9", "name": "moved", "tags": ["t9"]});
    assert_eq!(world.put(&format!("/dispatchers/v1/{}", ids[3]), change).await.status, 200);
    check("eq(eventType,kind.9)", 1, 3).await;
    check("eq(tags,t9)", 1, 3).await;
    check("eq(name,moved)", 1, 3).await;
    assert_eq!(total(&world, "/dispatchers/v1/?eq(name,d003)").await, 0);
    assert_eq!(total(&world, "/dispatchers/v1/?eq(eventType,kind.3)").await, 29);
    assert_eq!(world.delete(&format!("/dispatchers/v1/{}", ids[3])).await.status, 200);
    assert_eq!(total(&world, "/dispatchers/v1/").await, 119);
    let query = &world.get("/dispatchers/v1/?eq(name,d%2520007)limit(900)").await.body["query"];
    assert_eq!(query, "eq(name,d%20007)&limit(900)");
    assert_eq!(world.get("/dispatchers/v1/").await.body.get("query"), None);
}
