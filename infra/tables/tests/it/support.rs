//! An engine in this process, asked in DynamoDB's JSON.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tables::{Durability, Engine};

/// The name of the table in these tests.
pub(crate) const TABLE: &str = "things";

/// Opens a file, or tables in memory without one.
pub(crate) fn open(path: Option<&Path>) -> Engine {
    Engine::open(path, Durability::Power, Arc::new(|| 1_700_000_000)).unwrap()
}

/// Asks an engine and returns the status and the body of its answer.
pub(crate) fn ask(engine: &Engine, operation: &str, request: &Value) -> (u16, Value) {
    let reply = engine.answer_now(operation, request.to_string().as_bytes());
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

/// Asks an engine for what it must do.
pub(crate) fn done(engine: &Engine, operation: &str, request: &Value) -> Value {
    let (status, body) = ask(engine, operation, request);
    assert_eq!(status, 200, "{operation} {request}: {body}");
    body
}

/// Creates a table with an index of keys on `color`.
pub(crate) fn create(engine: &Engine) {
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let types: Vec<Value> =
        ["pk", "sk", "color"].iter().map(|name| json!({"AttributeName": name, "AttributeType": "S"})).collect();
    let index = json!({
        "IndexName": "byColor", "KeySchema": [key("color", "HASH"), key("sk", "RANGE")],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    });
    let table = json!({
        "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": types,
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")], "GlobalSecondaryIndexes": [index],
    });
    done(engine, "CreateTable", &table);
}

/// Returns a put of an item with this sort key.
pub(crate) fn put(sk: &str, text: &str) -> Value {
    let item = json!({"pk": {"S": "p"}, "sk": {"S": sk}, "color": {"S": "red"}, "text": {"S": text}});
    json!({"TableName": TABLE, "Item": item})
}

/// Returns the sort keys of all items, as the table has them and as its index has them.
pub(crate) fn sort_keys(engine: &Engine) -> [Vec<String>; 2] {
    let table = json!({
        "TableName": TABLE, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}},
    });
    let index = json!({
        "TableName": TABLE, "IndexName": "byColor", "KeyConditionExpression": "color = :p",
        "ExpressionAttributeValues": {":p": {"S": "red"}},
    });
    [table, index].map(|mut query| {
        let mut keys = Vec::new();
        loop {
            let page = done(engine, "Query", &query);
            let items = page["Items"].as_array().unwrap();
            keys.extend(items.iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()));
            if page["LastEvaluatedKey"].is_null() {
                return keys;
            }
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
        }
    })
}
