//! The tables against another engine, and against crashes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod child;
mod differential;
mod durability;
mod lists;
mod statement;
mod support;
