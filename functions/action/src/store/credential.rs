//! The data of auths and the tokens made of them, sealed, in `CREDENTIALS_TABLE`.

use shared::table::Table;
use shared::{Environment, Error};

/// The table of credentials.
pub(crate) struct StoredCredentials {
    table: Table,
}

impl StoredCredentials {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("CREDENTIALS_TABLE")? })
    }
}
