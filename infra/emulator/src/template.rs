//! The SAM template: what functions, routes, rules, tables, schedules and secrets there are.

mod document;
mod name;
mod queue;
mod route;
mod rule;
mod scope;
mod stack;
mod yaml;

pub use document::Template;
pub(crate) use rule::{Rule, bus_name};
pub(crate) use stack::{SecretSeed, Stack, Table};
