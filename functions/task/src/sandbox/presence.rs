//! Who may be present: how many scripts compute or wait at once, and whose they are.
//!
//! A tenant may have as many as it leaves places for others, and a function as many as it leaves to its tenant: so there
//! is room for the next one however many somebody has, and whoever is alone has half of all places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::Error;
use tokio::sync::oneshot;

use super::fair::Fair;

/// The places. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    tenants: HashMap<String, Tenant>,
    waiting: Fair<Waiting>,
}

#[derive(Debug, Default)]
struct Tenant {
    present: usize,
    functions: HashMap<String, usize>,
}

#[derive(Debug)]
struct Waiting {
    function: String,
    admit: oneshot::Sender<Present>,
}

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Present {
    /// None once it is known that nobody takes the place.
    presence: Option<Presence>,
    tenant: String,
    function: String,
}

impl Presence {
    /// Has so many places.
    pub(super) fn new(places: usize) -> Self {
        let state = State { free: places, tenants: HashMap::new(), waiting: Fair::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a place for a script of this function.
    pub(super) async fn enter(&self, tenant: &str, function: &str) -> Result<Present, Error> {
        let (admit, admitted) = oneshot::channel();
        self.queue(tenant, Waiting { function: function.to_owned(), admit });
        admitted.await.map_err(Error::cannot("wait for a place to run"))
    }

    fn queue(&self, tenant: &str, waiting: Waiting) {
        let mut state = self.lock();
        state.waiting.push(tenant, waiting);
        self.admit(&mut state);
    }

    fn admit(&self, state: &mut State) {
        while let Some((tenant, waiting)) = state.next() {
            let Waiting { function, admit } = waiting;
            state.enter(&tenant, &function);
            let present = Present { presence: Some(self.clone()), tenant, function };
            // Nobody waits for it any more.
            if let Err(mut present) = admit.send(present) {
                present.presence = None;
                state.leave(&present.tenant, &present.function);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<(String, Waiting)> {
        let Self { free, tenants, waiting } = self;
        waiting.next_where(|tenant, waiting| {
            let tenant = tenants.get(tenant);
            let room = free.saturating_sub(tenant.map_or(0, |tenant| tenant.present));
            let present = tenant.and_then(|tenant| tenant.functions.get(&waiting.function));
            present.copied().unwrap_or(0) < room
        })
    }

    fn enter(&mut self, tenant: &str, function: &str) {
        self.free -= 1;
        let tenant = self.tenants.entry(tenant.to_owned()).or_default();
        tenant.present += 1;
        *tenant.functions.entry(function.to_owned()).or_default() += 1;
    }

    fn leave(&mut self, name: &str, function: &str) {
        self.free += 1;
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        tenant.present -= 1;
        if let Some(present) = tenant.functions.get_mut(function) {
            *present -= 1;
        }
        tenant.functions.retain(|_, present| *present > 0);
        if tenant.present == 0 {
            self.tenants.remove(name);
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if let Some(presence) = self.presence.take() {
            let mut state = presence.lock();
            state.leave(&self.tenant, &self.function);
            presence.admit(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    /// Lets as many in as may enter now.
    fn enter(presence: &Presence, tenant: &str, function: &str) -> Vec<Present> {
        let one = || presence.enter(tenant, function).now_or_never().map(Result::unwrap);
        std::iter::from_fn(one).collect()
    }

    #[test]
    fn there_is_room_for_the_next_however_many_one_has() {
        let presence = Presence::new(64);
        let loops = enter(&presence, "a", "loops");
        let sleeps = enter(&presence, "a", "sleeps");
        let others: Vec<_> = ["b", "c", "d"].map(|tenant| enter(&presence, tenant, "f").len()).into();
        assert_eq!((loops.len(), sleeps.len()), (22, 7));
        assert_eq!(others, [12, 8, 5].map(|_| others[0]), "tenants that leave again find the same");
        let held: Vec<_> = ["b", "c", "d"].map(|tenant| enter(&presence, tenant, "f")).into();
        assert!(held.iter().all(|held| !held.is_empty()), "{held:?}");
    }

    #[test]
    fn whoever_waits_enters_in_turn_when_a_place_is_free() {
        let presence = Presence::new(2);
        let first = enter(&presence, "a", "f");
        assert_eq!(first.len(), 1);
        let (mut again, mut other) = (pin!(presence.enter("a", "f")), pin!(presence.enter("b", "f")));
        assert!(again.as_mut().now_or_never().is_none());
        let other_present = other.as_mut().now_or_never();
        drop(first);
        assert!(again.now_or_never().is_some() || other_present.is_some());
    }

    #[test]
    fn who_gives_up_waiting_takes_no_place() {
        let presence = Presence::new(2);
        let first = enter(&presence, "a", "f");
        assert!(presence.enter("a", "f").now_or_never().is_none());
        drop(first);
        assert_eq!(presence.lock().free, 2);
        assert_eq!(enter(&presence, "a", "f").len(), 1);
    }
}
