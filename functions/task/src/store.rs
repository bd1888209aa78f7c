//! The records in their tables; every record belongs to one tenant.

pub(crate) mod asset;
pub(crate) mod function;
pub(crate) mod history;
pub(crate) mod schedule;
pub(crate) mod task;
