//! The graph of a tenant: what sends which events, what they start, and what that emits in turn.
//!
//! A part of it follows from the configuration; the rest is what was seen in the events of a span of time and their runs.

mod configured;
mod emission;
mod finding;
mod loops;
mod overlaps;
mod reads;
mod seen;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::event::{EventType, TenantId};
use utoipa::ToSchema;

use crate::dispatcher::Dispatcher;
use crate::store::EventRecord;
use crate::subscription::Subscription;

pub(crate) use finding::{Finding, condition_never_holds, filter_never_matches, find};
pub(crate) use seen::Seen;

/// How many nodes and edges a graph has about, so that it fits into an answer.
const MAX_NODES: usize = 5_000;
const MAX_EDGES: usize = 10_000;

/// Channels, event types, dispatchers and what they do, with what is remarkable about it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    /// What is remarkable, the most severe first.
    pub(crate) findings: Vec<Finding>,
    pub(crate) looked_at: LookedAt,
}

/// How far the graph looked.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LookedAt {
    /// The first time of which events were read.
    #[serde(with = "shared::clock::iso")]
    pub(crate) from: Timestamp,
    /// The last time.
    #[serde(with = "shared::clock::iso")]
    pub(crate) to: Timestamp,
    /// How many events were read, the newest first.
    pub(crate) events: usize,
    /// Whether there are more events in that time, which were not read.
    pub(crate) more_events: bool,
    /// The earliest time of an event that was read; nothing is known of what was before.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) events_since: Option<Timestamp>,
    /// How many tasks were looked at, the newest first, for the functions that they ran.
    pub(crate) tasks: usize,
    /// The earliest time of these tasks.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) tasks_since: Option<Timestamp>,
    /// Whether there are more tasks in that time, which were not looked at.
    pub(crate) more_tasks: bool,
    /// How many dispatchers there are.
    pub(crate) dispatchers: usize,
    /// Whether there are more nodes and edges than are shown, because there is no room for all dispatchers.
    pub(crate) more_nodes: bool,
    /// How many pairs of dispatchers were compared.
    pub(crate) pairs: usize,
    /// Whether there are more pairs, of which it is unknown whether they overlap.
    pub(crate) more_pairs: bool,
    /// Whether there are more findings than are listed, or the search for loops was cut short.
    pub(crate) more_findings: bool,
}

/// Something that sends, is sent, or is done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    /// The kind and what names it among its kind, as `dispatcher:6f0a…`.
    pub(crate) id: String,
    pub(crate) kind: NodeKind,
    /// The name as people know it.
    pub(crate) name: String,
    /// How often it was seen in the events that were read.
    pub(crate) seen: u64,
    /// When it was last seen.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen: Option<Timestamp>,
    /// Whether a dispatcher is switched off, so that nothing starts it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) disabled: bool,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum NodeKind {
    /// A channel.
    Channel,
    /// Clients that publish events through the API.
    Client,
    /// A type of events.
    EventType,
    /// A dispatcher.
    Dispatcher,
    /// A step of a dispatcher.
    Step,
    /// A function.
    Function,
    /// An app.
    App,
    /// A template of mails.
    Template,
    /// A service that says that it listens.
    Service,
}

/// One node has to do with another.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) kind: EdgeKind,
    /// Whether it follows from the configuration.
    pub(crate) configured: bool,
    /// How often it was seen in the events that were read.
    pub(crate) seen: u64,
    /// When it was last seen.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen: Option<Timestamp>,
}

/// What an edge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EdgeKind {
    /// A channel or a client sends events of a type.
    Sends,
    /// Events of a type start a dispatcher.
    Starts,
    /// A dispatcher has a step.
    Has,
    /// A step must be over before another one starts.
    Precedes,
    /// A step runs a function, or uses a channel, an app or a template.
    Runs,
    /// A step, or the function that it runs, emits events of a type.
    Emits,
    /// A service listens to events of a type.
    Listens,
}

