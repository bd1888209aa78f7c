//! The changes to a tenant's dispatchers that a simulation makes.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Map, Value};
use shared::event::{DispatcherId, EventType};
use shared::json::{self, Problem};
use shared::{Error, Refusal};

use crate::dispatcher::{
    CompiledDispatcher, Dispatcher, DispatcherBody, DispatcherChange, DispatcherSet, SERVER_FIELDS, is_id,
};

/// The tag of dispatchers that the command line of others manages, and deletes with `--clean`.
const MANAGED: &str = "EXH_CLI_MANAGED";
/// The field of an entry that deletes a dispatcher.
const DELETED: &str = "deleted";

/// What a simulation changes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// One dispatcher has this definition, and nothing else is told.
    One(Map<String, Value>),
    /// Dispatchers are created, changed and deleted, as a file of them says.
    Set {
        /// The dispatchers, by id or name.
        entries: Vec<Map<String, Value>>,
        /// Whether managed dispatchers that are not among the entries are deleted.
        clean: bool,
    },
}

/// A tenant's dispatchers with the changes of a simulation.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// All dispatchers as they would be, sorted by id.
    dispatchers: Vec<Dispatcher>,
    /// The event types whose dispatchers are not what they are.
    affected: HashSet<EventType>,
    /// The positions in the request of those that are named there.
    positions: HashMap<DispatcherId, usize>,
    /// The one dispatcher that the simulation is about, if it is about one.
    pub(crate) focus: Option<DispatcherId>,
    /// The event types of that one, as it is and as it would be.
    pub(crate) focus_types: BTreeSet<String>,
}

impl Changes {
    /// Applies a change to all dispatchers of a tenant, or says what is wrong with it.
    pub(crate) fn new(
        all: Vec<Dispatcher>,
        change: Change,
        new_id: &dyn Fn() -> String,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let mut changes = Self { dispatchers: all, ..Self::default() };
        match change {
            Change::None => {}
            Change::One(definition) => {
                let within = |refusal: Refusal| within("dispatcher", refusal);
                let before = changes.find(&definition).map_err(within)?;
                let (id, body) = definition_of(definition).map_err(within)?;
                let after = match before {
                    Some(at) => changes.dispatchers[at].replaced(body, new_id, now),
                    None if id.is_some() => Err(Refusal::unknown("dispatcher", &id.unwrap_or_default())),
                    None => Dispatcher::new(body, new_id, now).map(not_yet),
                };
                let after = after.map_err(within)?;
                let types = before.map(|at| &changes.dispatchers[at]).into_iter().chain([&after]);
                changes.focus_types = types.map(|one| one.body.event_type.to_string()).collect();
                changes.focus = Some(after.id.clone());
                changes.put(before, Some(after));
            }
            Change::Set { entries, clean } => changes.synchronise(entries, clean, new_id, now)?,
        }
        changes.check_names()?;
        changes.dispatchers.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(changes)
    }

    /// Returns the dispatchers of a type as they would be; `None` if they are those that are.
    pub(crate) fn set(&self, kind: &EventType) -> Result<Option<DispatcherSet>, Error> {
        if !self.affected.contains(kind) {
            return Ok(None);
        }
        let of_type = self.dispatchers.iter().filter(|dispatcher| dispatcher.body.event_type == *kind);
        let compiled = of_type.map(|dispatcher| {
            let compiled = CompiledDispatcher::new(dispatcher.clone(), json::size_bytes(dispatcher));
            let compiled = compiled.map_err(Error::cannot("compile the filter of a dispatcher"))?;
            Ok((dispatcher.id.clone(), dispatcher.version, Some(std::sync::Arc::new(compiled))))
        });
        Ok(Some(DispatcherSet::new(compiled.collect::<Result<_, Error>>()?)))
    }

    /// Returns a dispatcher as it would be.
    pub(crate) fn get(&self, id: &DispatcherId) -> Option<&Dispatcher> {
        let at = self.dispatchers.binary_search_by(|dispatcher| dispatcher.id.cmp(id)).ok()?;
        self.dispatchers.get(at)
    }

    /// Whether the simulation changes a dispatcher.
    pub(crate) fn is_changed(&self, id: &DispatcherId) -> bool {
        self.focus.as_ref() == Some(id) || self.positions.contains_key(id)
    }

    /// Returns the position in the request of a dispatcher that is named there.
    pub(crate) fn position(&self, id: &DispatcherId) -> Option<usize> {
        self.positions.get(id).copied()
    }

