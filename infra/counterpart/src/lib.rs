//! The chat platforms' side of a conversation, played by local servers in tests.
//!
//! Each module plays one platform as it is documented: its API with the answers, errors and rate limits that it gives,
//! and webhooks as it writes and signs them. Nothing here is part of what is deployed.

pub mod discord;
mod server;
pub mod slack;
pub mod telegram;
pub mod whatsapp;

pub use server::{Answer, Reaction, Request, Server};
