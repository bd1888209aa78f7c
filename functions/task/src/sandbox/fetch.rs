//! The requests of one script, on the script's side: counted, and handed to the process that sends them.

use std::collections::{HashMap, VecDeque};

use super::exchange::{FetchError, FetchRequest, Finished};
use super::message::{Output, Said};
use super::stop::Stop;

/// How many requests of one script are in flight at once; the others wait.
pub(super) const CONCURRENT: usize = 16;
/// How many requests of one script may be in flight or waiting.
const MAX_PENDING: usize = 1_000;
/// The longest body of a request.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// The longest method, URL and headers of a request in all.
const MAX_HEAD_BYTES: usize = 256 * 1024;
/// The total length of all pending requests.
const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// The requests of one script.
pub(super) struct Fetches {
    id: u64,
    output: Output,
    stop: Stop,
    pending: HashMap<u32, Pending>,
    pending_bytes: usize,
    waiting: VecDeque<(u32, FetchRequest)>,
    in_flight: usize,
}

#[derive(Clone, Copy)]
struct Pending {
    bytes: usize,
    in_flight: bool,
}

impl Fetches {
    /// Starts without requests, for the script with this id.
    pub(super) fn new(id: u64, output: Output, stop: Stop) -> Self {
        Self { id, output, stop, pending: HashMap::new(), pending_bytes: 0, waiting: VecDeque::new(), in_flight: 0 }
    }

    /// Whether no request is pending.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Starts a request, whose end is delivered to the script's event loop.
    pub(super) fn start(&mut self, id: u32, request: FetchRequest) {
        let (head_bytes, body_bytes) = (request.head_bytes(), request.body.len());
        let refused = self.refused(head_bytes, body_bytes);
        let bytes = if refused.is_some() { 0 } else { head_bytes + body_bytes };
        self.pending.insert(id, Pending { bytes, in_flight: false });
        self.pending_bytes += bytes;
        match refused {
            Some(error) => self.stop.fetched(Finished { id, result: Err(error) }),
            None => {
                self.waiting.push_back((id, request));
                self.send();
            }
        }
    }

    /// Takes a request that is not sent, as its end is known already.
    pub(super) fn expect(&mut self, id: u32) {
        self.pending.insert(id, Pending { bytes: 0, in_flight: false });
    }

    /// Removes a request that has ended. Returns whether it was known.
    pub(super) fn finished(&mut self, id: u32) -> bool {
        self.remove(id).is_some()
    }

    /// Removes a request, and stops it if it is still in flight. Returns whether it was known.
    pub(super) fn forget(&mut self, id: u32) -> bool {
        let Some(pending) = self.remove(id) else { return false };
        if pending.in_flight {
            self.output.say(self.id, Said::AbortFetch { fetch: id });
        }
        true
    }

    /// Forgets all requests; those in flight end with the script.
    pub(super) fn abort_all(&mut self) {
        self.pending.clear();
        self.waiting.clear();
    }

    fn refused(&self, head_bytes: usize, body_bytes: usize) -> Option<FetchError> {
        if body_bytes > MAX_BODY_BYTES {
            return Some(FetchError::new("FetchTooLarge", format!("the body is longer than {MAX_BODY_BYTES} bytes")));
        }
        if head_bytes > MAX_HEAD_BYTES {
            let message = format!("the URL and the headers are longer than {MAX_HEAD_BYTES} bytes");
            return Some(FetchError::new("FetchTooLarge", message));
        }
        let crowded = self.pending.len() >= MAX_PENDING || self.pending_bytes + body_bytes > MAX_PENDING_BYTES;
        let message = "too many requests are pending, or their bodies are too long";
        crowded.then(|| FetchError::new("FetchLimitExceeded", message))
    }

    fn remove(&mut self, id: u32) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.pending_bytes -= pending.bytes;
        if pending.in_flight {
            self.in_flight -= 1;
            self.send();
        }
        Some(pending)
    }

    /// Sends what waits, as far as there is room.
    fn send(&mut self) {
        while self.in_flight < CONCURRENT
            && let Some((id, request)) = self.waiting.pop_front()
        {
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            pending.in_flight = true;
            self.in_flight += 1;
            self.output.say(self.id, Said::Fetch { fetch: id, request });
        }
    }
}
