//! The auth function on the embedded engines, called as Lambda calls it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod client;
mod key;
mod permission;
mod signature;
mod signed;
mod support;
mod tenant;
mod token;
mod user;
