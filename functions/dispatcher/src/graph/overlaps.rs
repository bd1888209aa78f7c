//! Dispatchers that one event starts together, each pair with an event that does.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use pattern::{Overlap, Pattern};
use serde_json::{Value, json};
use shared::event::{Envelope, EventType, TenantId};

use super::finding::{Code, Finding, Severity};
use super::{NodeKind, node_id};
use crate::dispatcher::{Action, Dispatcher};
use crate::event::Event;

/// How many pairs of dispatchers are compared.
const MAX_PAIRS: usize = 1_000;

/// What the comparison of pairs has found.
pub(super) struct Pairs {
    pub(super) findings: Vec<Finding>,
    pub(super) compared: usize,
    /// Whether some pairs were not compared.
    pub(super) has_more: bool,
}

/// Two dispatchers of one type, and an action of each that do the same.
type Pair<'a> = (&'a Dispatcher, &'a Dispatcher, Option<(&'a Action, &'a Action)>);

/// Compares dispatchers of the same type that are switched on, those that do the same first, until the time is over.
pub(super) fn find(
    dispatchers: &[Dispatcher],
    tenant: &TenantId,
    now: Timestamp,
    is_time_over: impl Fn() -> bool,
) -> Pairs {
    let mut pairs = Pairs { findings: Vec::new(), compared: 0, has_more: false };
    let (candidates, has_more) = candidates(dispatchers);
    pairs.has_more = has_more;
    for (one, other, same) in candidates {
        if is_time_over() {
            pairs.has_more = true;
            break;
        }
        pairs.compared += 1;
        let twice = same.and_then(|same| {
            let conditions = [same.0, same.1].into_iter().filter_map(condition_on_event);
            let event = common_event(&[one, other], conditions, tenant, now)?;
            Some((event, Some((same.0.step_name(), same.1.step_name()))))
        });
        let found = twice.or_else(|| Some((common_event(&[one, other], [], tenant, now)?, None)));
        if let Some(((event, needs_lists), same)) = found {
            pairs.findings.push(finding(one, other, same, event, needs_lists));
        }
    }
    pairs
}

/// Returns what the condition of an action asks of the event, unless it has alternatives.
fn condition_on_event(action: &Action) -> Option<&Value> {
    action.condition.as_ref()?.get("event")
}

/// Constructs an event that starts all of these dispatchers of one type and matches further patterns, and tells whether
/// it needs lists for that.
///
/// What is returned was matched with their filters as an event that arrives is.
pub(super) fn common_event<'a>(
    dispatchers: &[&'a Dispatcher],
    patterns: impl IntoIterator<Item = &'a Value>,
    tenant: &TenantId,
    now: Timestamp,
) -> Option<(Value, bool)> {
    let kind = &dispatchers.first()?.body.event_type;
    let filters = dispatchers.iter().filter_map(|dispatcher| dispatcher.body.filter.as_ref()).chain(patterns);
    let filters: Vec<Pattern> = filters.map(Pattern::compile).collect::<Result<_, _>>().ok()?;
    let own = Pattern::compile(&json!({"type": [kind], "tenantId": [tenant]})).ok()?;
    let all: Vec<&Pattern> = filters.iter().chain([&own]).collect();
    let (event, needs_lists) = match Overlap::of_events(&all, is_single) {
        Overlap::Witness(event) => (event, false),
        Overlap::WitnessWithLists(event) => (event, true),
        Overlap::Disjoint | Overlap::Unknown => return None,
    };
    let event = Event::new(envelope(event, now)?);
    let Envelope { kind: found, tenant_id, .. } = &event.envelope;
    let matches = filters.iter().all(|filter| filter.matches(&event.value));
    (matches && found == kind && tenant_id == tenant).then_some((event.value, needs_lists))
}

/// Whether a field of an event holds one value and no list: all but the content.
pub(super) fn is_single(path: &str) -> bool {
    path != "content" && !path.starts_with("content.")
}

/// Adds what every event has; `None` if no event can be so.
fn envelope(mut event: Value, now: Timestamp) -> Option<Envelope> {
    let defaults = json!({"id": "example", "time": format!("{now:.3}"), "content": {}});
    for (name, value) in defaults.as_object()? {
        event.as_object_mut()?.entry(name).or_insert_with(|| value.clone());
    }
    let trace = event.as_object_mut()?.entry("trace").or_insert_with(|| json!({})).as_object_mut()?;
    trace.entry("correlationId").or_insert_with(|| "example".into());
    trace.entry("depth").or_insert_with(|| 0.into());
    serde_json::from_value(event).ok()
}

