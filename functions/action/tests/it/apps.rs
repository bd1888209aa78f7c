//! Apps, actions, products and access tags over HTTP.

use futures::future::join_all;
use harness::{Answer, World};
use serde_json::{Value, json};

async fn world() -> World {
    World::builder().function("ActionFunction", action::function).open().await
}

fn app(tag: &str) -> Value {
    json!({
        "tag": tag, "name": "CRM",
        "envs": [{"slug": "prd", "env_name": "production", "base_url": "https://api.example.com/v1", "active": true}],
        "auths": [{"tag": "key", "setup_type": "api_key", "key_name": "X-Api-Key", "in": "header"}],
        "constants": [{"key": "limit", "value": 50, "type": "number"}],
        "variables": [{"key": "region", "type": "string"}],
    })
}

fn action(tag: &str) -> Value {
    json!({"tag": tag, "method": "post", "resource": "/teams/:team/users", "body": [{"key": "email", "type": "email_string"}]})
}

async fn created(world: &World, path: &str, body: Value) -> Value {
    let answer = world.post(path, body).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

/// Sets a member that need not be there.
fn set(body: &mut Value, pointer: &str, value: Value) {
    let (owner, member) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(owner).unwrap()[member] = value;
}

/// Asserts that a request is refused with a message that has these parts.
fn refused(answer: &Answer, parts: &[&str]) {
    let message = answer.body["message"].as_str().unwrap_or_default();
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(parts.iter().all(|part| message.contains(part)), "{message} has not all of {parts:?}");
}

#[tokio::test]
async fn an_app_is_created_shown_changed_and_deleted() {
    let world = world().await;
    let body = created(&world, "/apps", app("crm")).await;
    assert_eq!((&body["tag"], &body["envs"][0]["request_type"]), (&json!("crm"), &json!("JSON")));
    let shown = world.get("/apps/crm").await.body;
    assert_eq!((&shown["auths"][0]["in"], &shown["constants"][0]["value"]), (&json!("header"), &json!(50)));
    refused(&world.post("/apps", app("crm")).await, &["`crm` exists already"]);
    // What was read can be sent back, and what is absent stays.
    assert_eq!(world.put("/apps/crm", shown.clone()).await.status, 200);
    let changed = world.put("/apps/crm", json!({"description": "d", "constants": null})).await.body;
    assert_eq!(
        (&changed["description"], &changed["constants"], &changed["name"]),
        (&json!("d"), &json!([]), &json!("CRM"))
    );
    refused(&world.put("/apps/crm", json!({"tag": "other"})).await, &["`tag` cannot be changed"]);
    let list = world.get("/apps?eq(name,CRM)").await.body;
    assert_eq!((&list["page"]["total"], &list["data"][0]["tag"]), (&json!(1), &json!("crm")));
    assert_eq!(world.delete("/apps/crm").await.body["affectedRecords"], 1);
    for answer in
        [world.get("/apps/crm").await, world.delete("/apps/crm").await, world.put("/apps/crm", json!({})).await]
    {
        assert_eq!(answer.status, 404, "{}", answer.body);
    }
}

#[tokio::test]
async fn an_app_that_breaks_a_rule_is_refused_with_the_path_of_the_field() {
    let world = world().await;
    let check = async |pointer: &str, value: Value, parts: &[&str]| {
        let mut body = app("crm");
        set(&mut body, pointer, value);
        refused(&world.post("/apps", body).await, parts);
    };
    check("/tag", json!("a b"), &["`tag`", "letters"]).await;
    check("/tag", json!("a#b"), &["`tag`"]).await;
    check("/name", json!("x".repeat(201)), &["`name`", "200"]).await;
    check("/description", json!("x".repeat(4_001)), &["`description`"]).await;
    check("/envs/0/slug", json!("prod"), &["`envs[0].slug`", "three"]).await;
    check("/envs/0/base_url", json!("https://u:p@a.test"), &["`envs[0].base_url`", "credentials"]).await;
    check("/envs/0/base_url", json!("https://$Variable{crm}{host}"), &["`envs[0].base_url`", "placeholders"]).await;
    check("/envs/0/base_url", json!("file:///etc/passwd"), &["`envs[0].base_url`"]).await;
    check("/envs/0/request_type", json!("JSN"), &["`envs[0].request_type`", "did you mean `JSON`"]).await;
    check("/envs", json!([app("a")["envs"][0], app("a")["envs"][0]]), &["`envs[1].slug`", "twice"]).await;
    check("/auths/0/setup_type", json!("oauth2"), &["`auths[0]`", "token_url"]).await;
    check("/auths/0/key_name", json!("Content-Length"), &["`auths[0].key_name`"]).await;
    check("/auths/0/haeders", json!({}), &["`auths[0]`: unknown field `haeders`: did you mean `headers`?"]).await;
    check("/constants/0/value", json!("many"), &["`constants[0].value` must be a number"]).await;
    check("/constants/0/type", json!("nubmer"), &["`constants[0].type`", "did you mean `number`"]).await;
    check("/variables", json!([{"key": "a"}, {"key": "a"}]), &["`variables[1].key`", "twice"]).await;
    check("/retries", json!({"max": 21}), &["`retries.max`"]).await;
    check("/retries", json!({"max": 1, "policy": {"99": {"available": true}}}), &["`retries.policy.99`"]).await;
    check("/health", json!({"action_tag": "ping", "interval": 90_000}), &["`health.interval`", "minutes"]).await;
    check("/evns", json!([]), &["unknown field `evns`: did you mean `envs`?"]).await;
    check("/actions", json!([{"tag": "a", "method": "GET", "resource": "a"}]), &["`actions[0].resource`"]).await;
    assert_eq!(world.get("/apps").await.body["page"]["total"], 0);
}

#[tokio::test]
async fn a_policy_of_retries_is_kept_by_status() {
    let world = world().await;
    let mut body = app("crm");
    body["retries"] = json!({"max": 3, "policy": {"503": {"available": true, "lag": 100}}});
    let shown = created(&world, "/apps", body.clone()).await;
    assert_eq!(shown["retries"], body["retries"]);
    assert_eq!(world.get("/apps/crm").await.body["retries"], body["retries"]);
}

#[tokio::test]
async fn an_auth_or_probe_whose_action_does_not_exist_is_kept_with_a_warning() {
    let world = world().await;
    let mut body = app("crm");
    body["auths"] = json!([{"tag": "login", "setup_type": "credential_access", "action_tag": "login", "expiry": 1, "period": "hours"}]);
    body["health"] = json!({"action_tag": "ping", "interval": 60_000});
    body["actions"] = json!([{"tag": "ping", "method": "GET", "resource": "/"}]);
    let warnings = created(&world, "/apps", body).await["warnings"].clone();
    assert_eq!(warnings, json!(["`auths[0].action_tag`: the app has no action `login` yet"]));
    created(&world, "/apps/crm/actions", action("login")).await;
    let updated = world.put("/apps/crm", json!({"name": "n"})).await.body;
    assert_eq!(updated.get("warnings"), None, "{updated}");
}

#[tokio::test]
async fn an_action_is_created_shown_changed_and_deleted() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    let body = created(&world, "/apps/crm/actions", action("add")).await;
    assert_eq!((&body["method"], &body["params"][0]["key"]), (&json!("POST"), &json!("team")));
    assert_eq!(body["params"][0]["required"], true);
    refused(&world.post("/apps/crm/actions", action("add")).await, &["`add` exists already"]);
    let shown = world.get("/apps/crm/actions/add").await.body;
    assert_eq!(world.put("/apps/crm/actions/add", shown).await.status, 200);
    let changed = world.put("/apps/crm/actions/add", json!({"name": "Add", "resource": "/v2/:org/users"})).await.body;
    assert_eq!((&changed["params"][0]["key"], &changed["name"]), (&json!("org"), &json!("Add")));
    assert_eq!(changed["params"].as_array().unwrap().len(), 1);
    assert_eq!(changed["body"][0]["type"], "email_string");
    assert_eq!(world.delete("/apps/crm/actions/add").await.status, 200);
    for answer in [
        world.get("/apps/crm/actions/add").await,
        world.delete("/apps/crm/actions/add").await,
        world.put("/apps/crm/actions/add", json!({})).await,
        world.get("/apps/nothing/actions").await,
        world.post("/apps/nothing/actions", action("a")).await,
        world.get("/apps/a%23b/actions/a").await,
    ] {
        assert_eq!(answer.status, 404, "{}", answer.body);
    }
}

