use harness::TENANT;
use serde_json::{Value, json};
use shared::event::Trace;

use crate::world::{World, event, task};

const PATH: &str = "/dispatchers/v1/graph";

async fn graph(world: &World, query: &str) -> Value {
    let answer = world.get(&format!("{PATH}?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Returns the findings of a code.
fn findings<'a>(graph: &'a Value, code: &str) -> Vec<&'a Value> {
    graph["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == code).collect()
}

/// Returns an edge as what it says of itself.
fn edge(graph: &Value, from: &str, to: &str) -> Value {
    let edges = graph["edges"].as_array().unwrap().iter();
    let found: Vec<&Value> = edges.filter(|edge| edge["from"] == from && edge["to"] == to).collect();
    match found.as_slice() {
        [only] => json!([only["kind"], only["configured"], only["seen"]]),
        others => panic!("{from} {to}: {others:?} of {}", graph["edges"]),
    }
}

fn kinds(graph: &Value) -> Vec<String> {
    graph["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

async fn add_function(world: &World, name: &str) {
    let row = json!({"tenantId": TENANT, "name": name});
    world.table("FUNCTIONS_TABLE").put(&row).await.unwrap();
}

#[tokio::test]
async fn the_graph_shows_what_is_configured_and_what_was_seen() {
    let world = World::new().await;
    add_function(&world, "a").await;
    let id = world
        .dispatcher(json!({"eventType": "order.paid", "name": "orders", "actions": [
            task("a", &[]),
            {"type": "message", "name": "tell", "channelId": "c1", "to": "x", "content": "y", "dependencies": ["a"]},
        ]}))
        .await;
    let (dispatcher, step) = (format!("dispatcher:{id}"), format!("step:{id}/a"));
    let before = graph(&world, "").await;
    assert_eq!(edge(&before, "type:order.paid", &dispatcher), json!(["starts", true, 0]));
    assert_eq!(edge(&before, &step, "function:a"), json!(["runs", true, 0]));
    assert_eq!(edge(&before, &step, &format!("step:{id}/tell")), json!(["precedes", true, 0]));
    assert_eq!(edge(&before, &step, "type:task_failed"), json!(["emits", true, 0]));
    assert_eq!(edge(&before, &format!("step:{id}/tell"), "channel:c1"), json!(["runs", true, 0]));
    assert_eq!(edge(&before, &format!("step:{id}/tell"), "type:message.sent"), json!(["emits", true, 0]));

    let posted = world.post("/events/v1", json!({"type": "order.paid", "content": {}})).await;
    assert_eq!(posted.status, 200);
    world.idle().await;
    let mut received = event("m1", "message.received", json!({"channelId": "c9"}));
    received.time = world.clock.now();
    world.publish(&received).await;
    // What the function of the step publishes says so by the id of the command.
    let command = world.command("a").unwrap();
    let mut caused = event("x1", "stock.low", json!({}));
    let causation_id = Some(format!("{}-requested", command.id.record_id()));
    caused.trace = Trace { causation_id, depth: 1, ..caused.trace };
    world.publish(&caused).await;

    let after = graph(&world, "").await;
    assert_eq!(edge(&after, "type:order.paid", &dispatcher), json!(["starts", true, 1]));
    assert_eq!(edge(&after, "client:api", "type:order.paid"), json!(["sends", false, 1]));
    assert_eq!(edge(&after, "channel:c9", "type:message.received"), json!(["sends", false, 1]));
    assert_eq!(edge(&after, &step, "type:stock.low"), json!(["emits", false, 1]));
    assert_eq!(edge(&after, "function:a", "type:stock.low"), json!(["emits", false, 1]));
    assert_eq!(edge(&after, &step, "function:a"), json!(["runs", true, 1]));
    let node = after["nodes"].as_array().unwrap().iter().find(|node| node["id"] == dispatcher.as_str()).unwrap();
    assert_eq!((&node["name"], &node["seen"]), (&json!("orders"), &json!(1)));
    assert!(node["lastSeen"].is_string(), "{node}");
    assert_eq!((&after["lookedAt"]["events"], &after["lookedAt"]["moreEvents"]), (&json!(3), &json!(false)));

    let one = graph(&world, "events=1").await;
    assert_eq!((&one["lookedAt"]["events"], &one["lookedAt"]["moreEvents"]), (&json!(1), &json!(true)));
    let earlier = graph(&world, "to=2020-01-01T00:00:00Z").await;
    assert_eq!(earlier["lookedAt"]["events"], 0);
    let narrow = graph(&world, "eventType=nothing").await;
    assert!(!kinds(&narrow).contains(&"step:x".to_owned()) && narrow["lookedAt"]["dispatchers"] == 0);
}

#[tokio::test]
async fn a_subscription_is_a_listener() {
    let world = World::new().await;
    let service = json!({"name": "reports", "version": {"major": 1, "minor": 0, "patch": 0}});
    world.post("/events/v1/subscriptions", json!({"service": service, "event_types": ["user_deleted"]})).await;
    let graph = graph(&world, "").await;
    assert_eq!(edge(&graph, "type:user_deleted", "service:reports"), json!(["listens", true, 0]));
}

#[tokio::test]
async fn the_example_of_an_overlap_starts_both_dispatchers() {
    let world = World::new().await;
    let create = async |name: &str, function: &str, filter: Value| {
        let actions = [json!({"type": "task", "name": "t", "functionName": function})];
        let body = json!({"eventType": "order.paid", "name": name, "actions": actions, "filter": filter});
        world.dispatcher(body).await
    };
    let large = create("large", "f", json!({"content": {"total": [{"numeric": [">", 100]}]}})).await;
    let german =
        create("german", "f", json!({"content": {"country": [{"prefix": "D"}], "total": [{"exists": true}]}})).await;
    create("small", "f", json!({"content": {"total": [{"numeric": ["<", 50]}], "country": ["AT"]}})).await;
    let other = create("other", "g", json!({"content": {"country": ["DE"], "total": [101]}})).await;
    let graph = graph(&world, "").await;
    let found = findings(&graph, "DISPATCHERS_OVERLAP");
    let (warnings, infos): (Vec<&Value>, Vec<&Value>) =
        found.iter().partition(|finding| finding["severity"] == "warning");
    // Those that do the same, and those with `other`; nothing is both small and large, but one with a list of totals.
    let is_listed = |finding: &&&Value| finding["message"].as_str().unwrap().contains("with a list");
    assert_eq!(warnings.len(), 1, "{found:?}");
    assert!(
        infos
            .iter()
            .filter(|finding| !is_listed(finding))
            .all(|finding| { finding["concerns"].to_string().contains(&other) })
    );
    assert!(warnings[0]["message"].as_str().unwrap().contains("done twice"), "{found:?}");
    let pair = json!([format!("dispatcher:{large}"), format!("dispatcher:{german}")]);
    assert!(warnings[0]["concerns"] == pair, "{} {pair}", warnings[0]["concerns"]);
    for finding in &found {
        let example = &finding["example"];
        let posted =
            world.post("/events/v1", json!({"type": example["type"], "content": example["content"]})).await.body;
        world.idle().await;
        let timeline = world.timeline(posted["id"].as_str().unwrap()).await;
        let started: Vec<String> = timeline["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| format!("dispatcher:{}", run["dispatcherId"].as_str().unwrap()))
            .collect();
        for concerned in finding["concerns"].as_array().unwrap() {
            assert!(started.iter().any(|id| concerned == id), "{finding} started {started:?}");
        }
    }
    assert_eq!(graph["lookedAt"]["pairs"], 6);
}

#[tokio::test]
async fn loops_are_found_unless_a_filter_excludes_them() {
    let world = World::new().await;
    let create = async |name: &str, kind: &str, action: Value, filter: Value| {
        world.dispatcher(json!({"eventType": kind, "name": name, "actions": [action], "filter": filter})).await
    };
    let cleanup = task("cleanup", &[]);
    let careful = json!({"content": {"functionName": [{"anything-but": ["cleanup", "again"]}]}});
    create("careful", "task_failed", cleanup.clone(), careful).await;
    let found = graph(&world, "").await;
    assert_eq!(findings(&found, "LOOP"), Vec::<&Value>::new());

    let message = json!({"type": "message", "name": "tell", "channelId": "c1", "to": "x", "content": "y"});
    let teller = create("teller", "task_failed", message, Value::Null).await;
    let runner = create("runner", "message.sent", task("again", &[]), json!({"content": {"channelId": ["c1"]}})).await;
    let found = graph(&world, "").await;
    let loops = findings(&found, "LOOP");
    assert_eq!(loops.len(), 1, "{loops:?}");
    assert_eq!(loops[0]["severity"], "warning");
    for id in [&teller, &runner] {
        assert!(loops[0]["concerns"].to_string().contains(id.as_str()), "{loops:?}");
    }

    // A function that publishes what started it: known only once it was seen.
    let echo = create("echo", "ping", task("pong", &[]), Value::Null).await;
    world.publish(&event("e1", "ping", json!({}))).await;
    let mut caused = event("e2", "ping", json!({}));
    let command = world.command("pong").unwrap();
    let causation_id = Some(format!("{}-requested", command.id.record_id()));
    caused.trace = Trace { causation_id, depth: 15, ..caused.trace };
    world.publish(&caused).await;
    let found = graph(&world, "").await;
    let seen: Vec<&Value> =
        findings(&found, "LOOP").into_iter().filter(|finding| finding["severity"] == "error").collect();
    assert_eq!(seen.len(), 1, "{found}");
    assert_eq!(seen[0]["concerns"], json!([format!("dispatcher:{echo}"), format!("step:{echo}/pong"), "type:ping"]));
}

#[tokio::test]
async fn steps_whose_conditions_exclude_each_other_are_not_done_twice() {
    let world = World::new().await;
    let create = async |name: &str, paid: Value| {
        let condition = json!({"event": {"type": ["order.paid"], "content": {"paid": paid}}});
        let actions = [json!({"type": "task", "functionName": "f", "condition": condition})];
        world.dispatcher(json!({"eventType": "order.paid", "name": name, "actions": actions})).await
    };
    create("paid", json!([{"exists": true}])).await;
    create("unpaid", json!([{"exists": false}])).await;
    let found = graph(&world, "").await;
    let found = findings(&found, "DISPATCHERS_OVERLAP");
    assert_eq!((found.len(), &found[0]["severity"]), (1, &json!("info")), "{found:?}");
    create("also paid", json!([7])).await;
    let found = graph(&world, "").await;
    let twice: Vec<&Value> =
        findings(&found, "DISPATCHERS_OVERLAP").into_iter().filter(|found| found["severity"] == "warning").collect();
    assert_eq!(twice.len(), 1, "{found}");
    assert_eq!(twice[0]["example"]["content"]["paid"], 7);
}

#[tokio::test]
async fn each_kind_of_finding_has_its_cause() {
    let world = World::new().await;
    add_function(&world, "idle").await;
    add_function(&world, "busy").await;
    add_function(&world, "direct").await;
    for (id, tenant, function) in [("t1", TENANT, "direct"), ("t2", "other", "idle")] {
        let created = "2026-01-02T03:00:00.000Z";
        let row = json!({"taskId": id, "listedTenant": tenant, "creationTimestamp": created, "functionName": function});
        world.table("TASKS_TABLE").put(&row).await.unwrap();
    }
    let fetch = json!({"type": "http", "name": "fetch", "url": "https://a.test"});
    let never = json!({"type": "http", "name": "never", "method": "POST", "url": "https://a.test", "dependencies": ["fetch"],
        "condition": {"steps": {"fetch": {"status": ["finished"]}}}});
    let unseen = json!({"type": "http", "name": "unseen", "method": "POST", "url": "https://a.test",
        "condition": {"steps": {"fetch": {"output": {"status": [200]}}}}});
    let read = json!({"type": "http", "name": "read", "url": "https://a.test"});
    let reader = json!({"type": "http", "name": "reader", "method": "PUT", "url": "https://a.test", "dependencies": ["read"],
        "condition": {"steps": {"read": {"output": {"status": [200]}}}, "event": {"content": {"n": [1]}}}});
    let contradicts = json!({"type": "http", "name": "contradicts", "method": "POST", "url": "https://a.test",
        "condition": {"event": {"content": {"n": [{"exists": false}]}}}});
    let listed = json!({"type": "http", "name": "listed", "url": "https://a.test",
        "condition": {"event": {"content": {"n": [2]}}}});
    let first = json!({"eventType": "order.payed", "name": "first", "filter": {"content": {"n": [1]}},
        "actions": [fetch, never, unseen, read, reader, contradicts, listed, task("busy", &[]), task("gone", &[])]});
    let first = world.dispatcher(first).await;
    let shut = json!({"eventType": "order.paid", "name": "shut", "filter": {"type": ["order.sent"]}, "actions": [task("busy", &[])]});
    let shut = world.dispatcher(shut).await;
    world.publish(&event("e1", "order.paid", json!({}))).await;
    let found = graph(&world, "").await;
    let check = |code: &str, expected: &[(&str, String)]| {
        let mut actual: Vec<(String, String)> = findings(&found, code)
            .iter()
            .map(|f| (f["severity"].as_str().unwrap().to_owned(), f["concerns"][0].as_str().unwrap().to_owned()))
            .collect();
        let mut expected: Vec<(String, String)> =
            expected.iter().map(|(severity, id)| ((*severity).to_owned(), id.clone())).collect();
        actual.sort();
        expected.sort();
        assert_eq!(actual, expected, "{code}: {:?}", findings(&found, code));
    };
    let step = |name: &str| format!("step:{first}/{name}");
    check("TARGET_UNKNOWN", &[("error", step("gone"))]);
    check("FILTER_NEVER_MATCHES", &[("error", format!("dispatcher:{shut}"))]);
    let never = [
        ("error", step("never")),
        ("error", step("unseen")),
        ("error", step("contradicts")),
        ("warning", step("listed")),
    ];
    check("CONDITION_NEVER_HOLDS", &never);
    check("EVENT_TYPE_WITHOUT_SENDER", &[("warning", "type:order.payed".to_owned())]);
    let sentence = findings(&found, "EVENT_TYPE_WITHOUT_SENDER")[0]["message"].as_str().unwrap();
    assert!(sentence.contains("`order.paid`"), "{sentence}");
    check("FUNCTION_NOT_CALLED", &[("info", "function:idle".to_owned())]);
    check("STEP_OUTPUT_UNREAD", &[]);
}

#[tokio::test]
async fn an_output_is_unread_where_it_is_all_that_a_step_is_for() {
    let world = World::new().await;
    let actions = json!([
        {"type": "http", "name": "unread", "method": "GET", "url": "https://a.test"},
        {"type": "http", "name": "post", "url": "https://a.test"},
        {"type": "http", "name": "read", "method": "get", "url": "https://a.test"},
        {"type": "callback", "name": "lost", "action": "create"},
        {"type": "callback", "name": "used", "action": "create"},
        {"type": "task", "name": "t", "functionName": "f", "dependencies": ["read", "used"],
            "data": {"a": ["{{ steps.read.output.body }}", {"b": "to {{ steps.used.output.url }}"}]}},
        {"type": "task", "name": "after", "functionName": "f", "dependencies": ["t"]},
    ]);
    let id = world.dispatcher(json!({"eventType": "message.received", "actions": actions})).await;
    let found = graph(&world, "").await;
    let unread: Vec<String> = findings(&found, "STEP_OUTPUT_UNREAD")
        .iter()
        .map(|finding| {
            format!("{} {}", finding["severity"].as_str().unwrap(), finding["concerns"][0].as_str().unwrap())
        })
        .collect();
    let step = |name: &str| format!("step:{id}/{name}");
    let expected =
        [format!("warning {}", step("unread")), format!("warning {}", step("lost")), format!("info {}", step("t"))];
    assert_eq!(unread, expected);
    assert_eq!(findings(&found, "EVENT_TYPE_WITHOUT_SENDER"), Vec::<&Value>::new(), "Hookyard sends it itself");
}

#[tokio::test]
async fn the_graph_is_that_of_the_tenant_alone_and_its_query_is_checked() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "secret.plan", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "secret.plan", json!({}))).await;
    let other = world.call_as("other", &["VIEW_DISPATCHERS"], "GET", PATH, Value::Null).await;
    assert_eq!((other.status, &other.body["nodes"]), (200, &json!([])), "{}", other.body);
    let refused = world.call_as(TENANT, &["VIEW_EVENTS"], "GET", PATH, Value::Null).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)));
    let check = async |query: &str, part: &str| {
        let answer = world.get(&format!("{PATH}?{query}")).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(15)), "{query}: {}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{query}: {}", answer.body);
    };
    check("form=1", "did you mean `from`?").await;
    check("from=soon", "`from`").await;
    check("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "`from`").await;
    check("events=0", "`events`").await;
    check("events=5001", "`events`").await;
    check("events=1&events=2", "`events`").await;
}

