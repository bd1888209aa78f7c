//! Templates over HTTP.

use harness::{Answer, Request, World};
use serde_json::{Value, json};

const ROOT: &str = "/templates/v2/";

async fn world() -> World {
    World::builder().function("MailFunction", mail::function).open().await
}

fn welcome(name: &str) -> Value {
    json!({
        "name": name, "description": "The first mail.",
        "inputs": {"first_name": {"type": "string"}},
        "outputs": {"subject": "Welcome", "body": "<p>{{@inputs.first_name}}</p>"},
    })
}

async fn call(world: &World, tenant: &str, permissions: &[&str], method: &str, path: &str, body: Value) -> Answer {
    let token = world.token(tenant, permissions).await;
    let request = Request::new(method, path).bearer(&token);
    world.send(if body.is_null() { request } else { request.json(body) }).await
}

#[tokio::test]
async fn a_template_is_created_listed_changed_resolved_and_deleted() {
    let world = world().await;
    let created = world.post(ROOT, welcome("welcome")).await;
    let id = created.body["id"].as_str().unwrap().to_owned();
    let mut shown = welcome("welcome");
    let time = "2026-01-02T03:04:05.678Z";
    shown["id"] = json!(id);
    shown["creationTimestamp"] = json!(time);
    shown["updateTimestamp"] = json!(time);
    assert_eq!((created.status, &created.body), (200, &shown));
    for query in ["", "?eq(name,welcome)", &format!("?eq(id,{id})"), "?like(description,first)&limit(50)"] {
        let list = world.get(&format!("{ROOT}{query}")).await.body;
        assert_eq!((&list["data"], &list["page"]["total"]), (&json!([shown]), &json!(1)), "{query}");
    }
    assert_eq!(world.get(&format!("{ROOT}?eq(inputs.first_name.type,string)")).await.body["page"]["total"], 1);
    assert_eq!(world.get(&format!("{ROOT}?eq(name,other)")).await.body["page"]["total"], 0);
    // As the command line sends it back.
    let mut whole = welcome("welcome");
    whole["description"] = Value::Null;
    whole["$schema"] = json!("https://example.com/Template.json");
    let changed = world.put(&format!("{ROOT}{id}"), whole).await;
    assert_eq!((changed.status, changed.body), (200, json!({"affectedRecords": 1})));
    for name in [&id, "welcome"] {
        let body = json!({"language": "EN", "timeZone": "UTC", "inputs": {"first_name": "A&B"}});
        let resolved = world.post(&format!("{ROOT}{name}/resolve"), body).await;
        assert_eq!((resolved.status, resolved.body), (200, json!({"subject": "Welcome", "body": "<p>A&amp;B</p>"})));
    }
    assert_eq!(world.get(ROOT).await.body["data"][0].get("description"), None);
    assert_eq!(world.delete(&format!("{ROOT}welcome")).await.body, json!({"affectedRecords": 1}));
    assert_eq!(world.delete(&format!("{ROOT}{id}")).await.status, 404);
    assert_eq!(world.get(ROOT).await.body["page"]["total"], 0);
    assert!(world.items("TEMPLATES_TABLE").await.is_empty(), "nothing is left");
}

#[tokio::test]
async fn names_are_unique_and_can_change() {
    let world = world().await;
    world.post(ROOT, welcome("one")).await;
    world.post(ROOT, welcome("two")).await;
    let again = world.post(ROOT, welcome("one")).await;
    assert_eq!((again.status, &again.body["code"]), (400, &json!(17)));
    let taken = world.put("/templates/v2/two", json!({"name": "one"})).await;
    assert_eq!((taken.status, &taken.body["code"]), (400, &json!(17)));
    assert_eq!(world.put("/templates/v2/two", json!({"name": "three"})).await.status, 200);
    assert_eq!(world.post("/templates/v2/two/resolve", json!({})).await.status, 404);
    let resolved = world.post("/templates/v2/three/resolve", json!({"inputs": {"first_name": "x"}})).await;
    assert_eq!(resolved.status, 200);
    assert_eq!(world.post(ROOT, welcome("two")).await.status, 200, "the old name is free");
    let names = world.get(&format!("{ROOT}?select(name)&sort(-name)")).await.body;
    assert_eq!(names["data"], json!([{"name": "two"}, {"name": "three"}, {"name": "one"}]));
}

