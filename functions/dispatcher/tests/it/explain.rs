use harness::{Request, TENANT};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shared::event::Trace;

use crate::world::{Reply, World, event, task, text};

/// Explains an event to a dispatcher.
async fn explain(world: &World, dispatcher: &str, event: Value) -> Value {
    let answer = world.post(&format!("/dispatchers/v1/{dispatcher}/explain"), event).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Explains a recorded event to every dispatcher: `name: fired reason`.
async fn explained(world: &World, event: &str, query: &str) -> Vec<String> {
    let answer = world.get(&format!("/runs/{event}/explain{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let of_each = answer.body["data"].as_array().unwrap().iter().map(|one| {
        let fired = if one["fired"] == true { "fired" } else { "not" };
        format!("{}: {fired} {}", text(&one["dispatcherName"]), text(&one["reason"])).trim_end().to_owned()
    });
    of_each.collect()
}

fn named(name: &str, filter: impl Into<Value>) -> Value {
    let filter: Value = filter.into();
    json!({"eventType": "paid", "name": name, "filter": filter, "actions": [task("a", &[])]})
}

#[tokio::test]
async fn what_would_match_is_told_the_nearest_first() {
    let world = World::new().await;
    let filter = json!({"content": {"$or": [
        {"state": ["open", "paid", "shipped"], "total": [{"numeric": [">", 100]}]},
        {"vip": [true], "total": [{"exists": true}], "mail": [{"suffix": "@acme.test"}]},
    ]}});
    let id = world.dispatcher(named("d", filter)).await;
    let why = explain(&world, &id, json!({"type": "paid", "content": {"state": "payd", "total": 7}})).await;
    assert_eq!((&why["matches"], &why["reason"]), (&json!(false), &json!("filter")), "{why}");
    assert_eq!(why["mismatch"]["path"], "content.state");
    assert_eq!(why["mismatch"]["found"], json!(["payd"]));
    assert_eq!(why["mismatch"]["wouldMatch"][0], json!({"description": "the text \"paid\"", "value": "paid"}));
    assert_eq!(why["alsoFailed"][0]["wouldMatch"], json!([{"description": "a number > 100", "value": 101}]));
    assert_eq!(why["otherWays"][0].as_array().unwrap().len(), 2, "{why}");
    let content = json!({"state": "paid", "total": 101});
    assert_eq!(explain(&world, &id, json!({"type": "paid", "content": content})).await["matches"], true);
}

#[tokio::test]
async fn the_steps_of_a_run_are_explained_before_there_is_one() {
    let world = World::new().await;
    let mut refused = task("refused", &[]);
    refused["condition"] = json!({"event": {"content": {"total": [{"numeric": [">", 100]}]}}});
    let mut broken = task("broken", &[]);
    broken["data"] = json!({"mail": "{{ event.content.mail }}"});
    let mut follows = task("follows", &["first"]);
    follows["data"] = json!({"id": "{{ steps.first.output.id }}", "own": "{{ event.content.total }}"});
    let actions = json!([task("first", &[]), refused, broken, follows, task("after", &["broken"])]);
    let id = world.dispatcher(json!({"eventType": "paid", "actions": actions})).await;
    let why = explain(&world, &id, json!({"type": "paid", "content": {"total": 12}})).await;
    assert_eq!(why["matches"], true);
    let states: Vec<_> = why["steps"].as_array().unwrap().iter().map(|step| text(&step["state"])).collect();
    assert_eq!(states, ["starts", "skipped", "fails", "depends", "skipped"], "{why}");
    assert_eq!(why["steps"][1]["mismatches"][0]["wouldMatch"][0]["value"], 101, "{why}");
    assert_eq!(why["steps"][2]["error"]["name"], "TemplateError");
    assert!(text(&why["steps"][2]["error"]["message"]).contains("event.content.mail"), "{why}");
    assert_eq!(why["steps"][3]["unknown"], json!(["steps.first.output.id"]));
    assert_eq!(why["steps"][4]["reason"], "`broken` failed");

    // Of the run that there is, the results of steps are known, and the steps behind them are explained with these.
    world.reply("first", Reply::Succeed(json!({"no": "id"})));
    world.publish(&event("e1", "paid", json!({"total": 12}))).await;
    let why = explain(&world, &id, json!({"eventId": "e1"})).await;
    assert_eq!((&why["fired"], &why["steps"][3]["state"]), (&json!(true), &json!("fails")), "{why}");
    assert!(text(&why["steps"][3]["error"]["message"]).contains("steps.first.output.id"), "{why}");
}

#[tokio::test]
async fn every_dispatcher_says_why_it_fired_or_not() {
    let world = World::new().await;
    let deleted = world.dispatcher(named("deleted", Value::Null)).await;
    let changed = world.dispatcher(named("changed", json!({"content": {"n": [2]}}))).await;
    world.dispatcher(named("fires", Value::Null)).await;
    world.dispatcher(named("filtered", json!({"content": {"n": [3]}}))).await;
    let off = world.dispatcher(named("off", Value::Null)).await;
    world.put(&format!("/dispatchers/v1/{off}"), json!({"enabled": false})).await;
    let mut other = named("other", Value::Null);
    other["eventType"] = json!("lost");
    world.dispatcher(other).await;
    world.publish(&event("e1", "paid", json!({"n": 1}))).await;
    world.advance(5).await;
    world.dispatcher(named("later", Value::Null)).await;
    world.put(&format!("/dispatchers/v1/{changed}"), json!({"filter": null})).await;
    world.delete(&format!("/dispatchers/v1/{deleted}")).await;
    let all = [
        "fires: fired",
        "deleted: fired deleted",
        "changed: not changed_later",
        "later: not created_later",
        "filtered: not filter",
        "off: not disabled",
        "other: not other_type",
    ];
    assert_eq!(explained(&world, "e1", "").await, all);
    assert_eq!(explained(&world, "e1", "?eq(reason,filter)").await, ["filtered: not filter"]);
    assert_eq!(explained(&world, "e1", "?eq(fired,true)&limit(1,1)").await, ["deleted: fired deleted"]);
    let page = world.get("/runs/e1/explain?eq(matches,true)").await.body;
    assert_eq!(
        (&page["page"]["total"], &page["data"][0]["steps"][0]["state"]),
        (&json!(3), &json!("starts")),
        "{page}"
    );
    let off = explain(&world, &off, json!({"eventId": "e1"})).await;
    assert_eq!((&off["fired"], &off["changedSince"]), (&json!(false), &Value::Null), "{off}");
}

#[tokio::test]
async fn a_loop_and_a_budget_that_is_used_up_are_reasons() {
    let world = World::new().await;
    let id = world.dispatcher(named("d", json!({"content": {"n": [1]}}))).await;
    let traced = |id: &str, n: u32, depth: u32, budget: u64| {
        let envelope = event(id, "paid", json!({"n": n}));
        let trace = Trace { depth, budget: Some(budget), ..envelope.trace.clone() };
        envelope.with_trace(trace)
    };
    world.publish(&traced("deep", 1, 17, 100)).await;
    world.publish(&traced("poor", 1, 3, 1)).await;
    world.publish(&traced("both", 2, 17, 0)).await;
    assert_eq!(explained(&world, "deep", "").await, ["d: not loop_detected"]);
    assert_eq!(explained(&world, "poor", "").await, ["d: not budget_exhausted"]);
    assert_eq!(explained(&world, "both", "").await, ["d: not filter"]);
    for recorded in ["deep", "poor"] {
        assert_eq!(explain(&world, &id, json!({"eventId": recorded})).await["matches"], false);
    }
    let trace = json!({"correlationId": "c", "depth": 17});
    let why = explain(&world, &id, json!({"type": "paid", "content": {"n": 1}, "trace": trace})).await;
    assert_eq!(why["reason"], "loop_detected", "{why}");
}

#[tokio::test]
async fn what_may_be_seen_of_events_and_runs_is_explained_to_nobody_else() {
    let world = World::new().await;
    let mut second = task("second", &["first"]);
    second["data"] = json!({"of": "{{ steps.first.output.secret }}"});
    second["condition"] = json!({"steps": {"first": {"output": {"secret": ["guess"]}}}});
    let id = world.dispatcher(json!({"eventType": "paid", "actions": [task("first", &[]), second]})).await;
    world.reply("first", Reply::Succeed(json!({"secret": "s3cret"})));
    world.publish(&event("e1", "paid", json!({}))).await;
    let path = format!("/dispatchers/v1/{id}/explain");
    let call = async |tenant: &str, permissions: &[&str], method: &str, path: &str, body: Value| {
        world.call_as(tenant, permissions, method, path, body).await
    };
    let views = ["VIEW_DISPATCHERS", "VIEW_EVENTS"];
    for missing in views {
        let held: Vec<_> = views.into_iter().filter(|view| *view != missing).collect();
        for (method, path, body) in [
            ("POST", &*path, json!({"eventId": "e1"})),
            ("GET", "/runs/e1/explain", Value::Null),
            ("POST", "/dispatchers/v1/simulate", json!({})),
        ] {
            let refused = call(TENANT, &held, method, path, body).await;
            assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{path} without {missing}");
        }
    }
    let all = ["VIEW_DISPATCHERS", "VIEW_EVENTS", "VIEW_RUNS"];
    for (permissions, is_seen) in [(&views[..], false), (&all[..], true)] {
        for (method, path, body) in [
            ("POST", &*path, json!({"eventId": "e1"})),
            ("GET", "/runs/e1/explain", Value::Null),
            ("POST", "/dispatchers/v1/simulate", json!({})),
        ] {
            let answer = call(TENANT, permissions, method, path, body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            assert_eq!(answer.body.to_string().contains("s3cret"), is_seen, "{path}: {}", answer.body);
        }
    }
    let other = world.token("other", &["*"]).await;
    let unknown = world.send(Request::new("GET", "/runs/e1/explain").bearer(&other)).await;
    assert_eq!((unknown.status, &unknown.body["message"]), (404, &json!("no event `e1` exists")));
    let simulated = call("other", &["*"], "POST", "/dispatchers/v1/simulate", json!({"eventIds": ["e1", "e2"]})).await;
    assert_eq!((&simulated.body["missing"], &simulated.body["total"]), (&json!(["e1", "e2"]), &json!(0)));
}

#[tokio::test]
async fn an_event_is_named_or_described_but_not_both() {
    let world = World::new().await;
    let id = world.dispatcher(named("d", Value::Null)).await;
    let path = format!("/dispatchers/v1/{id}/explain");
    let both = world.post(&path, json!({"eventId": "e1", "content": {}})).await;
    assert_eq!(both.status, 400);
    assert!(text(&both.body["message"]).contains("`content` cannot be given with `eventId`"), "{}", both.body);
    let unknown = world.post(&path, json!({"eventId": "nothing"})).await;
    assert_eq!((unknown.status, &unknown.body["message"]), (404, &json!("no event `nothing` exists")));
}

/// Filters and contents in which a few values meet, miss and are of another type.
fn filter() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![(0..4_i64).prop_map(Value::from), "[ab]".prop_map(Value::from), Just(Value::Null)];
    let rule = prop_oneof![
        3 => leaf,
        1 => (0..4_i64).prop_map(|n| json!({"numeric": [">=", n]})),
        1 => "[ab]".prop_map(|text| json!({"prefix": text})),
        1 => any::<bool>().prop_map(|exists| json!({"exists": exists})),
        1 => (0..4_i64).prop_map(|n| json!({"anything-but": n})),
    ];
    let rules = prop::collection::vec(rule, 1..3).prop_map(Value::from);
    let fields = prop::collection::btree_map("[xyz]", rules, 1..4).prop_map(|fields| json!(fields));
    let or = (fields.clone(), fields.clone()).prop_map(|(one, other)| json!({"$or": [one, other]}));
    prop_oneof![Just(Value::Null), fields.prop_map(|f| json!({"content": f})), or.prop_map(|or| json!({"content": or}))]
}

fn content() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..4_i64).prop_map(Value::from),
        "[ab]{1,2}".prop_map(Value::from),
        Just(Value::Null),
        prop::collection::vec((0..4_i64).prop_map(Value::from), 0..3).prop_map(Value::from),
    ];
    prop::collection::btree_map("[xyz]", leaf, 0..4).prop_map(|fields| json!(fields))
}

#[test]
fn an_explanation_agrees_with_what_happened() {
    let cases = (prop::collection::vec(filter(), 1..6), prop::collection::vec(content(), 1..4));
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let checked = runner.run(&cases, |(filters, contents)| {
        runtime.block_on(async {
            let world = World::new().await;
            for (at, filter) in filters.iter().enumerate() {
                world.dispatcher(named(&format!("d{at}"), filter.clone())).await;
            }
            for (at, content) in contents.iter().enumerate() {
                let id = format!("e{at}");
                world.publish(&event(&id, "paid", content.clone())).await;
                let runs = world.timeline(&id).await["runs"].as_array().unwrap().len();
                let all = world.get(&format!("/runs/{id}/explain")).await.body;
                let all = all["data"].as_array().unwrap();
                prop_assert_eq!(
                    (all.len(), all.iter().filter(|one| one["fired"] == true).count()),
                    (filters.len(), runs)
                );
                for one in all {
                    prop_assert_eq!(&one["fired"], &one["matches"], "{}", one);
                    let is_explained = one["reason"] == "filter" && one["mismatch"]["wouldMatch"][0].is_object();
                    prop_assert_eq!(one["fired"] == false, is_explained, "{}", one);
                }
            }
            Ok(())
        })
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
}
