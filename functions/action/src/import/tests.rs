mod bounds;

use serde_json::{Map, json};

use super::*;

/// A document with these paths and components.
#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn openapi(paths: Value, components: Value) -> Value {
    json!({
        "openapi": "3.1.0", "info": {"title": "Pet Store", "version": "1"},
        "servers": [{"url": "https://{region}.example.com/v1/", "description": "Production",
            "variables": {"region": {"default": "eu"}}}, {"url": "/relative"}, {"url": "https://sandbox.example.com", "description": "Sandbox"}],
        "paths": paths, "components": components,
    })
}

fn imported(document: &Value) -> Imported {
    read(document, None, None).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn shown(action: &Action) -> Value {
    serde_json::to_value(action).unwrap()
}

/// Asserts that a warning has these parts.
fn warned(imported: &Imported, parts: &[&str]) {
    let has = imported.warnings.iter().any(|warning| parts.iter().all(|part| warning.contains(part)));
    assert!(has, "{parts:?} is not in {:#?}", imported.warnings);
}

#[test]
fn servers_become_environments_and_security_schemes_become_auths() {
    let schemes = json!({"securitySchemes": {
        "basic": {"type": "http", "scheme": "Basic"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.test/token", "scopes": {"read": "", "write": ""}}}},
    }});
    let mut document = openapi(json!({}), schemes);
    document["security"] = json!([{"key": []}]);
    let imported = imported(&document);
    let app = serde_json::to_value(&imported.app).unwrap();
    assert_eq!((&app["tag"], &app["name"]), (&json!("Pet_Store"), &json!("Pet Store")));
    assert_eq!(app["envs"][0]["base_url"], "https://eu.example.com/v1");
    assert_eq!((&app["envs"][0]["slug"], &app["envs"][1]["slug"]), (&json!("prd"), &json!("sbx")));
    assert_eq!(app["envs"].as_array().unwrap().len(), 2);
    let auths: Vec<&Value> = app["auths"].as_array().unwrap().iter().map(|auth| &auth["tag"]).collect();
    assert_eq!(auths, ["key", "basic", "bearer", "oauth"], "what every request needs comes first");
    assert_eq!(app["auths"][2]["headers"], json!({"Authorization": "Bearer $Auth{bearer}{token}"}));
    assert_eq!(
        (&app["auths"][0]["key_name"], &app["auths"][3]["scopes"]),
        (&json!("X-Key"), &json!(["read", "write"]))
    );
    warned(&imported, &["/servers/0", "region", "eu"]);
    warned(&imported, &["/servers/1", "relative"]);
    warned(&imported, &["/securitySchemes/cookie", "cookies"]);
}

/// A document with one operation that has everything.
fn teams() -> Value {
    let paths = json!({"/teams/{team-id}/users/{id}.json": {
        "parameters": [
            {"name": "team-id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}},
            {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 10}},
        ],
        "put": {
            "operationId": "users/update", "summary": "Update a user", "description": "Changes it.",
            "parameters": [
                {"name": "limit", "in": "query", "description": "How many.", "schema": {"type": "integer", "default": 20}},
                {"$ref": "#/components/parameters/Trace"},
                {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                {"name": "sid", "in": "cookie", "schema": {"type": "string"}},
            ],
            "requestBody": {"required": true, "content": {
                "text/csv": {}, "application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/User"}},
            }},
        },
    }});
    let components = json!({
        "parameters": {"Trace": {"name": "X-Trace", "in": "header", "required": true, "schema": {"type": "string", "maxLength": 9}}},
        "schemas": {
            "Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
            "User": {"allOf": [{"$ref": "#/components/schemas/Named"}, {"type": "object", "required": ["email"], "properties": {
                "id": {"type": "integer", "readOnly": true},
                "email": {"type": ["string", "null"], "format": "email", "example": "a@b.test"},
                "role": {"enum": ["admin", "user"], "type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
                "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                "pets": {"type": "array", "items": {"type": "object", "properties": {"age": {"type": "number", "format": "double"}}}},
                "any": {"oneOf": [{"type": "string"}, {"type": "object"}]},
                "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                "id_or_name": {"oneOf": [{"type": "string", "format": "uuid"}, {"type": "string"}]},
                "manager": {"$ref": "#/components/schemas/User"},
            }}]},
        },
    });
    openapi(paths, components)
}

#[test]
fn an_operation_becomes_an_action_with_its_parameters_and_body() {
    let imported = imported(&teams());
    let action = shown(&imported.actions[0]);
    assert_eq!(
        (&action["tag"], &action["name"], &action["method"]),
        (&json!("users_update"), &json!("Update a user"), &json!("PUT"))
    );
    assert_eq!(action["resource"], "/teams/:team-id/users/:id.json");
    let keys =
        |part: &str| action[part].as_array().unwrap().iter().map(|field| field["key"].clone()).collect::<Vec<_>>();
    assert_eq!(
        (keys("params"), keys("query"), keys("headers")),
        (vec![json!("team-id"), json!("id")], vec![json!("limit")], vec![json!("X-Trace")])
    );
    assert_eq!((&action["params"][0]["type"], &action["params"][1]["required"]), (&json!("uuid"), &json!(true)));
    assert_eq!(
        (&action["query"][0]["defaultValue"], &action["query"][0]["description"]),
        (&json!(20), &json!("How many."))
    );
    assert_eq!(action["headers"][0]["maxLength"], 9);
    let field =
        |key: &str| action["body"].as_array().unwrap().iter().find(|field| field["key"] == key).unwrap_or(&Value::Null);
    assert_eq!((&field("name")["required"], &field("name")["minLength"]), (&json!(true), &json!(1)));
    assert_eq!(field("id"), &Value::Null, "what only answers have is left out");
    assert_eq!((&field("email")["type"], &field("email")["sampleValue"]), (&json!("email_string"), &json!("a@b.test")));
    assert!(field("role")["description"].as_str().unwrap().contains("`admin`, `user`"));
    assert_eq!((&field("tags")["type"], &field("tags")["maxLength"]), (&json!("array-string"), &json!(5)));
    assert_eq!(field("address")["fields"][0], json!({"key": "city", "type": "string", "required": true}));
    assert_eq!(
        (&field("pets")["type"], &field("pets")["fields"][0]["type"]),
        (&json!("array-object"), &json!("double"))
    );
    assert_eq!((&field("any")["type"], &field("maybe")["type"]), (&json!("any"), &json!("boolean")));
    assert_eq!(field("id_or_name")["type"], "string");
    assert_eq!(field("manager")["key"], "manager");
    warned(&imported, &["oneOf", "several forms"]);
    warned(&imported, &["/components/schemas/User", "refers to itself"]);
    warned(&imported, &["parameters/3", "cookies"]);
}

#[test]
fn the_content_type_of_a_body_decides_how_it_is_sent() {
    let of = |content: &str, required: bool| {
        let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}});
        let body = json!({"required": required, "content": {content: {"schema": schema}}});
        let document = openapi(json!({"/a": {"post": {"requestBody": body}}}), json!({}));
        shown(&imported(&document).actions[0])
    };
    for (content, expected) in [
        ("application/json", "JSON"),
        ("application/vnd.api+json", "JSON"),
        ("application/x-www-form-urlencoded", "URLENCODED"),
        ("multipart/form-data", "FORMDATA"),
        ("application/soap+xml", "SOAP"),
        ("text/html", "HTML"),
    ] {
        let action = of(content, true);
        assert_eq!(
            (&action["request_type"], &action["body"][0]["required"]),
            (&json!(expected), &json!(true)),
            "{content}"
        );
    }
    assert_eq!(of("application/json", false)["body"][0]["required"], false, "without a body nothing in it is missing");
    assert_eq!(of("application/octet-stream", true)["body"], json!([]));
}