    fn synchronise(
        &mut self,
        entries: Vec<Map<String, Value>>,
        clean: bool,
        new_id: &dyn Fn() -> String,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut kept = HashSet::new();
        for (position, entry) in entries.into_iter().enumerate() {
            let field = format!("dispatchers[{position}]");
            let before = self.find(&entry).map_err(|refusal| within(&field, refusal))?;
            let after = self.entry(before, entry, new_id, now).map_err(|refusal| within(&field, refusal))?;
            let id = match (&after, before) {
                (Some(after), _) => after.id.clone(),
                (None, Some(at)) => self.dispatchers[at].id.clone(),
                (None, None) => continue,
            };
            if !kept.insert(id.clone()) {
                return Err(Refusal::field(&field, "names a dispatcher that an earlier entry names"));
            }
            self.positions.insert(id, position);
            self.put(before, after);
        }
        if clean {
            let is_gone = |one: &Dispatcher| one.body.tags.iter().any(|tag| tag == MANAGED) && !kept.contains(&one.id);
            let gone: Vec<DispatcherId> =
                self.dispatchers.iter().filter(|one| is_gone(one)).map(|one| one.id.clone()).collect();
            for id in gone {
                let at = self.dispatchers.iter().position(|one| one.id == id);
                self.put(at, None);
            }
        }
        Ok(())
    }

    /// Returns what an entry makes of a dispatcher; `None` if it deletes it.
    fn entry(
        &self,
        before: Option<usize>,
        mut entry: Map<String, Value>,
        new_id: &dyn Fn() -> String,
        now: Timestamp,
    ) -> Result<Option<Dispatcher>, Refusal> {
        let id = entry.get("id").and_then(Value::as_str).map(str::to_owned);
        let unknown = |name: Option<&Value>| {
            let named = id.clone().or_else(|| name.and_then(Value::as_str).map(str::to_owned));
            Refusal::unknown("dispatcher", &named.unwrap_or_default())
        };
        match entry.remove(DELETED) {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => {
                if let Some(other) = entry.keys().find(|name| !["id", "name"].contains(&name.as_str())) {
                    return Err(Refusal::field(other, "cannot be given for a dispatcher that is deleted"));
                }
                return if before.is_some() { Ok(None) } else { Err(unknown(entry.get("name"))) };
            }
            Some(_) => return Err(Refusal::field(DELETED, "must be true or false")),
        }
        let Some(at) = before else {
            if id.is_some() {
                return Err(unknown(None));
            }
            let (_, body) = definition_of(entry)?;
            return Dispatcher::new(body, new_id, now).map(not_yet).map(Some);
        };
        SERVER_FIELDS.iter().for_each(|name| drop(entry.remove(*name)));
        let actions = entry.remove("actions").map(json::from_value).transpose();
        let actions = actions.map_err(|problem: Problem| problem.within("actions"))?;
        let change: DispatcherChange = json::from_value(Value::Object(entry))?;
        self.dispatchers[at].synchronised(change, actions, new_id, now).map(Some)
    }

    /// Finds the dispatcher that a definition means: by its id, or else by its name.
    fn find(&self, definition: &Map<String, Value>) -> Result<Option<usize>, Refusal> {
        match (definition.get("id"), definition.get("name")) {
            (Some(Value::String(id)), _) if is_id(id) => {
                Ok(self.dispatchers.iter().position(|dispatcher| dispatcher.id.as_str() == id))
            }
            (Some(_), _) => Err(Refusal::id_format("`id` must be the id of a dispatcher, which is 24 hex digits")),
            (None, Some(Value::String(name))) => {
                Ok(self.dispatchers.iter().position(|dispatcher| dispatcher.body.name.as_ref() == Some(name)))
            }
            _ => Ok(None),
        }
    }

    fn put(&mut self, before: Option<usize>, after: Option<Dispatcher>) {
        let before = before.map(|at| self.dispatchers.swap_remove(at));
        let types = before.iter().chain(&after).map(|dispatcher| dispatcher.body.event_type.clone());
        self.affected.extend(types);
        self.dispatchers.extend(after);
    }

    /// Refuses dispatchers of one name, which cannot be.
    fn check_names(&self) -> Result<(), Refusal> {
        let mut names = HashSet::new();
        let mut all = self.dispatchers.iter().filter_map(|dispatcher| dispatcher.body.name.as_deref());
        match all.find(|name| !names.insert(*name)) {
            Some(name) => Err(Refusal::already_exists("dispatcher", name)),
            None => Ok(()),
        }
    }
}

/// Reads a whole definition, with its id if it has one.
fn definition_of(mut definition: Map<String, Value>) -> Result<(Option<String>, DispatcherBody), Refusal> {
    let id = definition.get("id").and_then(Value::as_str).map(str::to_owned);
    SERVER_FIELDS.iter().for_each(|name| drop(definition.remove(*name)));
    Ok((id, json::from_value(Value::Object(definition))?))
}

/// Marks a dispatcher that does not exist.
fn not_yet(dispatcher: Dispatcher) -> Dispatcher {
    Dispatcher { version: 0, ..dispatcher }
}

fn within(field: &str, refusal: Refusal) -> Refusal {
    Refusal { message: format!("{field}: {}", refusal.message), ..refusal }
}
