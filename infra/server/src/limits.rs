use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// The most connections, however many descriptors the system allows.
const MOST: u64 = 10_000;
/// The fewest connections, however few descriptors the system allows.
const FEWEST: u64 = 16;

/// What the other side of a connection may take of time, and how many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections there are at once.
    pub connections: usize,
    /// The time for the line and the headers of a request, and for the first byte on a new connection.
    pub head: Duration,
    /// How long a connection stays open without a request.
    pub idle: Duration,
    /// The time that a body, or an answer, may stand still in all; each second's worth of bytes adds a second.
    pub patience: Duration,
    /// How many bytes are worth a second.
    pub bytes_per_second: u32,
}

impl Default for Limits {
    /// Half of the process's file descriptors as connections; the rest is for files and for outbound requests.
    fn default() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            connections: usize::try_from((descriptors / 2).clamp(FEWEST, MOST)).unwrap_or(usize::MAX),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            patience: Duration::from_secs(20),
            bytes_per_second: 500,
        }
    }
}
