//! The routes, by resource.

pub(crate) mod clients;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod logins;
pub(crate) mod me;
pub(crate) mod passwords;
pub(crate) mod refresh_tokens;
pub(crate) mod roles;
pub(crate) mod signing_tokens;
pub(crate) mod tokens;
pub(crate) mod users;
