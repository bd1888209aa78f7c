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
