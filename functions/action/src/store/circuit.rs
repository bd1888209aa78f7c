//! Circuits and health of the environments of apps, in `APP_HEALTH_TABLE`.

use shared::table::Table;
use shared::{Environment, Error};

/// The table of circuits and health.
pub(crate) struct Circuits {
    table: Table,
}

impl Circuits {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("APP_HEALTH_TABLE")? })
    }
}
