//! The routes, one file per resource.

pub(crate) mod api_functions;
pub(crate) mod api_requests;
pub(crate) mod assets;
pub(crate) mod director;
pub(crate) mod execute;
pub(crate) mod functions;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod logs;
pub(crate) mod schedules;
pub(crate) mod tasks;
pub(crate) mod versions;
