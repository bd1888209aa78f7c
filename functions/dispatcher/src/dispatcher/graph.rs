//! Which action depends on which.

use std::collections::{HashMap, HashSet};

use super::Action;

/// The dependencies between the actions of one dispatcher, by their position.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// For each action, all that must be over before it, directly or through others.
    ancestors: Vec<HashSet<usize>>,
}

/// Dependencies that no order of steps can satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GraphError {
    /// An action names another that does not exist.
    Unknown { action: usize, dependency: String },
    /// An action waits for itself, perhaps through others.
    Cycle { action: usize },
}

impl Graph {
    /// Resolves the dependencies of actions.
    pub(super) fn new<'a>(actions: impl Iterator<Item = &'a Action> + Clone) -> Result<Self, GraphError> {
        let positions: HashMap<&str, usize> = actions.clone().map(Action::step_name).zip(0..).collect();
        let mut parents = Vec::new();
        for (action, entry) in actions.enumerate() {
            let position = |name: &String| {
                let unknown = || GraphError::Unknown { action, dependency: name.clone() };
                positions.get(name.as_str()).copied().ok_or_else(unknown)
            };
            parents.push(entry.dependencies.iter().map(position).collect::<Result<Vec<_>, _>>()?);
        }
        let ancestors: Vec<_> = (0..parents.len()).map(|action| above(action, &parents)).collect();
        match ancestors.iter().enumerate().find(|(action, above)| above.contains(action)) {
            Some((action, _)) => Err(GraphError::Cycle { action }),
            None => Ok(Self { ancestors }),
        }
    }

    /// Whether `ancestor` must be over before `action` starts.
    pub(super) fn depends(&self, action: usize, ancestor: usize) -> bool {
        self.ancestors.get(action).is_some_and(|above| above.contains(&ancestor))
    }
}

fn above(action: usize, parents: &[Vec<usize>]) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut open = parents[action].clone();
    while let Some(parent) = open.pop() {
        if found.insert(parent) {
            open.extend(&parents[parent]);
        }
    }
    found
}
