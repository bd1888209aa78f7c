//! The callback function on the embedded engines, called as Lambda calls it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod call;
mod end;
mod faults;
mod http;
mod rotation;
mod step;
mod support;
mod tenant;
