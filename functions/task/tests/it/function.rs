//! Functions over HTTP.

use serde_json::{Value, json};

use crate::support::{TASK, World};

#[tokio::test]
async fn a_function_is_created_shown_changed_and_deleted() {
    let world = World::new().await;
    let created = world
        .post(
            "/tasks/v1/functions/",
            json!({
                "name": "wipe", "code": "exports.main = () => process.env.KEY", "description": "d", "timeLimit": 10,
                "environmentVariables": {"KEY": {"value": "v"}}, "executionOptions": {"defaultPriority": 3},
            }),
        )
        .await;
    let expected = json!({
        "name": "wipe", "code": "exports.main = () => process.env.KEY", "description": "d", "timeLimit": 10,
        "memoryLimit": 128, "environmentVariables": {"KEY": {"value": "*****"}},
        "executionOptions": {"defaultPriority": 3}, "journal": true, "isolation": "fresh", "enabled": true,
        "version": 1,
        "creationTimestamp": "2026-01-02T03:04:05.678Z", "updateTimestamp": "2026-01-02T03:04:05.678Z",
    });
    assert_eq!((created.status, &created.body), (200, &expected));
    assert_eq!(world.get("/tasks/v1/functions/wipe").await.body, expected);
    let summary = json!({"name": "wipe", "description": "d", "updateTimestamp": "2026-01-02T03:04:05.678Z"});
    let list = json!({"page": {"total": 1, "offset": 0, "limit": 1}, "data": [summary]});
    assert_eq!(world.get("/tasks/v1/functions/").await.body, list);
    let changed = world.put("/tasks/v1/functions/wipe", json!({"timeLimit": 20})).await;
    assert_eq!((changed.status, changed.body), (200, json!({"affectedRecords": 1})));
    assert_eq!(world.get("/tasks/v1/functions/wipe").await.body["timeLimit"], 20);
    assert_eq!(world.post("/tasks/v1/", json!({"functionName": "wipe"})).await.body["priority"], 3);
    let deleted = world.delete("/tasks/v1/functions/wipe").await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"affectedRecords": 1})));
    assert_eq!(world.delete("/tasks/v1/functions/wipe").await.status, 404);
    assert_eq!(world.get("/tasks/v1/functions/wipe").await.status, 404);
}

#[tokio::test]
async fn a_change_holds_for_the_next_task() {
    let world = World::new().await;
    let result = async |step: &str| -> Value {
        world.request(step, json!({"functionName": "f"})).await;
        let answer = world.answer(step).await;
        answer.get("output").or(answer.get("error")).cloned().unwrap()
    };
    world.script("f", "exports.main = () => 1").await;
    assert_eq!(result("a").await, json!(1));
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => 2"})).await;
    assert_eq!(result("b").await, json!(2));
    world.post("/tasks/v1/functions/f/disable", json!({})).await;
    assert_eq!(result("c").await["name"], "FunctionDisabled");
    world.post("/tasks/v1/functions/f/enable", json!({})).await;
    assert_eq!(result("d").await, json!(2));
    world.delete("/tasks/v1/functions/f").await;
    assert_eq!(result("e").await["name"], "FunctionNotFound");
}

#[tokio::test]
async fn wrong_functions_are_refused_with_their_codes() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let check = async |body: Value, code: u64| {
        let answer = world.post("/tasks/v1/functions/", body.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(code)), "{body}: {}", answer.body);
    };
    check(json!({"name": "f", "code": "exports.main = () => 1"}), 17).await;
    check(json!({"name": "a b", "code": "exports.main = () => 1"}), 1407).await;
    check(json!({"name": "g", "code": "exports.main = ("}), 1401).await;
    check(json!({"name": "g", "code": "await 1; export default 1"}), 1401).await;
    check(json!({"name": "g", "code": "}); for(;;){} ; (function(){"}), 1401).await;
    check(json!({"name": "g", "code": "exports.main = () => 1", "timeLimit": 301}), 1402).await;
    check(json!({"name": "g"}), 14).await;
    check(json!({"name": "g", "code": 5}), 15).await;
    assert_eq!(world.put("/tasks/v1/functions/nowhere", json!({})).await.status, 404);
    assert_eq!(world.put("/tasks/v1/functions/f", json!({"code": ""})).await.body["code"], 1401);
    assert_eq!(world.post("/tasks/v1/functions/nowhere/enable", json!({})).await.status, 404);
}

#[tokio::test]
async fn an_empty_list_has_pages_with_room() {
    let world = World::new().await;
    let list = world.get("/tasks/v1/functions/").await.body;
    assert_eq!(list, json!({"page": {"total": 0, "offset": 0, "limit": 20}, "data": []}));
}

