//! What was seen in events and their runs.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use shared::event::fact::{CUSTOM_SOURCE, WEBHOOK_SOURCE};
use shared::event::{EventType, StepId};

use super::emission::OUTCOMES;
use super::{Builder, EdgeKind, NodeKind, node_id, step_id, target, type_id};
use crate::run::{Run, Step};
use crate::store::EventRecord;

/// The key of the node of all clients that publish events.
const API: &str = "api";

/// What was seen, counted.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    nodes: BTreeMap<(NodeKind, String), (String, Count)>,
    edges: BTreeMap<(String, String, EdgeKind), Count>,
    /// What steps have emitted, by the ids of their nodes.
    emissions: HashMap<String, HashSet<EventType>>,
    types: HashSet<EventType>,
    functions: HashSet<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    times: u64,
    last: Option<Timestamp>,
}

impl Count {
    fn add(&mut self, time: Timestamp) {
        self.times += 1;
        self.last = self.last.max(Some(time));
    }
}

impl Seen {
    /// Counts what there is in events, with their runs.
    pub(crate) fn new(events: &[(EventRecord, Vec<Run>)]) -> Self {
        let mut seen = Self::default();
        // Which step the command of an id was for: what a step causes says so by the id of its command.
        let mut commands = HashMap::new();
        for (record, runs) in events {
            for run in runs {
                seen.add_run(record, run);
                for step in &run.steps {
                    commands.extend(command_ids(run, step).map(|id| (id, (run, step))));
                }
            }
        }
        for (record, _) in events {
            seen.add_event(record, &commands);
        }
        seen
    }

    /// Whether an event of a type was seen.
    pub(super) fn has_type(&self, kind: &EventType) -> bool {
        self.types.contains(kind)
    }

    /// The types of all events that were seen.
    pub(super) fn types(&self) -> impl Iterator<Item = &EventType> {
        self.types.iter()
    }

    /// Whether a step was seen to run a function.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Whether a step has emitted an event of a type.
    pub(super) fn has_emitted(&self, dispatcher: &str, step: &str, kind: &EventType) -> bool {
        self.emitted(dispatcher, step).any(|emitted| emitted == kind)
    }

    /// The types that the step of a dispatcher was seen to emit.
    pub(super) fn emitted(&self, dispatcher: &str, step: &str) -> impl Iterator<Item = &EventType> {
        self.emissions.get(&step_id(dispatcher, step)).into_iter().flatten()
    }

    /// Adds it to a graph, without the dispatchers that are hidden and without what there is no more room for.
    pub(super) fn add(&self, builder: &mut Builder, hidden: &HashSet<&str>) {
        let is_hidden = |id: &str| {
            let of = id.strip_prefix("dispatcher:").or_else(|| id.strip_prefix("step:")?.split('/').next());
            of.is_some_and(|dispatcher| hidden.contains(dispatcher))
        };
        for ((kind, key), (name, count)) in &self.nodes {
            let id = node_id(*kind, key);
            if !is_hidden(&id) && builder.has_room_for(&id) {
                let node = builder.node(*kind, key, name);
                (node.seen, node.last_seen) = (count.times, count.last);
            }
        }
        for ((from, to, kind), count) in &self.edges {
            if builder.has_node(from) && builder.has_node(to) {
                let edge = builder.edge(from, to, *kind);
                (edge.seen, edge.last_seen) = (count.times, count.last);
            }
        }
    }

    fn node(&mut self, kind: NodeKind, key: &str, name: &str, time: Timestamp) -> String {
        self.nodes.entry((kind, key.to_owned())).or_insert_with(|| (name.to_owned(), Count::default())).1.add(time);
        node_id(kind, key)
    }

    fn edge(&mut self, from: &str, to: &str, kind: EdgeKind, time: Timestamp) {
        self.edges.entry((from.to_owned(), to.to_owned(), kind)).or_default().add(time);
    }

    fn add_run(&mut self, record: &EventRecord, run: &Run) {
        let (id, time) = (run.dispatcher_id.as_str(), run.started_at);
        let name = run.dispatcher_name.as_deref().unwrap_or(id);
        let dispatcher = self.node(NodeKind::Dispatcher, id, name, time);
        self.edge(&type_id(&record.event.envelope.kind), &dispatcher, EdgeKind::Starts, time);
        for step in &run.steps {
            let Some(attempt) = step.attempts.last() else { continue };
            let (name, time) = (step.name(), attempt.requested_at);
            let step_node = self.node(NodeKind::Step, &format!("{id}/{name}"), name, time);
            self.edge(&dispatcher, &step_node, EdgeKind::Has, time);
            if let Some((kind, name)) = target(&step.action.kind, &step.action.command_fields()) {
                let target = self.node(kind, &name, &name, time);
                self.edge(&step_node, &target, EdgeKind::Runs, time);
                if kind == NodeKind::Function {
                    self.functions.insert(name);
                }
            }
        }
    }

    fn add_event(&mut self, record: &EventRecord, commands: &HashMap<String, (&Run, &Step)>) {
        let (envelope, time) = (&record.event.envelope, record.received_at);
        let kind = &envelope.kind;
        self.types.insert(kind.clone());
        let to = self.node(NodeKind::EventType, kind.as_str(), kind.as_str(), time);
        let cause = envelope.trace.causation_id.as_ref().and_then(|id| commands.get(id));
        if let Some((run, step)) = cause {
            let dispatcher = run.dispatcher_id.as_str();
            let from = step_id(dispatcher, step.name());
            self.edge(&from, &to, EdgeKind::Emits, time);
            self.emissions.entry(from).or_default().insert(kind.clone());
            if let Some((NodeKind::Function, name)) = target(&step.action.kind, &step.action.command_fields()) {
                self.edge(&node_id(NodeKind::Function, &name), &to, EdgeKind::Emits, time);
            }
            return;
        }
        let content = |name: &str| record.event.content().get(name).and_then(serde_json::Value::as_str);
        match record.source.as_str() {
            WEBHOOK_SOURCE => {
                if let Some(channel) = content("channelId") {
                    let from = self.node(NodeKind::Channel, channel, channel, time);
                    self.edge(&from, &to, EdgeKind::Sends, time);
                }
            }
            CUSTOM_SOURCE if envelope.trace.causation_id.is_none() => {
                let from = self.node(NodeKind::Client, API, "POST /events/v1", time);
                self.edge(&from, &to, EdgeKind::Sends, time);
            }
            _ if OUTCOMES.contains(kind) => {
                if let Some(dispatcher) = content("dispatcherId") {
                    self.edge(&node_id(NodeKind::Dispatcher, dispatcher), &to, EdgeKind::Emits, time);
                }
            }
            _ => {}
        }
    }
}

/// The ids of the commands of a step, one for each attempt.
fn command_ids<'a>(run: &'a Run, step: &'a Step) -> impl Iterator<Item = String> + 'a {
    step.attempts.iter().map(|attempt| {
        let (event_id, dispatcher_id) = (run.event_id.clone(), run.dispatcher_id.clone());
        let id = StepId { event_id, dispatcher_id, step: step.name().to_owned(), attempt: attempt.attempt };
        format!("{}-requested", id.record_id())
    })
}