#[test]
fn operations_without_an_id_get_tags_of_their_own() {
    let paths = json!({
        "/users": {"get": {}, "post": {"operationId": "users"}},
        "/users/{id}": {"get": {}, "delete": {"operationId": "users"}},
        "/v1/files:batch": {"post": {}},
        "/:x": {"get": {}},
    });
    let imported = imported(&openapi(paths, json!({})));
    let actions: Vec<(String, &str)> =
        imported.actions.iter().map(|action| (action.tag.to_string(), action.resource.as_str())).collect();
    let expected = [
        ("get_x", "/%3Ax"),
        ("get_users", "/users"),
        ("users", "/users"),
        ("get_users_id", "/users/:id"),
        ("users-2", "/users/:id"),
        ("post_v1_files_batch", "/v1/files:batch"),
    ];
    assert_eq!(actions, expected.map(|(tag, resource)| (tag.to_owned(), resource)));
}

#[test]
fn a_text_of_the_document_never_becomes_a_placeholder() {
    let paths = json!({"/a": {"get": {"parameters": [
        {"name": "a", "in": "query", "schema": {"type": "string", "default": "$Secret{KEY}"}},
        {"name": "b", "in": "query", "schema": {"default": {"c": ["x $Auth{t}{token}"]}}},
        {"name": "d", "in": "query", "schema": {"const": "$Concat([1], 2)"}},
        {"name": "e", "in": "query", "schema": {"default": "$5"}},
    ]}}});
    let document = imported(&openapi(paths, json!({})));
    let action = shown(&document.actions[0]);
    assert!(!action.to_string().contains("$Secret") && !action.to_string().contains("$Auth"), "{action}");
    assert_eq!(action["query"][3]["defaultValue"], "$5");
    warned(&document, &["placeholder"]);
    let request = json!({"url": {"raw": "https://a.test/x?q=$Secret{K}", "query": [{"key": "q", "value": "$Secret{K}"}]},
        "header": [{"key": "x", "value": "{{a}}$Auth{t}{token}"}], "body": {"mode": "raw", "raw": "{\"a\": \"$Secret{K} {{b}}\"}"}});
    let collection = imported(&collection(json!([{"name": "a", "request": request}])));
    assert!(!shown(&collection.actions[0]).to_string().contains("\"$Secret{K}\""), "{:?}", collection.actions);
    assert!(!shown(&collection.actions[0]).to_string().contains("$Auth"), "{:?}", collection.actions);
}

