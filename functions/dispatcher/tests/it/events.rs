use harness::{Request, TENANT};
use serde_json::{Value, json};
use shared::table::TRANSACTION_LIMIT;

use crate::world::{FUNCTION, World, event};

#[tokio::test]
async fn a_custom_event_is_published_and_listed() {
    let world = World::new().await;
    let created = world.post("/events/v1/", json!({"type": "account_closed", "content": {"id": "u1"}})).await;
    assert_eq!(created.status, 200, "{}", created.body);
    world.idle().await;
    let id = created.body["id"].as_str().unwrap();
    let timeline = world.timeline(id).await;
    assert_eq!((&timeline["source"], &timeline["event"]["tenantId"]), (&json!("hookyard.custom"), &json!(TENANT)));
    let listed = world.get("/events/v1/?eq(type,account%255Fclosed)").await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    assert_eq!(listed.body["data"], json!([created.body]));
    assert_eq!(created.body["creation_timestamp"], 1_767_323_045_678_i64);
    assert_eq!(world.get(&format!("/events/v1/?eq(id,{id})")).await.body["data"][0]["id"], id);
    let all = world.get("/events/v1/").await;
    assert_eq!((all.status, &all.body["data"]), (200, &json!([created.body])));
}

#[tokio::test]
async fn the_same_idempotency_key_makes_the_same_event() {
    let world = World::new().await;
    let send = async |key: &str| {
        let body = json!({"type": "paid"});
        let request = Request::new("POST", "/events/v1").bearer(&world.token(TENANT, &["*"]).await);
        let answer = world.send(request.header("idempotency-key", key).json(body)).await;
        (answer.status, answer.body["id"].clone())
    };
    let first = send("k1").await;
    assert_eq!(send("k1").await, first);
    assert_ne!(send("k2").await, first);
    assert_eq!(send(&"k".repeat(256)).await.0, 400);
    world.idle().await;
    let timeline = world.timeline(first.1.as_str().unwrap()).await;
    assert_eq!((&timeline["duplicates"], &timeline["event"]["content"]), (&json!(1), &json!({})));
}

#[tokio::test]
async fn different_events_at_once_under_one_key_are_one_and_the_others_are_told_so() {
    let world = World::new().await;
    let token = world.token(TENANT, &["*"]).await;
    let send = async |n: usize| {
        let request = Request::new("POST", "/events/v1").bearer(&token).header("idempotency-key", "k");
        world.send(request.json(json!({"type": "paid", "content": {"n": n}}))).await
    };
    let answers = futures::future::join_all((0..16).map(|n| send(n % 8))).await;
    let taken: Vec<&Value> = answers.iter().filter(|answer| answer.status == 200).map(|answer| &answer.body).collect();
    assert_eq!(taken.len(), 2, "one content was taken, from both that sent it: {answers:?}");
    assert_eq!(taken[0], taken[1]);
    assert!(answers.iter().filter(|answer| answer.status != 200).all(|answer| answer.body["code"] == 15));
    world.idle().await;
    let stored = world.timeline(taken[0]["id"].as_str().unwrap()).await;
    assert_eq!(stored["event"]["content"], taken[0]["content"]);
}

#[tokio::test]
async fn an_event_that_cannot_be_is_refused() {
    let world = World::new().await;
    let check = async |body: Value, status: u16, code: u32| {
        let answer = world.post("/events/v1", body).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{}", answer.body);
    };
    check(json!({}), 400, 14).await;
    check(json!({"type": "task.requested"}), 400, 15).await;
    check(json!({"type": "step.finished"}), 400, 15).await;
    for own in shared::event::fact::OWN {
        check(json!({"type": own}), 400, 15).await;
    }
    for platform in shared::event::fact::PLATFORMS {
        check(json!({"type": format!("{platform}.push")}), 400, 15).await;
    }
    check(json!({"type": "no spaces"}), 400, 15).await;
    check(json!({"type": "large", "content": "x".repeat(260 * 1024)}), 413, 22).await;
    world.emulator.throttle("eventbridge.PutEvents", 3);
    check(json!({"type": "paid"}), 503, 4).await;
}

