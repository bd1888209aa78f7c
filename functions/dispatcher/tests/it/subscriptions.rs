use harness::{Request, TENANT};
use serde_json::{Value, json};

use crate::world::World;

fn body() -> Value {
    let service = json!({"name": "reports", "version": {"major": 1, "minor": 2, "patch": 3}});
    json!({"service": service, "event_types": ["user_deleted", "order.paid"], "retriable": true})
}

#[tokio::test]
async fn a_subscription_is_listed_until_it_is_deleted() {
    let world = World::new().await;
    let path = "/events/v1/subscriptions";
    let created = world.post(path, body()).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let id = created.body["id"].as_str().unwrap().to_owned();
    let mut expected = body();
    expected["id"] = json!(id);
    expected["creation_timestamp"] = json!(1_767_323_045_678_i64);
    expected["update_timestamp"] = expected["creation_timestamp"].clone();
    assert_eq!(created.body, expected);

    world.advance(5).await;
    let mut again = body();
    again["event_types"] = json!(["order.paid", "user_deleted", "order.paid"]);
    assert_eq!(world.post(path, again).await.body, created.body, "the same again is the same subscription");
    let mut other = body();
    other["service"]["version"]["patch"] = json!(4);
    let other = world.post(path, other).await.body;
    assert_ne!(other["id"], created.body["id"]);

    let check = async |query: &str, total: usize| {
        let list = world.get(&format!("{path}?{query}")).await;
        assert_eq!((list.status, &list.body["page"]["total"]), (200, &json!(total)), "{query}: {}", list.body);
    };
    check("", 2).await;
    check(&format!("eq(id,{id})"), 1).await;
    check("eq(eventTypes,order.paid)&eq(service.version.patch,4)", 1).await;
    check("eq(event_types,nothing)", 0).await;

    let of_other_tenant = world.call_as("other", &["*"], "DELETE", &format!("{path}/{id}"), Value::Null).await;
    assert_eq!((of_other_tenant.status, &of_other_tenant.body["code"]), (404, &json!(16)));
    assert_eq!(world.call_as("other", &["*"], "GET", path, Value::Null).await.body["page"]["total"], 0);
    let refused = world.call_as(TENANT, &["VIEW_SUBSCRIPTIONS"], "DELETE", &format!("{path}/{id}"), Value::Null).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)));

    let delete = async || {
        let request = Request::new("DELETE", &format!("{path}/{id}")).bearer(&world.token(TENANT, &["*"]).await);
        world.send(request).await
    };
    assert_eq!(delete().await.body, json!({"affectedRecords": 1}));
    assert_eq!(delete().await.status, 404);
    check("", 1).await;
    let dispatchers = world.get("/dispatchers/v1/").await;
    assert_eq!((dispatchers.status, &dispatchers.body["page"]["total"]), (200, &json!(0)), "they are no dispatchers");
}

#[tokio::test]
async fn a_subscription_that_cannot_be_is_refused() {
    let world = World::new().await;
    let check = async |change: &dyn Fn(&mut Value), code: u32, part: &str| {
        let mut body = body();
        change(&mut body);
        let answer = world.post("/events/v1/subscriptions", body.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(code)), "{body}: {}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{body}: {}", answer.body);
    };
    check(&|body| body["event_types"] = json!([]), 15, "`event_types`").await;
    check(&|body| body["event_types"] = json!(["task.requested"]), 15, "`event_types[0]`").await;
    check(&|body| body["event_types"] = json!(["a b"]), 15, "event_types").await;
    check(&|body| body["event_types"] = (0..101).map(|n| format!("e{n}")).collect(), 15, "`event_types`").await;
    check(&|body| body["service"]["name"] = json!(" "), 15, "`service.name`").await;
    check(&|body| body["service"]["name"] = json!("n".repeat(101)), 15, "`service.name`").await;
    check(&|body| body["service"]["version"]["major"] = json!(-1), 15, "major").await;
    check(&|body| body["service"]["nmae"] = json!("x"), 15, "nmae").await;
    check(&|body| body["eventTypes"] = json!([]), 15, "did you mean `event_types`?").await;
    check(&|body| drop(body.as_object_mut().unwrap().remove("service")), 14, "service").await;
    let malformed = world.call_as(TENANT, &["*"], "DELETE", "/events/v1/subscriptions/x", Value::Null).await;
    assert_eq!((malformed.status, &malformed.body["code"]), (400, &json!(12)));
}

#[tokio::test]
async fn the_health_of_events_needs_no_token_and_fails_with_their_table() {
    let world = World::new().await;
    let health = async || world.send(Request::new("GET", "/events/v1/health")).await;
    let answer = health().await;
    assert_eq!((answer.status, answer.body), (200, json!({"status": "up"})));
    world.emulator.throttle("dynamodb.GetItem", 20);
    let answer = health().await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!(4)), "{}", answer.body);
}
