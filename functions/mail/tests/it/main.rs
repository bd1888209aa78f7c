//! The mail function on the embedded engines, called as Lambda calls it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod attachments;
mod faults;
mod http;
mod list;
mod opens;
mod reports;
mod step;
mod support;
mod template;
