//! Imports over HTTP: documents in, apps and actions out.

use harness::server::{self, Server};
use harness::{Answer, Request, World};
use serde_json::{Map, Value, json};

async fn world() -> World {
    World::builder().function("ActionFunction", action::function).open().await
}

async fn sent(world: &World, query: &str, content_type: &str, body: &str) -> Answer {
    let token = world.token("default", &["*"]).await;
    let request = Request::new("POST", &format!("/apps/import{query}")).bearer(&token);
    world.send(request.header("content-type", content_type).body(body)).await
}

async fn import(world: &World, query: &str, document: &Value) -> Answer {
    sent(world, query, "application/json", &document.to_string()).await
}

/// The resources of the large API, each with five operations.
const RESOURCES: [&str; 80] = [
    "accounts",
    "addresses",
    "alerts",
    "answers",
    "articles",
    "assets",
    "audits",
    "badges",
    "balances",
    "banners",
    "batches",
    "bills",
    "boards",
    "bookings",
    "branches",
    "brands",
    "budgets",
    "bundles",
    "calendars",
    "campaigns",
    "cards",
    "carts",
    "categories",
    "channels",
    "charges",
    "claims",
    "clients",
    "codes",
    "comments",
    "companies",
    "contacts",
    "contracts",
    "coupons",
    "credits",
    "customers",
    "deals",
    "devices",
    "discounts",
    "disputes",
    "domains",
    "drafts",
    "events",
    "expenses",
    "features",
    "feeds",
    "files",
    "folders",
    "forms",
    "goals",
    "grants",
    "groups",
    "holds",
    "images",
    "invoices",
    "issues",
    "items",
    "jobs",
    "keys",
    "labels",
    "leads",
    "ledgers",
    "lists",
    "loans",
    "media",
    "meetings",
    "members",
    "messages",
    "metrics",
    "notes",
    "offers",
    "orders",
    "pages",
    "payments",
    "plans",
    "posts",
    "prices",
    "projects",
    "quotes",
    "refunds",
    "tickets",
];

