//! The records in their tables; every record belongs to one tenant.

pub(crate) mod function;
pub(crate) mod journal;
pub(crate) mod task;
