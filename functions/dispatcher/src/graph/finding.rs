//! What is remarkable about a graph.

use std::collections::HashSet;

use jiff::Timestamp;
use pattern::{Overlap, Pattern};
use serde::Serialize;
use serde_json::{Value, json};
use shared::event::fact::{OWN, PLATFORMS};
use shared::event::{EventType, TenantId};
use shared::nearest;
use utoipa::ToSchema;

use super::reads::{conditions_on_others, read_steps};
use super::{LookedAt, NodeKind, Seen, Sources, emission, loops, node_id, overlaps, step_id, type_id};
use crate::dispatcher::{Action, Dispatcher, OnFailure};

/// How many findings are listed.
const MAX_FINDINGS: usize = 1_000;

/// Something remarkable.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// What it is, for programs.
    pub(super) code: Code,
    pub(super) severity: Severity,
    /// What it is, in one sentence or two.
    pub(crate) message: String,
    /// The ids of the nodes that it is about.
    pub(super) concerns: Vec<String>,
    /// An event that proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) example: Option<Value>,
}

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Code {
    /// An action names a record that does not exist.
    TargetUnknown,
    /// No event can pass the filter of a dispatcher.
    FilterNeverMatches,
    /// The condition of a step can never hold.
    ConditionNeverHolds,
    /// Dispatchers start each other, or themselves.
    Loop,
    /// Dispatchers wait for a type of events that nobody sends.
    EventTypeWithoutSender,
    /// One event starts two dispatchers.
    DispatchersOverlap,
    /// Nobody reads the output of a step.
    StepOutputUnread,
    /// Nothing calls a function.
    FunctionNotCalled,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Severity {
    /// Something cannot work, or goes wrong already.
    Error,
    /// Something is probably not meant so.
    Warning,
    /// Something is worth knowing.
    Info,
}

impl Finding {
    pub(super) fn new(code: Code, severity: Severity, message: String, concerns: Vec<String>) -> Self {
        Self { code, severity, message, concerns, example: None }
    }
}

/// Finds what is remarkable, and completes how far it looked.
pub(crate) fn find(
    sources: &Sources,
    seen: &Seen,
    now: Timestamp,
    looked_at: &mut LookedAt,
    is_time_over: impl Fn() -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (dispatcher, step, message) in &sources.missing {
        let concerns = vec![step_id(dispatcher, step)];
        findings.push(Finding::new(Code::TargetUnknown, Severity::Error, message.clone(), concerns));
    }
    // Who waits for more findings than there is time for looks at one type of events.
    let mut is_cut_short = false;
    for dispatcher in &sources.dispatchers {
        is_cut_short = is_time_over() || findings.len() > MAX_FINDINGS;
        if is_cut_short {
            break;
        }
        findings.extend(filter_never_matches(dispatcher, &sources.tenant, now));
        for action in &dispatcher.body.actions {
            if is_time_over() {
                break;
            }
            findings.extend(condition_never_holds(dispatcher, action));
        }
        findings.extend(unread_outputs(dispatcher));
    }
    is_cut_short = is_cut_short || is_time_over();
    findings.extend(types_without_sender(sources, seen, looked_at));
    findings.extend(functions_not_called(sources, seen, looked_at));
    let loops = loops::find(&sources.dispatchers, seen);
    findings.extend(loops.findings);
    let pairs = overlaps::find(&sources.dispatchers, &sources.tenant, now, is_time_over);
    findings.extend(pairs.findings);
    findings.sort_by_key(|finding| (finding.severity, finding.code));
    (looked_at.pairs, looked_at.more_pairs) = (pairs.compared, pairs.has_more);
    looked_at.more_findings = is_cut_short || loops.is_cut_short || findings.len() > MAX_FINDINGS;
    findings.truncate(MAX_FINDINGS);
    findings
}

/// Says that no event can pass the filter of a dispatcher.
pub(crate) fn filter_never_matches(dispatcher: &Dispatcher, tenant: &TenantId, now: Timestamp) -> Option<Finding> {
    let filter = dispatcher.body.filter.as_ref()?;
    // Most filters have an event that matches, which says it all.
    if overlaps::common_event(&[dispatcher], [], tenant, now).is_some() {
        return None;
    }
    let own = json!({"type": [dispatcher.body.event_type], "tenantId": [tenant]});
    if !is_disjoint(
        &[filter, &own, &json!({"id": [{"exists": true}], "time": [{"exists": true}]})],
        overlaps::is_single,
    ) {
        return None;
    }
    let kind = &dispatcher.body.event_type;
    let message = format!("No event of the type `{kind}` can pass the filter of {}.", overlaps::name(dispatcher));
    let concerns = vec![node_id(NodeKind::Dispatcher, dispatcher.id.as_str())];
    Some(Finding::new(Code::FilterNeverMatches, Severity::Error, message, concerns))
}

/// Says that the condition of a step can never hold, or only for lists.
pub(crate) fn condition_never_holds(dispatcher: &Dispatcher, action: &Action) -> Option<Finding> {
    let condition = action.condition.as_ref()?;
    let mut event = json!({"type": [dispatcher.body.event_type]});
    let filter = dispatcher.body.filter.clone().unwrap_or_else(|| event.clone());
    let above = dispatcher.body.actions.iter().filter(|other| is_above(dispatcher, action, other));
    // A step that waits for another one directly begins after its failure only if that continues.
    let ended = |above: &Action| match above.on_failure {
        OnFailure::Fail if action.dependencies.iter().any(|name| name == above.step_name()) => {
            json!({"status": ["succeeded"]})
        }
        _ => json!({"status": ["succeeded", "failed", "skipped"]}),
    };
    let mut steps: serde_json::Map<String, Value> =
        above.clone().map(|above| (above.step_name().to_owned(), ended(above))).collect();
    let above: Vec<&str> = above.map(Action::step_name).collect();
    // A step sees none but those that it waits for.
    for (field, value) in conditions_on_others(condition, &above) {
        steps.insert(field.to_owned(), absent(value)?);
    }
    event = json!({ "event": event });
    if !steps.is_empty() {
        event["steps"] = Value::Object(steps);
    }
    // What a step hands on can be a list, how it went cannot.
    let is_single = |path: &str| match path.strip_prefix("event.") {
        Some(path) => overlaps::is_single(path),
        None => path.ends_with(".status") && !path.contains(".output"),
    };
    let patterns = [condition, &event, &json!({ "event": filter })];
    let (severity, when) = if is_disjoint(&patterns, is_single) {
        (Severity::Error, "can never hold, so that the step is always skipped")
    } else if is_disjoint(&patterns, |_| true) {
        (Severity::Warning, "can hold only where a field of the event is a list with several values")
    } else {
        return None;
    };
    let (step, name) = (action.step_name(), overlaps::name(dispatcher));
    let message = format!("The condition of step `{step}` of {name} {when}.");
    Some(Finding::new(Code::ConditionNeverHolds, severity, message, vec![step_id(dispatcher.id.as_str(), step)]))
}

/// Whether it is proven that nothing matches all of these patterns, where fields that are single hold no lists.
fn is_disjoint(patterns: &[&Value], is_single: impl Fn(&str) -> bool) -> bool {
    let compiled: Result<Vec<Pattern>, _> = patterns.iter().map(|pattern| Pattern::compile(pattern)).collect();
    let Ok(compiled) = compiled else { return false };
    Overlap::of_events(&compiled.iter().collect::<Vec<_>>(), is_single) == Overlap::Disjoint
}

/// The same fields, all of which must be absent; `None` for what has alternatives.
fn absent(pattern: &Value) -> Option<Value> {
    match pattern {
        Value::Object(fields) if fields.contains_key("$or") => None,
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Some((name.clone(), absent(value)?)));
            fields.collect::<Option<_>>().map(Value::Object)
        }
        _ => Some(json!([{"exists": false}])),
    }
}

