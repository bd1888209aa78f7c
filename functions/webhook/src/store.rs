//! The tables: channels, and messages with the counters of the rate limits beside them.

mod channels;
mod counters;
mod messages;

pub(crate) use self::channels::Channels;
pub(crate) use self::counters::Counters;
pub(crate) use self::messages::Messages;
