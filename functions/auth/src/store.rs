//! The records: clients by id, users and roles by tenant, families of refresh tokens by hash, tokens that sign, and failed
//! logins.

pub(crate) mod attempt;
pub(crate) mod client;
pub(crate) mod signing_token;
pub(crate) mod token_family;
pub(crate) mod user;