/// Whether a step waits for another one, directly or through others.
fn is_above(dispatcher: &Dispatcher, action: &Action, other: &Action) -> bool {
    let (mut open, mut known) = (vec![action], HashSet::new());
    while let Some(at) = open.pop() {
        for name in &at.dependencies {
            if name == other.step_name() {
                return true;
            }
            if known.insert(name) {
                open.extend(dispatcher.body.actions.iter().find(|action| action.step_name() == name));
            }
        }
    }
    false
}

/// Steps that are there for their output, which nobody reads.
///
/// What other steps do counts by itself, so that their output may well be unread.
fn unread_outputs(dispatcher: &Dispatcher) -> Vec<Finding> {
    let read = read_steps(&dispatcher.body.actions);
    let unread = dispatcher.body.actions.iter().filter(|action| !read.contains(action.step_name()));
    let findings = unread.filter_map(|action| {
        let fields = action.command_fields();
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let (severity, why) = match action.kind.as_str() {
            "http" if matches!(text("method").unwrap_or("POST").to_uppercase().as_str(), "GET" | "HEAD") => {
                (Severity::Warning, "it only fetches something")
            }
            "callback" if emission::is_creation(&fields) => {
                (Severity::Warning, "nobody learns the URL of the callback")
            }
            "action" => (Severity::Info, "what the app answers is not used"),
            "task" if is_waited_for(dispatcher, action) => (Severity::Info, "the steps after it only wait for it"),
            _ => return None,
        };
        let (step, name) = (action.step_name(), overlaps::name(dispatcher));
        let message = format!("No step reads the output of step `{step}` of {name}: {why}.");
        Some(Finding::new(Code::StepOutputUnread, severity, message, vec![step_id(dispatcher.id.as_str(), step)]))
    });
    findings.collect()
}

