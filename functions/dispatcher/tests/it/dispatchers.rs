use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::world::{World, event, task};

#[tokio::test]
async fn a_dispatcher_is_created_read_listed_changed_and_deleted() {
    let world = World::new().await;
    let body = json!({
        "eventType": "user_deleted", "name": "cleanup", "description": "d", "tags": ["a", "b"],
        "actions": [{"type": "task", "name": "wipe", "functionName": "wipe"}],
    });
    let created = world.call("POST", "/localhost/dispatchers/v1/", Some(body)).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let id = created.body["id"].as_str().unwrap();
    let path = format!("/dispatchers/v1/{id}");
    assert_eq!(world.call("GET", &path, None).await.body, created.body);
    let listed = world.call("GET", &format!("/dispatchers/v1/?eq(id,{id})"), None).await.body;
    assert_eq!((&listed["data"][0], &listed["page"]["total"]), (&created.body, &json!(1)));
    assert_eq!(world.call("GET", "/dispatchers/v1/?eq(tags,b)&limit(50)", None).await.body["data"][0], created.body);
    assert_eq!(world.call("GET", "/dispatchers/v1/?eq(tags,c)", None).await.body["data"], json!([]));

    let change = json!({"eventType": "user_gone", "name": "wiper", "actions": []});
    assert_eq!(world.call("PUT", &path, Some(change)).await.body, json!({"affectedRecords": 1}));
    let changed = world.call("GET", &path, None).await.body;
    assert_eq!(
        (&changed["eventType"], &changed["name"], &changed["description"]),
        (&json!("user_gone"), &json!("wiper"), &json!("d"))
    );
    assert_eq!(changed["actions"], created.body["actions"]);
    world.publish(&event("e1", "user_deleted", json!({}))).await;
    world.publish(&event("e2", "user_gone", json!({}))).await;
    assert_eq!(world.states("e1").await, "unmatched ");
    assert_eq!(world.states("e2").await, "succeeded [wipe:succeeded]");

    assert_eq!(world.call("DELETE", &path, None).await.body, json!({"affectedRecords": 1}));
    assert_eq!(world.call("GET", &path, None).await.body["code"], 16);
    assert_eq!(world.call("DELETE", &path, None).await.status, 404);
    assert_eq!(world.call("GET", "/dispatchers/v1", None).await.body["page"]["total"], 0);
    world.dispatcher(json!({"eventType": "x", "name": "wiper", "actions": [task("a", &[])]})).await;
}

#[tokio::test]
async fn an_event_is_matched_with_the_dispatchers_as_they_are_when_it_comes() {
    let world = World::new().await;
    let filter = |total: u32| json!({"content": {"total": [total]}});
    let body =
        |name: &str, total: u32| json!({"eventType": "paid", "actions": [task(name, &[])], "filter": filter(total)});
    let changing = world.dispatcher(body("changing", 1)).await;
    world.dispatcher(body("other", 1)).await;
    let path = format!("/dispatchers/v1/{changing}");
    let states = async |id: &str| {
        world.publish(&event(id, "paid", json!({"total": 1}))).await;
        let mut states: Vec<_> = world.states(id).await.split(' ').map(str::to_owned).collect();
        states.sort_unstable();
        states.join(" ")
    };
    let both = "[changing:succeeded] [other:succeeded] succeeded";
    assert_eq!(states("e1").await, both);
    assert_eq!(world.call("PUT", &path, Some(json!({"filter": filter(2)}))).await.status, 200);
    assert_eq!(states("e2").await, "[other:succeeded] succeeded");
    assert_eq!(world.call("PUT", &path, Some(json!({"filter": null}))).await.status, 200);
    assert_eq!(states("e3").await, both);
    assert_eq!(world.call("DELETE", &path, None).await.status, 200);
    assert_eq!(states("e4").await, "[other:succeeded] succeeded");
    world.dispatcher(body("new", 1)).await;
    assert_eq!(states("e5").await, "[new:succeeded] [other:succeeded] succeeded");
}

#[tokio::test]
async fn a_name_belongs_to_one_dispatcher() {
    let world = World::new().await;
    let body = |name: &str| json!({"eventType": "e", "name": name, "actions": [task("a", &[])]});
    world.dispatcher(body("first")).await;
    let second = world.dispatcher(body("second")).await;
    let taken = world.call("POST", "/dispatchers/v1", Some(body("first"))).await;
    assert_eq!((taken.status, &taken.body["code"]), (400, &json!(17)));
    let path = format!("/dispatchers/v1/{second}");
    let taken = world.call("PUT", &path, Some(json!({"name": "first", "eventType": "f"}))).await;
    assert_eq!((taken.status, &taken.body["code"]), (400, &json!(17)));
    assert_eq!(world.call("GET", &path, None).await.body["eventType"], "e", "a refused change changes nothing");
    assert_eq!(world.call("PUT", &path, Some(json!({"name": null}))).await.status, 200);
    world.dispatcher(body("second")).await;
}

