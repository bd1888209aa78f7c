//! Events as a test publishes them on the bus, or hands them to a function.

use serde_json::{Value, json};

/// When every world begins, and when its events happen.
pub const NOW: &str = "2026-01-02T03:04:05.678Z";
/// The tenant of everything that does not say otherwise.
pub const TENANT: &str = "default";

/// An event on its way to the bus.
#[derive(Debug, Clone)]
pub struct Event {
    /// Where it comes from.
    pub source: String,
    /// The envelope, free to be changed in any way; its `type` is the detail type.
    pub detail: Value,
}

impl Event {
    /// Builds the fact `e1` of this type, as a client publishes it.
    pub fn fact(kind: &str, content: Value) -> Self {
        let detail = json!({
            "id": "e1", "type": kind, "tenantId": TENANT, "time": NOW, "content": content,
            "trace": {"correlationId": "e1", "depth": 0},
        });
        Self { source: "hookyard.custom".to_owned(), detail }
    }

    /// Builds the command for the first attempt at a step of the run of dispatcher `d1` on the fact `e1`.
    pub fn command(action_type: &str, step: &str, action: Value) -> Self {
        let detail = json!({
            "id": format!("{step}-requested"), "type": format!("{action_type}.requested"), "tenantId": TENANT,
            "time": NOW, "trace": {"correlationId": "e1", "causationId": "e1", "depth": 1},
            "content": {
                "eventId": "e1", "dispatcherId": "d1", "step": step, "attempt": 1, "action": action,
                "event": Self::fact("user_deleted", json!({"id": "u1"})).detail,
            },
        });
        Self { source: "hookyard.command".to_owned(), detail }
    }

    /// Changes the id of a fact, and where its chain begins.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.detail["id"] = id.into();
        self.detail["trace"]["correlationId"] = id.into();
        self
    }

    /// Changes the tenant, also of the fact inside a command.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.detail["tenantId"] = tenant.into();
        if let Some(event) = self.detail["content"].get_mut("event") {
            event["tenantId"] = tenant.into();
        }
        self
    }

    /// Changes the source.
    #[must_use]
    pub fn source(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }

    /// Returns the type.
    pub fn kind(&self) -> &str {
        self.detail["type"].as_str().unwrap_or_default()
    }

    /// Writes the event as EventBridge hands it to a function.
    ///
    /// Source: Amazon EventBridge user guide, "Events in Amazon EventBridge".
    pub fn payload(&self) -> Value {
        json!({
            "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": self.kind(),
            "source": self.source, "account": "000000000000", "time": "2026-01-02T03:04:05Z", "region": "us-east-1",
            "resources": [], "detail": self.detail,
        })
    }
}
