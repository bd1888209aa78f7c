use futures::FutureExt as _;
use harness::TENANT;
use serde_json::{Value, json};

use crate::world::{Reply, World, event, succeeded, task, text};

#[tokio::test]
async fn a_dispatcher_is_created_read_listed_changed_and_deleted() {
    let world = World::new().await;
    let body = json!({
        "eventType": "user_deleted", "name": "cleanup", "description": "d", "tags": ["a", "b"],
        "actions": [{"type": "task", "name": "wipe", "functionName": "wipe"}],
    });
    let mut created = world.post("/localhost/dispatchers/v1/", body).await;
    assert_eq!(created.status, 200, "{}", created.body);
    assert!(created.body.as_object_mut().unwrap().remove("warnings").is_some(), "the function does not exist");
    let id = created.body["id"].as_str().unwrap();
    let path = format!("/dispatchers/v1/{id}");
    assert_eq!(world.get(&path).await.body, created.body);
    let listed = world.get(&format!("/dispatchers/v1/?eq(id,{id})")).await.body;
    assert_eq!((&listed["data"][0], &listed["page"]["total"]), (&created.body, &json!(1)));
    assert_eq!(world.get("/dispatchers/v1/?eq(tags,b)&limit(50)").await.body["data"][0], created.body);
    assert_eq!(world.get("/dispatchers/v1/?eq(tags,c)").await.body["data"], json!([]));

    let change = json!({"eventType": "user_gone", "name": "wiper", "actions": []});
    assert_eq!(world.put(&path, change).await.body["affectedRecords"], 1);
    let changed = world.get(&path).await.body;
    assert_eq!(
        (&changed["eventType"], &changed["name"], &changed["description"]),
        (&json!("user_gone"), &json!("wiper"), &json!("d"))
    );
    assert_eq!(changed["actions"], created.body["actions"]);
    world.publish(&event("e1", "user_deleted", json!({}))).await;
    world.publish(&event("e2", "user_gone", json!({}))).await;
    assert_eq!(world.states("e1").await, "unmatched ");
    assert_eq!(world.states("e2").await, "succeeded [wipe:succeeded]");

    assert_eq!(world.delete(&path).await.body, json!({"affectedRecords": 1}));
    assert_eq!(world.get(&path).await.body["code"], 16);
    assert_eq!(world.delete(&path).await.status, 404);
    assert_eq!(world.get("/dispatchers/v1").await.body["page"]["total"], 0);
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
    assert_eq!(world.put(&path, json!({"filter": filter(2)})).await.status, 200);
    assert_eq!(states("e2").await, "[other:succeeded] succeeded");
    assert_eq!(world.put(&path, json!({"filter": null})).await.status, 200);
    assert_eq!(states("e3").await, both);
    assert_eq!(world.delete(&path).await.status, 200);
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
    let taken = world.post("/dispatchers/v1", body("first")).await;
    assert_eq!((taken.status, &taken.body["code"]), (400, &json!(17)));
    let path = format!("/dispatchers/v1/{second}");
    let taken = world.put(&path, json!({"name": "first", "eventType": "f"})).await;
    assert_eq!((taken.status, &taken.body["code"]), (400, &json!(17)));
    assert_eq!(world.get(&path).await.body["eventType"], "e", "a refused change changes nothing");
    assert_eq!(world.put(&path, json!({"name": null})).await.status, 200);
    world.dispatcher(body("second")).await;
}

#[tokio::test]
async fn actions_are_added_changed_and_removed_one_by_one() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let path = format!("/dispatchers/v1/{id}/actions");
    let added = world.post(&path, task("b", &["a"])).await;
    assert_eq!((added.status, &added.body["name"]), (200, &json!("b")));
    let added = format!("{path}/{}", added.body["id"].as_str().unwrap());
    assert_eq!(world.post(&path, task("b", &[])).await.body["code"], 15, "names are unique");
    let changed = world.put(&added, json!({"functionName": "f", "dependencies": null})).await;
    assert_eq!(changed.body["affectedRecords"], 1);
    assert_eq!(world.put(&added, json!({"type": "mail"})).await.body["code"], 15);
    let actions = world.get(&format!("/dispatchers/v1/{id}")).await.body["actions"].clone();
    assert_eq!((&actions[1]["functionName"], &actions[1]["dependencies"]), (&json!("f"), &Value::Null));
    assert_eq!(world.delete(&added).await.body, json!({"affectedRecords": 1}));
    assert_eq!(world.delete(&added).await.body["code"], 16);
    assert_eq!(world.delete(&format!("{path}/x")).await.body["code"], 12);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let path = format!("/dispatchers/v1/{id}/actions");
    let add = (0..4).map(|n| world.post(&path, task(&format!("b{n}"), &[])).boxed_local());
    let answers = futures::future::join_all(add).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let dispatcher = world.get(&format!("/dispatchers/v1/{id}")).await.body;
    assert_eq!((dispatcher["actions"].as_array().unwrap().len(), &dispatcher["version"]), (5, &json!(5)));
}

