//! The routes.

pub(crate) mod mails;
pub(crate) mod opens;
pub(crate) mod templates;
