//! What the world does, and what `shared` does on its engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod claims;
mod gather;
mod same;
mod sealed;
mod world;
