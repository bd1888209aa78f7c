//! Products and their access tags, in `APPS_TABLE`.

use shared::table::Table;
use shared::{Environment, Error};

/// The table of products and access tags.
pub(crate) struct Products {
    table: Table,
}

impl Products {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("APPS_TABLE")? })
    }
}

impl Products {
    pub(crate) async fn get(
        &self,
        tenant: &shared::event::TenantId,
        product: &crate::tag::Tag,
    ) -> Result<Option<crate::product::Product>, Error> {
        self.table.get(&serde_json::json!({"owner": tenant, "record": product})).await
    }

    pub(crate) async fn connection(
        &self,
        tenant: &shared::event::TenantId,
        product: &crate::tag::Tag,
        access_tag: &crate::tag::Tag,
    ) -> Result<Option<crate::product::Connection>, Error> {
        self.table
            .get(&serde_json::json!({"owner": format!("{}#{product}", tenant.as_str()), "record": access_tag}))
            .await
    }
}