/// Writes the records of events as the function does, the first received at 1,000 and each next one a second later.
pub(crate) async fn record(world: &World, count: i64, kind: impl Fn(i64) -> &'static str) {
    let table = world.environment(FUNCTION).table("RUNS_TABLE").expect("the template names it");
    let row = |n: i64| {
        let (received_at, created_at) = (1_000_000 + n * 1_000, 995_000 + n * 1_000);
        let mut envelope = event(&format!("e{n:05}"), kind(n), json!({"n": n}));
        envelope.time = jiff::Timestamp::from_millisecond(created_at).expect("a time of our century");
        let row = json!({
            "eventId": envelope.id, "item": "event", "tenantId": TENANT,
            "kind": kind(n), "occurredAt": created_at, "receivedAt": received_at, "envelope": json!(envelope).to_string(),
            "source": "hookyard.custom", "received": "unmatched", "planned": true,
            "expiresAt": 9_000_000_000_i64,
        });
        table.writing(&row, None).expect("a row can be written")
    };
    for first in (0..count).step_by(TRANSACTION_LIMIT) {
        let rows = (first..count.min(first + 100)).map(row).collect();
        assert!(table.transact(rows).await.expect("the table takes rows").is_empty());
    }
}

#[tokio::test]
async fn lists_of_events_see_all_of_them_with_true_totals() {
    let world = World::new().await;
    record(&world, 1_215, |n| if n % 10 == 0 { "rare" } else { "frequent" }).await;
    // The function writes the same rows.
    world.publish(&event("own", "rare", json!({"n": "own"}))).await;
    let table = world.table("RUNS_TABLE");
    let own: Value = table.get(&json!({"eventId": "own", "item": "event"})).await.unwrap().unwrap();
    let like: Value = table.get(&json!({"eventId": "e00000", "item": "event"})).await.unwrap().unwrap();
    let names = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&own), names(&like));
    table.delete::<Value>(&json!({"eventId": "own", "item": "event"}), None).await.unwrap();
    let list = async |query: &str| {
        let answer = world.get(&format!("/events/v1/?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        answer.body
    };
    let check = async |query: &str, total: usize, first: Option<&str>| {
        let body = list(query).await;
        assert_eq!((&body["page"]["total"], body["data"][0]["id"].as_str()), (&json!(total), first), "{query}");
    };
    check("", 1_215, Some("e01214")).await;
    check("eq(type,frequent)", 1_093, Some("e01214")).await;
    check("eq(type,frequent)&limit(50,1050)", 1_093, Some("e00047")).await;
    check("eq(type,frequent)&limit(50,1093)", 1_093, None).await;
    check("sort(creation_timestamp)&limit(1)", 1_215, Some("e00000")).await;
    check("sort(-creationTimestamp)&limit(1)", 1_215, Some("e01214")).await;
    check("in(type,rare,other)", 122, Some("e01210")).await;
    check("eq(type,frequent)&lt(content.n,100)", 90, Some("e00099")).await;
    check("lt(content.n,3)&sort(content.n)", 3, Some("e00000")).await;
    check("eq(type,nobody)", 0, None).await;
    let third = list("sort(creation_timestamp)&limit(1,2)").await["data"][0].clone();
    let time = third["creation_timestamp"].as_i64().unwrap();
    assert_eq!(third["content"], json!({"n": 2}));
    check(&format!("le(creation_timestamp,{time})"), 3, Some("e00002")).await;
    let received = third["update_timestamp"].as_i64().unwrap();
    check(&format!("le(update_timestamp,{received})"), 3, Some("e00002")).await;
    check(&format!("gt(update_timestamp,{received})"), 1_212, Some("e01214")).await;
    check(&format!("gt(update_timestamp,{received})&lt(update_timestamp,{received})"), 0, None).await;
    check("ge(update_timestamp,9999999999999)&le(update_timestamp,5)", 0, None).await;
    let mut ids = Vec::new();
    loop {
        let body = list(&format!("select(id)&limit(50,{})", ids.len())).await;
        ids.extend(body["data"].as_array().unwrap().iter().map(|event| event["id"].clone()));
        if ids.len() >= 1_215 || body["data"] == json!([]) {
            break;
        }
    }
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 1_215);
    let selected = list("and(eq(type,rare),select(type),limit(1))").await;
    assert_eq!(selected["data"], json!([{"type": "rare"}]));
}

#[tokio::test]
async fn lists_of_events_know_the_fields_of_an_event() {
    let world = World::new().await;
    let check = async |query: &str, part: &str| {
        let answer = world.get(&format!("/events/v1/?{query}")).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(19)), "{query}: {}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{query}: {}", answer.body);
    };
    check("eq(typ,a)", "did you mean `type`?").await;
    check("sort(-created)", "unknown field `created`").await;
    check("select(contents)", "did you mean `content`?").await;
    check("eq(type.name,a)", "`type` has no fields").await;
}