#[tokio::test]
async fn an_action_that_breaks_a_rule_is_refused_with_the_path_of_the_field() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    let nested = |levels: usize| {
        (0..levels).fold(json!({"key": "leaf"}), |inner, _| json!({"key": "k", "type": "object", "fields": [inner]}))
    };
    let many: Vec<Value> = (0..1_001).map(|n| json!({"key": format!("k{n}")})).collect();
    let check = async |change: Value, parts: &[&str]| {
        let mut body = action("a");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        refused(&world.post("/apps/crm/actions", body).await, parts);
    };
    check(json!({"resource": "https://evil.test/"}), &["`resource`", "`/`"]).await;
    check(json!({"resource": "/a?b=1"}), &["`resource`", "`query`"]).await;
    check(json!({"method": "GTE"}), &["`method`", "did you mean `GET`"]).await;
    check(json!({"method": "CONNECT"}), &["`method`"]).await;
    check(json!({"params": [{"key": "other"}]}), &["`params[0].key`", "`:other`"]).await;
    check(json!({"base_url": "a.test"}), &["`base_url`"]).await;
    check(json!({"headers": [{"key": "x y"}]}), &["`headers[0].key`"]).await;
    check(json!({"headers": [{"key": "X-A"}, {"key": "x-a"}]}), &["`headers[1].key`", "twice"]).await;
    check(json!({"headers": [{"key": "host"}]}), &["`headers[0].key`"]).await;
    check(
        json!({"query": [{"key": "a", "type": "string", "defaultValue": 1}]}),
        &["`query[0].defaultValue` must be a string"],
    )
    .await;
    check(
        json!({"query": [{"key": "a", "type": "array-uuid", "defaultValue": ["x"]}]}),
        &["`query[0].defaultValue`", "UUID", "element 0"],
    )
    .await;
    check(json!({"body": [{"key": "a", "minLength": 5, "maxLength": 4}]}), &["`body[0].minLength`"]).await;
    check(json!({"body": [{"key": "a", "type": "boolean", "minLength": 5}]}), &["`body[0].minLength`", "no length"])
        .await;
    check(json!({"body": [{"key": "a", "type": "string", "fields": [{"key": "b"}]}]}), &["`body[0].fields`"]).await;
    check(
        json!({"body": [{"key": "a", "type": "object", "fields": [{"key": "b"}, {"key": "b"}]}]}),
        &["`body[0].fields[1].key`", "twice"],
    )
    .await;
    check(
        json!({"body": [{"key": "a", "requierd": true}]}),
        &["`body[0]`: unknown field `requierd`: did you mean `required`?"],
    )
    .await;
    check(json!({"body": [{"key": "a{b}"}]}), &["`body[0].key`"]).await;
    check(json!({"body": [nested(10)]}), &["10 levels"]).await;
    check(json!({"body": many}), &["1000 fields"]).await;
    check(json!({"body": [{"key": "a", "sampleValue": "x".repeat(400_000)}]}), &["bytes"]).await;
    let mut deepest = action("deepest");
    deepest["body"] = json!([nested(9)]);
    created(&world, "/apps/crm/actions", deepest.clone()).await;
    assert_eq!(world.get("/apps/crm/actions/deepest").await.body["body"], deepest["body"].clone_with_defaults());
}