/// A document with 400 operations over shared schemas.
fn large_openapi() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    schemas.insert("Base".to_owned(), json!({"type": "object", "properties": {
        "id": {"type": "string", "format": "uuid", "readOnly": true}, "metadata": {"type": "object", "additionalProperties": true},
        "owner": {"$ref": "#/components/schemas/Person"},
    }}));
    schemas.insert(
        "Person".to_owned(),
        json!({"type": "object", "required": ["email"], "properties": {
            "email": {"type": "string", "format": "email"}, "name": {"type": "string", "maxLength": 100},
            "manager": {"$ref": "#/components/schemas/Person"},
        }}),
    );
    for name in RESOURCES {
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        schemas.insert(name.to_owned(), json!({"allOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "required": ["title"], "properties": {
            "title": {"type": "string", "minLength": 1, "maxLength": 200, "description": format!("What the {name} are called.")},
            "state": {"type": "string", "enum": ["open", "closed"], "default": "open"},
            "amount": {"type": "number", "format": "double"}, "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Person"}},
        }}]}));
        let body = json!({"required": true, "content": {"application/json": {"schema": reference}}});
        let answers =
            json!({"200": {"description": "It worked.", "content": {"application/json": {"schema": reference}}}});
        paths.insert(format!("/{name}"), json!({
            "get": {"operationId": format!("{name}.list"), "summary": format!("List {name}"), "responses": answers,
                "parameters": [{"$ref": "#/components/parameters/Limit"}, {"name": "q", "in": "query", "schema": {"type": "string"}}]},
            "post": {"operationId": format!("{name}.create"), "requestBody": body, "responses": answers},
        }));
        paths.insert(format!("/{name}/{{id}}"), json!({
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}],
            "get": {"operationId": format!("{name}.get"), "responses": answers},
            "patch": {"operationId": format!("{name}.update"), "requestBody": body, "responses": answers},
            "delete": {"operationId": format!("{name}.delete"), "responses": answers},
        }));
    }
    json!({
        "openapi": "3.0.3", "info": {"title": "Everything API", "version": "7"},
        "servers": [{"url": "https://api.example.com/v7", "description": "Production"}], "paths": paths,
        "components": {"schemas": schemas, "parameters": {"Limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 20}}},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    })
}

/// A collection with 320 requests in folders.
fn large_collection() -> Value {
    let folder = |name: &&str| {
        let request = |verb: &str, method: &str, path: &str| {
            json!({"name": format!("{verb} {name}"), "request": {"method": method,
                "header": [{"key": "Accept", "value": "application/json"}],
                "url": {"raw": format!("{{{{baseUrl}}}}/{name}{path}?tenant={{{{tenant}}}}"), "query": [{"key": "tenant", "value": "{{tenant}}"}],
                    "variable": [{"key": "id", "value": "1"}]},
                "body": {"mode": "raw", "raw": "{\"title\": \"x\", \"lines\": [{\"amount\": 1.5}]}", "options": {"raw": {"language": "json"}}}}})
        };
        json!({"name": name, "item": [request("List", "GET", ""), request("Create", "POST", ""), request("Update", "PUT", "/:id"), request("Delete", "DELETE", "/:id")]})
    };
    json!({
        "info": {"name": "Everything", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "variable": [{"key": "baseUrl", "value": "https://api.example.com"}], "auth": {"type": "basic", "basic": []},
        "item": RESOURCES.iter().map(folder).collect::<Value>(),
    })
}

#[tokio::test]
async fn a_document_of_hundreds_of_operations_becomes_an_app() {
    let world = world().await;
    let report = import(&world, "?tag=all", &large_openapi()).await;
    assert_eq!(report.status, 200, "{}", report.body);
    assert_eq!(
        (&report.body["tag"], &report.body["type"], &report.body["created"]),
        (&json!("all"), &json!("openapi"), &json!(true))
    );
    assert_eq!(report.body["actions"], json!({"created": 400, "updated": 0, "unchanged": 0, "kept": 0}));
    assert_eq!(world.get("/apps/all/actions").await.body["page"]["total"], 400);
    let create = world.get("/apps/all/actions/invoices.create").await.body;
    assert_eq!((&create["resource"], &create["method"]), (&json!("/invoices"), &json!("POST")));
    let keys: Vec<&Value> = create["body"].as_array().unwrap().iter().map(|field| &field["key"]).collect();
    assert_eq!(keys, ["metadata", "owner", "amount", "lines", "state", "title"]);
    let update = world.get("/apps/all/actions/orders.update").await.body;
    assert_eq!((&update["resource"], &update["params"][0]["type"]), (&json!("/orders/:id"), &json!("uuid")));
    assert_eq!(world.get("/apps/all").await.body["envs"][0]["base_url"], "https://api.example.com/v7");
}

#[tokio::test]
async fn a_collection_of_hundreds_of_requests_becomes_an_app() {
    let world = world().await;
    let report = import(&world, "", &large_collection()).await;
    assert_eq!((report.status, &report.body["actions"]["created"]), (200, &json!(320)), "{}", report.body);
    let update = world.get("/apps/Everything/actions/Update_tickets").await.body;
    assert_eq!((&update["resource"], &update["method"]), (&json!("/tickets/:id"), &json!("PUT")));
    assert_eq!(update["query"][0]["defaultValue"], "$Variable{Everything}{tenant}");
    assert_eq!(world.get("/apps/Everything").await.body["variables"][0]["key"], "tenant");
}

/// Connects an imported app to a product, with the credentials of its only auth.
async fn connect(world: &World, app: &str, auth: &str, data: Value, variables: Value) {
    let env = json!({"product_env_slug": "dev", "app_env_slug": "prd", "variables": variables,
        "auth": [{"auth_tag": auth, "data": data}]});
    let connection = json!({"app": app, "access_tag": app, "envs": [env]});
    for (path, body) in
        [("/products", json!({"tag": "shop", "envs": [{"slug": "dev"}]})), ("/products/shop/apps", connection)]
    {
        let answer = world.post(path, body).await;
        assert_eq!((answer.status, answer.body.get("warnings")), (200, None), "{path}: {}", answer.body);
    }
}

async fn run(world: &World, app: &str, action: &str, input: Value) -> Answer {
    let run = json!({"env": "dev", "product": "shop", "app": app, "action": action, "input": input});
    world.post("/actions/run", run).await
}

#[tokio::test]
async fn imported_operations_run() {
    let world = world().await;
    let server = Server::start(|request| server::Answer::ok(json!({"path": request.path}))).await;
    let mut document = large_openapi();
    document["servers"] = json!([{"url": format!("{}/v7", server.url())}]);
    document["security"] = json!([{"bearer": []}]);
    assert_eq!(import(&world, "?tag=all", &document).await.status, 200);
    connect(&world, "all", "bearer", json!({"token": "planted-token"}), json!([])).await;
    let id = "0198b3c2-0000-7000-8000-000000000001";
    let input = json!({"params": {"id": id}, "body": {"title": "New", "amount": 1.5}});
    let answer = run(&world, "all", "orders.update", input).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"path": format!("/v7/orders/{id}")})), "{answer:?}");
    let sent = server.requests().pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.header("authorization")), ("PATCH", "Bearer planted-token"));
    assert_eq!(sent.body["title"], "New");
    let answer = run(&world, "all", "invoices.list", json!({})).await;
    assert_eq!((answer.status, server.requests().pop().unwrap().query.as_str()), (200, "limit=20"), "{answer:?}");
    let answer = run(&world, "all", "invoices.create", json!({"body": {"amount": "x"}})).await;
    let violations: Vec<&Value> =
        answer.body["violations"].as_array().unwrap().iter().map(|one| &one["selector"]).collect();
    assert_eq!(violations, ["$Body{invoices.create}{amount}", "$Body{invoices.create}{title}"], "{answer:?}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn imported_requests_run() {
    let world = world().await;
    let server = Server::start(|request| server::Answer::ok(json!({"path": request.path}))).await;
    let mut collection = large_collection();
    collection["variable"][0]["value"] = server.url().into();
    assert_eq!(import(&world, "?tag=all", &collection).await.status, 200);
    let data = json!({"username": "ann", "password": "planted-password"});
    connect(&world, "all", "basic", data, json!([{"key": "tenant", "value": "acme"}])).await;
    let answer = run(&world, "all", "Update_tickets", json!({"params": {"id": "7"}, "body": {"title": "New"}})).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"path": "/tickets/7"})), "{answer:?}");
    let sent = server.requests().pop().unwrap();
    assert_eq!(
        (sent.method.as_str(), sent.query.as_str(), sent.header("accept")),
        ("PUT", "tenant=acme", "application/json")
    );
    assert_eq!(
        (sent.header("authorization"), &sent.body["title"]),
        ("Basic YW5uOnBsYW50ZWQtcGFzc3dvcmQ=", &json!("New"))
    );
}

