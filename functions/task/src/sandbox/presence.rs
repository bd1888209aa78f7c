//! Who may be present: how many scripts compute or wait at once, and whose they are.
//!
//! A tenant may have as many as it leaves places for others, and a function as many as it leaves to its tenant: so there
//! is room for the next one however many somebody has, and whoever is alone has half of all places. Of those of one tenant
//! that wait, the one with the highest priority is next.

use std::collections::{HashMap, HashSet};
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
    places: usize,
    free: usize,
    tenants: HashMap<String, Tenant>,
    waiting: Fair<Waiting>,
}

#[derive(Debug, Default)]
struct Tenant {
    present: usize,
    functions: HashMap<String, Function>,
}

/// How many scripts of a function are present, and how many wait.
#[derive(Debug, Default)]
struct Function {
    present: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Waiting {
    function: String,
    priority: i64,
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
        let state = State { places, free: places, tenants: HashMap::new(), waiting: Fair::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a place for a script of this function, before those of its tenant with a lower priority.
    pub(super) async fn enter(&self, tenant: &str, function: &str, priority: i64) -> Result<Present, Error> {
        let (admit, admitted) = oneshot::channel();
        self.queue(tenant, Waiting { function: function.to_owned(), priority, admit });
        admitted.await.map_err(Error::cannot("wait for a place to run"))
    }

    /// Tells whether whoever comes now gets a place at once.
    pub(super) fn has_room(&self) -> bool {
        let State { places, free, .. } = *self.lock();
        // Even if all that are present are of the same tenant and function.
        let present = places - free;
        present < free.saturating_sub(present)
    }

    fn queue(&self, tenant: &str, waiting: Waiting) {
        let mut state = self.lock();
        let priority = waiting.priority;
        state.function(tenant, &waiting.function).waiting += 1;
        state.waiting.push_before(tenant, waiting, |other| other.priority < priority);
        self.admit(&mut state);
    }

    fn present(&self, state: &mut State, tenant: String, function: String) -> Present {
        state.enter(&tenant, &function);
        Present { presence: Some(self.clone()), tenant, function }
    }

    fn admit(&self, state: &mut State) {
        while let Some((tenant, waiting)) = state.next() {
            let Waiting { function, admit, .. } = waiting;
            let present = self.present(state, tenant, function);
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
        let Self { free, tenants, waiting, .. } = self;
        // Most that are full are so with many who wait for the same function.
        if !tenants.values().any(|tenant| tenant.functions.values().any(|function| tenant.admits(function, *free))) {
            return None;
        }
        let (name, next) = waiting.next_where(|tenant, waiting| {
            let tenant = tenants.get(tenant);
            let function = tenant.and_then(|tenant| tenant.functions.get(&waiting.function));
            tenant.zip(function).is_some_and(|(tenant, function)| tenant.admits(function, *free))
        })?;
        self.function(&name, &next.function).waiting -= 1;
        Some((name, next))
    }

    fn function(&mut self, tenant: &str, function: &str) -> &mut Function {
        let functions = &mut self.tenants.entry(tenant.to_owned()).or_default().functions;
        functions.entry(function.to_owned()).or_default()
    }

    fn enter(&mut self, tenant: &str, function: &str) {
        self.free -= 1;
        self.function(tenant, function).present += 1;
        self.tenants.entry(tenant.to_owned()).or_default().present += 1;
    }

    fn leave(&mut self, name: &str, function: &str) {
        self.free += 1;
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        tenant.present -= 1;
        if let Some(function) = tenant.functions.get_mut(function) {
            function.present -= 1;
        }
        tenant.functions.retain(|_, function| function.present + function.waiting > 0);
        if tenant.functions.is_empty() {
            self.tenants.remove(name);
        }
    }
}

impl Tenant {
    /// Whether one that waits for this function may enter: if fewer are present than places are left for others.
    fn admits(&self, function: &Function, free: usize) -> bool {
        function.waiting > 0 && function.present < free.saturating_sub(self.present)
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

/// The ids for which somebody waits, each once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<Mutex<HashSet<String>>>);

impl Queue {
    /// Begins to wait; `None` if somebody does so already for this id.
    pub(super) fn begin(&self, id: &str) -> Option<Waits> {
        let is_first = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        is_first.then(|| Waits { queue: self.clone(), id: id.to_owned() })
    }
}

/// Somebody waits until this is dropped.
pub(super) struct Waits {
    queue: Queue,
    id: String,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.queue.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    /// Lets as many in as may enter now.
    fn enter(presence: &Presence, tenant: &str, function: &str) -> Vec<Present> {
        let one = || presence.enter(tenant, function, 0).now_or_never().map(Result::unwrap);
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
        let (mut again, mut other) = (pin!(presence.enter("a", "f", 0)), pin!(presence.enter("b", "f", 0)));
        assert!(again.as_mut().now_or_never().is_none());
        let other_present = other.as_mut().now_or_never();
        drop(first);
        assert!(again.now_or_never().is_some() || other_present.is_some());
    }

    #[test]
    fn the_highest_priority_of_a_tenant_enters_first_and_equals_in_turn() {
        let presence = Presence::new(2);
        let first = enter(&presence, "a", "f");
        assert!(!presence.has_room());
        let mut waiting = [0, -5, 7, 7].map(|priority| Some(Box::pin(presence.enter("a", "f", priority))));
        assert!(waiting.iter_mut().flatten().all(|waiting| waiting.as_mut().now_or_never().is_none()));
        drop(first);
        let order = std::iter::from_fn(|| {
            // The place of the one that enters is free for the next one when it is dropped.
            waiting.iter_mut().enumerate().find_map(|(at, slot)| {
                slot.as_mut()?.as_mut().now_or_never()?.ok()?;
                *slot = None;
                Some(at)
            })
        });
        assert_eq!(order.collect::<Vec<_>>(), [2, 3, 0, 1]);
    }

    #[test]
    fn where_there_is_room_everybody_enters_at_once() {
        let presence = Presence::new(64);
        let mut held = Vec::new();
        while presence.has_room() {
            held.push(presence.enter("a", "f", 0).now_or_never().expect("there is room"));
        }
        assert_eq!(held.len(), 22);
        drop(held);
        assert!(presence.has_room());
    }

    #[test]
    fn who_gives_up_waiting_takes_no_place() {
        let presence = Presence::new(2);
        let first = enter(&presence, "a", "f");
        assert!(presence.enter("a", "f", 0).now_or_never().is_none());
        drop(first);
        assert_eq!(presence.lock().free, 2);
        assert_eq!(enter(&presence, "a", "f").len(), 1);
    }
}
