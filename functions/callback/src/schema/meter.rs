//! The budget of one check: what it may do before it is ended from within.
//!
//! A validator cannot be interrupted from outside. But it sees a body only through [`super::body`], and matches patterns
//! only by [`super::pattern`]; both charge here for what they do, and a check that is over its budget unwinds.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::pattern::Pattern;

/// What one check may cost; a unit is roughly what it takes to look at one value or at one byte of a text.
pub(super) const BUDGET: u64 = 10_000_000;

/// How much of the stack of a check is left to what the validator does between two charges.
const STACK_RESERVE_BYTES: usize = 8 * 1024 * 1024;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static STACK_END: Cell<usize> = const { Cell::new(0) };
    static KEYS: RefCell<Keys> = RefCell::default();
}

/// The patterns for names of members, and what matching a name with all of them costs.
#[derive(Default)]
struct Keys {
    patterns: Arc<[Pattern]>,
    costs: HashMap<String, u64>,
}

/// The check took more than its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverBudget;

/// Runs a check on this thread, whose stack has `stack_bytes`; returns its result and what it cost.
pub(super) fn run<T>(
    stack_bytes: usize,
    key_patterns: &Arc<[Pattern]>,
    check: impl FnOnce() -> T,
) -> (Result<T, OverBudget>, u64) {
    let here = 0_u8;
    LEFT.set(BUDGET);
    STACK_END.set(address(&here).saturating_sub(stack_bytes.saturating_sub(STACK_RESERVE_BYTES)));
    KEYS.set(Keys { patterns: key_patterns.clone(), costs: HashMap::new() });
    let result = match catch_unwind(AssertUnwindSafe(check)) {
        Ok(result) => Ok(result),
        Err(panic) if panic.is::<OverBudget>() => Err(OverBudget),
        Err(panic) => resume_unwind(panic),
    };
    KEYS.take();
    (result, BUDGET - LEFT.get())
}

/// Charges for work; does not return if that is more than is left, or if the stack is used up.
pub(super) fn charge(units: u64) {
    let left = LEFT.get();
    if units > left || address(&left) < STACK_END.get() {
        LEFT.set(0);
        // Unlike a panic, this is not reported.
        resume_unwind(Box::new(OverBudget));
    }
    LEFT.set(left - units);
}

/// Charges for what the validator does with the name of a member: it may match it with every pattern for names.
pub(super) fn charge_key(key: &str) {
    let known = KEYS.with_borrow(|keys| match keys.patterns.is_empty() {
        true => Some(1 + key.len() as u64 / 16),
        false => keys.costs.get(key).copied(),
    });
    if let Some(cost) = known {
        return charge(cost);
    }
    let patterns = KEYS.with_borrow(|keys| keys.patterns.clone());
    let before = LEFT.get();
    for pattern in patterns.iter() {
        pattern.is_match(key);
    }
    KEYS.with_borrow_mut(|keys| keys.costs.insert(key.to_owned(), before - LEFT.get()));
}

fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value) as usize
}