#[tokio::test]
async fn every_route_needs_its_permission() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let one = format!("/dispatchers/v1/{id}");
    let check = async |permission: &str, method: &str, path: &str| {
        let refused = world.call_as(TENANT, &["OTHER"], method, path, json!({})).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{method} {path}");
        let allowed = world.call_as(TENANT, &[permission], method, path, json!({})).await;
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
    let explain = async |event: Value| world.post(&format!("/dispatchers/v1/{id}/explain"), event).await.body;
    let matching = explain(json!({"type": "paid", "content": {"total": 101}})).await;
    assert_eq!(matching, json!({"matches": true, "steps": [{"name": "a", "type": "task", "state": "starts"}]}));
    let small = explain(json!({"type": "paid", "content": {"total": 12}})).await;
    assert_eq!((&small["matches"], &small["mismatch"]["path"]), (&json!(false), &json!("content.total")));
    assert!(small["message"].as_str().unwrap().contains("12"), "{small}");
    assert_eq!(explain(json!({"type": "paid", "content": {"total": 1_767_323_045_678_i64}})).await["matches"], true);
    assert_eq!(explain(json!({"type": "paid", "content": {"total": 100.000_000_1}})).await["matches"], true);
    let text = explain(json!({"type": "paid", "content": {"total": "120"}})).await;
    assert_eq!(text["mismatch"]["reason"], "not_comparable", "{text}");
    assert!(text["message"].as_str().unwrap().contains("\"120\", which cannot be compared"), "{text}");
    let other = explain(json!({"type": "lost"})).await;
    assert!(other["message"].as_str().unwrap().contains("`paid`"), "{other}");
}

#[tokio::test]
async fn a_dispatcher_that_is_switched_off_matches_nothing_and_its_runs_go_on() {
    let world = World::new().await;
    world.reply("a", Reply::Wait);
    let body = json!({"eventType": "paid", "actions": [task("a", &[]), task("b", &["a"])]});
    let path = format!("/dispatchers/v1/{}", world.dispatcher(body.clone()).await);
    assert_eq!(world.get(&path).await.body["enabled"], true);
    world.publish(&event("e1", "paid", json!({}))).await;
    assert_eq!(world.put(&path, json!({"enabled": false})).await.status, 200);
    assert_eq!(world.get("/dispatchers/v1?eq(enabled,false)").await.body["page"]["total"], 1);
    world.publish(&event("e2", "paid", json!({}))).await;
    assert_eq!(world.states("e2").await, "unmatched ");
    world.publish_answer(&succeeded(world.command("a").unwrap().id, json!(1))).await;
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded b:succeeded]");
    let explained = world.post(&format!("{path}/explain"), json!({"type": "paid"})).await.body;
    assert_eq!(explained["matches"], false);
    assert!(explained["message"].as_str().unwrap().contains("switched off"), "{explained}");
    assert_eq!(world.put(&path, json!({"enabled": true})).await.status, 200);
    world.publish(&event("e3", "paid", json!({}))).await;
    assert_eq!(world.states("e3").await, "waiting [a:waiting b:pending]");
    let mut off = body;
    off["enabled"] = json!(false);
    let off = world.post("/dispatchers/v1", off).await.body;
    assert_eq!(off["enabled"], false);
}

