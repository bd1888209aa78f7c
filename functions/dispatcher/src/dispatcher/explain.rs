//! Whether an event would start a run of a dispatcher, and if not, why.

use jiff::Timestamp;
use pattern::{Mismatch, Pattern};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::event::{Envelope, EventId, EventType, TenantId, Trace};
use utoipa::ToSchema;

use super::Dispatcher;
use crate::event::Event;
use crate::store::{EventRecord, MatchOutcome};

/// How many clauses that failed are told besides the first.
const MAX_ALSO_FAILED: usize = 20;
/// How many further alternatives of `$or` are told, and how many clauses of each.
const MAX_OTHER_WAYS: usize = 3;
const MAX_CLAUSES_OF_A_WAY: usize = 8;

/// An event to explain: one that was recorded, by its id, or the type and as much of the envelope as the filter needs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedEvent {
    /// The id of a recorded event, instead of everything else.
    event_id: Option<String>,
    /// The type of the event.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    kind: Option<EventType>,
    id: Option<EventId>,
    /// The caller's own tenant if absent.
    tenant_id: Option<TenantId>,
    /// Now if absent.
    #[serde(default, with = "shared::clock::iso::optional")]
    time: Option<Timestamp>,
    /// An empty object if absent.
    content: Option<Value>,
    trace: Option<Trace>,
    dedup_window_seconds: Option<u32>,
}

/// Whether an event starts a run of a dispatcher as it is, and if not, why.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// Whether it would start a run of the dispatcher as it is.
    matches: bool,
    /// Whether it did, for an event that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    fired: Option<bool>,
    /// Why it does not match, or why it did not start a run although it matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The first clause of the filter that failed: `path`, `rule`, `found`, `reason`, `wouldMatch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<Value>,
    /// The other clauses that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_failed: Vec<Value>,
    /// For a filter with `$or`: what failed of the alternatives that are not as near.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_ways: Vec<Vec<String>>,
    /// Whether the dispatcher was changed after the event was received, so that it may have been another one then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    changed_since: bool,
}

/// Why an event starts no run of a dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExplanationReason)]
pub(crate) enum Reason {
    /// `enabled` is false.
    Disabled,
    /// It reacts to another type of events.
    OtherType,
    /// It belongs to another tenant.
    OtherTenant,
    /// The filter does not match.
    Filter,
    /// The chain of dispatches that led to the event is too long.
    LoopDetected,
    /// The first event of the chain has caused as many events and steps as it may.
    BudgetExhausted,
    /// It was created after the event was received.
    CreatedLater,
    /// It was changed after the event was received, and matches only since.
    ChangedLater,
    /// It started a run and was deleted since.
    Deleted,
    /// The runs of the event are still being written.
    InProgress,
}

impl ExplainedEvent {
    /// Returns the id of the recorded event that is meant, if one is.
    pub(crate) fn recorded(&self) -> Result<Option<EventId>, Refusal> {
        let Some(id) = &self.event_id else { return Ok(None) };
        let others = [
            ("type", self.kind.is_some()),
            ("id", self.id.is_some()),
            ("tenantId", self.tenant_id.is_some()),
            ("time", self.time.is_some()),
            ("content", self.content.is_some()),
            ("trace", self.trace.is_some()),
            ("dedupWindowSeconds", self.dedup_window_seconds.is_some()),
        ];
        match others.into_iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(Refusal::field(name, "cannot be given with `eventId`, which names a whole event")),
            None => Ok(Some(EventId::new(id.as_str()))),
        }
    }

    /// Returns the event as it would be if it were published now.
    pub(crate) fn envelope(
        self,
        tenant: &TenantId,
        new_id: impl FnOnce() -> String,
        now: Timestamp,
    ) -> Result<Envelope, Refusal> {
        let kind = self.kind.ok_or_else(|| Refusal::missing_field("type"))?;
        let id = self.id.unwrap_or_else(|| EventId::new(new_id()));
        let content = self.content.unwrap_or_else(|| Value::Object(Map::new()));
        let tenant = self.tenant_id.unwrap_or_else(|| tenant.clone());
        let trace = self.trace.unwrap_or_else(|| Trace::start(&id));
        let envelope = Envelope::new(kind, id, tenant, self.time.unwrap_or(now), content).with_trace(trace);
        Ok(Envelope { dedup_window_seconds: self.dedup_window_seconds, ..envelope })
    }
}

