//! Products and their access tags, in `APPS_TABLE`: `owner` is the tenant, or the tenant and the product of an access tag.

use shared::event::TenantId;
use shared::{Environment, Error};

use super::catalog::{ATTEMPTS, Catalog, Key, Ledger, Stored, Use, busy, pause};
use crate::product::{Connection, Product};
use crate::tag::Tag;

/// The record of a product.
pub(super) const PRODUCT: &str = "product";
/// The record of an access tag.
pub(super) const CONNECTION: &str = "access";

/// Of how many products, or access tags of a product, a list can be made.
pub(crate) const LIST_LIMIT: usize = 1_000;
/// The most access tags of an app, all products taken together, and of a product.
pub(crate) const ACCESS_TAG_LIMIT: usize = 1_000;

/// The table of products and access tags. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Products {
    catalog: Catalog,
}

/// How an access tag was created, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connecting {
    /// It is there.
    Connected,
    /// There is no such product any more.
    UnknownProduct,
    /// There is no such app any more.
    UnknownApp,
    /// The product has it already.
    Exists,
    /// The app or the product has [`ACCESS_TAG_LIMIT`] of them.
    TooMany,
}

impl Products {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { catalog: Catalog::new(environment)? })
    }

    /// Reads a product.
    pub(crate) async fn get(&self, tenant: &TenantId, product: &Tag) -> Result<Option<Product>, Error> {
        Ok(self.find(tenant, product).await?.map(|stored| stored.value))
    }

    /// Reads a product with what is known of its record.
    pub(crate) async fn find(&self, tenant: &TenantId, product: &Tag) -> Result<Option<Stored<Product>>, Error> {
        self.catalog.get(&Key::of_tenant(tenant, PRODUCT, product)).await
    }

    /// Reads a tenant's products by tag, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn all(&self, tenant: &TenantId) -> Result<Vec<Stored<Product>>, Error> {
        self.catalog.all(tenant.to_string(), PRODUCT, LIST_LIMIT + 1).await
    }

    /// Creates a product; false if there is one of this tag.
    pub(crate) async fn create(&self, tenant: &TenantId, product: &Product) -> Result<bool, Error> {
        self.catalog.save(&Key::of_tenant(tenant, PRODUCT, &product.tag), product, None).await
    }

    /// Replaces a product unless it, or its list of access tags, has changed since it was read; returns whether it did.
    pub(crate) async fn replace(
        &self,
        tenant: &TenantId,
        former: &Stored<Product>,
        product: &Product,
    ) -> Result<bool, Error> {
        self.catalog.save(&Key::of_tenant(tenant, PRODUCT, &product.tag), product, Some(&former.stamp())).await
    }

    /// Deletes a product unless it, or its list of access tags, has changed since it was read; returns whether it did.
    pub(crate) async fn delete(&self, tenant: &TenantId, former: &Stored<Product>) -> Result<bool, Error> {
        self.catalog.delete(&Key::of_tenant(tenant, PRODUCT, &former.value.tag), &former.stamp()).await
    }

    /// Reads what an access tag stands for.
    pub(crate) async fn connection(
        &self,
        tenant: &TenantId,
        product: &Tag,
        access_tag: &Tag,
    ) -> Result<Option<Connection>, Error> {
        Ok(self.find_connection(tenant, product, access_tag).await?.map(|stored| stored.value))
    }

    /// Reads what an access tag stands for, with what is known of its record.
    pub(crate) async fn find_connection(
        &self,
        tenant: &TenantId,
        product: &Tag,
        access_tag: &Tag,
    ) -> Result<Option<Stored<Connection>>, Error> {
        self.catalog.get(&Key::below(tenant, product, CONNECTION, access_tag)).await
    }

    /// Reads the access tags of a product.
    pub(crate) async fn connections(&self, tenant: &TenantId, product: &Tag) -> Result<Vec<Stored<Connection>>, Error> {
        self.catalog.all(tenant.key(product.as_str()), CONNECTION, ACCESS_TAG_LIMIT + 1).await
    }

    /// Creates an access tag, which its app and its product then know of.
    pub(crate) async fn connect(
        &self,
        tenant: &TenantId,
        product: &Tag,
        connection: &Connection,
    ) -> Result<Connecting, Error> {
        let key = Key::below(tenant, product, CONNECTION, &connection.access_tag);
        let product_key = Key::of_tenant(tenant, PRODUCT, product);
        for attempt in 1..=ATTEMPTS {
            let Some(owner) = self.find(tenant, product).await? else { return Ok(Connecting::UnknownProduct) };
            let ledger = self.catalog.ledger(tenant, &connection.app).await?;
            let Some(former) = ledger.filter(|ledger| !ledger.value.is_deleted) else {
                return Ok(Connecting::UnknownApp);
            };
            if self.find_connection(tenant, product, &connection.access_tag).await?.is_some() {
                return Ok(Connecting::Exists);
            }
            let mut uses = former.value.uses.clone();
            uses.push(Use { product: product.clone(), access_tag: connection.access_tag.clone() });
            if uses.len() > ACCESS_TAG_LIMIT || owner.value.access_tags >= ACCESS_TAG_LIMIT {
                return Ok(Connecting::TooMany);
            }
            let ledger = Ledger { uses, ..former.value.clone() };
            let next = Product { access_tags: owner.value.access_tags + 1, ..owner.value.clone() };
            let writes = vec![
                self.catalog.saving(&key, connection, None)?,
                self.catalog.noting(tenant, &connection.app, Some(&former), &ledger)?,
                self.catalog.saving(&product_key, &next, Some(&owner.stamp()))?,
            ];
            if self.catalog.transact(writes).await?.is_empty() {
                return Ok(Connecting::Connected);
            }
            pause(attempt).await;
        }
        Err(busy("create an access tag"))
    }

    /// Replaces what an access tag stands for unless it or its product has changed since they were read; returns whether
    /// it did.
    pub(crate) async fn replace_connection(
        &self,
        tenant: &TenantId,
        product: &Stored<Product>,
        former: &Stored<Connection>,
        connection: &Connection,
    ) -> Result<bool, Error> {
        let key = Key::below(tenant, &product.value.tag, CONNECTION, &connection.access_tag);
        let product_key = Key::of_tenant(tenant, PRODUCT, &product.value.tag);
        let writes = vec![
            self.catalog.saving(&key, connection, Some(&former.stamp()))?,
            self.catalog.saving(&product_key, &product.value, Some(&product.stamp()))?,
        ];
        Ok(self.catalog.transact(writes).await?.is_empty())
    }

    /// Deletes an access tag, of which its app and its product then know no longer; false if there is none.
    pub(crate) async fn disconnect(&self, tenant: &TenantId, product: &Tag, access_tag: &Tag) -> Result<bool, Error> {
        let (key, product_key) =
            (Key::below(tenant, product, CONNECTION, access_tag), Key::of_tenant(tenant, PRODUCT, product));
        for attempt in 1..=ATTEMPTS {
            let Some(owner) = self.find(tenant, product).await? else { return Ok(false) };
            let Some(connection) = self.connection(tenant, product, access_tag).await? else { return Ok(false) };
            let mut writes = vec![self.catalog.deleting(&key)?];
            let access_tags = owner.value.access_tags.saturating_sub(1);
            let next = Product { access_tags, ..owner.value.clone() };
            writes.push(self.catalog.saving(&product_key, &next, Some(&owner.stamp()))?);
            if let Some(former) = self.catalog.ledger(tenant, &connection.app).await? {
                let mut ledger = former.value.clone();
                ledger.uses.retain(|user| user.product != *product || user.access_tag != *access_tag);
                writes.push(self.catalog.noting(tenant, &connection.app, Some(&former), &ledger)?);
            }
            if self.catalog.transact(writes).await?.is_empty() {
                return Ok(true);
            }
            pause(attempt).await;
        }
        Err(busy("delete an access tag"))
    }
}
