//! The action function on the embedded engines, called as Lambda calls it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod apps;
mod cache;
mod calls;
mod health;
mod imports;
mod log;
mod retries;
mod runs;
mod session;
mod setup;
mod steps;
mod whole;