#[tokio::test]
async fn a_body_has_no_field_that_is_not_understood() {
    let world = World::new().await;
    let id = world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    let path = format!("/dispatchers/v1/{id}");
    let action = world.get(&path).await.body["actions"][0]["id"].as_str().unwrap().to_owned();
    let before = world.get(&path).await.body;
    let check = |answer: harness::Answer, part: &str| {
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!((answer.status, message.contains(part)), (400, true), "{part}: {}", answer.body);
    };
    let actions = json!([task("a", &[])]);
    let new = json!({"eventType": "e", "actions": actions, "filtre": {}});
    check(world.post("/dispatchers/v1", new).await, "unknown field `filtre`: did you mean `filter`?");
    let sms = json!({"eventType": "e", "actions": [{"type": "sms"}]});
    check(world.post("/dispatchers/v1", sms).await, "`actions[0].type` has the unknown value `sms`");
    check(world.put(&path, json!({"enabeld": false})).await, "unknown field `enabeld`: did you mean `enabled`?");
    check(world.put(&path, json!([])).await, "the body must be an object");
    let path_of_actions = format!("{path}/actions");
    let typo = json!({"type": "task", "functionname": "f"});
    check(world.post(&path_of_actions, typo).await, "unknown field `functionname`: did you mean `functionName`?");
    check(world.post(&path_of_actions, json!(["task"])).await, "the body must be an object");
    let of_action = format!("{path_of_actions}/{action}");
    check(world.put(&of_action, json!({"frobnicate": 1})).await, "frobnicate");
    check(world.put(&of_action, json!({"retry": {"frobnicate": 1}})).await, "frobnicate");
    let explain = format!("{path}/explain");
    check(world.post(&explain, json!({"content": {}})).await, "`type` is required");
    check(world.post(&explain, json!({"type": "e", "contnet": {}})).await, "did you mean `content`?");
    check(world.post(&explain, json!({"type": "e", "trace": {"frobnicate": 1}})).await, "frobnicate");
    check(world.post("/events/v1", json!({"type": "e", "contnet": {}})).await, "did you mean `content`?");
    check(world.get("/dispatchers/v1?eq(nmae,x)").await, "did you mean `name`?");
    assert_eq!(world.get(&path).await.body, before);
}

#[tokio::test]
async fn what_clients_send_back_is_ignored() {
    let world = World::new().await;
    let path =
        format!("/dispatchers/v1/{}", world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await);
    let before = world.get(&path).await.body;
    // A client that sends back what it has read, with one change; its actions have their own routes.
    let mut sent = before.clone();
    sent["description"] = json!("new");
    sent["warnings"] = json!(["something"]);
    sent["actions"] = json!([{"type": "mail", "templateName": "t"}]);
    assert_eq!(world.put(&path, sent).await.body["affectedRecords"], 1);
    let after = world.get(&path).await.body;
    assert_eq!(
        (&after["description"], &after["actions"], &after["id"]),
        (&json!("new"), &before["actions"], &before["id"])
    );
    assert_eq!((&after["creationTimestamp"], &after["version"]), (&before["creationTimestamp"], &json!(2)));
    // A copy is a dispatcher of its own, with actions of its own.
    let copy = world.post("/dispatchers/v1", before.clone()).await.body;
    assert_ne!((&copy["id"], &copy["actions"][0]["id"]), (&before["id"], &before["actions"][0]["id"]));
    let action = &before["actions"][0];
    let of_action = format!("{path}/actions/{}", action["id"].as_str().unwrap());
    assert_eq!(world.put(&of_action, action.clone()).await.body["affectedRecords"], 1);
    let mut added = task("b", &[]);
    added["warnings"] = json!(["something"]);
    let added = world.post(&format!("{path}/actions"), added).await.body;
    let of_added = format!("{path}/actions/{}", added["id"].as_str().unwrap());
    assert_eq!(world.put(&of_added, added.clone()).await.body["affectedRecords"], 1);
}

#[tokio::test]
async fn a_condition_that_can_never_hold_is_a_warning() {
    let world = World::new().await;
    let after = |first: &str, name: &str, condition: Value| json!({"type": "http", "name": name, "url": "https://a.test", "dependencies": [first], "condition": condition});
    let step = |name: &str, condition: Value| after("first", name, condition);
    let body = json!({"eventType": "e", "filter": {"content": {"n": [{"numeric": [">", 100]}]}}, "actions": [
        {"type": "http", "name": "first", "url": "https://a.test", "onFailure": "continue"},
        step("unknown", json!({"steps": {"nope": {"status": ["succeeded"]}}})),
        step("status", json!({"steps": {"first": {"status": ["sucess"]}}})),
        step("filter", json!({"event": {"content": {"n": [{"numeric": ["<", 50]}]}}})),
        step("fine", json!({"steps": {"first": {"status": ["failed"]}}, "event": {"content": {"n": [200]}}})),
        after("fine", "blocked", json!({"steps": {"fine": {"status": ["failed", "skipped"]}}})),
        after("fine", "not blocked", json!({"steps": {"fine": {"status": ["succeeded"]}, "first": {"status": ["failed"]}}})),
    ]});
    let created = world.post("/dispatchers/v1", body).await.body;
    let warnings: Vec<&str> =
        created["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let expected = [
        (1, "can never hold"),
        (2, "can never hold"),
        (3, "can hold only where a field of the event is a list"),
        (5, "can never hold"),
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, (index, why)) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(&format!("`actions[{index}].condition`: ")) && warning.contains(why), "{warning}");
    }
}

