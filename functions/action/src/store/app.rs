//! Apps and their actions, in `APPS_TABLE`: `owner` is the tenant, or the tenant and the app of an action.

use shared::table::Table;
use shared::{Environment, Error};

/// The table of apps.
pub(crate) struct Apps {
    table: Table,
}

impl Apps {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("APPS_TABLE")? })
    }
}

impl Apps {
    /// Reads an app of a tenant.
    pub(crate) async fn get(
        &self,
        tenant: &shared::event::TenantId,
        app: &crate::tag::Tag,
    ) -> Result<Option<crate::app::App>, Error> {
        self.table.get(&serde_json::json!({"owner": tenant, "record": app})).await
    }

    /// Reads an action of an app.
    pub(crate) async fn action(
        &self,
        tenant: &shared::event::TenantId,
        app: &crate::tag::Tag,
        action: &crate::tag::Tag,
    ) -> Result<Option<crate::app::Action>, Error> {
        self.table.get(&serde_json::json!({"owner": format!("{}#{app}", tenant.as_str()), "record": action})).await
    }
}
