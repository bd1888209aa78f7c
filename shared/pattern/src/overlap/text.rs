//! A text that several clauses accept, found by walking the automata of all their rules at once.
//!
//! Each rule about texts is an automaton without memory. A state of the search is the places in which each automaton can be;
//! the shortest text to a state in which every clause has a rule that accepts comes first. Characters that no rule names are
//! all alike, so that one of them stands for all, and the search is complete when no new state is left.

use std::collections::{HashSet, VecDeque};

use crate::rule::{Clause, Rule};

/// How many places all automata may have together.
const MAX_PLACES: usize = 8_000;

/// What a search has found.
pub(super) struct Found {
    pub(super) text: Option<String>,
    /// Whether there is no text if none was found; addresses in blocks are not searched.
    pub(super) is_complete: bool,
}

/// An automaton: from each place characters lead to others.
#[derive(Debug, Default)]
struct Machine {
    steps: Vec<Vec<(char, usize)>>,
    /// Whether any character leads back to the place.
    loops: Vec<bool>,
}

/// A rule as a question to the automata.
enum Test {
    Always(bool),
    Machine(usize),
    NoneOf(Vec<Self>),
}

/// The places in which each automaton can be.
type State = Vec<Vec<usize>>;

/// Whether a rule can accept a text at all.
pub(super) fn may_accept(rule: &Rule) -> bool {
    !matches!(rule, Rule::Null | Rule::Bool(_) | Rule::Number(_) | Rule::Numeric(_) | Rule::Absent)
}

/// Searches for a text, as long as there is work left to do.
///
/// A state is as much work, and as much memory, as the places in it, for each character that leads on from it.
pub(super) fn search(clauses: &[&Clause], work_left: &mut usize) -> Found {
    let mut machines = Vec::new();
    let tests: Vec<Vec<Test>> =
        clauses.iter().map(|clause| clause.rules.iter().map(|rule| test(rule, &mut machines)).collect()).collect();
    let other = other_character(&machines);
    if machines.iter().map(|machine| machine.loops.len()).sum::<usize>() > MAX_PLACES {
        return Found { text: None, is_complete: false };
    }
    let start: State = machines.iter().map(|_| vec![0]).collect();
    let mut known = HashSet::from([start.clone()]);
    // Each with the number of the state before it and the character that led to it.
    let mut visited: Vec<(usize, char)> = Vec::new();
    let mut open = VecDeque::from([(start, 0, other)]);
    while let Some((state, before, character)) = open.pop_front() {
        visited.push((before, character));
        let number = visited.len() - 1;
        let accepts = |test: &Test| test.accepts(&machines, &state);
        if tests.iter().all(|rules| rules.iter().any(accepts)) {
            return Found { text: Some(text(&visited, number)), is_complete: true };
        }
        let characters: Vec<char> = characters(&machines, &state).chain([other]).collect();
        let places: usize = state.iter().map(Vec::len).sum();
        let work = (places + 1).saturating_mul(characters.len() + 1);
        let Some(left) = work_left.checked_sub(work) else { return Found { text: None, is_complete: false } };
        *work_left = left;
        for character in characters {
            let next = advance(&machines, &state, character);
            let is_hopeful = tests.iter().all(|rules| rules.iter().any(|test| test.may_accept(&next)));
            if is_hopeful && known.insert(next.clone()) {
                open.push_back((next, number, character));
            }
        }
    }
    Found { text: None, is_complete: true }
}

/// Reads the text that led to a state.
fn text(visited: &[(usize, char)], mut number: usize) -> String {
    let mut characters = Vec::new();
    while number > 0 {
        let (before, character) = visited[number];
        characters.push(character);
        number = before;
    }
    characters.iter().rev().collect()
}

fn advance(machines: &[Machine], state: &State, character: char) -> State {
    let places = machines.iter().zip(state).map(|(machine, places)| {
        let steps = places.iter().flat_map(|place| {
            let led = machine.steps[*place].iter().filter(|(by, _)| *by == character).map(|(_, to)| *to);
            led.chain(machine.loops[*place].then_some(*place))
        });
        let mut next: Vec<usize> = steps.collect();
        next.sort_unstable();
        next.dedup();
        next
    });
    places.collect()
}

