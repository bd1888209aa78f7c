//! An event as this function works with it.

use serde_json::{Value, json};
use shared::event::{Envelope, EventId};

/// An event in both of its forms: typed for commands, as JSON for patterns and templates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) envelope: Envelope,
    pub(crate) value: Value,
}

impl Event {
    /// Takes an envelope.
    pub(crate) fn new(envelope: Envelope) -> Self {
        Self { value: json!(envelope), envelope }
    }

    /// Returns the id.
    pub(crate) fn id(&self) -> &EventId {
        &self.envelope.id
    }
}