fn is_waited_for(dispatcher: &Dispatcher, action: &Action) -> bool {
    dispatcher.body.actions.iter().any(|other| other.dependencies.iter().any(|name| name == action.step_name()))
}

/// Says what was looked at: all of a span of time, or the newest of it.
fn extent(count: usize, what: &str, since: Option<Timestamp>, has_more: bool, from: Timestamp) -> String {
    match since.filter(|_| has_more) {
        Some(since) => format!("Looked at: the newest {what} ({count}, since {since:.0}), and there are more."),
        None => format!("Looked at: all {what} since {from:.0} ({count})."),
    }
}

fn types_without_sender(sources: &Sources, seen: &Seen, looked_at: &LookedAt) -> Vec<Finding> {
    let waiting = sources.dispatchers.iter().filter(|dispatcher| dispatcher.body.enabled);
    let mut types: Vec<&EventType> = waiting.map(|dispatcher| &dispatcher.body.event_type).collect();
    types.sort_unstable_by_key(|kind| kind.as_str());
    types.dedup();
    let is_own = |kind: &EventType| {
        let of_platform = kind.as_str().split_once('.').is_some_and(|(name, _)| PLATFORMS.contains(&name));
        OWN.contains(kind) || of_platform
    };
    let unsent = types.into_iter().filter(|kind| !is_own(kind) && !seen.has_type(kind));
    let known = OWN;
    let LookedAt { events, events_since, more_events, from, .. } = looked_at;
    let extent = extent(*events, "events", *events_since, *more_events, *from);
    let findings = unsent.map(|kind| {
        let near = nearest::nearest(kind.as_str(), seen.types().chain(&known).map(EventType::as_str));
        let hint = near.map(|near| format!(" There is `{near}`: perhaps that is meant.")).unwrap_or_default();
        let message = format!("Dispatchers wait for `{kind}`, which nobody has sent.{hint} {extent}");
        let waiting = sources.dispatchers.iter().filter(|dispatcher| dispatcher.body.event_type == *kind).take(20);
        let waiting = waiting.map(|dispatcher| node_id(NodeKind::Dispatcher, dispatcher.id.as_str()));
        let concerns = [type_id(kind)].into_iter().chain(waiting).collect();
        Finding::new(Code::EventTypeWithoutSender, Severity::Warning, message, concerns)
    });
    findings.collect()
}

fn functions_not_called(sources: &Sources, seen: &Seen, looked_at: &LookedAt) -> Vec<Finding> {
    let actions = sources.dispatchers.iter().flat_map(|dispatcher| &dispatcher.body.actions);
    let named: HashSet<String> = actions
        .filter_map(|action| super::target(&action.kind, &action.command_fields()))
        .filter(|(kind, _)| *kind == NodeKind::Function)
        .map(|(_, name)| name)
        .collect();
    let is_called =
        |name: &String| named.contains(name) || seen.has_function(name) || sources.called_functions.contains(name);
    let LookedAt { tasks, tasks_since, more_tasks, from, .. } = looked_at;
    let extent = extent(*tasks, "tasks", *tasks_since, *more_tasks, *from);
    let uncalled = sources.functions.iter().filter(|name| !is_called(name)).map(|name| {
        let message = format!(
"No dispatcher calls the function `{name}`, and no task ran it. {extent} Schedules that were not due in that \
             time and requests to it as an API function are not looked at."
        );
        Finding::new(Code::FunctionNotCalled, Severity::Info, message, vec![node_id(NodeKind::Function, name)])
    });
    uncalled.collect()
}