/// The characters that mean something in a state.
fn characters(machines: &[Machine], state: &State) -> impl Iterator<Item = char> + use<> {
    let mut found = Vec::new();
    for (machine, places) in machines.iter().zip(state) {
        for (character, _) in places.iter().flat_map(|place| &machine.steps[*place]) {
            if !found.contains(character) {
                found.push(*character);
            }
        }
    }
    found.into_iter()
}

/// Returns a character that no automaton knows.
fn other_character(machines: &[Machine]) -> char {
    let named: HashSet<char> =
        machines.iter().flat_map(|machine| machine.steps.iter().flatten()).map(|(character, _)| *character).collect();
    let plain = ('a'..='z').rev().skip(2).chain('0'..='9').chain('\u{100}'..);
    plain.into_iter().find(|character| !named.contains(character)).unwrap_or('x')
}

fn test(rule: &Rule, machines: &mut Vec<Machine>) -> Test {
    let machine = match rule {
        Rule::Present => return Test::Always(true),
        Rule::AnythingBut(rules) => return Test::NoneOf(rules.iter().map(|rule| test(rule, machines)).collect()),
        Rule::String(text) => Machine::default().begin().exactly(text),
        Rule::Prefix(text) => Machine::default().begin().exactly(text).anything(),
        Rule::Suffix(text) => Machine::default().begin().anything().exactly(text),
        Rule::EqualsIgnoreCase(text) => Machine::default().begin().in_any_case(text),
        Rule::PrefixIgnoreCase(text) => Machine::default().begin().in_any_case(text).anything(),
        Rule::SuffixIgnoreCase(text) => Machine::default().begin().anything().in_any_case(text),
        Rule::Wildcard(wildcard) => {
            let (first, rest) = wildcard.pieces();
            let first = Machine::default().begin().exactly(first);
            rest.iter().fold(first, |machine, piece| machine.anything().exactly(piece))
        }
        Rule::Null | Rule::Bool(_) | Rule::Number(_) | Rule::Numeric(_) | Rule::Cidr(_) | Rule::Absent => {
            return Test::Always(false);
        }
    };
    machines.push(machine);
    Test::Machine(machines.len() - 1)
}

impl Test {
    fn accepts(&self, machines: &[Machine], state: &State) -> bool {
        match self {
            Self::Always(accepts) => *accepts,
            Self::Machine(at) => state[*at].last().is_some_and(|place| place + 1 == machines[*at].loops.len()),
            Self::NoneOf(tests) => !tests.iter().any(|test| test.accepts(machines, state)),
        }
    }

    /// Whether it can accept this text or a longer one.
    fn may_accept(&self, state: &State) -> bool {
        match self {
            Self::Always(accepts) => *accepts,
            Self::Machine(at) => !state[*at].is_empty(),
            Self::NoneOf(_) => true,
        }
    }
}

/// The last place is the one that accepts.
impl Machine {
    fn begin(mut self) -> Self {
        self.add();
        self
    }

    fn add(&mut self) -> usize {
        self.steps.push(Vec::new());
        self.loops.push(false);
        self.loops.len() - 1
    }

    fn exactly(self, text: &str) -> Self {
        text.chars().fold(self, |machine, character| machine.one_of(&[character.to_string()]))
    }

    fn in_any_case(self, text: &str) -> Self {
        text.chars().fold(self, |machine, character| {
            machine.one_of(&[character.to_lowercase().to_string(), character.to_uppercase().to_string()])
        })
    }

    /// Goes on by one of several texts.
    fn one_of(mut self, texts: &[String]) -> Self {
        let from = self.loops.len() - 1;
        let mut ends = Vec::new();
        for text in texts {
            let mut at = from;
            let mut characters = text.chars().peekable();
            while let Some(character) = characters.next() {
                if characters.peek().is_none() {
                    ends.push((at, character));
                } else {
                    let to = self.add();
                    self.steps[at].push((character, to));
                    at = to;
                }
            }
        }
        let last = self.add();
        for (at, character) in ends {
            if !self.steps[at].contains(&(character, last)) {
                self.steps[at].push((character, last));
            }
        }
        self
    }

    fn anything(mut self) -> Self {
        if let Some(last) = self.loops.last_mut() {
            *last = true;
        }
        self
    }
}
