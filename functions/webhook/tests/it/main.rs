//! Requests in; answers, events and records out, against the real AWS clients on embedded engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod channels;
mod chat;
mod discord;
mod encodings;
mod faults;
mod handshake;
mod health;
mod ingest;
mod limits;
mod log;
mod payloads;
mod published;
mod rotation;
mod sending;
mod setup;
mod slack;
mod sources;
mod steps;
mod telegram;
mod tenants;
mod whatsapp;
