//! Dispatchers whose steps emit, directly or through other dispatchers, what they react to.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use pattern::{Overlap, Pattern};

use super::emission::{self, Emission};
use super::finding::{Code, Finding, Severity};
use super::overlaps::name;
use super::{NodeKind, Seen, node_id, step_id, type_id};
use crate::dispatcher::{Action, Dispatcher};

/// How many pairs of an emission and a filter are compared.
const MAX_CHECKS: usize = 5_000;
/// How many loops are listed.
const MAX_LOOPS: usize = 100;

/// What the search for loops has found.
pub(super) struct Loops {
    pub(super) findings: Vec<Finding>,
    pub(super) is_cut_short: bool,
}

/// A step that leads from one dispatcher to another.
#[derive(Debug, Clone)]
struct Hop {
    to: usize,
    step: String,
    emission: Emission,
    is_seen: bool,
}

/// Finds a shortest loop through each dispatcher that is in one; a loop is listed once.
pub(super) fn find(dispatchers: &[Dispatcher], seen: &Seen) -> Loops {
    let (hops, is_cut_short) = hops(dispatchers, seen);
    let mut loops = Loops { findings: Vec::new(), is_cut_short };
    let mut known = HashSet::new();
    for start in hops.keys() {
        let Some(path) = shortest(*start, &hops) else { continue };
        let mut members: Vec<usize> = path.iter().map(|(from, _)| *from).collect();
        members.sort_unstable();
        if !known.insert(members) {
            continue;
        }
        if loops.findings.len() == MAX_LOOPS {
            loops.is_cut_short = true;
            break;
        }
        loops.findings.push(finding(dispatchers, &path));
    }
    loops
}

/// Returns where the steps of each dispatcher lead, and whether not all of them were looked at.
fn hops(dispatchers: &[Dispatcher], seen: &Seen) -> (BTreeMap<usize, Vec<Hop>>, bool) {
    let emitted: Vec<Vec<Vec<Emission>>> = dispatchers.iter().map(|dispatcher| emissions(dispatcher, seen)).collect();
    let types: HashSet<&str> = emitted.iter().flatten().flatten().map(|emission| emission.kind.as_str()).collect();
    // Nobody else can be in a loop.
    let is_candidate =
        |dispatcher: &Dispatcher| dispatcher.body.enabled && types.contains(dispatcher.body.event_type.as_str());
    let candidates = || dispatchers.iter().enumerate().filter(|(_, dispatcher)| is_candidate(dispatcher));
    let mut by_type: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, dispatcher) in candidates() {
        by_type.entry(dispatcher.body.event_type.as_str()).or_default().push(at);
    }
    let (mut hops, mut checks) = (BTreeMap::<usize, Vec<Hop>>::new(), 0);
    for (at, dispatcher) in candidates() {
        for (action, emissions) in dispatcher.body.actions.iter().zip(&emitted[at]) {
            let starts = |emission: &'_ Emission| by_type.get(emission.kind.as_str()).into_iter().flatten().copied();
            for (emission, to) in emissions.iter().flat_map(|emission| starts(emission).map(move |to| (emission, to))) {
                if checks == MAX_CHECKS {
                    return (hops, true);
                }
                checks += 1;
                if can_start(&dispatchers[to], emission) {
                    let step = action.step_name().to_owned();
                    let is_seen = seen.has_emitted(dispatcher.id.as_str(), &step, &emission.kind);
                    hops.entry(at).or_default().push(Hop { to, step, emission: emission.clone(), is_seen });
                }
            }
        }
    }
    (hops, false)
}

/// Returns what each action of a dispatcher can emit, and was seen to emit.
fn emissions(dispatcher: &Dispatcher, seen: &Seen) -> Vec<Vec<Emission>> {
    let of_action = |action: &Action| {
        let mut emissions = emission::of(action);
        for kind in seen.emitted(dispatcher.id.as_str(), action.step_name()) {
            if emissions.iter().all(|known| known.kind != *kind) {
                emissions.push(Emission::of_type(kind.clone()));
            }
        }
        emissions
    };
    dispatcher.body.actions.iter().map(of_action).collect()
}

/// Whether events of an emission can pass the filter of a dispatcher, unless it is proven that none does.
fn can_start(dispatcher: &Dispatcher, emission: &Emission) -> bool {
    let Some(filter) = &dispatcher.body.filter else { return true };
    let (Ok(filter), Ok(emitted)) = (Pattern::compile(filter), Pattern::compile(&emission.pattern())) else {
        return true;
    };
    // What is known of an emission are single values, and a list in their place would not be the same event.
    matches!(Overlap::of(&[&filter, &emitted]), Overlap::Witness(_) | Overlap::Unknown)
}

/// Returns a shortest way from a dispatcher back to itself.
fn shortest(start: usize, hops: &BTreeMap<usize, Vec<Hop>>) -> Option<Vec<(usize, Hop)>> {
    let mut came_by: HashMap<usize, (usize, Hop)> = HashMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for hop in hops.get(&at).into_iter().flatten() {
            if hop.to == start {
                let mut path = vec![(at, hop.clone())];
                let mut back = at;
                while back != start {
                    let (from, hop) = came_by.get(&back)?.clone();
                    path.push((from, hop));
                    back = from;
                }
                path.reverse();
                return Some(path);
            }
            if let Entry::Vacant(new) = came_by.entry(hop.to) {
                new.insert((at, hop.clone()));
                open.push_back(hop.to);
            }
        }
    }
    None
}

fn finding(dispatchers: &[Dispatcher], path: &[(usize, Hop)]) -> Finding {
    let mut concerns = Vec::new();
    let mut ways = Vec::new();
    for (at, hop) in path {
        let dispatcher = &dispatchers[*at];
        let id = dispatcher.id.as_str();
        concerns.push(node_id(NodeKind::Dispatcher, id));
        concerns.push(step_id(id, &hop.step));
        concerns.push(type_id(&hop.emission.kind));
        let can = if hop.is_seen { "has emitted" } else { "can emit" };
        ways.push(format!("step `{}` of {} {can} `{}`", hop.step, name(dispatcher), hop.emission.kind));
    }
    let first = path.first().map(|(at, _)| name(&dispatchers[*at])).unwrap_or_default();
    let ways = ways.join(", ");
    let message = format!("A loop: {ways}, which starts {first} again. A chain ends after 16 dispatches.");
    let severity = if path.iter().all(|(_, hop)| hop.is_seen) { Severity::Error } else { Severity::Warning };
    Finding::new(Code::Loop, severity, message, concerns)
}
