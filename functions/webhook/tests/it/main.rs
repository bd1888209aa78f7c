//! Requests in; answers, events and records out, against the real AWS clients on embedded engines.

mod channels;
mod faults;
mod ingest;
mod payloads;
#[cfg(test)]
mod setup;
mod telegram;
