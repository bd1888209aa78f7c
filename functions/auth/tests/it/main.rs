//! The auth function on the embedded engines, called as Lambda calls it.

mod client;
mod support;
mod token;
