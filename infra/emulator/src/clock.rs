//! The clock for schedules, retries and expiry.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, TimestampArithmetic};
use tokio::sync::watch;

/// The longest sleep on the system clock, so that a changed clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A clock: the system's, or one that a test sets.
///
/// Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<watch::Sender<Timestamp>>),
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `now` until it is set or advanced.
    pub fn fixed(now: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(watch::Sender::new(now))))
    }

    /// The current time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the emulator reads the system's time")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Fixed(time) => *time.borrow(),
        }
    }

    /// Sets a fixed clock and wakes everything that waits on it; the system's clock stays as it is.
    pub fn set(&self, now: Timestamp) {
        if let Source::Fixed(time) = &self.0 {
            time.send_replace(now);
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

    pub(crate) const fn is_system(&self) -> bool {
        matches!(self.0, Source::System)
    }

    /// Waits until the clock shows `at` or later.
    pub(crate) async fn wait_until(&self, at: Timestamp) {
        match &self.0 {
            Source::System => loop {
                let left = at.duration_since(self.now());
                let Ok(left) = Duration::try_from(left) else {
                    return;
                };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            },
            Source::Fixed(time) => {
                let mut time = time.subscribe();
                // The sender lives as long as this borrow of the clock.
                let _ = time.wait_for(|now| *now >= at).await;
            }
        }
    }

    /// Waits until `at`, or forever without one.
    pub(crate) async fn wait_until_some(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.wait_until(at).await,
            None => std::future::pending().await,
        }
    }
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
            async move { clock.wait_until(at).await }
        });
        clock.advance(Duration::from_secs(10));
        waiting.await.unwrap();
        assert_eq!(clock.now(), at);
    }

    #[tokio::test]
    async fn a_time_in_the_past_is_not_waited_for() {
        Clock::system().wait_until("2001-01-01T00:00:00Z".parse().unwrap()).await;
    }
}
