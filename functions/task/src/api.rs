//! The routes, one file per resource.

pub(crate) mod functions;
pub(crate) mod journal;
pub(crate) mod tasks;