#[test]
fn what_is_no_document_is_refused_with_a_json_pointer() {
    let check = |document: Value, pointer: &str, part: &str| {
        let invalid = read(&document, None, None).unwrap_err();
        assert_eq!(invalid.pointer, pointer, "{invalid}");
        assert!(invalid.to_string().contains(part), "{invalid}");
    };
    let info = json!({"title": "a"});
    check(json!([]), "", "object");
    check(json!({"frobnicate": 1}), "", "`frobnicate`");
    check(json!({"swagger": "2.0", "paths": {}}), "/swagger", "OpenAPI 3");
    check(json!({"openapi": "2.0"}), "/openapi", "3.0 and 3.1");
    check(json!({"openapi": 3.1}), "/openapi", "string");
    check(json!({"openapi": "3.1.0"}), "/info", "object");
    check(json!({"openapi": "3.1.0", "info": {}}), "/info/title", "string");
    check(json!({"openapi": "3.1.0", "info": {"title": "日本"}}), "/info/title", "tag");
    check(json!({"openapi": "3.1.0", "info": info, "paths": []}), "/paths", "object");
    check(json!({"openapi": "3.1.0", "info": info, "paths": {"a": {}}}), "/paths/a", "`/`");
    check(json!({"openapi": "3.1.0", "info": info, "paths": {"/a/~": {"get": []}}}), "/paths/~1a~1~0/get", "object");
    let info = json!({"name": "a", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"});
    check(json!({"info": {"name": "a", "schema": "v2.0.0"}, "item": []}), "/info/schema", "2.1");
    check(json!({"info": info, "item": {}}), "/item", "array");
    check(json!({"info": info, "item": [{"item": [{"name": "a"}]}]}), "/item/0/item/0/request", "object");
    let paths: Map<String, Value> = (0..2_001).map(|n| (format!("/{n}"), json!({"get": {}}))).collect();
    check(json!({"openapi": "3.0.3", "info": {"title": "a"}, "paths": paths}), "/paths", "2000");
}

#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn collection(items: Value) -> Value {
    json!({
        "info": {"name": "Team API", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "variable": [{"key": "baseUrl", "value": "https://{{host}}/v1/"}, {"key": "host", "value": "api.example.com"}],
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "planted-secret"}]},
        "item": items,
    })
}

