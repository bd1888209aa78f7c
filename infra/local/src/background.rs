//! The threads for what nobody waits for: deliveries, and the functions that they call.
//!
//! While requests are waiting, these threads yield processors to those that answer: senders of webhooks wait for their
//! answers, and what was accepted is worked off when there is time. Both have as many threads as there are processors, so
//! that neither is ever without any.

use std::io;

use shared::priority;
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that end, with all that runs on them, when this is dropped.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn start() -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        threads.thread_name("background").on_thread_start(|| priority::give_way(None));
        threads.enable_all().build().map(|runtime| Self(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A task may not wait until others have ended.
            runtime.shutdown_background();
        }
    }
}