#[tokio::test]
async fn an_entry_point_that_cannot_be_there_is_refused() {
    let world = World::new().await;
    let module = "export const handler = () => 1; export const other = 2";
    let create = async |name: &str, entry_point: &str, code: &str| {
        let body = json!({"name": name, "code": code, "entryPoint": entry_point});
        world.post("/tasks/v1/functions/", body).await
    };
    for wrong in ["", " ", ".", "a..b", "index.", ".handler", "/handler", "a//b.c", "../a.b", "a/b", "a b", "a.b\n"] {
        let answer = create("f", wrong, module).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(15)), "{wrong:?}");
        assert!(
            answer.body["message"].as_str().unwrap().starts_with("`entryPoint` must be the name"),
            "{}",
            answer.body
        );
    }
    let answer = create("f", "index.nope", module).await;
    assert_eq!(answer.body["code"], 1401);
    let message = "`code` cannot be run: the script exports no function `nope`; it exports `handler`, `other`";
    assert_eq!(answer.body["message"], message);
    let plain = create("f", "nope", "function handler() {}").await.body["message"].clone();
    assert_eq!(plain, "`code` cannot be run: the script exports no function `nope`; it exports nothing");
    assert_eq!(create("f", "index.handler", module).await.status, 200);
    assert_eq!(
        create("late", "nope", "module.exports = make(); function make() { return { ['no' + 'pe']: () => 1 } }")
            .await
            .status,
        200
    );
    for change in [json!({"entryPoint": "nope"}), json!({"code": "export const gone = 1"})] {
        let answer = world.put("/tasks/v1/functions/f", change.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(1401)), "{change}");
    }
    assert_eq!(world.put("/tasks/v1/functions/f", json!({"entryPoint": "a..b"})).await.body["code"], 15);
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["version"], 1);
}

#[tokio::test]
async fn a_runtime_is_any_name_but_nearly_that_of_lambda() {
    let world = World::new().await;
    for (number, (runtime, is_fine)) in [
        ("nodejs20.x", true),
        ("python3.12", true),
        ("script", true),
        ("Lambda", false),
        ("lamdba", false),
        ("", false),
        (" ", false),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"name": format!("f{number}"), "code": "exports.main = () => 1", "runtime": runtime});
        let answer = world.post("/tasks/v1/functions/", body).await;
        assert_eq!(answer.status == 200, is_fine, "{runtime:?}: {}", answer.body);
        assert!(is_fine || answer.body["message"].as_str().unwrap().starts_with("`runtime` "), "{}", answer.body);
    }
}

#[tokio::test]
async fn code_that_cannot_be_compiled_is_refused_with_its_line() {
    let world = World::new().await;
    let code = "export default () => {\n  return 1 +;\n}";
    let answer = world.post("/tasks/v1/functions/", json!({"name": "f", "code": code})).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!(1401)));
    assert!(answer.body["message"].as_str().unwrap().contains("f.js:2:13"), "{}", answer.body);
}

/// A function `f` that returns its environment, with two variables.
async fn with_variables(world: &World) {
    let variables = json!({"KEY": {"value": "planted-one"}, "OTHER": {"value": "planted-two"}});
    let body = json!({"name": "f", "code": "exports.main = () => process.env", "environmentVariables": variables});
    let created = world.post("/tasks/v1/functions/", body).await;
    assert_eq!(created.status, 200, "{}", created.body);
    assert!(!created.body.to_string().contains("planted"), "{}", created.body);
}

/// Changes the key ring, as an operator does, and starts every process again.
async fn change_ring(world: &World, ring: &Value) {
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let secret = world.environment(TASK).config.required("KEY_RING_SECRET").unwrap();
    client.put_secret_value().secret_id(secret).secret_string(ring.to_string()).send().await.unwrap();
    world.restart();
}

async fn environment(world: &World, step: &str) -> Value {
    world.request(step, json!({"functionName": "f"})).await;
    world.answer(step).await["output"].clone()
}

#[tokio::test]
async fn environment_variables_are_sealed_at_rest_and_masked_in_answers() {
    let world = World::new().await;
    with_variables(&world).await;
    assert_eq!(environment(&world, "a").await, json!({"KEY": "planted-one", "OTHER": "planted-two"}));
    let masked = json!({"KEY": {"value": "*****"}, "OTHER": {"value": "*****"}});
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["environmentVariables"], masked);
    assert!(!world.get("/tasks/v1/functions/").await.body.to_string().contains("planted"));
    let records = world.items("FUNCTIONS_TABLE").await;
    assert!(!json!(records).to_string().contains("planted"), "{records:?}");
    world.restart();
    assert_eq!(environment(&world, "b").await, json!({"KEY": "planted-one", "OTHER": "planted-two"}));
}