#[tokio::test]
async fn a_change_of_a_dispatcher_says_what_it_leaves_unreachable_and_what_it_leaves_as_it_is() {
    let world = World::new().await;
    let filtered = |filter: Value| json!({"eventType": "w.1", "filter": filter, "actions": [task("a", &[])]});
    let never = "`filter`: No event of the type `w.1` can pass the filter of";
    let is_never = |answer: &Value| answer["warnings"].to_string().contains(never);
    assert!(is_never(&world.post("/dispatchers/v1", filtered(json!({"type": ["w.2"]}))).await.body));
    let created = world.post("/dispatchers/v1", filtered(json!({"type": ["w.1"]}))).await.body;
    assert!(!is_never(&created), "{created}");
    let path = format!("/dispatchers/v1/{}", created["id"].as_str().unwrap());
    assert!(is_never(&world.put(&path, json!({"filter": {"type": ["w.2"]}})).await.body));
    assert!(is_never(&world.put(&path, json!({"enabled": false})).await.body));
    assert_eq!(world.put(&path, json!({"filter": null})).await.body, json!({"affectedRecords": 1}));

    let read = world.get(&path).await.body;
    assert_eq!(
        world.put(&path, read.clone()).await.body,
        json!({"affectedRecords": 1}),
        "what was read may be sent back"
    );
    let mut mended = read;
    mended["actions"][0]["functionName"] = json!("mended");
    let warnings = world.put(&path, mended).await.body["warnings"].clone();
    assert!(warnings.to_string().contains("`actions` stay as they are"), "{warnings}");
    assert_ne!(world.get(&path).await.body["actions"][0]["functionName"], "mended");
}

#[tokio::test]
async fn a_name_that_nothing_has_yet_is_a_warning() {
    let world = World::new().await;
    let (functions, channels) = (world.table("FUNCTIONS_TABLE"), world.table("CHANNELS_TABLE"));
    functions.put(&json!({"tenantId": TENANT, "name": "here"})).await.unwrap();
    functions.put(&json!({"tenantId": "other", "name": "there"})).await.unwrap();
    channels.put(&json!({"channelId": "c1", "tenantId": TENANT})).await.unwrap();
    channels.put(&json!({"channelId": "c2", "tenantId": "other"})).await.unwrap();
    let message = |channel: &str| json!({"type": "message", "channelId": channel, "to": "1", "content": "x"});
    let body = json!({"eventType": "e", "actions": [
        task("here", &[]), task("there", &[]), message("c1"), message("c2"), task("{{ event.content.name }}", &[]),
        {"type": "http", "url": "https://a.test"},
    ]});
    let created = world.post("/dispatchers/v1", body).await.body;
    let expected = json!([
        "`actions[1].functionName`: no function `there` exists",
        "`actions[3].channelId`: no channel `c2` exists"
    ]);
    assert_eq!(created["warnings"], expected);
    let path = format!("/dispatchers/v1/{}", created["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.body["warnings"], Value::Null, "warnings are of an answer, not of the record");
    let added = world.post(&format!("{path}/actions"), task("later", &[])).await.body;
    assert_eq!(added["warnings"], json!(["`actions[6].functionName`: no function `later` exists"]));
    let of_action = format!("{path}/actions/{}", added["id"].as_str().unwrap());
    let changed = world.put(&of_action, json!({"functionName": "gone"})).await.body;
    assert_eq!(changed["warnings"], json!(["`actions[6].functionName`: no function `gone` exists"]));
    assert_eq!(world.put(&of_action, json!({"functionName": "here"})).await.body, json!({"affectedRecords": 1}));
    world.emulator.throttle("dynamodb.GetItem", 100);
    let created = world.post("/dispatchers/v1", json!({"eventType": "e", "actions": [task("here", &[])]})).await;
    assert_eq!(created.status, 200, "it is written whether or not anybody can tell what exists: {}", created.body);
}

#[tokio::test]
async fn the_description_names_every_parameter_and_field() {
    let world = World::new().await;
    let document = json!(world.function(crate::world::FUNCTION).openapi());
    for (path, item) in document["paths"].as_object().unwrap() {
        let expected: Vec<_> = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let named: Vec<_> = parameters.filter(|one| one["in"] == "path").map(|one| text(&one["name"])).collect();
            assert_eq!(named, expected, "{method} {path}");
        }
    }
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["DispatcherBody"]["required"], json!(["eventType", "actions"]));
    assert!(schemas["DispatcherChange"]["required"].is_null());
    assert!(schemas["Dispatcher"].to_string().contains("DispatcherBody"), "{}", schemas["Dispatcher"]);
    assert_eq!(schemas["Attempt"]["properties"]["requestedAt"]["format"], "date-time");
}

