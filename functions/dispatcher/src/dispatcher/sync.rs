//! What a dispatcher would be with another definition, or once a file of dispatchers is synchronised.

use jiff::Timestamp;
use serde_json::{Map, Value};
use shared::{Refusal, json};

use super::{Action, Dispatcher, DispatcherBody, DispatcherChange, is_id};

impl Dispatcher {
    /// Returns what the dispatcher would be with another definition.
    pub(crate) fn replaced(
        &self,
        body: DispatcherBody,
        new_id: impl Fn() -> String,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let actions = body.actions.into_iter().enumerate().map(|(at, action)| {
            let same = self.same_action(at, &action.id, action.name.as_deref(), Some(&action.kind));
            let id = same.map_or_else(&new_id, |same| same.id.clone());
            action.with_id(id)
        });
        let body = DispatcherBody { actions: actions.collect(), ..body };
        self.next(now, |before| {
            *before = body;
            Ok(())
        })
    }

    /// Applies a change and brings the actions in line with those of a file, by their names.
    ///
    /// An action that is there already gets the given fields, the others are removed or added. Without `actions` they stay.
    pub(crate) fn synchronised(
        &self,
        change: DispatcherChange,
        actions: Option<Vec<Map<String, Value>>>,
        new_id: impl Fn() -> String,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let Some(actions) = actions else { return self.change(change, now) };
        let synchronised = actions.into_iter().enumerate().map(|(at, fields)| {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            match self.same_action(at, text("id").unwrap_or_default(), text("name"), text("type")) {
                Some(action) => action.change(fields),
                None => Ok(json::from_value::<Action>(Value::Object(fields))?.with_id(new_id())),
            }
        });
        let actions: Vec<Action> = synchronised.collect::<Result<_, _>>()?;
        self.next(now, |body| {
            change.apply(body);
            body.actions = actions;
            Ok(())
        })
    }

    /// Finds the action that another definition means: by its id, by its name, or without one by its position.
    fn same_action(&self, at: usize, id: &str, name: Option<&str>, kind: Option<&str>) -> Option<&Action> {
        let actions = &self.body.actions;
        let same = match name {
            _ if is_id(id) => actions.iter().find(|action| action.id == id),
            Some(name) => actions.iter().find(|action| action.name.as_deref() == Some(name)),
            None => actions.get(at).filter(|action| action.name.is_none()),
        };
        same.filter(|action| kind.is_none_or(|kind| kind == action.kind))
    }
}