/// What answers add to fields.
trait WithDefaults {
    fn clone_with_defaults(&self) -> Value;
}

impl WithDefaults for Value {
    fn clone_with_defaults(&self) -> Value {
        let fields = self.as_array().unwrap().iter().map(|field| {
            let mut field = field.clone();
            let members = field.as_object_mut().unwrap();
            members.entry("required").or_insert(json!(false));
            members.entry("type").or_insert(json!("any"));
            if let Some(inner) = members.get("fields").cloned() {
                members.insert("fields".to_owned(), inner.clone_with_defaults());
            }
            field
        });
        fields.collect()
    }
}

#[tokio::test]
async fn hundreds_of_actions_are_listed_in_pages_and_go_with_their_app() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    for n in 0..120 {
        created(&world, "/apps/crm/actions", action(&format!("action_{n:03}"))).await;
    }
    let page = world.get("/apps/crm/actions?limit(50,100)").await.body;
    assert_eq!((&page["page"]["total"], page["data"].as_array().unwrap().len()), (&json!(120), 20));
    assert_eq!(page["data"][0]["tag"], "action_100");
    let found = world.get("/apps/crm/actions?eq(tag,action_007)&select(tag,method)").await.body;
    assert_eq!(found["data"], json!([{"tag": "action_007", "method": "POST"}]));
    assert_eq!(world.delete("/apps/crm").await.status, 200);
    created(&world, "/apps", app("crm")).await;
    assert_eq!(world.get("/apps/crm/actions").await.body["page"]["total"], 0);
}

