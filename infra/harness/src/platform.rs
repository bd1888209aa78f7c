//! The chat platforms' side of a conversation, played by local servers.
//!
//! Each module plays one platform as it is documented: its API with the answers, errors and rate limits that it gives,
//! and webhooks as it writes and signs them.

pub mod discord;
pub mod slack;
pub mod telegram;
pub mod whatsapp;
