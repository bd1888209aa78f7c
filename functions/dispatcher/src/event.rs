//! An event as this function uses it.

use serde_json::{Value, json};
use shared::event::{Envelope, EventId};

/// An event in two forms: typed for commands, as JSON for patterns and templates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) envelope: Envelope,
    pub(crate) value: Value,
}

impl Event {
    /// Wraps an envelope.
    pub(crate) fn new(envelope: Envelope) -> Self {
        Self { value: json!(envelope), envelope }
    }

    /// Returns the id.
    pub(crate) fn id(&self) -> &EventId {
        &self.envelope.id
    }
}