/// A collection with requests of several kinds.
fn team() -> Value {
    let items = json!([
        {"name": "Users", "item": [
            {"name": "List", "event": [{"listen": "test"}], "request": {"method": "GET",
                "header": [{"key": "Accept", "value": "application/json"}, {"key": "X-Off", "value": "1", "disabled": true},
                    {"key": "Authorization", "value": "Bearer planted-secret"}, {"key": "Content-Type", "value": "x"}],
                "url": {"raw": "{{baseUrl}}/users/:id/{{org}}?page=2&off=1", "host": ["{{baseUrl}}"], "path": ["users", ":id", "{{org}}"],
                    "query": [{"key": "page", "value": "2", "description": "Which."}, {"key": "off", "value": "1", "disabled": true}],
                    "variable": [{"key": "id", "value": "7", "description": {"content": "Whose."}}]}}},
            {"name": "Create", "request": {"method": "POST", "url": "{{baseUrl}}/users",
                "body": {"mode": "raw", "raw": "{\"name\": \"Ann\", \"age\": 7, \"team\": \"{{team}}\", \"n\": {{count}}, \"tags\": [\"a\"], \"address\": {\"city\": \"x\"}}", "options": {"raw": {"language": "json"}}}}},
        ]},
        {"name": "List", "request": {"method": "post", "url": "{{baseUrl}}/search", "body": {"mode": "urlencoded", "urlencoded": [
            {"key": "q", "value": "x"}, {"key": "limit", "value": "1", "disabled": true}]},
            "auth": {"type": "apikey", "apikey": [{"key": "key", "value": "X-Key"}, {"key": "value", "value": "planted-secret"}, {"key": "in", "value": "header"}]}}},
        {"name": "Upload", "request": {"method": "PUT", "url": "https://files.example.com/upload", "body": {"mode": "formdata", "formdata": [
            {"key": "file", "type": "file", "src": "/tmp/x"}, {"key": "title", "value": "t", "type": "text"}]}}},
        {"name": "Plain", "request": "{{baseUrl}}/plain?a=1"},
    ]);
    collection(items)
}

