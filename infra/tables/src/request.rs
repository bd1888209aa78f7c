//! Requests as DynamoDB's JSON has them; a field that is not known is refused by its name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::value::{Item, VALIDATION, Value};

/// Reads a request.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let message = error.to_string();
        let text = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
        match text.split_once(VALIDATION) {
            Some((_, rest)) => Error::validation(rest),
            None if text.starts_with("unknown field") => {
                Error::validation(format!("this is not supported here: {text}"))
            }
            None if text.starts_with("missing field") => Error::validation(text),
            None => Error::serialization(text),
        }
    })
}

type Names = Option<BTreeMap<String, String>>;
type Values = Option<BTreeMap<String, Value>>;

/// What a write answers with of the item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Returned {
    #[default]
    None,
    AllOld,
    AllNew,
    UpdatedOld,
    UpdatedNew,
}

/// Whether an answer says what the request has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Capacity {
    #[default]
    None,
    Total,
    Indexes,
}

/// `GetItem`, and the reads of `TransactGetItems`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Get {
    pub(crate) table_name: String,
    pub(crate) key: Item,
    #[serde(default)]
    pub(crate) consistent_read: Option<bool>,
    pub(crate) projection_expression: Option<String>,
    pub(crate) expression_attribute_names: Names,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
}

/// `PutItem`, `UpdateItem`, `DeleteItem`, and the writes of a transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Write {
    pub(crate) table_name: String,
    pub(crate) item: Option<Item>,
    pub(crate) key: Option<Item>,
    pub(crate) update_expression: Option<String>,
    pub(crate) condition_expression: Option<String>,
    pub(crate) expression_attribute_names: Names,
    pub(crate) expression_attribute_values: Values,
    #[serde(default)]
    pub(crate) return_values: Returned,
    #[serde(default)]
    pub(crate) return_values_on_condition_check_failure: Returned,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
    /// Nothing here has collections of items with a limit, so that there is nothing to return.
    #[serde(rename = "ReturnItemCollectionMetrics")]
    pub(crate) _collections: Option<String>,
}

/// `Query` and `Scan`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Read {
    pub(crate) table_name: String,
    pub(crate) index_name: Option<String>,
    pub(crate) key_condition_expression: Option<String>,
    pub(crate) filter_expression: Option<String>,
    pub(crate) projection_expression: Option<String>,
    pub(crate) expression_attribute_names: Names,
    pub(crate) expression_attribute_values: Values,
    pub(crate) exclusive_start_key: Option<Item>,
    pub(crate) limit: Option<i64>,
    #[serde(default)]
    pub(crate) consistent_read: Option<bool>,
    pub(crate) scan_index_forward: Option<bool>,
    pub(crate) select: Option<String>,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
}

/// `BatchGetItem`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchGet {
    pub(crate) request_items: BTreeMap<String, BatchKeys>,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
}

/// The keys of one table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchKeys {
    pub(crate) keys: Vec<Item>,
    #[serde(default)]
    pub(crate) consistent_read: Option<bool>,
    pub(crate) projection_expression: Option<String>,
    pub(crate) expression_attribute_names: Names,
}

/// `BatchWriteItem`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchWrite {
    pub(crate) request_items: BTreeMap<String, Vec<BatchEntry>>,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
    #[serde(rename = "ReturnItemCollectionMetrics")]
    pub(crate) _collections: Option<String>,
}

/// One write of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchEntry {
    pub(crate) put_request: Option<BatchPut>,
    pub(crate) delete_request: Option<BatchDelete>,
}

/// The item of a batch's put.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchPut {
    pub(crate) item: Item,
}

/// The key of a batch's delete.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchDelete {
    pub(crate) key: Item,
}

/// `TransactWriteItems`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TransactWrite {
    pub(crate) transact_items: Vec<TransactWriteItem>,
    pub(crate) client_request_token: Option<String>,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
    #[serde(rename = "ReturnItemCollectionMetrics")]
    pub(crate) _collections: Option<String>,
}

