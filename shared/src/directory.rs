//! Whether what an action names exists, for warnings when the action is saved, and what there is to name.
//!
//! The order in which a dispatcher and what it names are created is free, so that a name without its record is no
//! mistake yet. Templates are not looked up, as they can become anything.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::event::TenantId;
use crate::event::command::{ActionType, Named};
use crate::table::{Expression, Query, SealedAttributes, Table};
use crate::{Environment, Error};

/// No name is longer, and DynamoDB refuses keys of over 1,024 bytes.
const NAME_LIMIT_BYTES: usize = 256;

/// Finds functions, channels, templates, products and their access tags by their names; reads only.
#[derive(Debug, Clone)]
pub struct Directory {
    apps: Table,
    channels: Table,
    functions: Table,
    tasks: Table,
    templates: Table,
}

/// The name of a task's function, which is as sealed as the rest of the task.
const SEALED_NAME: SealedAttributes = SealedAttributes { key: &["taskId"], apart: &[&["functionName"]], together: &[] };

/// What is read of a function or of a task.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Naming {
    #[serde(alias = "name", default)]
    function_name: String,
    /// When a task was created.
    creation_timestamp: Option<String>,
}

/// The functions that tasks ran, and how many of the tasks were looked at.
#[derive(Debug)]
pub struct CalledFunctions {
    /// The names of the functions.
    pub names: BTreeSet<String>,
    /// How many tasks were looked at, the newest first.
    pub tasks: usize,
    /// When the earliest of them was created.
    pub since: Option<Timestamp>,
    /// Whether there are more in the span of time.
    pub has_more: bool,
}

impl Directory {
    /// Opens the tables that `APPS_TABLE`, `CHANNELS_TABLE`, `FUNCTIONS_TABLE`, `TASKS_TABLE` and `TEMPLATES_TABLE` name.
    pub fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            apps: environment.table("APPS_TABLE")?,
            channels: environment.table("CHANNELS_TABLE")?,
            functions: environment.table("FUNCTIONS_TABLE")?,
            tasks: environment.sealed_table("TASKS_TABLE", &SEALED_NAME)?,
            templates: environment.table("TEMPLATES_TABLE")?,
        })
    }

    /// Returns the names of a tenant's functions, so many at most.
    pub async fn functions(&self, tenant: &TenantId, limit: usize) -> Result<Vec<String>, Error> {
        let key = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        let found: Vec<Naming> = self.functions.query(Query::new(key).limit(limit)).await?;
        Ok(found.into_iter().map(|function| function.function_name).collect())
    }

    /// Returns the functions that a tenant's newest tasks in a span of time ran, looking at so many tasks at most.
    pub async fn called_functions(
        &self,
        tenant: &TenantId,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<CalledFunctions, Error> {
        let key = Expression::new("listedTenant = :tenant AND creationTimestamp BETWEEN :from AND :to")
            .value(":tenant", tenant)
            .value(":from", format!("{from:.3}"))
            .value(":to", format!("{to:.3}"));
        let query = Query::new(key).index("byTime").descending().limit(limit + 1);
        let mut tasks: Vec<Naming> = self.tasks.query(query).await?;
        let has_more = tasks.len() > limit;
        tasks.truncate(limit);
        let since = tasks.last().and_then(|task| task.creation_timestamp.as_ref()?.parse().ok());
        let count = tasks.len();
        let names = tasks.into_iter().map(|task| task.function_name).filter(|name| !name.is_empty()).collect();
        Ok(CalledFunctions { names, tasks: count, since, has_more })
    }

    /// Says what the fields of an action name that does not exist in its tenant, and in which field.
    pub async fn missing(
        &self,
        tenant: &TenantId,
        action_type: &ActionType,
        fields: &Map<String, Value>,
    ) -> Result<Option<(&'static str, String)>, Error> {
        for (field, named) in action_type.naming(fields) {
            let Some(name) = name_in(fields, field) else { continue };
            let product = ["product", "product_tag"].into_iter().find_map(|field| name_in(fields, field));
            if let Some(missing) = self.missing_name(tenant, named, name, product).await? {
                return Ok(Some((field, missing)));
            }
        }
        Ok(None)
    }

    /// Says that a name is missing; an access tag is one of a product, and is looked up if that is known.
    async fn missing_name(
        &self,
        tenant: &TenantId,
        named: Named,
        name: &str,
        product: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let is_ours = |found: Option<Value>| found.is_some_and(|found| found["tenantId"] == tenant.as_str());
        let (resource, exists) = match named {
            Named::Channel => ("channel", is_ours(self.channels.get(&channel_key(name)).await?)),
            Named::Function => ("function", is_ours(self.functions.get(&function_key(tenant, name)).await?)),
            Named::Template => ("template", self.has_template(tenant, name).await?),
            Named::Product => ("product", self.apps.get::<Value>(&product_key(tenant, name)).await?.is_some()),
            Named::AccessTag => {
                let Some(product) = product else { return Ok(None) };
                let found = self.apps.get::<Value>(&access_tag_key(tenant, product, name)).await?;
                ("access tag", found.is_some())
            }
        };
        Ok((!exists).then(|| format!("no {resource} `{name}` exists")))
    }

    async fn has_template(&self, tenant: &TenantId, id_or_name: &str) -> Result<bool, Error> {
        for key in [template_key(tenant, id_or_name), template_name_key(tenant, id_or_name)] {
            if self.templates.get::<Value>(&key).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns the name in a field, unless a template decides it.
fn name_in<'a>(fields: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    let is_name = |name: &&str| (1..=NAME_LIMIT_BYTES).contains(&name.len()) && !name.contains("{{");
    fields.get(field).and_then(Value::as_str).filter(is_name)
}

/// The key of a product's record.
pub fn product_key(tenant: &TenantId, product: &str) -> Value {
    json!({"owner": tenant, "record": format!("product#{product}")})
}

/// The key of the record of an access tag of a product.
pub fn access_tag_key(tenant: &TenantId, product: &str, access_tag: &str) -> Value {
    json!({"owner": tenant.key(product), "record": format!("access#{access_tag}")})
}

/// The key of a channel's record.
pub fn channel_key(id: &str) -> Value {
    json!({"channelId": id})
}

/// The key of a function's record: names are unique within a tenant.
pub fn function_key(tenant: &TenantId, name: &str) -> Value {
    json!({"tenantId": tenant, "name": name})
}

/// The key of a template's record.
pub fn template_key(tenant: &TenantId, id: &str) -> Value {
    json!({"owner": tenant, "record": id})
}

/// The key of the record that points from the name of a template to its id.
pub fn template_name_key(tenant: &TenantId, name: &str) -> Value {
    json!({"owner": tenant, "record": format!("#name#{name}")})
}
