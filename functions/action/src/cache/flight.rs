//! Work under way in this process, and those who wait for it.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What work came to, of whatever type.
pub(super) type Landed = Arc<dyn Any + Send + Sync>;

/// The work under way in this process, by the ids of the flights. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<String, watch::Receiver<Option<Landed>>>>>);

/// The one who does the work of a flight; if it is dropped before the work is done, those who wait learn that.
pub(super) struct Leader {
    id: String,
    flights: Flights,
    landed: watch::Sender<Option<Landed>>,
}

impl Flights {
    /// Begins a flight, before anybody else can know of it.
    pub(super) fn begin(&self, id: String) -> Leader {
        let (landed, waiting) = watch::channel(None);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), waiting);
        Leader { id, flights: self.clone(), landed }
    }

    /// Waits for what a flight comes to: nothing if its leader is gone; `None` if it is not one of this process.
    pub(super) fn join(&self, id: &str) -> Option<impl Future<Output = Option<Landed>> + Send + use<>> {
        let flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = flights.get(id)?.clone();
        Some(async move { waiting.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone()) })
    }
}

impl Leader {
    /// Returns the id of the flight.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Hands what the work came to to those who wait.
    pub(super) fn land(self, landed: Landed) {
        self.landed.send_replace(Some(landed));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn those_who_wait_get_what_the_leader_got_or_learn_that_it_is_gone() {
        let flights = Flights::default();
        assert!(flights.join("one").is_none());
        let (one, two) = (flights.begin("one".to_owned()), flights.begin("two".to_owned()));
        let (early, late, cancelled) =
            (flights.join("one").unwrap(), flights.join("one").unwrap(), flights.join("one").unwrap());
        let lost = flights.join("two").unwrap();
        assert!(flights.join("one").unwrap().now_or_never().is_none());
        drop(cancelled);
        let early = tokio::spawn(early);
        one.land(Arc::new(7));
        drop(two);
        for landed in [early.await.unwrap(), late.await] {
            assert_eq!(landed.unwrap().downcast_ref(), Some(&7));
        }
        assert!(lost.await.is_none());
        assert!(flights.join("one").is_none() && flights.0.lock().unwrap().is_empty());
    }
}