/// Chooses which pairs are compared, and tells whether there are others.
fn candidates(dispatchers: &[Dispatcher]) -> (Vec<Pair<'_>>, bool) {
    let mut by_type: BTreeMap<&str, Vec<&Dispatcher>> = BTreeMap::new();
    for dispatcher in dispatchers.iter().filter(|dispatcher| dispatcher.body.enabled) {
        by_type.entry(dispatcher.body.event_type.as_str()).or_default().push(dispatcher);
    }
    let all: usize = by_type.values().map(|group| group.len() * (group.len() - 1) / 2).sum();
    let (mut chosen, mut known) = (Vec::new(), HashSet::new());
    for group in by_type.values() {
        let mut by_effect: BTreeMap<String, Vec<(&Dispatcher, &Action)>> = BTreeMap::new();
        for dispatcher in group {
            for action in &dispatcher.body.actions {
                by_effect.entry(effect(action)).or_default().push((dispatcher, action));
            }
        }
        let alike = by_effect.values().flat_map(|alike| pairs(alike));
        for (&(one, action), &(other, same)) in alike.take(MAX_PAIRS) {
            if chosen.len() < MAX_PAIRS && one.id != other.id && known.insert((&one.id, &other.id)) {
                chosen.push((one, other, Some((action, same))));
            }
        }
    }
    for (&one, &other) in by_type.values().flat_map(|group| pairs(group)) {
        if chosen.len() == MAX_PAIRS {
            break;
        }
        if known.insert((&one.id, &other.id)) {
            chosen.push((one, other, None));
        }
    }
    let has_more = all > chosen.len();
    (chosen, has_more)
}

/// What an action does, as one text.
fn effect(action: &Action) -> String {
    json!([action.kind, action.command_fields()]).to_string()
}

fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items.iter().enumerate().flat_map(|(at, one)| items[at + 1..].iter().map(move |other| (one, other)))
}

fn finding(
    one: &Dispatcher,
    other: &Dispatcher,
    same: Option<(&str, &str)>,
    example: Value,
    needs_lists: bool,
) -> Finding {
    let (first, second) = (name(one), name(other));
    let kind: &EventType = &one.body.event_type;
    let events = if needs_lists { "One event with a list" } else { "One event" };
    let (severity, what) = match same {
        Some((step, also)) => {
            let severity = if needs_lists { Severity::Info } else { Severity::Warning };
            (severity, format!(": their steps `{step}` and `{also}` do the same, so that it is done twice"))
        }
        None => (Severity::Info, String::new()),
    };
    let message = format!("{events} of the type `{kind}` can start both {first} and {second}{what}.");
    let concerns = [one, other].map(|dispatcher| node_id(NodeKind::Dispatcher, dispatcher.id.as_str()));
    Finding { example: Some(example), ..Finding::new(Code::DispatchersOverlap, severity, message, concerns.into()) }
}

/// Returns the name of a dispatcher in sentences.
pub(super) fn name(dispatcher: &Dispatcher) -> String {
    format!("`{}`", dispatcher.body.name.as_deref().unwrap_or(dispatcher.id.as_str()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::dispatcher::{CompiledDispatcher, DispatcherSet};

    fn dispatcher(id: &str, filter: &Value) -> Dispatcher {
        let time = "2026-01-02T03:04:05.678Z";
        let body = json!({
            "id": id, "eventType": "order.paid", "actions": [{"type": "task", "functionName": "f"}], "filter": filter,
            "creationTimestamp": time, "updateTimestamp": time, "version": 1,
        });
        serde_json::from_value(body).unwrap()
    }

    fn rule() -> impl Strategy<Value = Value> {
        prop_oneof![
            "[ab]{1,2}".prop_map(Value::from),
            (0..4_i64).prop_map(Value::from),
            "[ab]{1,2}".prop_map(|text| json!({"prefix": text})),
            "[ab]{1,2}".prop_map(|text| json!({"suffix": text})),
            "[ab]{1,2}".prop_map(|text| json!({"anything-but": {"prefix": text}})),
            (0..4_i64).prop_map(|number| json!({"numeric": [">=", number]})),
            (0..4_i64).prop_map(|number| json!({"anything-but": number})),
            any::<bool>().prop_map(|exists| json!({"exists": exists})),
        ]
    }

    fn filter() -> impl Strategy<Value = Value> {
        let fields = btree_map("[abc]", vec(rule(), 1..3), 1..4);
        let type_too = prop::option::of(prop_oneof![Just("order."), Just("user.")]);
        (fields, type_too).prop_map(|(fields, prefix)| match prefix {
            Some(prefix) => json!({"content": fields, "type": [{"prefix": prefix}]}),
            None => json!({ "content": fields }),
        })
    }

    fn content() -> impl Strategy<Value = Value> {
        let value = prop_oneof!["[ab]{1,2}".prop_map(Value::from), (0..4_i64).prop_map(Value::from)];
        btree_map("[abc]", value, 0..4).prop_map(|fields| json!(fields))
    }

    proptest! {
        #[test]
        fn an_example_starts_both_dispatchers_and_there_is_one_wherever_an_event_does(
            one in filter(), other in filter(), content in content()
        ) {
            let (tenant, now) = (TenantId::new("acme"), "2026-01-02T03:04:05Z".parse().unwrap());
            let (one, other) = (dispatcher("a", &one), dispatcher("b", &other));
            let compiled = [&one, &other].map(|dispatcher| {
                let compiled = CompiledDispatcher::new(dispatcher.clone(), 100).unwrap();
                (dispatcher.id.clone(), 1, Some(Arc::new(compiled)))
            });
            let set = DispatcherSet::new(compiled.into());
            let example = common_event(&[&one, &other], [], &tenant, now);
            if let Some((event, _)) = &example {
                prop_assert_eq!(set.matching(event).count(), 2, "{}", event);
            }
            let event = json!({"type": "order.paid", "tenantId": tenant, "content": content});
            let event = Event::new(envelope(event, now).unwrap());
            prop_assert!(set.matching(&event.value).count() < 2 || example.is_some(), "{}", event.value);
        }
    }
}
