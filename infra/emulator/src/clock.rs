//! The clock for schedules, retries and expiry.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, TimestampArithmetic};
use tokio::sync::watch;

/// The longest sleep, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// When the process read the system's clock for the first time.
static START: OnceLock<(Timestamp, Instant)> = OnceLock::new();

/// A clock: the system's, or one that a test sets.
///
/// It shows two times. The wall time is what the system says, and may be set forward or back at any moment. The steady
/// time only passes: waits and ages are counted in it. Clones share both.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    sleepers: Sleepers,
}

/// How many sleep until each moment of the wall time.
type Sleepers = Arc<watch::Sender<BTreeMap<Timestamp, usize>>>;

/// One who sleeps, until it is dropped.
struct Sleeper(Sleepers, Timestamp);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<watch::Sender<Times>>),
}

#[derive(Clone, Copy, Debug)]
struct Times {
    wall: Timestamp,
    steady: Timestamp,
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self { source: Source::System, sleepers: Sleepers::default() }
    }

    /// A clock that stands still at `now` until it is set or advanced.
    pub fn fixed(now: Timestamp) -> Self {
        let source = Source::Fixed(Arc::new(watch::Sender::new(Times { wall: now, steady: now })));
        Self { source, sleepers: Sleepers::default() }
    }

    /// The current time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the emulator reads the system's time")]
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => Timestamp::now(),
            Source::Fixed(times) => times.borrow().wall,
        }
    }

    /// A time that only passes, whatever the wall time is set to; it began as the wall time.
    pub(crate) fn steady(&self) -> Timestamp {
        match &self.source {
            Source::System => {
                let (began, since) = START.get_or_init(|| (self.now(), Instant::now()));
                began.checked_add(since.elapsed()).unwrap_or(Timestamp::MAX)
            }
            Source::Fixed(times) => times.borrow().steady,
        }
    }

    /// Sets a fixed clock and wakes everything that waits on it; the system's clock stays as it is.
    ///
    /// Forward, as much time passes; no time passes backward.
    pub fn set(&self, now: Timestamp) {
        self.change(|times| {
            let passed = now.duration_since(times.wall).max(SignedDuration::ZERO);
            Times { wall: now, steady: times.steady.checked_add(passed).unwrap_or(Timestamp::MAX) }
        });
    }

    /// Sets the wall time of a fixed clock forward or back without any time passing.
    pub fn step(&self, by: SignedDuration) {
        self.change(|times| Times { wall: times.wall.checked_add(by).unwrap_or(times.wall), ..times });
    }

    fn change(&self, change: impl FnOnce(Times) -> Times) {
        if let Source::Fixed(times) = &self.source {
            times.send_modify(|times| *times = change(*times));
        }
    }

    /// Moves a fixed clock forward and wakes everything that waits on it; the system's clock stays as it is.
    ///
    /// # Panics
    /// When a span has units above hours, whose length depends on a time zone.
    pub fn advance(&self, by: impl Into<TimestampArithmetic>) {
        let later =
            self.now().checked_add(by).expect("a test advances by hours or less, within the range of a timestamp");
        self.set(later);
    }

    /// Waits until it is this time or later. A function that only waits counts as idle meanwhile.
    pub async fn sleep_until(&self, at: Timestamp) {
        let _sleeper = Sleeper::new(&self.sleepers, at);
        self.wait_while(|| left(at, self.now())).await;
    }

    /// Waits until somebody sleeps, and returns when the first of them is to wake up.
    pub async fn next_sleeper(&self) -> Timestamp {
        let mut sleepers = self.sleepers.subscribe();
        loop {
            let first = sleepers.borrow_and_update().keys().find(|at| **at > self.now()).copied();
            match first {
                Some(at) => return at,
                // The sender lives as long as this borrow of the clock.
                None => drop(sleepers.changed().await),
            }
        }
    }

    /// How many sleep, and have not to wake up yet.
    pub(crate) fn asleep(&self) -> usize {
        let now = self.now();
        self.sleepers.borrow().range((Bound::Excluded(now), Bound::Unbounded)).map(|(_, count)| count).sum()
    }

    /// Tells whenever somebody has gone to sleep or woken up.
    pub(crate) fn sleepers(&self) -> watch::Receiver<BTreeMap<Timestamp, usize>> {
        self.sleepers.subscribe()
    }

    /// Waits until a condition holds that only the passing of time, or a clock that was set, can bring about.
    ///
    /// `left` says how much of the time is left at most, and nothing once the condition holds.
    pub(crate) async fn wait_while(&self, left: impl Fn() -> Option<Duration>) {
        let mut changes = match &self.source {
            Source::System => None,
            Source::Fixed(times) => Some(times.subscribe()),
        };
        while let Some(left) = left() {
            match &mut changes {
                // The wall time is read again soon, as nobody tells when it was set.
                None => tokio::time::sleep(left.min(LONGEST_SLEEP)).await,
                // The sender lives as long as this borrow of the clock.
                Some(changes) => drop(changes.changed().await),
            }
        }
    }

    /// Waits until the steady time is `at` or later, or forever without one.
    pub(crate) async fn wait_until_steady(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.wait_while(|| left(at, self.steady())).await,
            None => std::future::pending().await,
        }
    }
}