#[tokio::test]
async fn text_in_braces_is_kept_and_what_looks_like_a_placeholder_is_a_warning() {
    let world = World::new().await;
    let data = json!({"a": "{{name}} {{#if x}}", "b": [r"^\{{2}x$"], "c": "{{ evnet.content.x }}", "d": "{{ event.content.x }}"});
    let action = json!({"type": "http", "method": "POST", "url": "https://example.com", "body": data});
    let created = world.post("/dispatchers/v1", json!({"eventType": "e", "actions": [action]})).await.body;
    let expected = json!(["`actions[0].body.c`: `{{ evnet.content.x }}` stays as text: did you mean `event`?"]);
    assert_eq!(created["warnings"], expected, "{created}");
    assert_eq!(created["actions"][0]["body"], data);
    let many = json!({"type": "http", "method": "POST", "url": "https://example.com", "body": {"a": "{{ evnet.a }}".repeat(500)}});
    let created = world.post("/dispatchers/v1", json!({"eventType": "e", "actions": [many]})).await.body;
    assert_eq!(created["warnings"].as_array().unwrap().len(), 20, "{created}");
    let check = async |action: Value, part: &str| {
        let answer = world.post("/dispatchers/v1", json!({"eventType": "e", "actions": [action]})).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!((answer.status, message.contains(part)), (400, true), "{part}: {}", answer.body);
    };
    let http = |field: &str, value: &str| {
        let mut action = json!({"type": "http", "url": "https://a.test"});
        action[field] = json!(value);
        action
    };
    check(http("url", "{{name}}"), "`actions[0].url` must be a URL of http or https").await;
    check(http("method", "{{name}}"), "`actions[0].method` has the unknown value `{{name}}`").await;
    check(http("method", "TRACE"), "`actions[0].method` has the unknown value `TRACE`").await;
    check(http("method", "connect"), "`actions[0].method` has the unknown value `connect`").await;
    check(http("body", &format!("{{{{ event.content.x {}}}}}", "| json ".repeat(28))), "more than 16 filters").await;
    check(http("body", "{{ event.content.x | shuot }}"), r"(`\{{` begins a text)").await;
}

#[tokio::test]
async fn a_product_or_an_access_tag_that_is_not_there_is_a_warning() {
    let world = World::new().await;
    let apps = world.table("APPS_TABLE");
    apps.put(&json!({"owner": TENANT, "record": "product#shop"})).await.unwrap();
    apps.put(&json!({"owner": format!("{TENANT}#shop"), "record": "access#crm"})).await.unwrap();
    apps.put(&json!({"owner": "other", "record": "product#theirs"})).await.unwrap();
    let action = |product: &str, app: &str| json!({"type": "action", "env": "prd", "product": product, "app": app, "action": "run"});
    let body = json!({"eventType": "e", "actions": [
        action("shop", "crm"), action("shop", "erp"), action("theirs", "crm"), action("{{ event.content.name }}", "crm"),
    ]});
    let created = world.post("/dispatchers/v1", body).await.body;
    let expected =
        json!(["`actions[1].app`: no access tag `erp` exists", "`actions[2].product`: no product `theirs` exists",]);
    assert_eq!(created["warnings"], expected, "{created}");
    let found = world.get("/dispatchers/v1/graph").await.body;
    let missing = found["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == "TARGET_UNKNOWN");
    assert_eq!(missing.count(), 2, "{found:#}");
}