#[tokio::test]
async fn an_app_that_exists_is_changed_only_where_that_is_asked_for() {
    let world = world().await;
    let mut document = large_openapi();
    import(&world, "?tag=all", &document).await;
    let again = import(&world, "?tag=all", &document).await;
    let message = again.body["message"].as_str().unwrap();
    assert!(again.status == 400 && message.contains("updateIfExists=true"), "{message}");
    let mine = json!({"tag": "mine", "method": "GET", "resource": "/mine"});
    assert_eq!(world.post("/apps/all/actions", mine).await.status, 200);
    let envs = json!([{"slug": "dev", "base_url": "https://dev.test", "active": true}]);
    assert_eq!(world.put("/apps/all", json!({"envs": envs, "retries": {"max": 2}})).await.status, 200);
    document["paths"]["/orders"]["get"]["summary"] = json!("Another name");
    document["paths"].as_object_mut().unwrap().remove("/tickets");
    let report = import(&world, "?tag=all&updateIfExists=true", &document).await.body;
    assert_eq!(report["actions"], json!({"created": 0, "updated": 1, "unchanged": 397, "kept": 3}), "{report}");
    assert!(report["warnings"].to_string().contains("3 actions of the app are not in the document"), "{report}");
    assert_eq!(world.get("/apps/all/actions/orders.list").await.body["name"], "Another name");
    let app = world.get("/apps/all").await.body;
    assert_eq!((app["envs"].as_array().unwrap().len(), &app["retries"]["max"]), (2, &json!(2)));
}

#[tokio::test]
async fn what_a_document_does_not_say_stays_and_what_it_cannot_mean_is_warned_of() {
    let world = world().await;
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "all", "version": "1"},
        "servers": [{"url": "https://api.example.com"}],
        "paths": {"/orders/{id}:cancel": {"post": {"operationId": "cancel", "security": []}}},
    });
    let report = import(&world, "?tag=all", &document).await.body;
    assert!(report["warnings"].to_string().contains("asks for no credentials"), "{report}");
    let cancel = "/apps/all/actions/cancel";
    let action = world.get(cancel).await.body;
    assert_eq!((&action["name"], &action["resource"]), (&json!("cancel"), &json!("/orders/:id:cancel")));
    let texts = json!({"name": "Cancel an order", "description": "Before it is sent."});
    assert_eq!(world.put(cancel, texts).await.status, 200);
    let report = import(&world, "?tag=all&updateIfExists=true", &document).await.body;
    assert_eq!(report["actions"]["unchanged"], 1, "{report}");
    assert_eq!(world.get(cancel).await.body["name"], "Cancel an order");
}

