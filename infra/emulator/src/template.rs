//! The SAM template: what functions, routes, rules, tables, schedules and secrets there are.

mod document;
mod name;
pub(crate) mod queue;
mod route;
mod scope;
mod stack;
mod yaml;

pub use document::Template;
pub(crate) use stack::{SecretSeed, Stack, Table, bus_name};
