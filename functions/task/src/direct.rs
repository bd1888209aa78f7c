//! Executions that somebody waits for: how long they may take, and how many there are at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::event::TenantId;

/// The longest time limit of a function that can be executed directly, in seconds.
pub(crate) const TIME_LIMIT_S: u32 = 30;
/// How long the script of a direct execution may take: API Gateway waits for 30 seconds, and what came of it has to be
/// written down and answered.
pub(crate) const TIME: Duration = Duration::from_secs(27);
/// When an answer is given in any case, also if the script had to wait for its turn or does not stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(28);
/// How many direct executions of one function there are at once in one process.
const PER_FUNCTION: usize = 20;
/// How many direct executions of one tenant there are at once in one process.
const PER_TENANT: usize = 60;

/// The direct executions of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<TenantId, HashMap<String, usize>>>>);

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    tenant: TenantId,
    function: String,
}

impl Places {
    /// Takes a place; `None` if the function or its tenant has as many as it may.
    pub(crate) fn take(&self, tenant: &TenantId, function: &str) -> Option<Place> {
        let mut places = self.lock();
        let of_tenant = places.entry(tenant.clone()).or_default();
        if of_tenant.values().sum::<usize>() >= PER_TENANT {
            return None;
        }
        let of_function = of_tenant.entry(function.to_owned()).or_default();
        if *of_function >= PER_FUNCTION {
            return None;
        }
        *of_function += 1;
        Some(Place { places: self.clone(), tenant: tenant.clone(), function: function.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, HashMap<String, usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.lock();
        let Some(of_tenant) = places.get_mut(&self.tenant) else { return };
        if let Some(taken) = of_tenant.get_mut(&self.function) {
            *taken -= 1;
        }
        of_tenant.retain(|_, taken| *taken > 0);
        if of_tenant.is_empty() {
            places.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_leaves_places_to_others_and_a_tenant_does() {
        let (places, one, other) = (Places::default(), TenantId::new("one"), TenantId::new("other"));
        let take = |tenant: &TenantId, function: &str| -> Vec<Place> {
            std::iter::from_fn(|| places.take(tenant, function)).collect()
        };
        let mut held = vec![take(&one, "f"), take(&one, "g"), take(&one, "h"), take(&one, "i"), take(&other, "f")];
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 20, 0, 20]);
        held[1].pop();
        assert_eq!(take(&one, "i").len(), 1);
        drop(held);
        assert!(places.lock().is_empty());
    }
}
