//! Subscriptions: what services outside of Hookyard say that they listen to.
//!
//! A subscription names no address, so that nothing is delivered to it: it is shown in the graph as a listener. What is to
//! be delivered is the work of a dispatcher.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Refusal;
use shared::clock::derived_hex24;
use shared::event::{EventType, TenantId};
use shared::json::Problem;
use utoipa::ToSchema;

/// The most types of events of one subscription.
const MAX_EVENT_TYPES: usize = 100;
const MAX_NAME_CHARACTERS: usize = 100;

/// What a service listens to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NewSubscription, example = json!({
    "service": {"name": "reports", "version": {"major": 1, "minor": 0, "patch": 0}},
    "event_types": ["user_deleted"], "retriable": true,
}))]
pub(crate) struct SubscriptionBody {
    /// The service.
    pub(crate) service: Service,
    /// The types of the events, 1 to 100.
    pub(crate) event_types: Vec<EventType>,
    /// Whether the service wants what it could not take to be sent again; kept and shown, as nothing is sent.
    #[serde(default)]
    pub(crate) retriable: bool,
}

/// A service that listens to events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SubscribedService)]
pub(crate) struct Service {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: Version,
}

/// The version of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SubscribedServiceVersion)]
pub(crate) struct Version {
    /// Grows with changes that break users.
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    pub(crate) major: u32,
    /// Grows with additions.
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    pub(crate) minor: u32,
    /// Grows with repairs.
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    pub(crate) patch: u32,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Subscription {
    /// The id, 24 hex digits.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) body: SubscriptionBody,
    /// When it was created, in milliseconds since 1970.
    pub(crate) creation_timestamp: i64,
    /// When it was last changed, in milliseconds since 1970.
    pub(crate) update_timestamp: i64,
}

impl Subscription {
    /// Builds a subscription, or says which field breaks which rule.
    ///
    /// A service says the same again whenever it starts, so that the id derives from what it says.
    pub(crate) fn new(tenant: &TenantId, body: SubscriptionBody, now: Timestamp) -> Result<Self, Refusal> {
        check(&body)?;
        let SubscriptionBody { service, mut event_types, retriable } = body;
        let mut seen = HashSet::new();
        event_types.retain(|kind| seen.insert(kind.clone()));
        let mut sorted: Vec<&str> = event_types.iter().map(EventType::as_str).collect();
        sorted.sort_unstable();
        let Version { major, minor, patch } = service.version;
        let said = format!("{major}.{minor}.{patch} {retriable} {}", sorted.join(" "));
        let id =
            derived_hex24(&[b"subscription", tenant.as_str().as_bytes(), service.name.as_bytes(), said.as_bytes()]);
        let now = now.as_millisecond();
        let body = SubscriptionBody { service, event_types, retriable };
        Ok(Self { id, body, creation_timestamp: now, update_timestamp: now })
    }
}

fn check(body: &SubscriptionBody) -> Result<(), Problem> {
    let SubscriptionBody { service, event_types, .. } = body;
    let is_name = !service.name.trim().is_empty()
        && service.name.chars().count() <= MAX_NAME_CHARACTERS
        && !service.name.chars().any(char::is_control);
    if !is_name {
        let rule = format!("must have 1 to {MAX_NAME_CHARACTERS} printable characters");
        return Err(Problem::field("service.name", rule));
    }
    if !(1..=MAX_EVENT_TYPES).contains(&event_types.len()) {
        return Err(Problem::field("event_types", format!("must have 1 to {MAX_EVENT_TYPES} types")));
    }
    match event_types.iter().position(EventType::is_reserved) {
        Some(at) => {
            let rule = "must not be the type of a command or of an answer to one";
            Err(Problem::field(&format!("event_types[{at}]"), rule))
        }
        None => Ok(()),
    }
}
