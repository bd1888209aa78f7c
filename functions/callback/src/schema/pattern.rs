//! Patterns, matched in time that is linear in the text and charged for byte by byte.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use jsonschema::json::Node as _;
use jsonschema::{Keyword, ValidationError};
use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::syntax;

use super::body::{Body, Metered};
use super::meter::charge;

/// How much memory all patterns of a schema may take; `\p{L}{1,1000}` takes 15 MB.
pub(super) const PATTERNS_LIMIT_BYTES: usize = 24 * 1024 * 1024;
/// How much memory the states of a pattern may take while it is matched.
const STATES_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// How much of that is kept until the next text.
const KEPT_STATES_BYTES: usize = 32 * 1024;
/// More units than any budget has.
const EVERYTHING: u64 = u64::MAX;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    source: String,
    dfa: DFA,
    nfa_states: u64,
    /// The states that were built so far; gone while somebody matches.
    states: Mutex<Option<Cache>>,
    /// How much memory it takes before any state is built.
    empty_states_bytes: AtomicUsize,
}

/// Why a pattern cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// It is not a pattern, or only backtracking could match it.
    #[error("{0:?} is not a regex that is matched in linear time, which has no look-around and no references back")]
    NotLinear(String),
    /// It takes too much memory.
    #[error("the regex {0:?} takes too much memory")]
    TooLarge(String),
}

impl Pattern {
    /// Compiles a pattern in at most `limit_bytes`; returns how many it takes, too.
    pub(super) fn compile(source: &str, limit_bytes: usize) -> Result<(Self, usize), Unusable> {
        let not_linear = || Unusable::NotLinear(source.to_owned());
        let too_large = || Unusable::TooLarge(source.to_owned());
        let rust = jsonschema_regex::to_rust_regex(source).map_err(|()| not_linear())?;
        let config = Config::new().nfa_size_limit(Some(limit_bytes)).which_captures(WhichCaptures::None);
        let mut compiler = Compiler::new();
        let nfa = compiler.configure(config).syntax(syntax::Config::new().utf8(false)).build(&ascii_words(&rust));
        let nfa = nfa.map_err(|error| match error.size_limit() {
            Some(_) => too_large(),
            None => not_linear(),
        })?;
        let (bytes, nfa_states) = (nfa.memory_usage(), nfa.states().len() as u64);
        let config = DFA::config().cache_capacity(STATES_LIMIT_BYTES).skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| not_linear())?;
        Ok((
            Self {
                source: source.to_owned(),
                dfa,
                nfa_states,
                states: Mutex::new(None),
                empty_states_bytes: AtomicUsize::new(0),
            },
            bytes,
        ))
    }

    /// Tells whether the pattern is anywhere in a text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        let kept = self.states.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut states = kept.unwrap_or_else(|| {
            charge(self.nfa_states / 16);
            let empty = self.dfa.create_cache();
            self.empty_states_bytes.store(empty.memory_usage(), Ordering::Relaxed);
            empty
        });
        let empty_bytes = self.empty_states_bytes.load(Ordering::Relaxed);
        let found = self.find(&mut states, text);
        if states.memory_usage().saturating_sub(empty_bytes) <= KEPT_STATES_BYTES {
            *self.states.lock().unwrap_or_else(PoisonError::into_inner) = Some(states);
        }
        found
    }

    fn find(&self, states: &mut Cache, text: &str) -> bool {
        let input = Input::new(text).earliest(true);
        charge(16);
        let Ok(mut state) = self.dfa.start_state_forward(states, &input) else { return over_budget() };
        let mut built_bytes = states.memory_usage();
        for byte in text.bytes() {
            let Ok(next) = self.dfa.next_state(states, state, byte) else { return over_budget() };
            state = next;
            // A step to a known state is cheap; a new state is built from all that the pattern could be in.
            let bytes = states.memory_usage();
            charge(if bytes == built_bytes { 1 } else { self.cost_of_state(bytes.abs_diff(built_bytes)) });
            built_bytes = bytes;
            if state.is_match() || state.is_dead() {
                return state.is_match();
            }
            if state.is_quit() {
                return over_budget();
            }
        }
        self.dfa.next_eoi_state(states, state).map_or_else(|_| over_budget(), |state| state.is_match())
    }

    fn cost_of_state(&self, bytes: usize) -> u64 {
        1 + bytes as u64 / 2 + self.nfa_states / 256
    }
}

