//! The routes, one file per resource.

pub(crate) mod functions;
pub(crate) mod logs;
pub(crate) mod tasks;
pub(crate) mod versions;
