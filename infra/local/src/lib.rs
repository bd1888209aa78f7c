//! The one-process runtime: the functions on the emulator, an HTTP port in front.
//!
//! It knows the functions and the template, and nothing inside them. [`Running::start`] is the story from top to
//! bottom: listen, open the emulator, build the functions from the template's variables, deliver, serve.

mod cors;
pub mod demo;
mod failure;
mod functions;
mod gateway;
mod runtime;
mod threads;

pub use cors::Origin;
pub use failure::Failure;
pub use functions::{Constructor, FUNCTIONS};
pub use runtime::{Options, Running, TEMPLATE, openapi, unreadable};