impl Sleeper {
    fn new(sleepers: &Sleepers, at: Timestamp) -> Self {
        sleepers.send_modify(|sleepers| *sleepers.entry(at).or_default() += 1);
        Self(sleepers.clone(), at)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let Self(sleepers, at) = self;
        sleepers.send_modify(|sleepers| {
            if let Some(count) = sleepers.get_mut(at) {
                *count -= 1;
            }
            sleepers.retain(|_, count| *count > 0);
        });
    }
}

/// How long it is from `now` until `at`; nothing once `at` has come.
pub(crate) fn left(at: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(at.duration_since(now)).ok().filter(|left| !left.is_zero())
}

/// Writes a time as events do, in whole seconds.
pub(crate) fn time_text(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn advancing_a_fixed_clock_wakes_who_waits_on_it() {
        let clock = Clock::fixed("2030-01-01T00:00:00Z".parse().unwrap());
        let at = "2030-01-01T00:00:10Z".parse().unwrap();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait_until_steady(Some(at)).await }
        });
        clock.advance(Duration::from_secs(10));
        waiting.await.unwrap();
        assert_eq!(clock.now(), at);
    }

    #[tokio::test]
    async fn a_time_in_the_past_is_not_waited_for() {
        Clock::system().wait_until_steady(Some("2001-01-01T00:00:00Z".parse().unwrap())).await;
    }

    #[tokio::test]
    async fn who_sleeps_is_counted_until_it_is_time() {
        let clock = Clock::fixed("2030-01-01T00:00:00Z".parse().unwrap());
        let sleeping = clock.sleep_until("2030-01-01T00:00:10Z".parse().unwrap());
        tokio::pin!(sleeping);
        assert!(futures::poll!(&mut sleeping).is_pending());
        assert_eq!(clock.asleep(), 1);
        clock.advance(Duration::from_secs(10));
        assert_eq!(clock.asleep(), 0);
        sleeping.await;
        assert!(clock.sleepers().borrow().is_empty());
    }

    #[test]
    fn the_steady_time_passes_and_is_never_set() {
        let clock = Clock::fixed("2030-01-01T00:00:00Z".parse().unwrap());
        let steady = || clock.steady().to_string();
        clock.step(SignedDuration::from_hours(72));
        clock.step(SignedDuration::from_hours(-144));
        assert_eq!(
            (clock.now().to_string().as_str(), steady().as_str()),
            ("2029-12-29T00:00:00Z", "2030-01-01T00:00:00Z")
        );
        clock.advance(Duration::from_secs(1));
        assert_eq!(steady(), "2030-01-01T00:00:01Z");
        clock.set("2029-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(steady(), "2030-01-01T00:00:01Z");
        let system = Clock::system();
        let before = system.steady();
        assert!(system.steady() >= before);
    }
}
