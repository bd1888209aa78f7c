//! The emulator as its users see it: real SDK clients in front, functions behind.

mod bus;
mod scheduler;
mod secrets;
mod support;
mod survival;
mod tables;
mod template;