#[tokio::test]
async fn a_deletion_that_was_interrupted_leaves_nothing_to_a_new_app_of_the_tag() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    created(&world, "/apps/crm/actions", action("old")).await;
    // The app goes with the first transaction, its actions with the next one, which fails.
    world.emulator.pass("dynamodb.TransactWriteItems", 1);
    world.emulator.throttle("dynamodb.TransactWriteItems", 3);
    assert_eq!(world.delete("/apps/crm").await.status, 503);
    assert_eq!(world.get("/apps/crm/actions/old").await.status, 404);
    created(&world, "/apps", app("crm")).await;
    assert_eq!(world.get("/apps/crm/actions").await.body["page"]["total"], 0);
    created(&world, "/apps/crm/actions", action("new")).await;
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept_and_one_of_two_creations_wins() {
    let world = world().await;
    let answers = join_all((0..8).map(|_| world.post("/apps", app("crm")))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let answers = join_all((0..10).map(|n| world.post("/apps/crm/actions", action(&format!("a{n}"))))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(world.get("/apps/crm/actions").await.body["page"]["total"], 10);
    let fields = ["name", "description"];
    let changes = fields.map(|field| world.put("/apps/crm", json!({field: field})).to_owned_future());
    for answer in join_all(changes).await {
        assert_eq!(answer.status, 200);
    }
    let shown = world.get("/apps/crm").await.body;
    assert_eq!((&shown["name"], &shown["description"]), (&json!("name"), &json!("description")));
}

/// Futures of several types in one list.
trait Owned: Sized {
    fn to_owned_future(self) -> std::pin::Pin<Box<Self>>;
}

impl<F: Future> Owned for F {
    fn to_owned_future(self) -> std::pin::Pin<Box<Self>> {
        Box::pin(self)
    }
}

fn product() -> Value {
    json!({"tag": "shop", "name": "Shop", "envs": [{"slug": "dev"}, {"slug": "prd"}]})
}

fn connection() -> Value {
    json!({"app": "crm", "envs": [{
        "product_env_slug": "dev", "app_env_slug": "prd", "variables": [{"key": "region", "value": "eu"}],
        "auth": [{"auth_tag": "key", "data": {"key": "planted-secret"}}],
    }]})
}

#[tokio::test]
async fn an_app_is_connected_several_times_under_different_access_tags() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    created(&world, "/products", product()).await;
    let one = created(&world, "/products/shop/apps", connection()).await;
    let two = created(&world, "/products/shop/apps", connection()).await;
    assert_eq!((&one["access_tag"], &two["access_tag"]), (&json!("shop.crm"), &json!("shop.crm-2")));
    assert_eq!(one["envs"][0]["auth"], json!([{"auth_tag": "key", "configured": true}]));
    let mut chosen = connection();
    chosen["access_tag"] = json!("europe");
    created(&world, "/products/shop/apps", chosen.clone()).await;
    refused(&world.post("/products/shop/apps", chosen).await, &["`europe` exists already"]);
    let list = world.get("/products/shop/apps").await.body;
    assert_eq!(list["page"]["total"], 3);
    assert!(!list.to_string().contains("planted-secret"), "{list}");
    assert_eq!(world.get("/products/shop").await.body["access_tags"], 3);
    refused(&world.delete("/apps/crm").await, &["`shop.crm` of `shop`", "`europe` of `shop`"]);
    refused(&world.delete("/products/shop").await, &["`europe`", "`shop.crm`"]);
    refused(&world.put("/products/shop", json!({"envs": [{"slug": "prd"}]})).await, &["`envs`", "`dev`"]);
    for access_tag in ["shop.crm", "shop.crm-2", "europe"] {
        assert_eq!(world.delete(&format!("/products/shop/apps/{access_tag}")).await.status, 200);
    }
    assert_eq!(world.delete("/products/shop/apps/europe").await.status, 404);
    assert_eq!(world.delete("/apps/crm").await.status, 200);
    assert_eq!(world.delete("/products/shop").await.status, 200);
}

#[tokio::test]
async fn credentials_go_with_their_access_tag_however_they_were_given() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    created(&world, "/products", product()).await;
    let connection =
        json!({"app": "crm", "access_tag": "crm", "envs": [{"product_env_slug": "dev", "app_env_slug": "prd"}]});
    created(&world, "/products/shop/apps", connection.clone()).await;
    let path = "/products/shop/apps/crm/credentials/dev/key";
    let put = world.put(path, json!({"data": {"key": "planted-secret"}})).await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(world.delete("/products/shop/apps/crm").await.status, 200);
    assert_eq!(world.items("CREDENTIALS_TABLE").await, Vec::<Value>::new());
    created(&world, "/products/shop/apps", connection).await;
    assert_eq!(world.put(path, json!({"data": {"key": "planted-secret"}})).await.status, 200);
    assert_eq!(world.put("/products/shop/apps/crm", json!({"envs": []})).await.status, 200);
    assert_eq!(world.items("CREDENTIALS_TABLE").await, Vec::<Value>::new());
}

