//! The routes, one file per resource.

pub(crate) mod clients;
pub(crate) mod tokens;
pub(crate) mod users;
