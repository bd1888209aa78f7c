//! Functions: a script each, with its settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::table::{Table, exists, is_new, key};
use shared::{Environment, Error};

/// How long another process may still run the previous version of a function.
const CACHED: Duration = Duration::from_secs(5);
const CACHED_FUNCTIONS: u64 = 1_000;
const LIST_LIMIT: usize = 1_000;

/// A function: a script and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Function {
    /// The unique name.
    pub(crate) name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The script.
    pub(crate) code: String,
    /// The name of the exported function; `main`, `handler`, `doTask` or the default export unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entry_point: Option<String>,
    /// Stored for clients of other systems; every script runs in the same sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<String>,
    /// Seconds that a run may take, 3 to 300.
    pub(crate) time_limit: u32,
    /// Megabytes that a run may use, 128 to 10240, of which a script gets at most 256.
    pub(crate) memory_limit: u32,
    /// The content of `process.env`.
    #[serde(default)]
    pub(crate) environment_variables: BTreeMap<String, Variable>,
    /// Who may execute it directly, and the default priority of its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) execution_options: Option<ExecutionOptions>,
    /// Stored for retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) retry_policy: Option<Value>,
    /// Whether tasks may run it.
    pub(crate) enabled: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) update_timestamp: Timestamp,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    /// The text.
    pub(crate) value: String,
}

/// Who may execute a function directly, and the default priority of its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionOptions {
    /// `permissionRequired`, `allUsers` or `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permission_mode: Option<PermissionMode>,
    /// The priority of tasks that do not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default_priority: Option<i64>,
}

/// Who may execute a function directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PermissionMode {
    /// Users with the permission.
    PermissionRequired,
    /// Every user.
    AllUsers,
    /// Everybody.
    Public,
}

impl Function {
    /// The priority of tasks that do not name one.
    pub(crate) fn default_priority(&self) -> Option<i64> {
        self.execution_options.as_ref()?.default_priority
    }
}

/// The table of functions.
#[derive(Clone)]
pub(crate) struct Functions {
    table: Table,
    cache: Cache<String, Arc<Function>>,
}

impl Functions {
    pub(super) fn new(environment: &Environment) -> Result<Self, Error> {
        let cache = Cache::builder().max_capacity(CACHED_FUNCTIONS).time_to_live(CACHED).build();
        Ok(Self { table: environment.table("FUNCTIONS_TABLE")?, cache })
    }

    /// Reads a function from the cache or the table; a change by another process shows after a moment.
    pub(crate) async fn recent(&self, name: &str) -> Result<Option<Arc<Function>>, Error> {
        if let Some(function) = self.cache.get(name).await {
            return Ok(Some(function));
        }
        let Some(function) = self.get(name).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.cache.insert(name.to_owned(), function.clone()).await;
        Ok(Some(function))
    }

    /// Reads a function.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Function>, Error> {
        self.table.get(&key("name", name)).await
    }

    /// Reads all functions.
    pub(crate) async fn all(&self) -> Result<Vec<Function>, Error> {
        self.table.scan(None, LIST_LIMIT).await
    }

    /// Creates a function; false if its name is taken.
    pub(crate) async fn create(&self, function: &Function) -> Result<bool, Error> {
        let created = self.table.put_if(function, is_new("name")).await;
        self.cache.invalidate(&function.name).await;
        created
    }

    /// Replaces a function that was read before; false if it was deleted.
    pub(crate) async fn replace(&self, function: &Function) -> Result<bool, Error> {
        let replaced = self.table.put_if(function, exists("name")).await;
        self.cache.invalidate(&function.name).await;
        replaced
    }

    /// Deletes a function; false if there was none.
    pub(crate) async fn delete(&self, name: &str) -> Result<bool, Error> {
        let deleted = self.table.delete::<Function>(&key("name", name), None).await;
        self.cache.invalidate(name).await;
        Ok(deleted?.is_some())
    }
}
