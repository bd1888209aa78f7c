//! The tables of the template, created or brought up to date.

use std::collections::BTreeSet;

use dynoxide::Database;
use dynoxide::DynoxideError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::request::refusal;
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
pub(super) fn ensure(database: &Database, table: &Table) -> Result<(), EmulatorError> {
    let unknown = |name: &&String| !USED.contains(&name.as_str()) && !IGNORED.contains(&name.as_str());
    if let Some(name) = table.properties.keys().find(unknown) {
        return Err(EmulatorError::resource(&table.id, name, "this property is unknown"));
    }
    let described = database.describe_table(request(table, json!({"TableName": table.name}))?);
    match described {
        Ok(description) => {
            let description = serde_json::to_value(description).unwrap_or_default();
            update(database, table, &description["Table"])?;
        }
        Err(DynoxideError::ResourceNotFoundException(_)) => create(database, table)?,
        Err(error) => return Err(engine(table, error)),
    }
    time_to_live(database, table)
}

fn create(database: &Database, table: &Table) -> Result<(), EmulatorError> {
    let mut input: Map<String, Value> = Map::new();
    for (name, value) in &table.properties {
        if USED.contains(&name.as_str()) {
            input.insert(name.clone(), value.clone());
        }
    }
    input.insert("TableName".to_owned(), table.name.as_str().into());
    input.entry("BillingMode").or_insert_with(|| "PAY_PER_REQUEST".into());
    let created = database.create_table(request(table, input.into())?);
    created.map(drop).map_err(|error| engine(table, error))
}

fn update(database: &Database, table: &Table, existing: &Value) -> Result<(), EmulatorError> {
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
            None => add_index(database, table, index)?,
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

fn add_index(database: &Database, table: &Table, index: &Value) -> Result<(), EmulatorError> {
    let definitions = table.properties.get("AttributeDefinitions");
    let update = json!({
        "TableName": table.name,
        "AttributeDefinitions": definitions,
        "GlobalSecondaryIndexUpdates": [{"Create": index}],
    });
    let updated = database.update_table(request(table, update)?);
    updated.map(drop).map_err(|error| engine(table, error))
}

fn time_to_live(database: &Database, table: &Table) -> Result<(), EmulatorError> {
    let Some(declared) = table.properties.get("TimeToLiveSpecification") else {
        return Ok(());
    };
    let described = database
        .describe_time_to_live(request(table, json!({"TableName": table.name}))?)
        .map_err(|error| engine(table, error))?;
    let existing = serde_json::to_value(described).unwrap_or_default();
    let existing = &existing["TimeToLiveDescription"]["AttributeName"];
    if existing == &declared["AttributeName"] && declared["Enabled"] == true {
        return Ok(());
    }
    let set = |specification: &Value| {
        let input = json!({"TableName": table.name, "TimeToLiveSpecification": specification});
        let done = database.update_time_to_live(request(table, input)?);
        done.map(drop).map_err(|error| engine(table, error))
    };
    if existing.is_string() {
        // Another attribute can only be set when none is.
        set(&json!({"AttributeName": existing, "Enabled": false}))?;
    }
    if declared["Enabled"] == true { set(declared) } else { Ok(()) }
}

fn request<Request: DeserializeOwned>(table: &Table, input: Value) -> Result<Request, EmulatorError> {
    serde_json::from_value(input).map_err(|error| engine(table, refusal(&error.to_string())))
}

fn engine(table: &Table, error: DynoxideError) -> EmulatorError {
    EmulatorError::resource(&table.id, "Properties", error)
}
