//! Deliveries to functions: at least once, with retries, then a dead letter.
//!
//! Every delivery is a row of the journal until its function has accepted it. What rules match waits in the queue that
//! they send it to, and the inputs of schedules go straight to their functions. [`queue`] decides which one goes next,
//! [`row`] is how they are kept.

mod attempt;
mod inbox;
mod lane;
mod queue;
mod retry;
pub(crate) mod row;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::fault::Faults;
use crate::journal::Journal;
pub(crate) use inbox::{Deliveries, notify};
pub(crate) use lane::Terms;
pub(crate) use retry::RetryPolicy;

pub use inbox::Invoke;
pub use row::DeadLetter;

/// Starts the task on a runtime; it delivers nothing before [`Deliveries::start`].
pub(crate) fn open(
    lanes: impl Iterator<Item = (Arc<str>, Terms)>,
    journal: Arc<Journal>,
    shared: (Clock, Arc<Faults>),
    runtime: &Handle,
) -> (Deliveries, AbortHandle) {
    let (messages, inbox) = mpsc::unbounded_channel();
    let handle = Deliveries(messages);
    let queue = queue::Queue::new(lanes, journal, shared, handle.clone());
    let task = runtime.spawn(queue.run(inbox));
    (handle, task.abort_handle())
}