#[tokio::test]
async fn actions_are_added_changed_and_removed_one_by_one() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let path = format!("/dispatchers/v1/{id}/actions");
    let added = world.call("POST", &path, Some(task("b", &["a"]))).await;
    assert_eq!((added.status, &added.body["name"]), (200, &json!("b")));
    let added = format!("{path}/{}", added.body["id"].as_str().unwrap());
    assert_eq!(world.call("POST", &path, Some(task("b", &[]))).await.body["code"], 15, "names are unique");
    let changed = world.call("PUT", &added, Some(json!({"functionName": "f", "dependencies": null}))).await;
    assert_eq!(changed.body, json!({"affectedRecords": 1}));
    assert_eq!(world.call("PUT", &added, Some(json!({"type": "mail"}))).await.body["code"], 15);
    let actions = world.call("GET", &format!("/dispatchers/v1/{id}"), None).await.body["actions"].clone();
    assert_eq!((&actions[1]["functionName"], &actions[1]["dependencies"]), (&json!("f"), &Value::Null));
    assert_eq!(world.call("DELETE", &added, None).await.body, json!({"affectedRecords": 1}));
    assert_eq!(world.call("DELETE", &added, None).await.body["code"], 16);
    assert_eq!(world.call("DELETE", &format!("{path}/x"), None).await.body["code"], 12);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let path = format!("/dispatchers/v1/{id}/actions");
    let add = (0..4).map(|n| world.call("POST", &path, Some(task(&format!("b{n}"), &[]))).boxed_local());
    let answers = futures::future::join_all(add).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let dispatcher = world.call("GET", &format!("/dispatchers/v1/{id}"), None).await.body;
    assert_eq!((dispatcher["actions"].as_array().unwrap().len(), &dispatcher["version"]), (5, &json!(5)));
}

#[tokio::test]
async fn every_route_needs_its_permission() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let one = format!("/dispatchers/v1/{id}");
    let check = async |permission: &str, method: &str, path: &str| {
        let refused = world.call_as(&["OTHER"], method, path).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{method} {path}");
        let allowed = world.call_as(&[permission], method, path).await;
        assert_ne!(allowed.status, 401, "{method} {path}");
    };
    check("VIEW_DISPATCHERS", "GET", "/dispatchers/v1").await;
    check("CREATE_DISPATCHERS", "POST", "/dispatchers/v1").await;
    check("VIEW_DISPATCHERS", "GET", &one).await;
    check("VIEW_DISPATCHERS", "POST", &format!("{one}/explain")).await;
    check("UPDATE_DISPATCHERS", "PUT", &one).await;
    check("UPDATE_DISPATCHERS", "POST", &format!("{one}/actions")).await;
    check("UPDATE_DISPATCHERS", "PUT", &format!("{one}/actions/{id}")).await;
    check("UPDATE_DISPATCHERS", "DELETE", &format!("{one}/actions/{id}")).await;
    check("CREATE_EVENTS", "POST", "/events/v1").await;
    check("VIEW_EVENTS", "GET", "/events/v1").await;
    check("VIEW_RUNS", "GET", "/runs/e1").await;
    check("DELETE_DISPATCHERS", "DELETE", &one).await;
}

#[tokio::test]
async fn an_event_that_does_not_match_is_explained() {
    let world = World::new().await;
    let filter = json!({"content": {"total": [{"numeric": [">", 100]}]}});
    let id = world.dispatcher(json!({"eventType": "paid", "filter": filter, "actions": [task("a", &[])]})).await;
    let explain =
        async |event: Value| world.call("POST", &format!("/dispatchers/v1/{id}/explain"), Some(event)).await.body;
    assert_eq!(explain(json!({"type": "paid", "content": {"total": 101}})).await, json!({"matches": true}));
    let small = explain(json!({"type": "paid", "content": {"total": 12}})).await;
    assert_eq!((&small["matches"], &small["mismatch"]["path"]), (&json!(false), &json!("content.total")));
    assert!(small["message"].as_str().unwrap().contains("12"), "{small}");
    let other = explain(json!({"type": "lost"})).await;
    assert!(other["message"].as_str().unwrap().contains("`paid`"), "{other}");
}
