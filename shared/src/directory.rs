//! Whether what an action names exists, for warnings when the action is saved.
//!
//! The order in which a dispatcher and what it names are created is free, so that a name without its record is no
//! mistake yet. Templates are not looked up, as they can become anything.

use serde_json::{Map, Value, json};

use crate::event::TenantId;
use crate::event::command::{ActionType, Named};
use crate::table::Table;
use crate::{Environment, Error};

/// No name is longer, and DynamoDB refuses keys of over 1,024 bytes.
const NAME_LIMIT_BYTES: usize = 256;

/// Finds functions and channels by their names; reads only.
#[derive(Debug, Clone)]
pub struct Directory {
    channels: Table,
    functions: Table,
}

impl Directory {
    /// Opens the tables that `CHANNELS_TABLE` and `FUNCTIONS_TABLE` name.
    pub fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { channels: environment.table("CHANNELS_TABLE")?, functions: environment.table("FUNCTIONS_TABLE")? })
    }

    /// Says what the fields of an action name that does not exist in its tenant.
    pub async fn missing(
        &self,
        tenant: &TenantId,
        action_type: &ActionType,
        fields: &Map<String, Value>,
    ) -> Result<Option<String>, Error> {
        let Some((field, named)) = action_type.names else { return Ok(None) };
        let is_name = |name: &&str| (1..=NAME_LIMIT_BYTES).contains(&name.len()) && !name.contains("{{");
        let Some(name) = fields.get(field).and_then(Value::as_str).filter(is_name) else { return Ok(None) };
        let (resource, found) = match named {
            Named::Channel => ("channel", self.channels.get::<Value>(&channel_key(name)).await?),
            Named::Function => ("function", self.functions.get::<Value>(&function_key(tenant, name)).await?),
        };
        let is_ours = found.is_some_and(|found| found["tenantId"] == tenant.as_str());
        Ok((!is_ours).then(|| format!("no {resource} `{name}` exists")))
    }
}

/// The key of a channel's record.
pub fn channel_key(id: &str) -> Value {
    json!({"channelId": id})
}

/// The key of a function's record: names are unique within a tenant.
pub fn function_key(tenant: &TenantId, name: &str) -> Value {
    json!({"tenantId": tenant, "name": name})
}
