//! The way to the task that delivers.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::attempt::Attempt;
use super::row::Delivery;

/// Calls a function: its logical id and the text of the event, as its queue or its schedule holds it.
///
/// An `Err` or a panic means that the delivery failed and is retried.
pub type Invoke = Arc<dyn Fn(Arc<str>, Arc<str>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The way to the task that delivers.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries(pub(super) mpsc::UnboundedSender<Message>);

pub(super) enum Message {
    /// Rows that were just committed.
    Committed(Vec<Delivery>),
    /// Rows of one target that were read back, oldest first, and whether there are no more.
    Loaded(Arc<str>, Vec<Delivery>, bool),
    /// A row whose retry is due, unless it is gone.
    Fetched(Option<Delivery>),
    /// A row whose retry is due and that the journal could not read.
    Unread(i64),
    Finished(Box<(Attempt, Result<(), String>)>),
    Start(Invoke),
    Idle(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

impl Deliveries {
    /// Hands over rows that were just committed, in the order of their commits.
    pub(crate) fn committed(&self, rows: Vec<Delivery>) {
        self.send(Message::Committed(rows));
    }

    pub(crate) fn start(&self, invoke: Invoke) {
        self.send(Message::Start(invoke));
    }

    /// Waits until nothing is due or in flight; returns immediately before the start and after the end.
    pub(crate) async fn idle(&self) {
        let (done, idle) = oneshot::channel();
        self.send(Message::Idle(done));
        let _ = idle.await;
    }

    /// Starts no more deliveries and waits for those in flight.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.send(Message::Stop(done));
        let _ = stopped.await;
    }

    pub(super) fn send(&self, message: Message) {
        // The task ends with the emulator; what is undelivered by then stays in the journal.
        let _ = self.0.send(message);
    }
}

/// Notifies all who wait.
pub(crate) fn notify(waiting: &mut Vec<oneshot::Sender<()>>) {
    for done in waiting.drain(..) {
        // They may have given up.
        let _ = done.send(());
    }
}
