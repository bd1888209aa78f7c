//! task

mod fetch;
pub mod sandbox;
