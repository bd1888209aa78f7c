//! The table of templates.
//!
//! All rows of a tenant are in one partition: a template under its id, and a row under its name that points to it. The
//! latter holds what a list shows of most templates, so that a list reads few of them whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::event::TenantId;
use shared::table::{Check, Expression, Query, Table, is_new};
use shared::{Environment, Error};

use crate::template::Template;

/// Of how many templates a list can be made.
pub(crate) const LIST_LIMIT: usize = 10_000;
/// Of how many templates a list can look at what only whole ones have.
pub(crate) const WHOLE_LIMIT: usize = 1_000;
const NAMES: &str = "#name#";
/// How often reading a template is tried that gets another name meanwhile.
const READ_ATTEMPTS: u32 = 5;

/// The templates.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    table: Table,
}

/// The outcome of writing a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    /// It is written.
    Written,
    /// Another template has the name.
    NameTaken,
    /// The template was changed or deleted in the meantime.
    Conflict,
}

/// A template with the version that a change of it must still find.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Versioned {
    pub(crate) template: Template,
    version: u64,
}

/// What is known of a template without reading all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TemplateHead {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    owner: TenantId,
    record: String,
    version: u64,
    /// As JSON, for names within it can be any.
    definition: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pointer {
    owner: TenantId,
    record: String,
    #[serde(flatten)]
    head: TemplateHead,
}

/// Any row that is understood.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Known {
    Template(Item),
    #[expect(dead_code, reason = "a pointer that can be read is right")]
    Pointer(Pointer),
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("TEMPLATES_TABLE")?.check(|row| match row {
        Known::Template(item) => opened(&item).map(drop),
        Known::Pointer(_) => Ok(()),
    }))
}

impl Templates {
    /// Keeps the templates in the table that `TEMPLATES_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("TEMPLATES_TABLE")? })
    }

    /// Returns a tenant's template by its id or, if no template has that id, by its name.
    pub(crate) async fn find(&self, tenant: &TenantId, id_or_name: &str) -> Result<Option<Template>, Error> {
        Ok(self.get(tenant, id_or_name).await?.map(|found| found.template))
    }

    /// Does the same, for a change.
    pub(crate) async fn get(&self, tenant: &TenantId, id_or_name: &str) -> Result<Option<Versioned>, Error> {
        match self.by_id(tenant, id_or_name).await? {
            Some(found) => Ok(Some(found)),
            None => self.by_name(tenant, id_or_name).await,
        }
    }

    /// Returns a tenant's template by its name.
    pub(crate) async fn by_name(&self, tenant: &TenantId, name: &str) -> Result<Option<Versioned>, Error> {
        for _ in 0..READ_ATTEMPTS {
            let pointer: Option<Pointer> = self.table.get(&key(tenant, &of_name(name))).await?;
            let Some(pointer) = pointer else { return Ok(None) };
            let found = self.by_id(tenant, &pointer.head.id).await?;
            if let Some(found) = found.filter(|found| found.template.name == name) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns a tenant's template by its id.
    pub(crate) async fn by_id(&self, tenant: &TenantId, id: &str) -> Result<Option<Versioned>, Error> {
        if id.starts_with('#') {
            return Ok(None);
        }
        self.table.get::<Item>(&key(tenant, id)).await?.as_ref().map(opened).transpose()
    }

    /// Returns what is known of a tenant's templates, by name, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn heads(&self, tenant: &TenantId) -> Result<Vec<TemplateHead>, Error> {
        let names = Expression::new("#owner = :owner AND begins_with(#record, :names)");
        let names = names.name("#owner", "owner").name("#record", "record");
        let names = names.value(":owner", tenant).value(":names", NAMES);
        let pointers: Vec<Pointer> = self.table.query(Query::new(names).limit(LIST_LIMIT + 1)).await?;
        Ok(pointers.into_iter().map(|pointer| pointer.head).collect())
    }

    /// Reads templates, in the order of their ids in the list and without those that are gone.
    pub(crate) async fn read(&self, tenant: &TenantId, ids: &[&str]) -> Result<Vec<Template>, Error> {
        let keys: Vec<Value> = ids.iter().map(|id| key(tenant, id)).collect();
        let items: Vec<Item> = self.table.open_rows(self.table.get_rows(&keys).await?).await?;
        let mut found = Vec::with_capacity(items.len());
        for item in &items {
            found.push(opened(item)?.template);
        }
        found.sort_by_cached_key(|template| ids.iter().position(|id| *id == template.id));
        Ok(found)
    }

    /// Writes a template, a new one if there is none before.
    pub(crate) async fn write(
        &self,
        tenant: &TenantId,
        before: Option<&Versioned>,
        after: &Template,
    ) -> Result<WriteOutcome, Error> {
        let version = before.map_or(1, |before| before.version + 1);
        let definition = serde_json::to_string(after).map_err(Error::cannot("write a template"))?;
        let item = Item { owner: tenant.clone(), record: after.id.clone(), version, definition };
        let unchanged = before.map_or_else(|| is_new("record"), at_version);
        let pointer = Pointer { owner: tenant.clone(), record: of_name(&after.name), head: head_of(after) };
        let is_renamed = before.is_none_or(|before| before.template.name != after.name);
        let free = is_renamed.then(|| is_new("record"));
        let mut writes = vec![self.table.writing(&item, Some(unchanged))?, self.table.writing(&pointer, free)?];
        if let Some(before) = before.filter(|_| is_renamed) {
            writes.push(self.table.deleting(&key(tenant, &of_name(&before.template.name)), None)?);
        }
        let unmet = self.table.transact(writes).await?;
        Ok(match unmet.as_slice() {
            [] => WriteOutcome::Written,
            unmet if unmet.contains(&0) => WriteOutcome::Conflict,
            _ => WriteOutcome::NameTaken,
        })
    }

    /// Deletes a template; false if it was changed or deleted in the meantime.
    pub(crate) async fn delete(&self, tenant: &TenantId, before: &Versioned) -> Result<bool, Error> {
        let writes = vec![
            self.table.deleting(&key(tenant, &before.template.id), Some(at_version(before)))?,
            self.table.deleting(&key(tenant, &of_name(&before.template.name)), None)?,
        ];
        Ok(self.table.transact(writes).await?.is_empty())
    }
}

fn at_version(before: &Versioned) -> Expression {
    Expression::new("#version = :version").name("#version", "version").value(":version", before.version)
}

fn opened(item: &Item) -> Result<Versioned, Error> {
    let template = serde_json::from_str(&item.definition).map_err(Error::cannot("read a template"))?;
    Ok(Versioned { template, version: item.version })
}

fn head_of(template: &Template) -> TemplateHead {
    TemplateHead {
        id: template.id.clone(),
        name: template.name.clone(),
        description: template.description.clone(),
        creation_timestamp: template.creation_timestamp,
        update_timestamp: template.update_timestamp,
    }
}

fn of_name(name: &str) -> String {
    format!("{NAMES}{name}")
}

fn key(tenant: &TenantId, record: &str) -> Value {
    json!({"owner": tenant, "record": record})
}
