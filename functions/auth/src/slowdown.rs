//! What a source does often: failed logins of clients, and registrations without a token.
//!
//! Whoever fails often is told to wait, and a right secret is never refused.
//!
//! Failures are counted by the address that they come from, and by that address and the client together, so that nobody
//! can keep anybody else from logging in. Secrets have 256 random bits: what the counts are for is that programs with an
//! old secret, and those that guess, stop asking. So each process counts by itself, in bounded memory and without a
//! write; with many processes on Lambda a source is told later, and nothing else is different.

use jiff::Timestamp;
use moka::sync::Cache;
use shared::http::SourceAddress;

use crate::credential::hash;

/// Of how many sources, and of how many clients from a source, failures are counted.
const ENTRIES: u64 = 10_000;
/// Of one client from one source: how many failures are free, and after what time another one is.
const OF_CLIENT: Rate = Rate { free: 10, interval_ms: 6_000 };
/// Of one source, whatever the client.
const OF_SOURCE: Rate = Rate { free: 100, interval_ms: 600 };
/// Registrations from one source, whoever it registers.
const REGISTRATIONS: Rate = Rate { free: 10, interval_ms: 6_000 };
/// The longest time that anybody is told to wait.
const MAX_WAIT_MS: i64 = 60_000;

#[derive(Debug, Clone, Copy)]
struct Rate {
    free: i64,
    interval_ms: i64,
}

/// Counts failed logins and registrations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Slowdown {
    /// When all failures are forgotten, in milliseconds since 1970.
    clients: Cache<(SourceAddress, String), i64>,
    sources: Cache<SourceAddress, i64>,
    /// When all registrations are forgotten.
    registrations: Cache<SourceAddress, i64>,
}

impl Slowdown {
    pub(crate) fn new() -> Self {
        Self { clients: Cache::new(ENTRIES), sources: Cache::new(ENTRIES), registrations: Cache::new(ENTRIES) }
    }

    /// Counts a failure, and returns how many seconds to wait, if any, before the next attempt.
    pub(crate) fn failed(&self, source: SourceAddress, client_id: &str, now: Timestamp) -> Option<u32> {
        let now_ms = now.as_millisecond();
        let count = |until: Option<i64>, rate: Rate| rate.count(until.unwrap_or_default(), now_ms);
        let of_client = self.clients.entry((source, hash(client_id)));
        let of_client = of_client.and_upsert_with(|until| count(until.map(|until| until.into_value()), OF_CLIENT));
        let of_source = self.sources.entry(source);
        let of_source = of_source.and_upsert_with(|until| count(until.map(|until| until.into_value()), OF_SOURCE));
        let waits =
            [OF_CLIENT.wait_ms(of_client.into_value(), now_ms), OF_SOURCE.wait_ms(of_source.into_value(), now_ms)];
        let wait_ms = waits.into_iter().max().filter(|wait_ms| *wait_ms > 0)?;
        u32::try_from((wait_ms + 999) / 1000).ok()
    }

    /// Returns how many seconds a source has to wait, if any, whatever it tries.
    pub(crate) fn wait(&self, source: SourceAddress, now: Timestamp) -> Option<u32> {
        let wait_ms = OF_SOURCE.wait_ms(self.sources.get(&source)?, now.as_millisecond());
        u32::try_from((wait_ms + 999) / 1000).ok().filter(|seconds| *seconds > 0)
    }

    /// Counts a registration, or returns how many seconds to wait for the next one; what has to wait is not counted.
    pub(crate) fn register(&self, source: SourceAddress, now: Timestamp) -> Option<u32> {
        let now_ms = now.as_millisecond();
        let mut wait_ms = 0;
        self.registrations.entry(source).and_upsert_with(|former| {
            let former = former.map(|former| former.into_value()).unwrap_or_default();
            let until_ms = REGISTRATIONS.count(former, now_ms);
            wait_ms = REGISTRATIONS.wait_ms(until_ms, now_ms);
            if wait_ms > 0 { former } else { until_ms }
        });
        u32::try_from((wait_ms + 999) / 1000).ok().filter(|_| wait_ms > 0)
    }