#[tokio::test]
async fn an_import_that_was_interrupted_is_continued_by_the_same_document() {
    let world = world().await;
    let document = large_openapi();
    // The fifth transaction is refused, and so are the client's two repetitions.
    world.emulator.pass("dynamodb.TransactWriteItems", 4);
    world.emulator.throttle("dynamodb.TransactWriteItems", 3);
    let broken = import(&world, "?tag=all", &document).await;
    assert_eq!(broken.status, 503, "{}", broken.body);
    let there = world.get("/apps/all/actions").await.body["page"]["total"].as_u64().unwrap();
    assert!(0 < there && there < 400, "{there}");
    let mut other = document.clone();
    other["info"]["description"] = json!("Another document.");
    let refused = import(&world, "?tag=all&updateIfExists=true", &other).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body["message"].as_str().unwrap().contains("another document"), "{}", refused.body);
    let report = import(&world, "?tag=all", &document).await;
    assert_eq!((report.status, &report.body["created"]), (200, &json!(true)), "{}", report.body);
    assert_eq!(world.get("/apps/all/actions").await.body["page"]["total"], 400);
    assert_eq!(import(&world, "?tag=all&updateIfExists=true", &other).await.status, 200, "the import has ended");
}

#[tokio::test]
async fn the_same_document_twice_at_once_is_imported_once() {
    let world = world().await;
    let document = large_openapi();
    let (one, two) = tokio::join!(import(&world, "?tag=all", &document), import(&world, "?tag=all", &document));
    for answer in [&one, &two] {
        let is_late = answer.status == 400 && answer.body["message"].as_str().unwrap().contains("exists already");
        assert!(answer.status == 200 || is_late, "{}", answer.body);
    }
    assert!(one.status == 200 || two.status == 200);
    assert_eq!(world.get("/apps/all/actions").await.body["page"]["total"], 400);
}

#[tokio::test]
async fn two_documents_at_once_leave_the_app_as_one_of_them() {
    let world = world().await;
    let (one, mut two) = (large_openapi(), large_openapi());
    for item in two["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut().filter(|value| value.is_object()) {
            operation["summary"] = json!("two");
        }
    }
    let query = "?tag=all&updateIfExists=true";
    let (one, two) = tokio::join!(import(&world, query, &one), import(&world, query, &two));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    let names = async || {
        let mut names = std::collections::BTreeSet::new();
        for page in 0..8 {
            let list = world.get(&format!("/apps/all/actions?limit(50,{})", page * 50)).await.body;
            names.extend(list["data"].as_array().unwrap().iter().map(|action| action["name"] == "two"));
        }
        names.len()
    };
    assert!(statuses == [200, 503] || statuses == [200, 200], "{statuses:?}");
    assert_eq!(names().await, 1, "all actions are of one document");
}

#[tokio::test]
async fn yaml_is_taken_and_what_cannot_be_read_is_refused() {
    let world = world().await;
    let yaml = "openapi: 3.1.0\ninfo: {title: Small, version: '1'}\npaths:\n  /a/{id}:\n    get:\n      responses:\n        200: {description: fine}\n";
    let report = sent(&world, "", "application/yaml", yaml).await;
    assert_eq!((report.status, &report.body["actions"]["created"]), (200, &json!(1)), "{}", report.body);
    let check = async |query: &str, content_type: &str, body: &str, status: u16, part: &str| {
        let answer = sent(&world, query, content_type, body).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.status == status && message.contains(part), "{status} {part}: {}", answer.body);
    };
    check("", "application/json", yaml, 400, "cannot be read as JSON").await;
    check("", "application/yaml", "a: [", 400, "cannot be read as YAML").await;
    check("", "application/x-www-form-urlencoded", yaml, 415, "application/yaml").await;
    check("", "application/json", "", 400, "is empty").await;
    check("?tga=x", "application/yaml", yaml, 400, "did you mean `tag`").await;
    check("?tag=a%20b", "application/yaml", yaml, 400, "`tag`").await;
    check("?type=raml", "application/yaml", yaml, 400, "`type`").await;
    check("?updateIfExists=1", "application/yaml", yaml, 400, "`updateIfExists`").await;
    check("?type=postman", "application/yaml", yaml, 400, "/info/schema").await;
    check("", "application/json", &"x".repeat(5 << 20), 413, "larger").await;
    let pointer = sent(&world, "", "application/json", r#"{"openapi": "3.1.0", "info": {"title": 1}}"#).await;
    assert_eq!(pointer.body["pointer"], "/info/title");
    let token = world.token("default", &["CREATE_APPS"]).await;
    let request = Request::new("POST", "/apps/import?updateIfExists=true").bearer(&token);
    let answer = world.send(request.header("content-type", "application/yaml").body(yaml)).await;
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!(10)), "{}", answer.body);
}
