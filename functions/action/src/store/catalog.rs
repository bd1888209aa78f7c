//! What apps and products share in `APPS_TABLE`: items with a revision, and the ledger of each app.
//!
//! Every change is one conditional write. The ledger of an app counts its actions, names the access tags that use it and
//! says when it is being deleted; whatever adds to an app or takes from it writes the ledger in the same transaction, so
//! that no two such changes can overlook each other.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::{Clock, Ids};
use shared::event::TenantId;
use shared::table::{Expression, Query, Table, Write, exists, is_new};
use shared::{Environment, Error};

use crate::tag::Tag;

/// How often a change is tried again that met another one.
pub(super) const ATTEMPTS: usize = 50;
/// The pause before the next attempt, which grows with each one up to ten times that.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(4);

/// The value by which the index `probed` finds apps.
const PROBED: &str = "yes";

/// The record of an app's ledger.
const LEDGER: &str = "ledger";

/// An item of the table: the body is JSON text, which nests deeper than attributes may.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    owner: String,
    pub(super) record: String,
    /// The id of the last write.
    revision: String,
    pub(super) body: String,
    #[serde(with = "shared::clock::iso")]
    created_at: Timestamp,
    #[serde(with = "shared::clock::iso")]
    updated_at: Timestamp,
    /// Only in apps whose health is probed, so that the index holds no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probed: Option<String>,
}

/// A value as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored<T> {
    /// The value.
    pub(crate) value: T,
    /// When it was created.
    pub(crate) created_at: Timestamp,
    /// When it was last changed.
    pub(crate) updated_at: Timestamp,
    /// The id of the last write.
    revision: String,
}

/// An access tag that uses an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Use {
    /// The product.
    pub(crate) product: Tag,
    /// The access tag.
    pub(crate) access_tag: Tag,
}

/// What is going on with an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// How many actions it has.
    pub(super) actions: usize,
    /// Who uses it.
    pub(super) uses: Vec<Use>,
    /// Whether its actions are being deleted.
    pub(super) is_deleted: bool,
    /// The document that is being imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) import: Option<Import>,
}

/// An import that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Import {
    /// Which document, and until when no other one is imported.
    pub(super) lease: Lease,
    /// Whether it has created the app.
    pub(super) creates: bool,
}

/// The right to import a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// What tells documents apart.
    pub(crate) digest: String,
    /// Until when no other document is imported, unless the import ends before.
    #[serde(with = "shared::clock::iso")]
    pub(crate) until: Timestamp,
}

/// The key of a kind of record.
#[derive(Clone, Debug)]
pub(super) struct Key {
    owner: String,
    record: String,
    is_probed: bool,
}

impl Key {
    /// An app, or a product, of a tenant.
    pub(super) fn of_tenant(tenant: &TenantId, kind: &str, tag: &Tag) -> Self {
        Self { owner: tenant.to_string(), record: format!("{kind}#{tag}"), is_probed: false }
    }

    /// What belongs to an app or a product.
    pub(super) fn below(tenant: &TenantId, owner: &Tag, kind: &str, tag: &Tag) -> Self {
        Self { owner: tenant.key(owner.as_str()), record: format!("{kind}#{tag}"), is_probed: false }
    }

    /// The same for what is found by [`Catalog::probed`] once it is written, or is not.
    pub(super) fn probed(self, is_probed: bool) -> Self {
        Self { is_probed, ..self }
    }

    fn ledger(tenant: &TenantId, app: &Tag) -> Self {
        Self { owner: tenant.key(app.as_str()), record: LEDGER.to_owned(), is_probed: false }
    }

    fn value(&self) -> Value {
        json!({"owner": self.owner, "record": self.record})
    }
}

impl<T> Stored<T> {
    /// The same without the value, for what only needs to know the revision.
    pub(super) fn stamp(&self) -> Stored<()> {
        let Self { created_at, updated_at, revision, .. } = self;
        Stored { value: (), created_at: *created_at, updated_at: *updated_at, revision: revision.clone() }
    }
}

impl Item {
    fn read<T: DeserializeOwned>(self) -> Result<Stored<T>, Error> {
        let value = serde_json::from_str(&self.body).map_err(Error::cannot("read a record of an app"))?;
        Ok(Stored { value, created_at: self.created_at, updated_at: self.updated_at, revision: self.revision })
    }

    /// Finds out whether the body can be read.
    pub(super) fn check(self) -> Result<(), Error> {
        let kind = self.record.split('#').next().unwrap_or_default().to_owned();
        match kind.as_str() {
            super::app::APP => self.read::<crate::app::App>().map(drop),
            super::app::ACTION => self.read::<crate::app::Action>().map(drop),
            super::product::PRODUCT => self.read::<crate::product::Product>().map(drop),
            super::product::CONNECTION => self.read::<crate::product::Connection>().map(drop),
            _ => self.read::<Ledger>().map(drop),
        }
    }
}

/// The table, as apps and products use it.
#[derive(Clone)]
pub(super) struct Catalog {
    table: Table,
    clock: Clock,
    ids: Ids,
}