/// What the graph is made of.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) tenant: TenantId,
    pub(crate) dispatchers: Vec<Dispatcher>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) events: Vec<(EventRecord, Vec<crate::run::Run>)>,
    /// The names of all functions, and those that tasks of the time ran.
    pub(crate) functions: Vec<String>,
    pub(crate) called_functions: BTreeSet<String>,
    /// What actions name that does not exist: the dispatcher, the step and a sentence.
    pub(crate) missing: Vec<(String, String, String)>,
}

/// Nodes and edges while they are collected.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    nodes: BTreeMap<String, Node>,
    edges: BTreeMap<(String, String, EdgeKind), Edge>,
    /// Whether something was left out.
    is_cut: bool,
}

impl Builder {
    /// Builds the nodes and edges of as many dispatchers as there is room for, and of what was seen; tells whether that is
    /// not all.
    pub(crate) fn build(sources: &Sources, seen: &Seen) -> (Vec<Node>, Vec<Edge>, bool) {
        let mut builder = Self::default();
        let shown = configured::add(&mut builder, sources);
        let hidden = sources.dispatchers.iter().skip(shown).map(|dispatcher| dispatcher.id.as_str()).collect();
        seen.add(&mut builder, &hidden);
        let has_more = builder.is_cut || !hidden.is_empty();
        (builder.nodes.into_values().collect(), builder.edges.into_values().collect(), has_more)
    }

    fn has_room(&self) -> bool {
        self.nodes.len() < MAX_NODES && self.edges.len() < MAX_EDGES
    }

    fn has_node(&self, id: &str) -> bool {
        self.nodes.contains_key(id)
    }

    /// Whether a node is there or may be added.
    fn has_room_for(&mut self, id: &str) -> bool {
        let has_room = self.has_node(id) || self.has_room();
        self.is_cut |= !has_room;
        has_room
    }

    fn node(&mut self, kind: NodeKind, key: &str, name: &str) -> &mut Node {
        let id = node_id(kind, key);
        let new = || Node { id: id.clone(), kind, name: name.to_owned(), seen: 0, last_seen: None, disabled: false };
        self.nodes.entry(id.clone()).or_insert_with(new)
    }

    fn edge(&mut self, from: &str, to: &str, kind: EdgeKind) -> &mut Edge {
        let new =
            || Edge { from: from.to_owned(), to: to.to_owned(), kind, configured: false, seen: 0, last_seen: None };
        self.edges.entry((from.to_owned(), to.to_owned(), kind)).or_insert_with(new)
    }

    fn configured(&mut self, from: &str, to: &str, kind: EdgeKind) {
        self.edge(from, to, kind).configured = true;
    }
}

/// Returns the id of a node.
fn node_id(kind: NodeKind, key: &str) -> String {
    let prefix = match kind {
        NodeKind::Channel => "channel",
        NodeKind::Client => "client",
        NodeKind::EventType => "type",
        NodeKind::Dispatcher => "dispatcher",
        NodeKind::Step => "step",
        NodeKind::Function => "function",
        NodeKind::App => "app",
        NodeKind::Template => "template",
        NodeKind::Service => "service",
    };
    format!("{prefix}:{key}")
}

/// Returns the id of the node of a step.
fn step_id(dispatcher: &str, step: &str) -> String {
    node_id(NodeKind::Step, &format!("{dispatcher}/{step}"))
}

/// Returns the id of the node of an event type.
fn type_id(kind: &EventType) -> String {
    node_id(NodeKind::EventType, kind.as_str())
}

/// Returns what the fields of an action name: the kind of the node and its name, unless a template decides it.
fn target(kind: &str, fields: &serde_json::Map<String, Value>) -> Option<(NodeKind, String)> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.contains("{{"));
    let named = match kind {
        "task" => (NodeKind::Function, text("functionName")),
        "message" => (NodeKind::Channel, text("channelId")),
        "action" => (NodeKind::App, text("app")),
        "mail" => (NodeKind::Template, text("templateId").or_else(|| text("templateName"))),
        _ => return None,
    };
    Some((named.0, named.1?.to_owned()))
}
