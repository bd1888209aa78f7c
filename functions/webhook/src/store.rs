//! The tables: channels, and messages with the counters of the rate limits beside them.

pub(crate) mod channel;
pub(crate) mod counter;
pub(crate) mod message;
