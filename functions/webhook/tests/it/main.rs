//! Requests in; answers, events and records out, against the real AWS clients on embedded engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod channels;
mod discord;
mod faults;
mod handshake;
mod ingest;
mod limits;
mod payloads;
mod sending;
mod setup;
mod slack;
mod sources;
mod telegram;
mod whatsapp;