/// Makes `\\b` and `\\B` mean what they mean in JavaScript, where only ASCII letters, digits and `_` are in words.
fn ascii_words(pattern: &str) -> String {
    let mut ascii = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let mut is_class = false;
    while let Some(char) = chars.next() {
        let escaped = if char == '\\' { chars.next() } else { None };
        is_class = char == '[' || (is_class && char != ']');
        match escaped {
            Some(bound @ ('b' | 'B')) if !is_class => ascii.push_str(&format!("(?-u:\\{bound})")),
            Some(escaped) => ascii.extend([char, escaped]),
            None => ascii.push(char),
        }
    }
    ascii
}

/// Ends the check: what cannot be decided is not decided.
fn over_budget() -> bool {
    charge(EVERYTHING);
    false
}

impl<'i> Keyword<'i, Metered> for Pattern {
    fn validate(&self, instance: Body<'i>) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => Err(ValidationError::custom(format!("the text does not match the regex {:?}", self.source))),
        }
    }

    fn is_valid(&self, instance: Body<'i>) -> bool {
        instance.as_string().is_none_or(|text| self.is_match(&text))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::meter::{self, BUDGET, OverBudget};
    use super::*;

    /// A text of `a` and `b` in no order.
    pub(crate) fn noise(length: usize) -> String {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if state >> 40 & 1 == 0 { 'a' } else { 'b' }
        };
        (0..length).map(|_| next()).collect()
    }

    fn matches(pattern: &str, text: &str) -> (Result<bool, OverBudget>, u64) {
        let (pattern, _) = Pattern::compile(pattern, PATTERNS_LIMIT_BYTES).unwrap();
        meter::run(64 << 20, &Arc::default(), || pattern.is_match(text))
    }

    #[test]
    fn ordinary_patterns_match_within_the_budget() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let (result, cost) = matches(pattern, text);
            assert_eq!(result, Ok(expected), "{pattern} {text:.20} {cost}");
        };
        check("^.{0,255}$", &"x".repeat(255), true);
        check("^.{0,255}$", &"x".repeat(256), false);
        check("^.{0,1000}$", &"é".repeat(1_000), true);
        check("^.{0,1000}$", &"é".repeat(1_001), false);
        check(r"\p{L}{1,1000}", "ß", true);
        check(r"^\p{L}{1,1000}$", &"ß".repeat(1_000), true);
        check(r"^\p{L}{1,1000}$", &"ß".repeat(1_001), false);
        check(r"^\d{3}-\d{4}$", "555-1234", true);
        check(r"^\d$", "٣", false);
        check("b", "abc", true);
        check("", "", true);
        check("^$", "x", false);
        check(r"\bword\b", "a word.", true);
        check(r"\bword\b", "äword", true);
        check(r"\Bord\b", "a word", true);
        check(r"\Bord\b", "a ord", false);
        check("^(a|aa)+$", &"a".repeat(200_000), true);
    }

    #[test]
    fn a_pattern_whose_states_explode_ends_at_the_budget() {
        let (result, cost) = matches("[ab]*b[ab]{400}x", &noise(240_000));
        assert_eq!((result, cost), (Err(OverBudget), BUDGET));
    }

    #[test]
    fn what_needs_backtracking_or_too_much_memory_is_refused_by_name() {
        let check = |pattern: &str, expected: fn(String) -> Unusable| {
            let error = Pattern::compile(pattern, PATTERNS_LIMIT_BYTES).unwrap_err();
            assert_eq!(error, expected(pattern.to_owned()));
            assert!(error.to_string().contains(&format!("{pattern:?}")), "{error}");
        };
        check("(?=a)b", Unusable::NotLinear);
        check(r"(a)\1", Unusable::NotLinear);
        check("(", Unusable::NotLinear);
        check(r"(\p{L}{1,1000}){20}", Unusable::TooLarge);
    }

    proptest! {
        #[test]
        fn patterns_match_what_the_regex_crate_matches(
            pattern in "(\\^)?([ab.]|\\[ab\\]|\\(a\\|b+\\)|a\\{1,3\\}|\\\\d){0,6}(\\$)?", text in "[abc0\n]{0,12}",
        ) {
            let expected = regex::Regex::new(&jsonschema_regex::to_rust_regex(&pattern).unwrap()).unwrap();
            prop_assert_eq!(matches(&pattern, &text).0, Ok(expected.is_match(&text)));
        }
    }
}
