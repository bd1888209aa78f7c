//! Director's periodic tasks: the forms of their bodies and of the answers.

pub(crate) mod date;
pub(crate) mod timing;
