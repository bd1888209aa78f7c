//! Products and their access tags, in `APPS_TABLE`.

use shared::event::TenantId;
use shared::table::Table;
use shared::{Environment, Error};

use crate::product::{Connection, Product};
use crate::tag::Tag;

/// The table of products and access tags.
pub(crate) struct Products {
    table: Table,
}

impl Products {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("APPS_TABLE")? })
    }

    /// Reads a product.
    pub(crate) async fn get(&self, tenant: &TenantId, product: &Tag) -> Result<Option<Product>, Error> {
        let _ = (tenant, product);
        Ok(None)
    }

    /// Reads what an access tag stands for.
    pub(crate) async fn connection(
        &self,
        tenant: &TenantId,
        product: &Tag,
        access_tag: &Tag,
    ) -> Result<Option<Connection>, Error> {
        let _ = (tenant, product, access_tag);
        Ok(None)
    }
}