impl Explanation {
    /// Explains an event to the tenant of a dispatcher; `outcome` is that of matching it with all dispatchers.
    pub(crate) fn new(
        dispatcher: &Dispatcher,
        tenant: &TenantId,
        event: &Event,
        outcome: MatchOutcome,
    ) -> Result<Self, Refusal> {
        let kind = &event.envelope.kind;
        let not = |reason, message: String| Ok(Self::not(reason, message));
        if !dispatcher.body.enabled {
            return not(Reason::Disabled, "the dispatcher is switched off: `enabled` is false".to_owned());
        }
        if *kind != dispatcher.body.event_type {
            let message = format!("the dispatcher reacts to `{}`, not to `{kind}`", dispatcher.body.event_type);
            return not(Reason::OtherType, message);
        }
        if event.envelope.tenant_id != *tenant {
            return not(Reason::OtherTenant, "the dispatcher does not see the events of other tenants".to_owned());
        }
        let filter = dispatcher.body.filter.as_ref().map(Pattern::compile).transpose();
        let filter = filter.map_err(|error| Refusal::illegal_state(error.to_string()))?;
        if let Some(filter) = filter
            && let Some(failed) = Self::of_filter(filter.explain_all(&event.value, 1 + MAX_OTHER_WAYS))
        {
            return Ok(failed);
        }
        Ok(match Self::of_outcome(outcome) {
            Some((reason, message)) => Self::not(reason, message),
            None => Self::matching(),
        })
    }

    /// Says why an event starts nothing at all although dispatchers match.
    fn of_outcome(outcome: MatchOutcome) -> Option<(Reason, String)> {
        match outcome {
            MatchOutcome::LoopDetected => {
                let rule = format!("more than {} dispatches in a row led to the event", Trace::MAX_DEPTH);
                Some((Reason::LoopDetected, rule))
            }
            MatchOutcome::BudgetExhausted => {
                let rule = "the first event of the chain has caused as many events and steps as it may";
                Some((Reason::BudgetExhausted, rule.to_owned()))
            }
            MatchOutcome::Matched | MatchOutcome::Unmatched => None,
        }
    }

    /// Adds what really happened: whether the dispatcher had a run of the recorded event, and why not.
    pub(crate) fn of_record(self, dispatcher: &Dispatcher, record: &EventRecord, fired: bool) -> Self {
        let is_later = dispatcher.creation_timestamp > record.received_at;
        let changed_since = !is_later && dispatcher.update_timestamp > record.received_at;
        let why = match () {
            () if fired || !self.matches => None,
            () if is_later => Some((Reason::CreatedLater, "the dispatcher was created after the event was received")),
            () if changed_since => {
                Some((Reason::ChangedLater, "the dispatcher was changed after the event was received"))
            }
            () => Some((Reason::InProgress, "the runs of the event are still being written")),
        };
        let (reason, message) = match why {
            Some((reason, message)) => (Some(reason), Some(message.to_owned())),
            None => (self.reason, self.message.clone()),
        };
        Self { fired: Some(fired), reason, message, changed_since, ..self }
    }

    /// Says why a dispatcher that would start a run of a recorded event did not, as far as that is known.
    pub(crate) fn of_start(dispatcher: &Dispatcher, record: &EventRecord) -> Option<Self> {
        let happened = match record.outcome {
            MatchOutcome::LoopDetected | MatchOutcome::BudgetExhausted => Self::of_outcome(record.outcome),
            MatchOutcome::Matched | MatchOutcome::Unmatched => None,
        };
        let why = happened.map(|(reason, message)| Self { matches: true, ..Self::not(reason, message) });
        let why = why.unwrap_or_else(|| Self::matching().of_record(dispatcher, record, false));
        (why.reason != Some(Reason::InProgress)).then_some(why)
    }

    /// Leaves out what takes most room.
    pub(crate) fn shorten(&mut self) {
        (self.mismatch, self.message) = (None, None);
        self.also_failed.clear();
        self.other_ways.clear();
    }

    /// Says that a dispatcher has started a run and does not exist any more.
    pub(crate) fn deleted() -> Self {
        let message = "the dispatcher was deleted after it had started its run".to_owned();
        Self { fired: Some(true), ..Self::not(Reason::Deleted, message) }
    }

    /// Says that a dispatcher has started a run, and is not among those that are simulated.
    pub(crate) fn not_simulated() -> Self {
        let message = "the dispatcher started a run, and is not among those that are simulated".to_owned();
        Self { message: Some(message), ..Self::deleted() }
    }

    /// Whether the event would start a run.
    pub(crate) fn matches(&self) -> bool {
        self.matches
    }

    fn matching() -> Self {
        Self {
            matches: true,
            fired: None,
            reason: None,
            message: None,
            mismatch: None,
            also_failed: Vec::new(),
            other_ways: Vec::new(),
            changed_since: false,
        }
    }

    fn not(reason: Reason, message: String) -> Self {
        Self { matches: false, reason: Some(reason), message: Some(message), ..Self::matching() }
    }

    /// Describes what failed of each alternative, the nearest first; `None` where nothing failed.
    fn of_filter(failed: Vec<Vec<Mismatch>>) -> Option<Self> {
        let mut ways = failed.into_iter();
        let mut nearest = ways.next()?.into_iter();
        let first = nearest.next()?;
        let words = |way: Vec<Mismatch>| way.iter().take(MAX_CLAUSES_OF_A_WAY).map(ToString::to_string).collect();
        Some(Self {
            mismatch: Some(first.to_json()),
            also_failed: nearest.take(MAX_ALSO_FAILED).map(|mismatch| mismatch.to_json()).collect(),
            other_ways: ways.map(words).collect(),
            ..Self::not(Reason::Filter, first.to_string())
        })
    }
}
