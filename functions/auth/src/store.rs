//! The records: clients by id, and families of refresh tokens by hash.

pub(crate) mod client;
pub(crate) mod token_family;
