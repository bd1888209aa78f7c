//! Schedules: when their instants are and what becomes of each (`timing` and `decide`, both pure), and how they are
//! created, settled and shown.

pub(crate) mod body;
pub(crate) mod decide;
pub(crate) mod last_task;
pub(crate) mod lifecycle;
pub(crate) mod passes;
pub(crate) mod settle;
pub(crate) mod task;
pub(crate) mod timing;
pub(crate) mod view;
pub(crate) mod wake;