#[tokio::test]
async fn bad_templates_and_inputs_are_refused_and_say_why() {
    let world = world().await;
    let check = async |changes: Value, code: u32, message: &str| {
        let mut body = welcome("bad");
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = world.post(ROOT, body).await;
        let text = answer.body["message"].as_str().unwrap();
        assert!(
            answer.status == 400 && answer.body["code"] == code && text.contains(message),
            "{changes}: {}",
            answer.body
        );
    };
    check(json!({"name": "1st"}), 15, "`name` must begin with a letter").await;
    check(json!({"name": "a".repeat(51)}), 15, "`name`").await;
    check(json!({"outputs": {}}), 15, "`outputs` must have 1 to 50 entries").await;
    check(json!({"outputs": {"a b": "x"}}), 15, "`outputs.a b`").await;
    check(json!({"outputs": {"body": ""}}), 15, "`outputs.body` must not be empty").await;
    check(json!({"outputs": {"body": 5}}), 15, "`outputs.body` must be a string").await;
    check(json!({"output": {"body": "x"}}), 15, "did you mean `outputs`").await;
    check(json!({"inputs": {"a": {"type": "strng"}}}), 15, "`inputs.a.type`").await;
    check(json!({"inputs": {"a": {"type": "object"}}}), 14, "`inputs.a.properties` is required").await;
    check(json!({"outputs": {"body": "{{#if a}}"}}), 1004, "`outputs.body`").await;
    check(json!({"outputs": {"body": "{{@inputs.frist_name}}"}}), 1004, "did you mean `first_name`?").await;
    let translations = json!({"greeting": {"EN": "Hi"}});
    let outputs = json!({"body": "{{t 'greetin'}}"});
    check(json!({"outputs": outputs, "translations": translations}), 1004, "did you mean `greeting`?").await;
    check(json!({"outputs": {"body": "x".repeat(350_000)}}), 22, "at most 350000").await;
    check(json!({"translations": {"a": {"not a language": "x"}}}), 15, "must be a language tag").await;
    world.post(ROOT, welcome("good")).await;
    let resolve = async |body: Value, code: u32| {
        let answer = world.post("/templates/v2/good/resolve", body.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(code)), "{body}");
    };
    resolve(json!({}), 1003).await;
    resolve(json!({"inputs": {"first_name": 5}}), 1003).await;
    resolve(json!({"inputs": {"first_name": "x"}, "language": "!"}), 15).await;
    resolve(json!({"inputs": {"first_name": "x"}, "timeZone": "Mars"}), 15).await;
    resolve(json!({"input": {"first_name": "x"}}), 15).await;
}

/// The command line knows no translations: it writes a template without them, and does not take them away later.
#[tokio::test]
async fn translations_can_be_written_after_the_template_and_stay() {
    let world = world().await;
    let mut body = welcome("greeting");
    body["outputs"] = json!({"text": "{{t 'hello' name=@inputs.first_name}}"});
    assert_eq!(world.post(ROOT, body.clone()).await.status, 200);
    let resolve = async || {
        let inputs = json!({"language": "NL", "inputs": {"first_name": "Ada"}});
        world.post("/templates/v2/greeting/resolve", inputs).await.body
    };
    let refused = resolve().await;
    assert_eq!((&refused["code"], &refused["resolveError"]["output"]), (&json!(1005), &json!("text")));
    let translations = json!({"translations": {"hello": {"NL": "Dag {{name}}"}}});
    assert_eq!(world.put("/templates/v2/greeting", translations).await.status, 200);
    assert_eq!(resolve().await, json!({"text": "Dag Ada"}));
    assert_eq!(world.put("/templates/v2/greeting", body).await.status, 200);
    assert_eq!(resolve().await, json!({"text": "Dag Ada"}));
}

