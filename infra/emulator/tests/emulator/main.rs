//! The emulator as its users see it: real SDK clients in front, functions behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bus;
mod mail;
mod queue;
mod scheduler;
mod secrets;
mod support;
mod survival;
mod tables;
mod template;