#[tokio::test]
async fn a_masked_value_in_a_change_keeps_the_one_that_is_there() {
    let world = World::new().await;
    with_variables(&world).await;
    let path = "/tasks/v1/functions/f";
    // As a client does that changes what it was shown.
    let mut shown = world.get(path).await.body;
    shown["environmentVariables"]["NEW"] = json!({"value": "three"});
    assert_eq!(world.put(path, shown).await.status, 200);
    let expected = json!({"KEY": "planted-one", "NEW": "three", "OTHER": "planted-two"});
    assert_eq!(environment(&world, "a").await, expected);
    world.put(path, json!({"description": "d"})).await;
    assert_eq!(environment(&world, "b").await, expected);
    world.put(path, json!({"environmentVariables": {"KEY": {"value": "*****"}, "NEW": {"value": "3"}}})).await;
    assert_eq!(environment(&world, "c").await, json!({"KEY": "planted-one", "NEW": "3"}));
    world.put(path, json!({"environmentVariables": {}})).await;
    assert_eq!(environment(&world, "d").await, json!({}));
    let unknown = world.put(path, json!({"environmentVariables": {"KEY": {"value": "*****"}}})).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (400, &json!(15)), "{}", unknown.body);
}

#[tokio::test]
async fn environment_variables_are_sealed_again_after_the_rotation_of_keys() {
    let world = World::new().await;
    with_variables(&world).await;
    world.script("without", "exports.main = () => 1").await;
    let before = world.items("FUNCTIONS_TABLE").await;
    let rotated = world.post("/tasks/v1/functions/rotate", json!({})).await;
    assert_eq!((rotated.status, rotated.body), (200, json!({"resealed": 0, "more": false})));
    assert_eq!(world.items("FUNCTIONS_TABLE").await, before);
    let mut ring: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    let old = ring["current"].as_str().unwrap().to_owned();
    ring["new"] = "another key material of sufficient length, 0123456789".into();
    ring["current"] = "new".into();
    change_ring(&world, &ring).await;
    let rotated = world.post("/tasks/v1/functions/rotate", json!({})).await;
    // The function and its version.
    assert_eq!(rotated.body, json!({"resealed": 2, "more": false}));
    let after = world.items("FUNCTIONS_TABLE").await;
    let sealed = after.iter().find(|function| function["name"] == "f").unwrap();
    assert_eq!(sealed["keyVersion"], "new");
    ring.as_object_mut().unwrap().remove(&old);
    change_ring(&world, &ring).await;
    assert_eq!(environment(&world, "a").await, json!({"KEY": "planted-one", "OTHER": "planted-two"}));
}

#[tokio::test]
async fn tasks_share_a_realm_only_if_their_function_says_so() {
    let world = World::new().await;
    let code = "let runs = 0; exports.main = () => ++runs";
    let results = async |step: &str| -> [Value; 2] {
        [world.outcome(&format!("{step}-1"), "f").await, world.outcome(&format!("{step}-2"), "f").await]
    };
    world.script("f", code).await;
    assert_eq!(results("fresh").await, [1, 1]);
    let changed = world.put("/tasks/v1/functions/f", json!({"isolation": "warm"})).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["isolation"], "warm");
    assert_eq!(results("warm").await, [1, 2]);
    world.put("/tasks/v1/functions/f", json!({"description": "the same version"})).await;
    world.put("/tasks/v1/functions/f", json!({"code": format!("{code};")})).await;
    assert_eq!(results("next").await, [1, 2], "another version starts afresh");
}

#[tokio::test]
async fn an_isolation_that_cannot_be_is_refused() {
    let world = World::new().await;
    let code = "exports.main = () => 1";
    let target = json!({"functionName": "other"});
    let credentials = json!({"permissions": ["VIEW_TASKS"]});
    for body in [
        json!({"name": "f", "code": code, "isolation": "hot"}),
        json!({"name": "f", "code": code, "isolation": 1}),
        json!({"name": "f", "code": code, "isolation": "warm", "executionCredentials": credentials}),
        json!({"name": "f", "runtime": "lambda", "lambda": target, "isolation": "warm"}),
    ] {
        let answer = world.post("/tasks/v1/functions/", body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body["message"].as_str().unwrap().contains("isolation"), "{}", answer.body);
    }
    world.post("/tasks/v1/functions/", json!({"name": "f", "code": code, "isolation": "warm"})).await;
    let later = world.put("/tasks/v1/functions/f", json!({"executionCredentials": credentials})).await;
    assert_eq!(later.status, 400, "{}", later.body);
}