#[tokio::test]
async fn another_tenant_sees_and_changes_nothing() {
    let world = world().await;
    let id = world.post(ROOT, welcome("welcome")).await.body["id"].as_str().unwrap().to_owned();
    for name in [id.as_str(), "welcome", "%23name%23welcome"] {
        let path = format!("{ROOT}{name}");
        let own = json!({"inputs": {"first_name": "x"}});
        let resolved = call(&world, "other", &["*"], "POST", &format!("{path}/resolve"), own).await;
        let changed = call(&world, "other", &["*"], "PUT", &path, json!({"description": "x"})).await;
        let deleted = call(&world, "other", &["*"], "DELETE", &path, Value::Null).await;
        assert_eq!((resolved.status, changed.status, deleted.status), (404, 404, 404), "{name}");
        assert_eq!(resolved.body["code"], 16);
    }
    assert_eq!(call(&world, "other", &["*"], "GET", ROOT, Value::Null).await.body["page"]["total"], 0);
    assert_eq!(call(&world, "other", &["*"], "POST", ROOT, welcome("welcome")).await.status, 200);
    assert_eq!(world.get(ROOT).await.body["page"]["total"], 1);
}

#[tokio::test]
async fn permissions_are_those_of_the_template_service() {
    let world = world().await;
    world.post(ROOT, welcome("welcome")).await;
    let body = json!({"inputs": {"first_name": "x"}});
    let check = async |permissions: &[&str], method: &str, path: &str, body: Value, expected: u16| {
        let answer = call(&world, "default", permissions, method, path, body).await;
        assert_eq!(answer.status, expected, "{permissions:?} {method} {path}: {}", answer.body);
    };
    let resolve = "/templates/v2/welcome/resolve";
    check(&["RESOLVE_TEMPLATES"], "POST", resolve, body.clone(), 200).await;
    check(&["RESOLVE_TEMPLATES:welcome"], "POST", resolve, body.clone(), 200).await;
    check(&["RESOLVE_TEMPLATES:other"], "POST", resolve, body.clone(), 401).await;
    check(&["VIEW_TEMPLATES"], "POST", resolve, body, 401).await;
    check(&["CREATE_TEMPLATES"], "GET", ROOT, Value::Null, 401).await;
    check(&["VIEW_TEMPLATES"], "POST", ROOT, welcome("x"), 401).await;
    check(&["VIEW_TEMPLATES"], "PUT", "/templates/v2/welcome", json!({"description": "x"}), 401).await;
    check(&["UPDATE_TEMPLATES"], "DELETE", "/templates/v2/welcome", Value::Null, 401).await;
    check(&["VIEW_TEMPLATES"], "GET", "/templates/v2/health", Value::Null, 200).await;
}

#[tokio::test]
async fn version_1_is_a_service_that_does_not_exist() {
    let world = world().await;
    for path in ["/templates/v1/", "/templates/v1/?eq(name,welcome)"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!(903)), "{path}");
    }
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_done() {
    let world = world().await;
    world.post(ROOT, welcome("welcome")).await;
    let fields =
        [json!({"description": "changed"}), json!({"outputs": {"subject": "changed"}}), json!({"inputs": null})];
    let outputs = json!({"outputs": {"subject": "x", "body": "y"}});
    world.put("/templates/v2/welcome", outputs).await;
    let changes = fields.into_iter().map(|change| world.put("/templates/v2/welcome", change));
    for answer in futures::future::join_all(changes).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let after = &world.get(ROOT).await.body["data"][0];
    assert_eq!((&after["description"], &after["outputs"]), (&json!("changed"), &json!({"subject": "changed"})));
    assert_eq!(after.get("inputs"), None);
}