#[test]
fn requests_of_a_collection_become_actions() {
    let imported = imported(&team());
    let app = serde_json::to_value(&imported.app).unwrap();
    assert_eq!((&app["tag"], &app["envs"][0]["base_url"]), (&json!("Team_API"), &json!("https://api.example.com/v1")));
    let tags: Vec<String> = imported.actions.iter().map(|action| action.tag.to_string()).collect();
    assert_eq!(tags, ["List", "Create", "List-2", "Upload", "Plain"]);
    let list = shown(&imported.actions[0]);
    assert_eq!(list["resource"], "/users/:id/:org");
    assert_eq!((&list["params"][0]["sampleValue"], &list["params"][0]["description"]), (&json!("7"), &json!("Whose.")));
    assert_eq!(list["params"][1]["defaultValue"], "$Variable{Team_API}{org}");
    assert_eq!((&list["query"][0]["defaultValue"], list["query"][1].get("defaultValue")), (&json!("2"), None));
    assert_eq!(
        (&list["headers"][0]["defaultValue"], list["headers"][1].get("defaultValue")),
        (&json!("application/json"), None)
    );
    assert_eq!((&list["headers"][2]["key"], list["headers"][2].get("defaultValue")), (&json!("Authorization"), None));
    assert_eq!(list["headers"].as_array().unwrap().len(), 3);
    let create = shown(&imported.actions[1]);
    let field = |key: &str| create["body"].as_array().unwrap().iter().find(|field| field["key"] == key).unwrap();
    assert_eq!((&field("name")["type"], &field("name")["sampleValue"]), (&json!("string"), &json!("Ann")));
    assert_eq!((&field("age")["type"], &field("tags")["type"]), (&json!("number"), &json!("array-string")));
    assert_eq!(field("team")["defaultValue"], "$Variable{Team_API}{team}");
    assert_eq!(
        (&field("n")["type"], &field("n")["defaultValue"]),
        (&json!("any"), &json!("$Variable{Team_API}{count}"))
    );
    assert_eq!(field("address")["fields"][0]["key"], "city");
    let search = shown(&imported.actions[2]);
    assert_eq!((&search["method"], &search["request_type"]), (&json!("POST"), &json!("URLENCODED")));
    let upload = shown(&imported.actions[3]);
    assert_eq!(
        (&upload["request_type"], &upload["base_url"]),
        (&json!("FORMDATA"), &json!("https://files.example.com"))
    );
    assert_eq!(
        shown(&imported.actions[4])["query"][0],
        json!({"key": "a", "type": "string", "required": false, "defaultValue": "1"})
    );
    let variables: Vec<&Value> = app["variables"].as_array().unwrap().iter().map(|variable| &variable["key"]).collect();
    assert_eq!(variables, ["count", "org", "team"]);
    let auths: Vec<&Value> = app["auths"].as_array().unwrap().iter().map(|auth| &auth["tag"]).collect();
    assert_eq!(auths, ["bearer", "apikey"]);
    let all = format!("{app}{:?}{:?}", imported.actions, imported.warnings);
    assert!(!all.contains("planted-secret"), "{all}");
    warned(&imported, &["scripts are not run"]);
    warned(&imported, &["is a file"]);
    warned(&imported, &["files.example.com"]);
    warned(&imported, &["header/2", "without its value"]);
}

#[test]
fn a_collection_without_a_base_url_is_imported_with_a_warning() {
    let imported = imported(&collection(json!([{"name": "a", "request": {"url": "{{unknown}}/a"}}])));
    assert_eq!((imported.app.envs.len(), imported.actions.len()), (0, 1));
    warned(&imported, &["/variable", "`unknown`"]);
    warned(&imported, &["base_url"]);
}

#[test]
fn schemas_that_grow_without_end_are_cut() {
    let mut schemas = Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/components/schemas/s{}", level + 1)});
        let properties: Map<String, Value> = (0..10).map(|n| (format!("p{n}"), next.clone())).collect();
        schemas.insert(format!("s{level}"), json!({"allOf": [next, next], "properties": properties}));
    }
    let body = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/s0"}}}});
    let paths: Map<String, Value> =
        (0..50).map(|n| (format!("/{n}"), json!({"post": {"requestBody": body}}))).collect();
    let imported = imported(&openapi(paths.into(), json!({"schemas": schemas})));
    assert_eq!(imported.actions.len(), 50);
    assert!(imported.warnings.len() <= WARNING_LIMIT + 1);
    let loops = json!({"schemas": {"a": {"$ref": "#/components/schemas/b"}, "b": {"$ref": "#/components/schemas/a"}},
        "parameters": {"p": {"$ref": "#/components/parameters/p"}}});
    let paths = json!({"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/p"}, {"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/a"}}]}}});
    warned(&self::imported(&openapi(paths, loops)), &["refers to itself"]);
}
