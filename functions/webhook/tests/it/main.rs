//! Requests in; answers, events and records out, against the real AWS clients on embedded engines.

mod channels;
mod faults;
mod handshake;
mod ingest;
mod limits;
mod payloads;
mod sending;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod sources;
mod telegram;
mod whatsapp;
