//! Faults that a test injects, and the counts of calls and of what they cost.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tables::Consumed;
use tokio::sync::watch;

use crate::wire::Service;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is performed and answered, so that a later one meets the next fault.
    Pass,
    /// It is throttled and not performed.
    Throttle,
    /// It is performed and its response is lost.
    LoseReply,
    /// Its caller crashes before it is performed.
    CrashBefore,
    /// It is performed and its caller crashes before the response.
    CrashAfter,
}

/// What DynamoDB's operations have used of a table, its indexes included, in capacity units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Units {
    /// Read capacity units: 4 KB each, half for reads that may be stale.
    pub read: f64,
    /// Write capacity units: 1 KB each, of the table and of every index that changes.
    pub write: f64,
}

/// The faults that are still to come, and how often each operation was called.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Whether `injected` may hold anything, so that most requests take no lock.
    armed: AtomicBool,
    /// By operation, as in `dynamodb.PutItem`.
    injected: Mutex<HashMap<String, Vec<(Fault, u32)>>>,
    failing_entries: AtomicU32,
    deliver_twice: AtomicBool,
    crashes: watch::Sender<u64>,
    calls: Mutex<BTreeMap<Service, HashMap<String, u64>>>,
    /// By operation and by table.
    units: Mutex<BTreeMap<String, BTreeMap<String, Units>>>,
}

impl Faults {
    pub(crate) fn inject(&self, operation: &str, fault: Fault, times: u32) {
        let mut injected = lock(&self.injected);
        injected.entry(operation.to_owned()).or_default().push((fault, times));
        self.armed.store(true, Ordering::Release);
    }

    pub(crate) fn recover(&self, operation: &str) {
        lock(&self.injected).remove(operation);
    }

    /// Takes the next fault injected into an operation.
    pub(crate) fn next(&self, service: Service, operation: &str) -> Option<Fault> {
        if !self.armed.load(Ordering::Acquire) {
            return None;
        }
        let mut injected = lock(&self.injected);
        let faults = injected.get_mut(&format!("{}.{operation}", service.name()))?;
        faults.retain(|(_, times)| *times > 0);
        let (fault, times) = faults.first_mut()?;
        *times -= 1;
        Some(*fault)
    }

    pub(crate) fn fail_entries(&self, times: u32) {
        self.failing_entries.store(times, Ordering::Release);
    }

    /// Whether an entry of this `PutEvents` call fails.
    pub(crate) fn fails_entry(&self) -> bool {
        let left = |left: u32| left.checked_sub(1);
        let updated = self.failing_entries.fetch_update(Ordering::AcqRel, Ordering::Acquire, left);
        updated.is_ok()
    }

    pub(crate) fn deliver_twice(&self, on: bool) {
        self.deliver_twice.store(on, Ordering::Release);
    }

    pub(crate) fn delivers_twice(&self) -> bool {
        self.deliver_twice.load(Ordering::Acquire)
    }

    /// Counts a crash and notifies all who watch.
    pub(crate) fn crash(&self) {
        self.crashes.send_modify(|crashes| *crashes += 1);
    }

    pub(crate) fn crashes(&self) -> watch::Receiver<u64> {
        self.crashes.subscribe()
    }

    pub(crate) fn count(&self, service: Service, operation: &str) {
        let mut calls = lock(&self.calls);
        let calls = calls.entry(service).or_default();
        match calls.get_mut(operation) {
            Some(count) => *count += 1,
            None => {
                calls.insert(operation.to_owned(), 1);
            }
        }
    }

    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        let calls = lock(&self.calls);
        let named = |service: &Service, operation: &str| format!("{}.{operation}", service.name());
        let entries = calls.iter().flat_map(|(service, operations)| {
            operations.iter().map(move |(operation, count)| (named(service, operation), *count))
        });
        entries.collect()
    }

    /// Counts what a request to DynamoDB has cost.
    pub(crate) fn count_units(&self, operation: &str, consumed: &[Consumed]) {
        if consumed.is_empty() {
            return;
        }
        let mut units = lock(&self.units);
        let tables = units.entry(operation.to_owned()).or_default();
        for used in consumed {
            let sum = tables.entry(used.table.clone()).or_default();
            sum.read += used.read_units;
            sum.write += used.write_units;
        }
    }

    pub(crate) fn units(&self) -> BTreeMap<String, BTreeMap<String, Units>> {
        let units = lock(&self.units);
        let named = |(operation, tables): (&String, &BTreeMap<String, Units>)| {
            (format!("{}.{operation}", Service::DynamoDb.name()), tables.clone())
        };
        units.iter().map(named).collect()
    }

    pub(crate) fn reset_calls(&self) {
        lock(&self.units).clear();
        lock(&self.calls).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
