//! Every route's body: nothing is accepted that is not understood.

use harness::Request;
use serde_json::{Map, Value, json};

use crate::house::{Client, Route, filled, open, resolved, routes, valid_body};

const CODE: &str = "exports.main = () => 1";

/// The document that the runtime serves, and the routes whose bodies are ours.
pub(crate) async fn with_bodies() -> (Value, Vec<Route>) {
    let options = local::Options {
        listen: ([127, 0, 0, 1], 0).into(),
        data: std::env::temp_dir(),
        base_url: None,
        callback_path_prefix: None,
        allow_cidr: Vec::new(),
        cors_origins: Vec::new(),
        event_budget: None,
        access_token_seconds: None,
        open_registration: None,
        lambda_endpoint: None,
        mail_from: "hookyard@localhost".to_owned(),
        smtp: None,
        dynamodb_port: None,
        durability: emulator::Durability::Process,
        max_connections: None,
    };
    let document: Value = serde_json::from_str(&local::openapi(options).await.unwrap()).unwrap();
    let routes = routes(&document).into_iter().filter(|route| route.body.is_some() && !route.is_public).collect();
    (document, routes)
}

#[tokio::test]
async fn an_unknown_field_of_any_body_is_refused_by_name() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    let records = client.furnish(CODE).await;
    let (document, routes) = with_bodies().await;
    assert!(routes.len() > 12, "{routes:?}");
    // The periodic tasks keep every field that they do not know.
    for route in routes.into_iter().filter(|route| !route.path.starts_with("/api/v1/")) {
        let path = filled(&route.path, &records);
        let valid = valid_body(&route).unwrap();
        let mut bodies = vec![with(&valid, "frobnicate", json!(1))];
        // Only its type says which fields an action has.
        if valid["type"] != "http" {
            bodies.push(json!({"frobnicate": 1}));
        }
        // The objects inside the body have fields that are known as well.
        let schema = resolved(&document, route.body.as_ref().unwrap());
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            if object(&document, inner) {
                bodies.push(with(&valid, name, json!({"frobnicate": 1})));
            }
        }
        for body in bodies {
            let answer = client.send(&route.method, &path, Some(body.clone())).await;
            let message = answer.body["message"].as_str().unwrap_or_default();
            let is_named = answer.status == 400 && message.contains("frobnicate");
            assert!(is_named, "{} {path} {body}: {} {}", route.method, answer.status, answer.body);
        }
    }
}