impl Catalog {
    pub(super) fn new(environment: &Environment) -> Result<Self, Error> {
        let (clock, ids) = (environment.clock.clone(), environment.ids.clone());
        Ok(Self { table: environment.table("APPS_TABLE")?, clock, ids })
    }

    fn item<T: Serialize>(&self, key: &Key, value: &T, former: Option<&Stored<()>>) -> Result<Item, Error> {
        let now = self.clock.now();
        Ok(Item {
            owner: key.owner.clone(),
            record: key.record.clone(),
            revision: self.ids.hex24(),
            body: serde_json::to_string(value).map_err(Error::cannot("write a record of an app"))?,
            created_at: former.map_or(now, |former| former.created_at),
            updated_at: now,
            probed: key.is_probed.then(|| PROBED.to_owned()),
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, Error> {
        let item: Option<Item> = self.table.get(&key.value()).await?;
        item.map(Item::read).transpose()
    }

    /// Reads the records of a kind, by tag; one that cannot be read is logged and left out.
    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        owner: String,
        kind: &str,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let key = Expression::new("#owner = :owner AND begins_with(#record, :kind)");
        let key = key.name("#owner", "owner").name("#record", "record").value(":owner", owner);
        let query = Query::new(key.value(":kind", format!("{kind}#"))).limit(limit);
        let items: Vec<Item> = self.table.query(query).await?;
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            let record = item.record.clone();
            match item.read() {
                Ok(stored) => all.push(stored),
                Err(error) => self.table.log_unreadable(&record, &error),
            }
        }
        Ok(all)
    }

    /// Returns the owners and the records that are found by [`Key::probed`], those of all tenants.
    pub(super) async fn probed(&self) -> Result<Vec<(String, String)>, Error> {
        let key = Expression::new("probed = :probed").value(":probed", PROBED);
        let rows = self.table.query_rows(Query::new(key).index("probed")).await?;
        Ok(rows.iter().filter_map(|row| Some((row.attribute("owner")?, row.attribute("record")?))).collect())
    }

    /// Writes a record that must not exist yet, or that must be as `former` was read; returns whether it did.
    pub(super) async fn save<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
        former: Option<&Stored<()>>,
    ) -> Result<bool, Error> {
        self.table.put_if(&self.item(key, value, former)?, unchanged(former)).await
    }

    /// The same as part of a transaction.
    pub(super) fn saving<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
        former: Option<&Stored<()>>,
    ) -> Result<Write, Error> {
        self.table.writing(&self.item(key, value, former)?, Some(unchanged(former)))
    }

    /// Deletes a record that must be there, as part of a transaction.
    pub(super) fn deleting(&self, key: &Key) -> Result<Write, Error> {
        self.table.deleting(&key.value(), Some(exists("owner")))
    }

    /// Deletes a record, if it is there, as part of a transaction.
    pub(super) fn clearing(&self, key: &Key) -> Result<Write, Error> {
        self.table.deleting(&key.value(), None)
    }

    /// Deletes a record that must be as it was read; returns whether it was.
    pub(super) async fn delete(&self, key: &Key, former: &Stored<()>) -> Result<bool, Error> {
        let deleted: Option<Item> = self.table.delete(&key.value(), Some(unchanged(Some(former)))).await?;
        Ok(deleted.is_some())
    }

    pub(super) async fn transact(&self, writes: Vec<Write>) -> Result<Vec<usize>, Error> {
        self.table.transact(writes).await
    }

    pub(super) async fn ledger(&self, tenant: &TenantId, app: &Tag) -> Result<Option<Stored<Ledger>>, Error> {
        self.get(&Key::ledger(tenant, app)).await
    }

    /// Writes the ledger, unless it has changed since it was read, as part of a transaction.
    pub(super) fn noting(
        &self,
        tenant: &TenantId,
        app: &Tag,
        former: Option<&Stored<Ledger>>,
        ledger: &Ledger,
    ) -> Result<Write, Error> {
        let former = former.map(Stored::stamp);
        self.saving(&Key::ledger(tenant, app), ledger, former.as_ref())
    }

    /// Removes the ledger of an app that has been deleted, unless it has changed since it was read.
    pub(super) async fn close(&self, tenant: &TenantId, app: &Tag, former: &Stored<Ledger>) -> Result<bool, Error> {
        self.delete(&Key::ledger(tenant, app), &former.stamp()).await
    }
}

/// Waits a little, as another change was first, and longer each time.
pub(super) async fn pause(attempt: usize) {
    let factor = u32::try_from(attempt.clamp(1, 10)).unwrap_or(1);
    tokio::time::sleep(PAUSE * factor).await;
}

/// The error when changes met others too often.
pub(super) fn busy(what: &'static str) -> Error {
    Error::new(what, "it is changed by others all the time")
}

fn unchanged(former: Option<&Stored<()>>) -> Expression {
    match former {
        None => is_new("owner"),
        Some(former) => {
            let unchanged = Expression::new("#revision = :revision").name("#revision", "revision");
            unchanged.value(":revision", &former.revision)
        }
    }
}
