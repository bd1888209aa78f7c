//! Secrets, in `SECRETS_TABLE` by tenant and key; the values are sealed.

use shared::table::Table;
use shared::{Environment, Error};

/// The table of secrets.
pub(crate) struct Secrets {
    table: Table,
}

impl Secrets {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("SECRETS_TABLE")? })
    }
}
