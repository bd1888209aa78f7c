//! The routes, one file per resource.

pub(crate) mod assets;
pub(crate) mod director;
pub(crate) mod functions;
pub(crate) mod schedules;
pub(crate) mod tasks;
