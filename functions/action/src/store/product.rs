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
