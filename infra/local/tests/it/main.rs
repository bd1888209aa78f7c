//! The whole system as a user has it: the real binary, real HTTP, real signals.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod apps;
mod connections;
mod conversation;
mod crash;
mod delayed;
mod delivery;
mod demo;
mod doors;
mod execute;
mod house;
mod injection;
mod lambda;
mod log;
mod mail;
mod process;
mod readme;
mod repeat;
mod replay;
mod script;
mod sealed;
mod serve;
mod signed;
mod tenants;
mod units;
mod unreadable;
mod wiring;
