//! Director's periodic tasks: the forms of their bodies and of the answers.

pub(crate) mod badge;
pub(crate) mod date;
pub(crate) mod definition;
pub(crate) mod document;
pub(crate) mod timing;
