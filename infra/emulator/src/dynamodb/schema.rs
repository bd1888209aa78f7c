//! The tables of the template, created or brought up to date.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tables::Engine;

use crate::error::EmulatorError;
use crate::template::Table;

/// Properties that are `CreateTable`'s input.
const USED: [&str; 6] = [
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
];
/// Properties that make no difference to requests here.
const IGNORED: [&str; 13] = [
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "KinesisStreamSpecification",
    "OnDemandThroughput",
    "PointInTimeRecoverySpecification",
    "ResourcePolicy",
    "SSESpecification",
    "StreamSpecification",
    "TableClass",
    "TableName",
    "Tags",
    "TimeToLiveSpecification",
    "WarmThroughput",
];

/// Creates a table, or adds what an existing one lacks.
pub(super) fn ensure(engine: &Engine, table: &Table) -> Result<(), EmulatorError> {
    let unknown = |name: &&String| !USED.contains(&name.as_str()) && !IGNORED.contains(&name.as_str());
    if let Some(name) = table.properties.keys().find(unknown) {
        return Err(EmulatorError::resource(&table.id, name, "this property is unknown"));
    }
    match ask(engine, table, "DescribeTable", &json!({"TableName": table.name}))? {
        Some(description) => update(engine, table, &description["Table"])?,
        None => create(engine, table)?,
    }
    time_to_live(engine, table)
}

fn create(engine: &Engine, table: &Table) -> Result<(), EmulatorError> {
    let mut input: Map<String, Value> = Map::new();
    for (name, value) in &table.properties {
        if USED.contains(&name.as_str()) {
            input.insert(name.clone(), value.clone());
        }
    }
    input.insert("TableName".to_owned(), table.name.as_str().into());
    input.entry("BillingMode").or_insert_with(|| "PAY_PER_REQUEST".into());
    ask(engine, table, "CreateTable", &input.into()).map(drop)
}

fn update(engine: &Engine, table: &Table, existing: &Value) -> Result<(), EmulatorError> {
    let declared = |name: &str| table.properties.get(name).unwrap_or(&Value::Null);
    let changed = |property: &str| {
        let problem = "the data directory has this table with another key, and a key cannot be changed: \
                       rename the table, or choose another data directory";
        EmulatorError::resource(&table.id, property, problem)
    };
    let types = |attributes: &Value, schema: &Value| keys(schema, attributes);
    let old = types(&existing["AttributeDefinitions"], &existing["KeySchema"]);
    if old != types(declared("AttributeDefinitions"), declared("KeySchema")) {
        return Err(changed("KeySchema"));
    }
    let old_indexes = existing["GlobalSecondaryIndexes"].as_array().map(Vec::as_slice);
    let indexes = declared("GlobalSecondaryIndexes").as_array().map(Vec::as_slice);
    for index in indexes.unwrap_or_default() {
        let name = &index["IndexName"];
        match old_indexes.unwrap_or_default().iter().find(|old| old["IndexName"] == *name) {
            Some(old) => {
                let was = types(&existing["AttributeDefinitions"], &old["KeySchema"]);
                if was != types(declared("AttributeDefinitions"), &index["KeySchema"]) {
                    return Err(changed("GlobalSecondaryIndexes"));
                }
            }
            None => add_index(engine, table, index)?,
        }
    }
    Ok(())
}

/// Name, role and type of each attribute of a key.
fn keys(schema: &Value, attributes: &Value) -> BTreeSet<(String, String, String)> {
    let kind = |name: &Value| {
        let mut attributes = attributes.as_array().into_iter().flatten();
        let found = attributes.find(|attribute| attribute["AttributeName"] == *name);
        found.map(|attribute| attribute["AttributeType"].to_string()).unwrap_or_default()
    };
    let parts = schema.as_array().into_iter().flatten();
    parts
        .map(|part| {
            let name = &part["AttributeName"];
            (name.to_string(), part["KeyType"].to_string(), kind(name))
        })
        .collect()
}

fn add_index(engine: &Engine, table: &Table, index: &Value) -> Result<(), EmulatorError> {
    let definitions = table.properties.get("AttributeDefinitions");
    let update = json!({
        "TableName": table.name,
        "AttributeDefinitions": definitions,
        "GlobalSecondaryIndexUpdates": [{"Create": index}],
    });
    ask(engine, table, "UpdateTable", &update).map(drop)
}

fn time_to_live(engine: &Engine, table: &Table) -> Result<(), EmulatorError> {
    let Some(declared) = table.properties.get("TimeToLiveSpecification") else {
        return Ok(());
    };
    let existing = ask(engine, table, "DescribeTimeToLive", &json!({"TableName": table.name}))?.unwrap_or_default();
    let existing = &existing["TimeToLiveDescription"]["AttributeName"];
    if existing == &declared["AttributeName"] && declared["Enabled"] == true {
        return Ok(());
    }
    let set = |specification: &Value| {
        let input = json!({"TableName": table.name, "TimeToLiveSpecification": specification});
        ask(engine, table, "UpdateTimeToLive", &input).map(drop)
    };
    if existing.is_string() {
        // Another attribute can only be set when none is.
        set(&json!({"AttributeName": existing, "Enabled": false}))?;
    }
    if declared["Enabled"] == true { set(declared) } else { Ok(()) }
}

/// Asks the engine, `None` if there is no such table.
fn ask(engine: &Engine, table: &Table, operation: &str, input: &Value) -> Result<Option<Value>, EmulatorError> {
    let reply = engine.answer_now(operation, input.to_string().as_bytes());
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let name = body["__type"].as_str().unwrap_or_default();
    match reply.status {
        200 => Ok(Some(body)),
        _ if name.ends_with("#ResourceNotFoundException") => Ok(None),
        _ => Err(EmulatorError::resource(&table.id, "Properties", body["message"].as_str().unwrap_or(name))),
    }
}
