//! The routes.

pub(crate) mod mails;
pub(crate) mod opens;
