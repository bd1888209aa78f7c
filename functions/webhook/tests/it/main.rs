//! Requests in; answers, events and records out, against the real AWS clients on embedded engines.

mod channels;
mod discord;
mod faults;
mod handshake;
mod ingest;
mod limits;
mod payloads;
#[cfg(test)]
mod setup;
mod sources;
mod telegram;
