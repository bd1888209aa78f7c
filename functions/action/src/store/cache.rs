//! Definitions of caches, and cached outputs, sealed, in `ACTION_CACHE_TABLE`.

use shared::table::Table;
use shared::{Environment, Error};

/// The table of caches.
pub(crate) struct Caches {
    table: Table,
}

impl Caches {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("ACTION_CACHE_TABLE")? })
    }
}
