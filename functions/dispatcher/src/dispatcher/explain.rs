//! Whether an event would start a run of a dispatcher, and if not, why.

use jiff::Timestamp;
use pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::Refusal;
use shared::event::{EventId, EventType, TenantId, Trace};
use utoipa::ToSchema;

use super::Dispatcher;

/// An event to explain: its type, and as much of its envelope as the filter needs.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    kind: EventType,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<EventId>,
    /// The caller's own tenant if absent.
    tenant_id: Option<TenantId>,
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Trace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_window_seconds: Option<u32>,
}

/// Whether an event would start a run of a dispatcher, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// Whether it would start a run.
    matches: bool,
    /// Why not, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The first rule that failed: its path, the rule itself and the values found there.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<Value>,
}

impl Explanation {
    /// Explains an event to the tenant of a dispatcher.
    pub(crate) fn new(dispatcher: &Dispatcher, tenant: &TenantId, event: ExplainedEvent) -> Result<Self, Refusal> {
        let tenant_id = event.tenant_id.unwrap_or_else(|| tenant.clone());
        let message = match &event.kind {
            _ if !dispatcher.body.enabled => Some("the dispatcher is switched off: `enabled` is false".to_owned()),
            kind if *kind != dispatcher.body.event_type => {
                Some(format!("the dispatcher reacts to `{}`, not to `{kind}`", dispatcher.body.event_type))
            }
            _ if tenant_id != *tenant => Some("the dispatcher does not see the events of other tenants".to_owned()),
            _ => None,
        };
        if message.is_some() {
            return Ok(Self { matches: false, message, mismatch: None });
        }
        let filter = dispatcher.body.filter.as_ref().map(Pattern::compile).transpose();
        let filter = filter.map_err(|error| Refusal::illegal_state(error.to_string()))?;
        let event = json!(ExplainedEvent { tenant_id: Some(tenant_id), ..event });
        let mismatch = filter.and_then(|filter| filter.explain(&event));
        Ok(Self {
            matches: mismatch.is_none(),
            message: mismatch.as_ref().map(ToString::to_string),
            mismatch: mismatch.map(|mismatch| mismatch.to_json()),
        })
    }
}