#[tokio::test]
async fn many_dispatchers_of_one_type_are_bounded_and_say_so() {
    let world = World::new().await;
    for n in 0..50 {
        let filter = json!({"content": {"n": [{"numeric": [">=", n]}]}});
        let action = json!({"type": "task", "name": "t", "functionName": format!("f{n}")});
        world.dispatcher(json!({"eventType": "many", "actions": [action], "filter": filter})).await;
    }
    let found = graph(&world, "").await;
    let looked_at = &found["lookedAt"];
    assert_eq!((&looked_at["pairs"], &looked_at["morePairs"]), (&json!(1_000), &json!(true)));
    assert_eq!(findings(&found, "DISPATCHERS_OVERLAP").len(), 949, "a thousand findings with those of other kinds");
    assert_eq!(looked_at["moreFindings"], true);
}

#[tokio::test]
async fn what_nobody_does_is_said_of_what_was_looked_at() {
    let world = World::new().await;
    add_function(&world, "idle").await;
    world.dispatcher(json!({"eventType": "order.payed", "actions": [task("busy", &[])]})).await;
    for id in ["e1", "e2"] {
        world.publish(&event(id, "order.paid", json!({}))).await;
    }
    let check = async |query: &str, code: &str, expected: &str| {
        let found = graph(&world, query).await;
        let sentence = findings(&found, code)[0]["message"].as_str().unwrap().to_owned();
        assert!(sentence.contains(expected), "{sentence}");
    };
    let sender = "EVENT_TYPE_WITHOUT_SENDER";
    check("", sender, "Looked at: all events since 2025-12-26T03:04:05Z (2).").await;
    check("events=1", sender, "Looked at: the newest events (1, since 2026-01-02T03:04:05Z), and there are more.")
        .await;
    check("", "FUNCTION_NOT_CALLED", "Looked at: all tasks since 2025-12-26T03:04:05Z (0).").await;
}
