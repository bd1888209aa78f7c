//! One attempt to hand a delivery to its function.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;

use super::inbox::{Deliveries, Invoke, Message};
use super::row::Delivery;

/// A delivery that is with its function.
pub(super) struct Attempt {
    pub(super) delivery: Delivery,
    pub(super) function: Arc<str>,
    /// The steady time at which it was handed over.
    pub(super) started: Timestamp,
}

impl Attempt {
    /// Hands the delivery over, as often as a test says, and tells the queue what became of it.
    pub(super) async fn make(self, own: Deliveries, invoke: Invoke, times: usize) {
        let mut result = Ok(());
        for _ in 0..times {
            result = self.invoke(&invoke).await;
        }
        own.send(Message::Finished(Box::new((self, result))));
    }

    async fn invoke(&self, invoke: &Invoke) -> Result<(), String> {
        let call = async { invoke(self.function.clone(), self.delivery.event.clone()).await };
        AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(format!("the function panicked: {}", text.unwrap_or_default()))
        })
    }
}