#[tokio::test]
async fn credentials_stay_until_they_are_replaced_or_left_out() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    created(&world, "/products", product()).await;
    let path = "/products/shop/apps/shop.crm";
    created(&world, "/products/shop/apps", connection()).await;
    // What was read can be sent back: the credentials stay.
    let shown = world.get(path).await.body;
    let again = world.put(path, shown.clone()).await;
    assert_eq!((again.status, &again.body["envs"]), (200, &shown["envs"]), "{}", again.body);
    // In another environment of the app they would be others.
    created(&world, "/apps", json!({"tag": "x"})).await;
    let envs = json!([{"slug": "prd", "base_url": "https://a.test"}, {"slug": "stg", "base_url": "https://b.test"}]);
    assert_eq!(world.put("/apps/crm", json!({"envs": envs})).await.status, 200);
    let mut moved = shown["envs"].clone();
    moved[0]["app_env_slug"] = json!("stg");
    let missing = world.put(path, json!({"envs": moved})).await;
    refused(&missing, &["`envs[0].auth[0].data` is required"]);
    moved[0]["auth"] = json!([]);
    let without = world.put(path, json!({"envs": moved})).await.body;
    assert_eq!(without["envs"][0].get("auth"), None, "{without}");
    refused(&world.put(path, json!({"app": "x"})).await, &["`app` cannot be changed"]);
    refused(&world.put(path, json!({"access_tag": "x"})).await, &["`access_tag` cannot be changed"]);
}

