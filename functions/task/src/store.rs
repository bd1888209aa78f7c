//! The records in their tables; every record belongs to one tenant.

pub(crate) mod api_request;
pub(crate) mod function;
pub(crate) mod task;
