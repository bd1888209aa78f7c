//! What follows from the dispatchers and subscriptions.

use super::emission::{self, Emission};
use super::{Builder, EdgeKind, NodeKind, Sources, node_id, step_id, target, type_id};
use crate::dispatcher::{Action, Dispatcher};

/// Adds the nodes and edges of dispatchers, as long as there is room, and of subscriptions and functions; returns how many
/// of the dispatchers had room.
pub(super) fn add(builder: &mut Builder, sources: &Sources) -> usize {
    for function in &sources.functions {
        builder.node(NodeKind::Function, function, function);
    }
    for subscription in &sources.subscriptions {
        let service = &subscription.body.service.name;
        builder.node(NodeKind::Service, service, service);
        for kind in &subscription.body.event_types {
            builder.node(NodeKind::EventType, kind.as_str(), kind.as_str());
            builder.configured(&type_id(kind), &node_id(NodeKind::Service, service), EdgeKind::Listens);
        }
    }
    let with_room = sources.dispatchers.iter().take_while(|dispatcher| {
        let has_room = builder.has_room();
        if has_room {
            add_dispatcher(builder, dispatcher);
        }
        has_room
    });
    with_room.count()
}

fn add_dispatcher(builder: &mut Builder, dispatcher: &Dispatcher) {
    let (id, kind) = (dispatcher.id.as_str(), &dispatcher.body.event_type);
    let node = builder.node(NodeKind::Dispatcher, id, dispatcher.body.name.as_deref().unwrap_or(id));
    node.disabled = !dispatcher.body.enabled;
    let dispatcher_id = node.id.clone();
    builder.node(NodeKind::EventType, kind.as_str(), kind.as_str());
    if dispatcher.body.enabled {
        builder.configured(&type_id(kind), &dispatcher_id, EdgeKind::Starts);
    }
    for kind in emission::OUTCOMES {
        if shared::event::fact::OWN.contains(&kind) {
            builder.node(NodeKind::EventType, kind.as_str(), kind.as_str());
            builder.configured(&dispatcher_id, &type_id(&kind), EdgeKind::Emits);
        }
    }
    for action in &dispatcher.body.actions {
        let step = step_id(id, action.step_name());
        builder.node(NodeKind::Step, &format!("{id}/{}", action.step_name()), action.step_name());
        builder.configured(&dispatcher_id, &step, EdgeKind::Has);
        for dependency in &action.dependencies {
            builder.configured(&step_id(id, dependency), &step, EdgeKind::Precedes);
        }
        add_effects(builder, &step, action);
    }
}

fn add_effects(builder: &mut Builder, step: &str, action: &Action) {
    if let Some((kind, name)) = target(&action.kind, &action.command_fields()) {
        builder.node(kind, &name, &name);
        builder.configured(step, &node_id(kind, &name), EdgeKind::Runs);
    }
    for Emission { kind, .. } in emission::of(action) {
        builder.node(NodeKind::EventType, kind.as_str(), kind.as_str());
        builder.configured(step, &type_id(&kind), EdgeKind::Emits);
    }
}