#[tokio::test]
async fn an_access_tag_that_breaks_a_rule_is_refused_with_the_path_of_the_field() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    created(&world, "/products", product()).await;
    let check = async |pointer: &str, value: Value, parts: &[&str]| {
        let mut body = connection();
        set(&mut body, pointer, value);
        let answer = world.post("/products/shop/apps", body).await;
        refused(&answer, parts);
        assert!(!answer.body.to_string().contains("planted-secret"), "{}", answer.body);
    };
    check("/app", json!("crn"), &["`app`", "`crn`"]).await;
    check("/app", Value::Null, &["`app`"]).await;
    check("/envs/0/product_env_slug", json!("dve"), &["`envs[0].product_env_slug`", "`dve`"]).await;
    check("/envs/0/app_env_slug", json!("stg"), &["`envs[0].app_env_slug`", "`prd`"]).await;
    check("/envs/0/variables/0/key", json!("regoin"), &["`envs[0].variables[0].key`", "did you mean `region`"]).await;
    check("/envs/0/variables/0/value", json!(1), &["`envs[0].variables[0].value` must be a string"]).await;
    check("/envs/0/auth/0/auth_tag", json!("kye"), &["`envs[0].auth[0].auth_tag`", "did you mean `key`"]).await;
    check("/envs/0/auth/0/data", json!("planted-secret"), &["`envs[0].auth[0].data` must be an object"]).await;
    check("/envs/0/auth/0/data", json!({}), &["`envs[0].auth[0].data`", "at least one field"]).await;
    check("/fallbacks", json!([{"app": "other", "evnet": "x"}]), &["`fallbacks[0]`", "did you mean `event`"]).await;
    let answer = world.post("/products/shop/apps", json!({"app": "crm", "fallbacks": [{"app": "other"}]})).await;
    assert!(answer.body["warnings"].to_string().contains("fallbacks[0].app"), "{}", answer.body);
    let answer = world
        .post("/products/shop/apps", json!({"app": "crm", "access_tag": "self", "fallbacks": [{"app": "self"}]}))
        .await;
    refused(&answer, &["`fallbacks[0].app`", "itself"]);
    refused(&world.post("/products", json!({"tag": "empty", "envs": []})).await, &["`envs`"]);
    let twice = json!({"tag": "twice", "envs": [{"slug": "dev"}, {"slug": "dev"}]});
    refused(&world.post("/products", twice).await, &["`envs[1].slug`", "twice"]);
}

#[tokio::test]
async fn connecting_and_deleting_at_the_same_time_leave_no_access_tag_without_its_app() {
    for _ in 0..5 {
        let world = world().await;
        created(&world, "/apps", app("crm")).await;
        created(&world, "/products", product()).await;
        let (connected, deleted) =
            tokio::join!(world.post("/products/shop/apps", connection()), world.delete("/apps/crm"));
        assert_ne!(connected.status == 200, deleted.status == 200, "{} {}", connected.body, deleted.body);
        let app = world.get("/apps/crm").await.status;
        let access_tags = world.get("/products/shop/apps").await.body["page"]["total"].clone();
        assert!(
            (app, &access_tags) == (200, &json!(1)) || (app, &access_tags) == (404, &json!(0)),
            "{app} {access_tags}"
        );
    }
}

#[tokio::test]
async fn another_tenant_sees_and_changes_nothing() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    created(&world, "/products", product()).await;
    created(&world, "/products/shop/apps", connection()).await;
    let token = world.token("other", &["*"]).await;
    let send = async |method: &str, path: &str, body: Option<Value>| {
        let request = harness::Request::new(method, path).bearer(&token);
        world.send(body.map_or(request.clone(), |body| request.json(body))).await
    };
    for path in
        ["/apps/crm", "/apps/crm/actions", "/products/shop", "/products/shop/apps", "/products/shop/apps/shop.crm"]
    {
        assert_eq!(send("GET", path, None).await.status, 404, "{path}");
    }
    assert_eq!(send("POST", "/apps", Some(app("crm"))).await.status, 200, "the same tag is another app there");
    assert_eq!(send("POST", "/products", Some(product())).await.status, 200);
    assert_eq!(send("GET", "/products/shop/apps", None).await.body["page"]["total"], 0);
    assert_eq!(send("DELETE", "/apps/crm", None).await.status, 200, "no access tag of another tenant uses it");
    assert_eq!(world.get("/apps/crm").await.status, 200);
}

#[tokio::test]
async fn each_route_asks_for_its_permission() {
    let world = world().await;
    created(&world, "/apps", app("crm")).await;
    for (method, path, permission) in [
        ("GET", "/apps", "VIEW_APPS"),
        ("POST", "/apps", "CREATE_APPS"),
        ("PUT", "/apps/crm", "UPDATE_APPS"),
        ("POST", "/apps/crm/actions", "UPDATE_APPS"),
        ("DELETE", "/apps/crm", "DELETE_APPS"),
        ("GET", "/products", "VIEW_APPS"),
        ("POST", "/products", "CREATE_APPS"),
    ] {
        let token = world.token("default", &["VIEW_CLIENTS"]).await;
        let answer = world.send(harness::Request::new(method, path).bearer(&token).json(json!({}))).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(10)), "{method} {path}");
        assert!(answer.body["message"].as_str().unwrap().contains(permission), "{method} {path}: {}", answer.body);
    }
}