#[tokio::test]
async fn a_route_without_a_body_refuses_one() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    let records = client.furnish(CODE).await;
    let (document, _) = with_bodies().await;
    // Functions behind a route take what they please, and so did the service whose clients use the periodic tasks.
    // There is no second factor, whatever is sent.
    let free = ["/tasks/v1/api/", "/api/v1/", "/auth/v2/oauth1/tokens/mfa"];
    let is_free = |path: &str| free.iter().any(|free| path.starts_with(free));
    let takes_none = |route: &Route| {
        let operation = &document["paths"][&route.path][route.method.to_lowercase()];
        route.method != "GET" && operation["requestBody"].is_null() && !route.is_public && !is_free(&route.path)
    };
    let routes: Vec<Route> = routes(&document).into_iter().filter(takes_none).collect();
    assert!(routes.len() > 40, "{routes:?}");
    for route in routes {
        let path = filled(&route.path, &records);
        let answer = client.send(&route.method, &path, Some(json!({"frobnicate": 1}))).await;
        assert_eq!(answer.status, 400, "{} {path}: {}", route.method, answer.body);
        assert_eq!(answer.body["message"], "this route takes no body", "{} {path}", route.method);
    }
    let path = filled("/dispatchers/v1/{id}", &records);
    assert_eq!(client.send("GET", &path, None).await.status, 200, "nothing was done");
    for body in ["", " ", "{}", "null"] {
        let request = Request::new("POST", "/dispatchers/v1/rotate").bearer(&client.token).body(body);
        let answer = world.send(request.header("content-type", "application/json")).await;
        assert_eq!(answer.status, 200, "{body:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_list_refuses_a_field_that_its_items_do_not_have() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    let records = client.furnish(CODE).await;
    let (document, _) = with_bodies().await;
    let is_list = |route: &Route| {
        let answer =
            &document["paths"][&route.path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        route.method == "GET" && answer["$ref"].as_str().is_some_and(|name| name.contains("/List_"))
    };
    let lists: Vec<Route> = routes(&document).into_iter().filter(is_list).collect();
    assert!(lists.len() > 25, "{lists:?}");
    for list in lists {
        let path = filled(&list.path, &records);
        for query in ["eq(frobnicate,1)", "sort(frobnicate)", "select(frobnicate)"] {
            let answer = client.send("GET", &format!("{path}?{query}"), None).await;
            let message = answer.body["message"].as_str().unwrap_or_default();
            assert!(answer.status == 400 && message.contains("frobnicate"), "{path}?{query}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn no_body_is_an_array_or_nests_deeper_than_64_levels() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    let records = client.furnish(CODE).await;
    for route in with_bodies().await.1 {
        let path = filled(&route.path, &records);
        let deep = (0..65).fold(json!(1), |inner, _| json!([inner]));
        for body in [Value::Null, json!([]), json!([1, 2]), json!("text"), with(&json!({}), "deep", deep)] {
            let answer = client.send(&route.method, &path, Some(body.clone())).await;
            let message = answer.body["message"].as_str().unwrap_or_default();
            let is_refused = answer.status == 400 && !message.is_empty();
            assert!(is_refused, "{} {path} {body}: {} {}", route.method, answer.status, answer.body);
            for internal in ["struct ", "untagged", "variant", "sequence", "is no "] {
                assert!(!message.contains(internal), "{} {path}: {message}", route.method);
            }
        }
    }
}

#[tokio::test]
async fn what_a_new_user_mistypes_is_refused_with_what_was_probably_meant() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    let records = client.furnish(CODE).await;
    let check = async |method: &str, path: &str, body: Value, parts: &[&str]| {
        let answer = client.send(method, &filled(path, &records), Some(body.clone())).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert!(parts.iter().all(|part| message.contains(part)), "{body}: {message}");
    };
    let action = json!({"type": "task", "functionName": "f"});
    let dispatcher = |more: Value| {
        let mut body = json!({"eventType": "a.b", "actions": [action]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let create = "/dispatchers/v1";
    check("POST", create, dispatcher(json!({"filtre": {}})), &["`filtre`", "`filter`"]).await;
    for unserved in ["htpt", "sms", "mails"] {
        let actions = json!([{"type": unserved, "url": "https://a.test"}]);
        check("POST", create, dispatcher(json!({"actions": actions})), &["actions[0].type", unserved]).await;
    }
    let wait = json!([{"type": "callback", "action": "wait"}]);
    check("POST", create, dispatcher(json!({"actions": wait})), &["`actions[0].id`"]).await;
    let poke = json!([{"type": "callback", "action": "poke"}]);
    check("POST", create, dispatcher(json!({"actions": poke})), &["actions[0].action", "poke"]).await;
    let data = json!([{"type": "task", "functionName": "f", "data": [1]}]);
    check("POST", create, dispatcher(json!({"actions": data})), &["actions[0].data", "an object"]).await;
    let start = json!([{"type": "task", "functionName": "f", "startTimestamp": "soon"}]);
    check("POST", create, dispatcher(json!({"actions": start})), &["actions[0].startTimestamp", "a time"]).await;
    check("POST", "/clients", json!({"name": "c", "permissions": ["VIEW_EVENT"]}), &["VIEW_EVENT", "VIEW_EVENTS"])
        .await;
    check("PUT", "/channels/{channelId}", json!({"secret": "x"}), &["`secret`"]).await;
    check("POST", "/channels", json!({"platform": "slcak", "unsigned": true}), &["`slack`"]).await;
    check("POST", "/tasks/v1", json!({"functionName": "f", "startTimestamp": true}), &["startTimestamp", "a time"])
        .await;
    check(
        "POST",
        "/tasks/v1/functions",
        json!({"name": "g", "code": CODE, "environmentVariables": {"A": "b"}}),
        &["environmentVariables.A", "an object"],
    )
    .await;
    check("POST", "/callbacks", json!([{"type": "object"}, 60]), &["an object"]).await;
    for (path, query) in
        [("/dispatchers/v1", "eq(nmae,d)"), ("/tasks/v1", "eq(statsu,new)"), ("/clients", "sort(-nmae)")]
    {
        let answer = client.get(&format!("{path}?{query}")).await;
        assert!(answer["message"].as_str().unwrap_or_default().contains("did you mean"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_dispatcher_that_is_switched_off_runs_on_nothing() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    let records = client.furnish(CODE).await;
    let path = filled("/dispatchers/v1/{id}", &records);
    for is_enabled in [false, true] {
        let changed = client.send("PUT", &path, Some(json!({"enabled": is_enabled}))).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        assert_eq!(client.get(&path).await["enabled"], is_enabled);
        let event = client.post("/events/v1", json!({"type": "thing.happened"})).await;
        world.idle().await;
        let run = client.get(&format!("/runs/{}", event["id"].as_str().unwrap())).await;
        assert_eq!(run["outcome"], if is_enabled { "succeeded" } else { "unmatched" }, "{run}");
    }
}

#[tokio::test]
async fn a_name_that_nothing_has_yet_is_a_warning() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    let body = json!({"eventType": "a.b", "actions": [
        {"type": "task", "name": "one", "functionName": "later"},
        {"type": "message", "name": "two", "channelId": "0f8fad5b-d9cb-469f-a165-70867728950e", "to": "1", "content": "x"},
        {"type": "task", "name": "three", "functionName": "{{ event.content.name }}"},
    ]});
    let created = client.post("/dispatchers/v1", body.clone()).await;
    let warnings = created["warnings"].to_string();
    assert!(warnings.contains("actions[0]") && warnings.contains("`later`"), "{created}");
    assert!(warnings.contains("actions[1]") && !warnings.contains("actions[2]"), "{created}");
    client.post("/tasks/v1/functions", json!({"name": "later", "code": CODE})).await;
    let created = client.post("/dispatchers/v1", body).await;
    assert!(!created["warnings"].to_string().contains("`later`"), "{created}");
}

#[tokio::test]
async fn a_key_stands_for_one_event_and_nothing_else() {
    let world = open().await;
    let token = world.token("acme", &["*"]).await;
    let publish = async |body: Value| {
        let request = Request::new("POST", "/events/v1").bearer(&token).header("idempotency-key", "k");
        let answer = world.send(request.json(body)).await;
        world.idle().await;
        answer
    };
    let first = publish(json!({"type": "a.b", "content": {"n": 1}})).await;
    world.advance(5).await;
    assert_eq!(publish(json!({"type": "a.b", "content": {"n": 1}})).await.body["id"], first.body["id"]);
    for other in [json!({"type": "a.b", "content": {"n": 2}}), json!({"type": "a.c", "content": {"n": 1}})] {
        let refused = publish(other).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body["message"].as_str().unwrap().contains("another event"), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_path_that_is_not_text_is_refused_like_everything_else() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    for path in ["/runs/%ff", "/tasks/v1/%ff", "/clients/%ff"] {
        let answer = client.send("GET", path, None).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(26)), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_list_of_functions_takes_a_query() {
    let world = open().await;
    let client = Client::of(&world, "acme").await;
    client.furnish(CODE).await;
    for (query, total) in [("", 1), ("?eq(name,f)", 1), ("?eq(name,g)", 0)] {
        assert_eq!(client.get(&format!("/tasks/v1/functions{query}")).await["page"]["total"], total, "{query}");
    }
    let refused = client.get("/tasks/v1/functions?eq(nmae,f)").await;
    assert!(refused["message"].as_str().unwrap().contains("did you mean `name`?"), "{refused}");
}

fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut members: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    members.insert(name.to_owned(), value);
    Value::Object(members)
}

/// Whether a property is an object with known fields, perhaps one that may be null.
fn object(document: &Value, schema: &Value) -> bool {
    let schema = resolved(document, schema);
    let is_object = schema["properties"].is_object() && schema["additionalProperties"].is_null();
    let parts = schema["oneOf"].as_array().into_iter().flatten();
    is_object || parts.into_iter().any(|part| object(document, part))
}