#[tokio::test]
async fn a_list_that_would_read_too_much_is_refused_rather_than_wrong() {
    let world = World::new().await;
    record(&world, 10_001, |_| "many").await;
    let total = world.get("/events/v1/?eq(type,many)&limit(1)").await;
    assert_eq!(total.body["page"]["total"], 10_001, "{}", total.body);
    for query in ["eq(content.n,1)", "sort(content.n)", "or(eq(type,many),like(content.text,a))"] {
        let answer = world.get(&format!("/events/v1/?{query}")).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(21)), "{query}: {}", answer.body);
        assert_eq!(answer.body["name"], "LONG_QUERY_EXCEPTION");
    }
    let narrowed = world.get("/events/v1/?eq(content.n,1)&lt(update_timestamp,1005000)").await;
    assert_eq!((narrowed.status, &narrowed.body["page"]["total"]), (200, &json!(1)));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_takes_nothing_else_with_it() {
    let world = World::new().await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let action = json!({"type": "task", "name": "a", "functionName": "a"});
    let good = world.dispatcher(json!({"eventType": "paid", "actions": [action]})).await;
    let bad = world.dispatcher(json!({"eventType": "paid", "actions": [action]})).await;
    let dispatchers = world.table("DISPATCHERS_TABLE");
    let row = json!({
        "pk": format!("{TENANT}#paid"), "dispatcherId": bad, "version": 2, "definition": format!("{{\"filter\":{deep}}}"),
    });
    dispatchers.put(&row).await.unwrap();
    world.publish(&event("e1", "paid", json!({}))).await;
    world.publish(&event("e2", "paid", json!({}))).await;
    assert_eq!(world.states("e2").await, "succeeded [a:succeeded]");
    let listed = world.get("/dispatchers/v1/").await;
    assert_eq!((listed.status, &listed.body["page"]["total"]), (200, &json!(2)), "{}", listed.body);
    let listed: Vec<_> = listed.body["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(listed, [good.as_str()]);
    let listed = world.get("/dispatchers/v1/?contains(actions)").await;
    assert_eq!((listed.status, &listed.body["page"]["total"]), (200, &json!(1)), "{}", listed.body);

    let runs = world.table("RUNS_TABLE");
    let mut event_row: Value = runs.get(&json!({"eventId": "e1", "item": "event"})).await.unwrap().unwrap();
    event_row["envelope"] = deep.clone().into();
    runs.put(&event_row).await.unwrap();
    let broken_run = json!({"eventId": "e2", "item": "run#broken", "version": 1, "expiresAt": 1, "run": deep});
    runs.put(&broken_run).await.unwrap();
    for query in ["", "?eq(type,paid)", "?sort(content.n)"] {
        let events = world.get(&format!("/events/v1/{query}")).await;
        assert_eq!(events.status, 200, "{query}: {}", events.body);
        let ids: Vec<_> = events.body["data"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
        assert_eq!(ids, ["e2"], "{query}");
    }
    assert_eq!(world.states("e2").await, "succeeded [a:succeeded]");
    let mut unreadable = world.function(FUNCTION).unreadable().await.unwrap();
    unreadable.sort_by(|one, other| one.item.cmp(&other.item));
    let items: Vec<&str> = unreadable.iter().map(|row| row.item.as_str()).collect();
    let expected = format!("dispatcherId={bad} pk={TENANT}#paid");
    assert_eq!(items, [expected.as_str(), "eventId=e1 item=event tenantId=default", "eventId=e2 item=run#broken"]);
}

#[tokio::test]
async fn an_event_from_elsewhere_that_nests_too_deep_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let action = json!({"type": "task", "name": "a", "functionName": "a", "data": {"copy": "{{ event }}"}});
    world.dispatcher(json!({"eventType": "deep", "actions": [action]})).await;
    world.deliver(&event("e1", "deep", nested(68))).await.unwrap();
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
    for levels in [69, 90, 100] {
        let error = world.deliver(&event("e2", "deep", nested(levels))).await.unwrap_err();
        assert!(error.contains("levels deep"), "{error}");
    }
    assert_eq!(world.get("/runs/e2").await.status, 404);
    assert_eq!(world.get("/events/v1/?eq(type,deep)").await.body["page"]["total"], 1);
}
