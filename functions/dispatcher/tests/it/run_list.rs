//! Runs as they are listed.

use harness::TENANT;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use shared::event::{Answer, FailedResponse, RecordKind, StepError, StepFinished};

use crate::world::{Reply, World, event, task, text};

/// Lists runs and returns their events.
async fn events(world: &World, query: &str) -> Vec<String> {
    let list = world.get(&format!("/runs?{query}")).await;
    assert_eq!(list.status, 200, "{query}: {}", list.body);
    let data = list.body["data"].as_array().unwrap();
    assert_eq!(list.body["page"]["total"], data.len(), "{query}");
    data.iter().map(|run| text(&run["eventId"]).to_owned()).collect()
}

#[tokio::test]
async fn runs_are_listed_by_what_they_are_about_and_how_they_went() {
    let world = World::new().await;
    world.reply("fails", Reply::Fail);
    world.reply("waits", Reply::Wait);
    world.reply("hangs", Reply::Silence);
    let mut ids = Vec::new();
    for (kind, name) in [("order.paid", "works"), ("order.lost", "fails"), ("order.asked", "waits"), ("slow", "hangs")]
    {
        ids.push(world.dispatcher(json!({"eventType": kind, "name": name, "actions": [task(name, &[])]})).await);
    }
    world.dispatcher(json!({"eventType": "github.issues", "actions": [task("greet", &[])]})).await;
    for (id, kind, content) in [
        ("e1", "order.paid", json!({"channelId": "c1"})),
        ("e2", "order.lost", json!({})),
        ("e3", "order.asked", json!({})),
        ("e4", "slow", json!({})),
        ("e5", "github.issues", json!({"channelId": "c1", "payload": {}})),
        ("e6", "nobody.cares", json!({})),
    ] {
        world.publish(&event(id, kind, content)).await;
        world.advance(60).await;
    }
    let check = async |query: &str, expected: &str| {
        assert_eq!(events(&world, query).await.join(" "), expected, "{query}");
    };
    check("", "e5 e4 e3 e2 e1").await;
    check("eq(status,failed)", "e2").await;
    check("eq(status,succeeded)", "e5 e1").await;
    check("eq(status,running)", "e4").await;
    check("eq(status,waiting)", "e3").await;
    check("in(status,waiting,failed)", "e3 e2").await;
    check("ne(status,succeeded)", "e4 e3 e2").await;
    check(&format!("eq(dispatcherId,{})", ids[1]), "e2").await;
    check("eq(dispatcherName,works)", "e1").await;
    check("eq(eventType,order.asked)", "e3").await;
    check("like(eventType,order)", "e3 e2 e1").await;
    // What others publish can say anything.
    check("eq(channelId,c1)", "e5").await;
    check("eq(eventId,e2)", "e2").await;
    check("eq(eventId,e6)", "").await;
    check("ge(startedAt,2026-01-02T03:06:00Z)&lt(startedAt,2026-01-02T03:08:00Z)", "e4 e3").await;
    check("gt(startedAt,2026-01-02T03:09:00Z)&lt(startedAt,2026-01-02T03:08:00Z)", "").await;
    check("eq(steps.error.name,Broken)", "e2").await;
    check("eq(steps.type,task)&eq(steps.status,requested)", "e4").await;
    check("sort(startedAt)", "e1 e2 e3 e4 e5").await;
    check("eq(status,failed)&sort(-eventType)", "e2").await;
    let unknown = world.get("/runs?eq(state,failed)").await;
    assert_eq!(unknown.status, 400, "{}", unknown.body);
}

#[tokio::test]
async fn a_listed_run_names_what_its_steps_have_left_and_hides_what_they_hand_on() {
    let world = World::new().await;
    let refused = Answer::failed(StepError::invocation("HttpStatus", "the server answered 502"));
    let refused =
        refused.with_output(json!({"body": "long"})).with_response(Some(FailedResponse::new(502, &json!("no"))));
    world.reply("call", Reply::Answer(refused));
    world.reply("run", Reply::Answer(Answer::succeeded(json!({"secret": 1})).with_record(RecordKind::Task, "t1")));
    world.reply("ask", Reply::Answer(Answer::waiting().with_record(RecordKind::Callback, "c1")));
    let id =
        world.dispatcher(json!({"eventType": "e", "actions": [task("call", &[]), task("run", &[]), task("ask", &[])]}));
    let id = id.await;
    world.publish(&event("e1", "e", json!({}))).await;
    let list = world.get("/runs").await.body;
    let steps = json!([
        {
            "name": "call", "type": "task", "status": "failed", "attempts": 1, "httpStatus": 502,
            "error": {"type": "invocation", "name": "HttpStatus", "message": "the server answered 502"},
        },
        {"name": "run", "type": "task", "status": "succeeded", "attempts": 1, "record": {"kind": "task", "id": "t1"}},
        {"name": "ask", "type": "task", "status": "waiting", "attempts": 1, "record": {"kind": "callback", "id": "c1"}},
    ]);
    assert_eq!(list["data"][0]["steps"], steps);
    assert_eq!(list["data"][0].get("finishedAt"), None);
    assert_eq!(world.get("/runs?eq(steps.record.id,c1)").await.body["page"]["total"], 1);
    assert_eq!(world.get("/runs?eq(steps.record.id,c2)").await.body["page"]["total"], 0);
    // One run shows it all.
    let run = world.get(&format!("/runs/e1/{id}")).await;
    assert_eq!(run.status, 200, "{}", run.body);
    assert_eq!(run.body["steps"][0]["response"], json!({"status": 502, "body": "no"}));
    assert_eq!(run.body["steps"][0]["attempts"][0]["response"]["status"], 502);
    assert_eq!(run.body["steps"][1]["output"], json!({"secret": 1}));
    assert_eq!(run.body["steps"][2]["record"], json!({"kind": "callback", "id": "c1"}));
    let timeline = world.timeline("e1").await;
    assert_eq!(timeline["runs"][0], run.body);
    let waits =
        timeline["timeline"].as_array().unwrap().iter().find(|moment| moment["what"] == "step.waiting").unwrap();
    assert_eq!(waits["record"], json!({"kind": "callback", "id": "c1"}));
}