/// One write of a transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TransactWriteItem {
    pub(crate) put: Option<Write>,
    pub(crate) update: Option<Write>,
    pub(crate) delete: Option<Write>,
    pub(crate) condition_check: Option<Write>,
}

/// `TransactGetItems`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TransactGet {
    pub(crate) transact_items: Vec<TransactGetItem>,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
}

/// One read of a transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TransactGetItem {
    pub(crate) get: Get,
}

/// `BatchExecuteStatement`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchExecuteStatement {
    pub(crate) statements: Vec<BatchStatement>,
    #[serde(default)]
    pub(crate) return_consumed_capacity: Capacity,
}

/// One statement of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchStatement {
    pub(crate) statement: String,
    /// Read on its own, because a wrong value is the error of its statement alone.
    pub(crate) parameters: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) consistent_read: Option<bool>,
    #[serde(default)]
    pub(crate) return_values_on_condition_check_failure: Returned,
}

/// `CreateTable`; billing and encryption make no difference here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct CreateTable {
    pub(crate) table_name: String,
    pub(crate) attribute_definitions: Vec<AttributeDefinition>,
    pub(crate) key_schema: Vec<KeyElement>,
    #[serde(default)]
    pub(crate) global_secondary_indexes: Vec<IndexDefinition>,
    #[serde(default)]
    pub(crate) local_secondary_indexes: Vec<IndexDefinition>,
    #[serde(rename = "BillingMode")]
    pub(crate) _billing: Option<Json>,
    #[serde(rename = "ProvisionedThroughput")]
    pub(crate) _throughput: Option<Json>,
}

/// The type of an attribute.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct AttributeDefinition {
    pub(crate) attribute_name: String,
    pub(crate) attribute_type: crate::schema::Kind,
}

/// An attribute of a key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct KeyElement {
    pub(crate) attribute_name: String,
    pub(crate) key_type: String,
}

/// An index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct IndexDefinition {
    pub(crate) index_name: String,
    pub(crate) key_schema: Vec<KeyElement>,
    pub(crate) projection: ProjectionDefinition,
    #[serde(rename = "ProvisionedThroughput")]
    pub(crate) _throughput: Option<Json>,
}

/// What an index has of its items.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ProjectionDefinition {
    pub(crate) projection_type: String,
    #[serde(default)]
    pub(crate) non_key_attributes: Vec<String>,
}

/// `DescribeTable`, `DeleteTable`, `DescribeTimeToLive`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) table_name: String,
}

/// `ListTables`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ListTables {
    pub(crate) exclusive_start_table_name: Option<String>,
    pub(crate) limit: Option<usize>,
}

/// `UpdateTimeToLive`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct UpdateTimeToLive {
    pub(crate) table_name: String,
    pub(crate) time_to_live_specification: TimeToLive,
}

/// The attribute that says when an item expires.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TimeToLive {
    pub(crate) attribute_name: String,
    pub(crate) enabled: bool,
}

/// `UpdateTable`, as far as it adds indexes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct UpdateTable {
    pub(crate) table_name: String,
    #[serde(default)]
    pub(crate) attribute_definitions: Vec<AttributeDefinition>,
    #[serde(default)]
    pub(crate) global_secondary_index_updates: Vec<IndexUpdate>,
}

/// An index that is added.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct IndexUpdate {
    pub(crate) create: Option<IndexDefinition>,
}

impl Write {
    /// Returns a write of a table that says nothing yet.
    pub(crate) fn of_table(name: &str) -> Self {
        Self {
            table_name: name.to_owned(),
            item: None,
            key: None,
            update_expression: None,
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            return_values: Returned::None,
            return_values_on_condition_check_failure: Returned::None,
            return_consumed_capacity: Capacity::None,
            _collections: None,
        }
    }
}
