//! Assets, in `ASSETS_TABLE`: a head and a content each, so that a list reads no contents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::event::TenantId;
use shared::table::{Check, Expression, Query, Table, exists};
use shared::{Environment, Error};

use crate::asset::AssetName;

/// Of how many assets a list can be made.
pub(crate) const LIST_LIMIT: usize = 10_000;
/// How much of a hash tells contents apart, in bytes.
const TAG_BYTES: usize = 16;

/// What is known of an asset without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssetHead {
    /// The name below `/assets/public/director/`.
    #[schema(value_type = String)]
    pub(crate) name: AssetName,
    /// The tag of the content, as `ETag` has it.
    pub(crate) etag: String,
    /// The size of the content.
    pub(crate) size_bytes: usize,
    /// When the content was last written.
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
}

/// An asset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asset {
    pub(crate) head: AssetHead,
    pub(crate) content: String,
}

impl Asset {
    /// Builds an asset from its content.
    pub(crate) fn new(name: AssetName, content: String, now: Timestamp) -> Self {
        let hash = Sha256::digest(content.as_bytes());
        let tag: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let etag = format!("\"{tag}\"");
        let head = AssetHead { name, etag, size_bytes: content.len(), update_timestamp: now };
        Self { head, content }
    }
}

/// An item of the table.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    tenant_id: TenantId,
    item: String,
    #[serde(flatten)]
    head: AssetHead,
    /// Absent from heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// The table of assets. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Assets {
    table: Table,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("ASSETS_TABLE")?.check(|_: Item| Ok(())))
}

impl Assets {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("ASSETS_TABLE")? })
    }

    /// Reads an asset.
    pub(crate) async fn get(&self, tenant: &TenantId, name: &AssetName) -> Result<Option<Asset>, Error> {
        let item: Option<Item> = self.table.get(&content_key(tenant, name)).await?;
        Ok(item.and_then(|Item { head, content, .. }| Some(Asset { head, content: content? })))
    }

    /// Reads the heads of a tenant's assets by name, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn all(&self, tenant: &TenantId) -> Result<Vec<AssetHead>, Error> {
        let heads = Expression::new("tenantId = :tenant AND begins_with(#item, :heads)").name("#item", "item");
        let heads = heads.value(":tenant", tenant).value(":heads", HEADS);
        let items: Vec<Item> = self.table.query(Query::new(heads).limit(LIST_LIMIT + 1)).await?;
        Ok(items.into_iter().map(|item| item.head).collect())
    }

    /// Creates or replaces an asset.
    pub(crate) async fn put(&self, tenant: &TenantId, asset: &Asset) -> Result<(), Error> {
        let Asset { head, content } = asset;
        let item = |item: String, content: Option<&String>| Item {
            tenant_id: tenant.clone(),
            item,
            head: head.clone(),
            content: content.cloned(),
        };
        let head_item = item(head_of(&head.name), None);
        let writes = vec![
            self.table.writing(&head_item, None)?,
            self.table.writing(&item(content_of(&head.name), Some(content)), None)?,
        ];
        self.table.transact(writes).await.map(drop)
    }

    /// Deletes an asset; false if there was none.
    pub(crate) async fn delete(&self, tenant: &TenantId, name: &AssetName) -> Result<bool, Error> {
        let writes = vec![
            self.table.deleting(&json!({"tenantId": tenant, "item": head_of(name)}), None)?,
            self.table.deleting(&content_key(tenant, name), Some(exists("item")))?,
        ];
        Ok(self.table.transact(writes).await?.is_empty())
    }
}

const HEADS: &str = "head/";

fn head_of(name: &AssetName) -> String {
    format!("{HEADS}{}", name.as_str())
}

fn content_of(name: &AssetName) -> String {
    format!("content/{}", name.as_str())
}

fn content_key(tenant: &TenantId, name: &AssetName) -> Value {
    json!({"tenantId": tenant, "item": content_of(name)})
}
