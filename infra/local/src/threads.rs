//! The threads beside those that answer requests.
//!
//! Nobody waits for deliveries and the functions that they call. While requests are waiting, their threads yield processors
//! to those that answer: senders of webhooks wait for their answers, and what was accepted is worked off when there is time.
//! Both have as many threads as there are processors, so that neither is ever without any.
//!
//! What scripts send leaves from a thread that gives way to nobody and does little else. A process that is killed between
//! the note that a request is sent and the request leaves an outcome that nobody knows, and among thousands of deliveries a
//! request would wait there for long.

use std::io;

use shared::priority;
use tokio::runtime::{Builder, Handle, Runtime};

/// The name of the threads for deliveries, and of the one that sends.
const BACKGROUND: &str = "background";
const SENDING: &str = "sending";

/// Threads that end, with all that runs on them, when this is dropped.
pub(crate) struct Threads {
    background: Option<Runtime>,
    sending: Option<Runtime>,
}

impl Threads {
    pub(crate) fn start() -> io::Result<Self> {
        let mut background = Builder::new_multi_thread();
        background.thread_name(BACKGROUND).on_thread_start(|| priority::give_way(None));
        let mut sending = Builder::new_multi_thread();
        sending.thread_name(SENDING).worker_threads(1);
        let start = |threads: &mut Builder| threads.enable_all().build().map(Some);
        Ok(Self { background: start(&mut background)?, sending: start(&mut sending)? })
    }

    /// For deliveries and the functions that they call.
    pub(crate) fn background(&self) -> Option<Handle> {
        self.background.as_ref().map(|threads| threads.handle().clone())
    }

    /// For what scripts send.
    pub(crate) fn sending(&self) -> Option<Handle> {
        self.sending.as_ref().map(|threads| threads.handle().clone())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for threads in [self.background.take(), self.sending.take()].into_iter().flatten() {
            // A task may not wait until others have ended.
            threads.shutdown_background();
        }
    }
}
