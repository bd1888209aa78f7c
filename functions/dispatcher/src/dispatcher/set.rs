//! The dispatchers of one event type, compiled for matching.

use std::sync::Arc;

use pattern::{Index, Pattern, PatternError};
use serde_json::Value;
use shared::event::DispatcherId;

use super::{Dispatcher, Plan};

/// How much memory a compiled dispatcher takes, as a multiple of its JSON.
const BYTES_PER_JSON_BYTE: usize = 4;

/// A version of a dispatcher, compiled.
#[derive(Debug)]
pub(crate) struct CompiledDispatcher {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) plan: Arc<Plan>,
    filter: Pattern,
    size_bytes: usize,
}

/// The dispatchers of one event type, sorted by id.
#[derive(Debug)]
pub(crate) struct DispatcherSet {
    /// The ids and versions of all, also of those that cannot be read.
    versions: Vec<(DispatcherId, u64)>,
    dispatchers: Vec<Arc<CompiledDispatcher>>,
    /// The filters of those that are switched on, by the position of their dispatchers.
    filters: Index<usize>,
}

impl CompiledDispatcher {
    /// Compiles a dispatcher; `json_bytes` is the size of its JSON.
    pub(crate) fn new(dispatcher: Dispatcher, json_bytes: usize) -> Result<Self, PatternError> {
        let filter = dispatcher.body.filter.as_ref().map_or_else(|| Ok(Pattern::any()), Pattern::compile)?;
        // The index has a copy of the filter.
        let size_bytes = BYTES_PER_JSON_BYTE * json_bytes + 2 * filter.size_bytes();
        Ok(Self { plan: Arc::new(Plan::new(dispatcher.body.actions.iter())), filter, size_bytes, dispatcher })
    }
}

impl DispatcherSet {
    /// Indexes dispatchers that are sorted by id; those that cannot be read have nothing but an id and a version.
    pub(crate) fn new(all: Vec<(DispatcherId, u64, Option<Arc<CompiledDispatcher>>)>) -> Self {
        let versions = all.iter().map(|(id, version, _)| (id.clone(), *version)).collect();
        let dispatchers: Vec<_> = all.into_iter().filter_map(|(_, _, compiled)| compiled).collect();
        let filters = dispatchers.iter().enumerate().filter(|(_, compiled)| compiled.dispatcher.body.enabled);
        Self { filters: filters.map(|(at, compiled)| (at, compiled.filter.clone())).collect(), versions, dispatchers }
    }

    /// Whether these ids and versions are exactly those of the dispatchers.
    pub(crate) fn consists_of<'a>(&'a self, versions: impl Iterator<Item = (&'a DispatcherId, u64)>) -> bool {
        versions.eq(self.versions.iter().map(|(id, version)| (id, *version)))
    }

    /// Returns a version of a dispatcher.
    pub(crate) fn get(&self, id: &DispatcherId, version: u64) -> Option<&Arc<CompiledDispatcher>> {
        let at = self.dispatchers.binary_search_by(|compiled| compiled.dispatcher.id.cmp(id)).ok()?;
        self.dispatchers.get(at).filter(|compiled| compiled.dispatcher.version == version)
    }

    /// Whether any of the dispatchers is switched on.
    pub(crate) fn has_enabled(&self) -> bool {
        self.dispatchers.iter().any(|compiled| compiled.dispatcher.body.enabled)
    }

    /// Returns the dispatchers whose filters match an event.
    pub(crate) fn matching<'a>(&'a self, event: &'a Value) -> impl Iterator<Item = &'a Arc<CompiledDispatcher>> {
        self.filters.matching(event).map(move |at| &self.dispatchers[*at])
    }

    /// Estimates the memory that the set takes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.dispatchers.iter().map(|compiled| compiled.size_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::dispatcher;
    use super::*;
    use serde_json::json;

    fn compiled(id: &str, filter: &Value) -> (DispatcherId, u64, Option<Arc<CompiledDispatcher>>) {
        let actions = [json!({"type": "task", "functionName": "f"})];
        let body = json!({"eventType": "e", "actions": actions, "filter": filter});
        let dispatcher = Dispatcher { id: DispatcherId::new(id), ..dispatcher(&body).unwrap() };
        let compiled = Arc::new(CompiledDispatcher::new(dispatcher, 100).unwrap());
        (compiled.dispatcher.id.clone(), compiled.dispatcher.version, Some(compiled))
    }

    #[test]
    fn a_set_finds_the_dispatchers_that_match_in_their_order() {
        let filter = |paid: bool| json!({"content": {"paid": [paid]}});
        let set = DispatcherSet::new(vec![
            compiled("a", &filter(false)),
            compiled("b", &Value::Null),
            compiled("c", &filter(true)),
        ]);
        let matching = |event: Value| {
            let ids = set.matching(&event).map(|compiled| compiled.dispatcher.id.to_string()).collect::<Vec<_>>();
            ids.join(" ")
        };
        assert_eq!(matching(json!({"content": {"paid": true}})), "b c");
        assert_eq!(matching(json!({"content": {"paid": false}})), "a b");
        assert_eq!(matching(json!({})), "b");
    }

    #[test]
    fn a_set_is_that_of_exactly_its_ids_and_versions() {
        let set = DispatcherSet::new(vec![compiled("a", &Value::Null), compiled("b", &Value::Null)]);
        let consists_of = |versions: &[(&str, u64)]| {
            let versions: Vec<_> = versions.iter().map(|(id, version)| (DispatcherId::new(*id), *version)).collect();
            set.consists_of(versions.iter().map(|(id, version)| (id, *version)))
        };
        assert!(consists_of(&[("a", 1), ("b", 1)]));
        assert!(!consists_of(&[("a", 1)]));
        assert!(!consists_of(&[("a", 1), ("b", 2)]));
        assert!(!consists_of(&[("a", 1), ("b", 1), ("c", 1)]));
        let unreadable = (DispatcherId::new("b"), 7, None);
        let with_unreadable = DispatcherSet::new(vec![compiled("a", &Value::Null), unreadable]);
        assert!(with_unreadable.consists_of([(&DispatcherId::new("a"), 1), (&DispatcherId::new("b"), 7)].into_iter()));
        assert!(with_unreadable.get(&DispatcherId::new("b"), 7).is_none());
        assert!(set.get(&DispatcherId::new("b"), 1).is_some());
        assert!(set.get(&DispatcherId::new("b"), 2).is_none() && set.get(&DispatcherId::new("c"), 1).is_none());
    }
}