    /// Forgets the failures of a client from a source, which has the right secret after all.
    pub(crate) fn succeeded(&self, source: SourceAddress, client_id: &str) {
        self.clients.invalidate(&(source, hash(client_id)));
    }
}

impl Rate {
    /// Adds a failure to those that are forgotten at a time, and returns when all are.
    fn count(self, until_ms: i64, now_ms: i64) -> i64 {
        let longest_ms = now_ms + self.free * self.interval_ms + MAX_WAIT_MS;
        (until_ms.max(now_ms) + self.interval_ms).min(longest_ms)
    }

    fn wait_ms(self, until_ms: i64, now_ms: i64) -> i64 {
        until_ms - now_ms - self.free * self.interval_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_323_045 + seconds).unwrap()
    }

    fn source(address: &str) -> SourceAddress {
        SourceAddress::new(address.parse().unwrap())
    }

    #[test]
    fn a_source_is_slowed_down_for_one_client_and_forgiven_with_time() {
        let slowdown = Slowdown::new();
        let one = source("192.0.2.1");
        let failures = |seconds: i64, count: usize| {
            let waits = (0..count).map(|_| slowdown.failed(one, "c", at(seconds)));
            waits.collect::<Vec<_>>()
        };
        assert_eq!(failures(0, 10), [None; 10]);
        assert_eq!(failures(0, 2), [Some(6), Some(12)]);
        assert_eq!(slowdown.failed(one, "other", at(0)), None);
        assert_eq!(slowdown.failed(source("192.0.2.2"), "c", at(0)), None);
        assert_eq!(failures(0, 100).last(), Some(&Some(60)), "nobody waits longer than a minute");
        assert_eq!(failures(60, 1), [Some(6)]);
        slowdown.succeeded(one, "c");
        assert_eq!(failures(300, 1), [None]);
    }

    #[test]
    fn a_source_that_tries_many_clients_is_slowed_down_for_all() {
        let slowdown = Slowdown::new();
        let one = source("2001:db8::1");
        for n in 0..100 {
            assert_eq!(slowdown.failed(one, &n.to_string(), at(0)), None, "{n}");
        }
        assert_eq!(slowdown.failed(source("2001:db8::2"), "another", at(0)), Some(1), "it is the same network");
        assert_eq!(slowdown.failed(source("2001:db9::1"), "another", at(0)), None);
    }

    #[test]
    fn a_registration_that_has_to_wait_does_not_prolong_the_wait() {
        let slowdown = Slowdown::new();
        let one = source("192.0.2.1");
        let registrations =
            |seconds: i64, count: usize| (0..count).map(|_| slowdown.register(one, at(seconds))).collect::<Vec<_>>();
        assert_eq!(registrations(0, 10), [None; 10]);
        assert_eq!(registrations(0, 200), [Some(6); 200]);
        assert_eq!(registrations(5, 1), [Some(1)]);
        assert_eq!(registrations(6, 2), [None, Some(6)]);
        assert_eq!(slowdown.register(source("192.0.2.2"), at(6)), None);
        assert_eq!(slowdown.wait(one, at(6)), None, "nothing has failed");
        assert_eq!(registrations(66, 10), [None; 10], "all are forgotten");
    }

    #[test]
    fn memory_is_bounded_whatever_is_tried() {
        let slowdown = Slowdown::new();
        for n in 0..30_000_u32 {
            let source = SourceAddress::new(std::net::Ipv4Addr::from(n).into());
            slowdown.failed(source, &n.to_string(), at(0));
            slowdown.register(source, at(0));
        }
        slowdown.registrations.run_pending_tasks();
        assert!(slowdown.registrations.entry_count() <= ENTRIES);
        slowdown.clients.run_pending_tasks();
        slowdown.sources.run_pending_tasks();
        assert!(slowdown.clients.entry_count() <= ENTRIES && slowdown.sources.entry_count() <= ENTRIES);
    }
}
