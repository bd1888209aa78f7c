//! The routes.

pub(crate) mod templates;
