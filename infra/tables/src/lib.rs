//! DynamoDB tables in one SQLite file: the operations and expressions that functions use, everything else refused by
//! name.
//!
//! A request is read and its expressions are parsed where it arrives (`request`); then it waits for the one thread that
//! owns the file (`engine`). That thread runs all requests that wait in one transaction, and answers them when it is
//! committed: what was acknowledged is durable, and what was read is as well.

mod checkpoint;
mod engine;
mod error;
mod expression;
mod number;
mod operation;
mod request;
mod reserved;
mod schema;
mod statement;
mod store;
mod value;

pub use checkpoint::Checkpoints;
pub use engine::{Durability, Engine, EngineError, Now, Reply};
pub use operation::Consumed;