#[tokio::test]
async fn pages_of_two_hundred_runs_are_complete_and_have_a_true_total() {
    let world = World::new().await;
    world.reply("fails", Reply::Fail);
    for n in 0..20 {
        let name = if n % 4 == 0 { "fails" } else { "works" };
        world.dispatcher(json!({"eventType": "many", "name": format!("d{n}"), "actions": [task(name, &[])]})).await;
    }
    for n in 0..10 {
        world.publish(&event(&format!("e{n}"), "many", json!({}))).await;
        world.advance(1).await;
    }
    let all = async |query: &str, limit: usize| {
        let (mut found, mut total) = (Vec::new(), usize::MAX);
        while found.len() < total {
            let list = world.get(&format!("/runs?{query}limit({limit},{})", found.len())).await;
            let page = list.body["data"].as_array().unwrap().clone();
            assert!(!page.is_empty(), "{}", list.body);
            total = usize::try_from(list.body["page"]["total"].as_u64().unwrap()).unwrap();
            found.extend(page.iter().map(|run| (text(&run["eventId"]).to_owned(), run["dispatcherId"].to_string())));
        }
        found
    };
    let found = all("", 50).await;
    let distinct: std::collections::BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!((found.len(), distinct.len()), (200, 200));
    let order: Vec<&str> = found.iter().map(|(event, _)| event.as_str()).collect();
    assert!(order.windows(2).all(|pair| pair[0] >= pair[1]), "{order:?}");
    assert_eq!(all("eq(status,failed)&", 7).await.len(), 50);
    assert_eq!(all("ne(status,failed)&", 33).await.len(), 150);
}

#[tokio::test]
async fn runs_of_another_tenant_are_not_there() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "e", json!({}))).await;
    let get = async |tenant: &str, path: &str| {
        let answer = world.call_as(tenant, &["VIEW_RUNS"], "GET", path, Value::Null).await;
        (answer.status, answer.body)
    };
    assert_eq!(get(TENANT, "/runs").await.1["page"]["total"], 1);
    for query in ["", "?eq(status,succeeded)", "?eq(eventId,e1)", "?eq(steps.name,a)"] {
        let (status, list) = get("other", &format!("/runs{query}")).await;
        assert_eq!((status, &list["page"]["total"]), (200, &json!(0)), "{query}");
    }
    let theirs = get("other", &format!("/runs/e1/{id}")).await;
    let unknown = get(TENANT, &format!("/runs/e2/{id}")).await;
    assert_eq!((theirs.0, unknown.0, &theirs.1["code"]), (404, 404, &unknown.1["code"]));
    assert_eq!(get(TENANT, "/runs/e1/000000000000000000000000").await.0, 404);
    let refused = world.call_as(TENANT, &["VIEW_EVENTS"], "GET", "/runs", Value::Null).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)));
}

#[tokio::test]
async fn a_run_is_in_the_index_of_lists_from_its_second_write_on_and_listed_before() {
    let world = World::new().await;
    world.reply("b", Reply::Wait);
    world.reply("silent", Reply::Silence);
    world.dispatcher(json!({"eventType": "open", "actions": [task("silent", &[])]})).await;
    world.publish(&event("e0", "open", json!({}))).await;
    let row = world.items("RUNS_TABLE").await.into_iter().find(|item| item["item"] != "event").unwrap();
    assert_eq!(row["runTenant"], Value::Null);
    assert_eq!(events(&world, "eq(status,running)").await, ["e0"]);
    assert_eq!(events(&world, "eq(status,running)&ge(startedAt,2999-01-01T00:00:00Z)").await, Vec::<String>::new());
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[]), task("b", &["a"])]})).await;
    world.publish(&event("e1", "e", json!({"channelId": "c1"}))).await;
    let is_of_e1 = |item: &Value| item["item"] != "event" && item["eventId"] == "e1";
    let row = world.items("RUNS_TABLE").await.into_iter().find(is_of_e1).unwrap();
    // Nothing in the index changes as long as the run is not over.
    let listed = ["runTenant", "startedAt", "kind", "outcome", "finishedAt", "failedTenant", "channelId"]
        .map(|name| row[name].clone());
    assert_eq!(listed[0], TENANT);
    assert_eq!((&listed[2], &listed[3..]), (&json!("e"), &[Value::Null, Value::Null, Value::Null, Value::Null][..]));
}

