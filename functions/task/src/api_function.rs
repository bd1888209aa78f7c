//! Functions that answer HTTP requests: the event that they get, and what they return, both pure.

pub(crate) mod event;
pub(crate) mod result;
