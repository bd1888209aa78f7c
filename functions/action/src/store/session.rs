//! Definitions of sessions, and sessions, in `SESSIONS_TABLE`.

use shared::table::Table;
use shared::{Environment, Error};

/// The table of sessions.
pub(crate) struct Sessions {
    table: Table,
}

impl Sessions {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("SESSIONS_TABLE")? })
    }
}