/// A condition on runs, and which of them it takes by their number and status.
type Condition = (String, Box<dyn Fn(usize, &str) -> bool>);

/// The types of events in turn; the runs of the first get no answer.
const KINDS: [&str; 4] = ["silent", "works", "fails", "waits"];

fn conditions(n: usize) -> Vec<Condition> {
    let time = |n: usize| format!("2026-01-02T03:{:02}:{:02}Z", 4 + (5 + n * 7) / 60, (5 + n * 7) % 60);
    let kind = KINDS[n % 4];
    let status = ["running", "succeeded", "failed", "waiting"][n % 4];
    vec![
        (format!("eq(eventType,{kind})"), Box::new(move |of, _| of % 4 == n % 4)),
        (format!("ne(eventType,{kind})"), Box::new(move |of, _| of % 4 != n % 4)),
        (format!("eq(dispatcherName,{kind})"), Box::new(move |of, _| of % 4 == n % 4)),
        (format!("eq(status,{status})"), Box::new(move |_, of| of == status)),
        (format!("ne(status,{status})"), Box::new(move |_, of| of != status)),
        (format!("ge(startedAt,{})", time(n)), Box::new(move |of, _| of >= n)),
        (format!("lt(startedAt,{})", time(n)), Box::new(move |of, _| of < n)),
        ("eq(steps.status,succeeded)".to_owned(), Box::new(|_, of| of == "succeeded")),
    ]
}

/// Compares random pages of the list with those of the runs with these statuses.
async fn compare_pages(world: &World, runner: &mut TestRunner, statuses: &[String]) {
    let chosen = prop::collection::vec((0_usize..8, 0_usize..statuses.len()), 0..3);
    let strategy = (chosen, 0_usize..4, 1_usize..30, 0_usize..50, any::<bool>());
    for _ in 0..60 {
        let (chosen, order, limit, offset, counts) = strategy.new_tree(runner).unwrap().current();
        let chosen: Vec<Condition> = chosen.into_iter().map(|(at, n)| conditions(n).remove(at)).collect();
        let mut parts: Vec<&str> = chosen.iter().map(|(query, _)| query.as_str()).collect();
        let page = format!("limit({limit},{offset})");
        let order = ["", "sort(startedAt)", "sort(-startedAt)", "sort(eventType)"][order];
        parts.extend([order, &page, if counts { "" } else { "skipCount()" }]);
        let mut expected: Vec<usize> =
            (0..statuses.len()).rev().filter(|n| chosen.iter().all(|(_, takes)| takes(*n, &statuses[*n]))).collect();
        match order {
            "sort(startedAt)" => expected.reverse(),
            "sort(eventType)" => expected.sort_by_key(|n| KINDS[n % 4]),
            _ => {}
        }
        let (query, total) = (parts.join("&"), counts.then_some(expected.len() as u64));
        let list = world.get(&format!("/runs?{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.body);
        let data = list.body["data"].as_array().unwrap();
        let found: Vec<(&str, &str)> = data.iter().map(|run| (text(&run["eventId"]), text(&run["status"]))).collect();
        let ids: Vec<String> = (0..statuses.len()).map(|n| format!("e{n}")).collect();
        let expected: Vec<(&str, &str)> =
            expected.into_iter().skip(offset).take(limit).map(|n| (ids[n].as_str(), statuses[n].as_str())).collect();
        assert_eq!((found, list.body["page"]["total"].as_u64()), (expected, total), "{query}");
    }
}

#[tokio::test]
async fn whatever_the_indexes_know_of_runs_is_what_a_plain_list_would_be() {
    let world = World::new().await;
    for (kind, reply) in KINDS.into_iter().zip([Reply::Silence, Reply::Succeed(json!({})), Reply::Fail, Reply::Wait]) {
        world.reply(kind, reply);
        world.dispatcher(json!({"eventType": kind, "name": kind, "actions": [task(kind, &[])]})).await;
    }
    let mut statuses = Vec::new();
    let mut unanswered = Vec::new();
    for n in 0..40 {
        world.publish(&event(&format!("e{n}"), KINDS[n % 4], json!({}))).await;
        statuses.push(["running", "succeeded", "failed", "waiting"][n % 4].to_owned());
        if n % 4 == 0 {
            unanswered.push((n, world.command("silent").unwrap().id));
        }
        world.advance(7).await;
    }
    let mut runner = TestRunner::deterministic();
    compare_pages(&world, &mut runner, &statuses).await;
    // What ends late moves from one index to the other, whatever was counted before.
    for (n, step) in unanswered.into_iter().filter(|(n, _)| n % 8 == 0) {
        world.publish_answer(&StepFinished { id: step, answer: Answer::succeeded(json!({})) }).await;
        statuses[n] = "succeeded".to_owned();
    }
    world.idle().await;
    compare_pages(&world, &mut runner, &statuses).await;
}
