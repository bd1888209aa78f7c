//! The records in their tables; every record belongs to one tenant.

pub(crate) mod api_request;
pub(crate) mod asset;
pub(crate) mod code;
pub(crate) mod function;
pub(crate) mod history;
pub(crate) mod journal;
pub(crate) mod open_task;
pub(crate) mod schedule;
pub(crate) mod task;
pub(crate) mod version;
