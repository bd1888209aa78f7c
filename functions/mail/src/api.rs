//! The routes.

pub(crate) mod templates;
pub(crate) mod mails;
pub(crate) mod opens;
