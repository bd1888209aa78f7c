//! Time, ids and randomness: the one seam through which they enter, so that a test can fix them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use jiff::{Timestamp, Unit};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The longest sleep, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Tells the time, to the millisecond, and waits for it.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What waits in place of the machine's timer.
    sleep: Option<Arc<Sleep>>,
}

type Sleep = dyn Fn(Timestamp) -> BoxFuture<'static, ()> + Send + Sync;

impl Clock {
    /// Returns the machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn system() -> Self {
        Self { now: Arc::new(Timestamp::now), sleep: None }
    }

    /// Returns a clock that asks `now`, for tests and for the local runtime.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), sleep: None }
    }

    /// Returns this clock with another way to wait, for tests and for the local runtime.
    #[must_use]
    pub fn sleeping(self, sleep: impl Fn(Timestamp) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self { sleep: Some(Arc::new(sleep)), ..self }
    }

    /// Returns the current time, cut to the millisecond that the wire formats carry.
    pub fn now(&self) -> Timestamp {
        truncate((self.now)())
    }

    /// Waits until it is this time or later.
    pub async fn sleep_until(&self, at: Timestamp) {
        if let Some(sleep) = &self.sleep {
            return sleep(at).await;
        }
        while let Ok(left) = Duration::try_from(at.duration_since((self.now)()))
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Cuts a timestamp to whole milliseconds.
pub fn truncate(time: Timestamp) -> Timestamp {
    time.round(jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Trunc)).unwrap_or(time)
}

/// Times in JSON: texts with exactly three decimals of seconds, whose order is that of the times.
pub mod iso {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::truncate;

    /// What a time must be that is not one.
    const RULE: &str = "must be a time such as 2026-01-02T03:04:05Z";

    /// Writes a time.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{time:.3}"))
    }

    /// Reads a time, to the millisecond.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer).map(truncate).map_err(|_| D::Error::custom(RULE))
    }

    /// Times that may be absent.
    pub mod optional {
        use super::{Deserializer, Serializer, Timestamp, truncate};
        use serde::Deserialize as _;
        use serde::de::Error as _;

        /// Writes a time, or null.
        pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads a time to the millisecond, or null.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
            let time = Option::<Timestamp>::deserialize(deserializer);
            time.map(|time| time.map(truncate)).map_err(|_| D::Error::custom(super::RULE))
        }
    }
}

/// Draws ids and secrets.
#[derive(Clone)]
pub struct Ids(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Ids {
    /// Draws from the operating system's generator.
    pub fn random() -> Self {
        Self(Source::System)
    }

    /// Draws the same ids in the same order for the same seed, for tests.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Fills an array with random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Source::System => rand::rng().fill_bytes(&mut bytes),
            Source::Seeded(generator) => {
                generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
            }
        }
        bytes
    }

    /// Draws a UUID of version 4.
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// Draws an id of 24 lower-case hex digits, the style of dispatchers and tasks.
    pub fn hex24(&self) -> String {
        hex::encode(self.bytes::<12>())
    }

    /// Draws a secret of 256 bits, as 43 characters that are safe in URLs.
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

/// The namespace of every UUID that is derived rather than drawn.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0a_4b5e_2c1d_5f7a_9b3e_68f0_0a7c_4d21);

/// Derives the same UUID (version 5) from the same parts; no other split of the same text gives it.
pub fn derived_uuid(parts: &[&[u8]]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, &joined(parts))
}

/// Derives the same 24 hex digits from the same parts; no other split of the same text gives them.
pub fn derived_hex24(parts: &[&[u8]]) -> String {
    hex::encode(&Sha256::digest(joined(parts))[..12])
}

/// Length-prefixed parts, so that `["ab", "c"]` and `["a", "bc"]` differ.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_every_part_and_on_the_split() {
        let id = derived_uuid(&[b"channel", b"delivery"]);
        assert_eq!(id, derived_uuid(&[b"channel", b"delivery"]));
        assert_ne!(id, derived_uuid(&[b"channeld", b"elivery"]));
        assert_ne!(derived_hex24(&[b"ab", b"c"]), derived_hex24(&[b"a", b"bc"]));
        assert_eq!(derived_hex24(&[b"x"]).len(), 24);
    }

    #[test]
    fn seeded_ids_repeat_and_random_ones_do_not() {
        assert_eq!(Ids::seeded(7).uuid(), Ids::seeded(7).uuid());
        assert_ne!(Ids::random().secret(), Ids::random().secret());
        assert_eq!(Ids::random().secret().len(), 43);
    }

    #[test]
    fn time_is_cut_to_milliseconds() {
        let clock = Clock::from_fn(|| "2026-01-02T03:04:05.678999Z".parse().unwrap());
        assert_eq!(clock.now().to_string(), "2026-01-02T03:04:05.678Z");
    }

    #[tokio::test]
    async fn a_time_that_has_come_is_not_waited_for() {
        let time = || "2026-01-02T03:04:05.678Z".parse().unwrap();
        Clock::from_fn(time).sleep_until(time()).await;
        let asked = Arc::new(Mutex::new(None));
        let asking = asked.clone();
        let clock = Clock::from_fn(time).sleeping(move |at| {
            *asking.lock().unwrap() = Some(at);
            Box::pin(async {})
        });
        clock.sleep_until(Timestamp::UNIX_EPOCH).await;
        assert_eq!(*asked.lock().unwrap(), Some(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn times_in_json_have_three_decimals_always() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Times {
            #[serde(with = "iso")]
            at: Timestamp,
            #[serde(default, with = "iso::optional", skip_serializing_if = "Option::is_none")]
            perhaps: Option<Timestamp>,
        }
        let check = |text: &str, expected: &str| {
            let times: Times = serde_json::from_str(&format!(r#"{{"at":"{text}","perhaps":"{text}"}}"#)).unwrap();
            let written = serde_json::to_string(&times).unwrap();
            assert_eq!(written, format!(r#"{{"at":"{expected}","perhaps":"{expected}"}}"#));
            assert_eq!(serde_json::from_str::<Times>(&written).unwrap(), times);
        };
        check("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z");
        check("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.100Z");
        check("2026-01-02T03:04:05.678999Z", "2026-01-02T03:04:05.678Z");
        check("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z");
        assert_eq!(serde_json::from_str::<Times>(r#"{"at":"2026-01-02T03:04:05Z"}"#).unwrap().perhaps, None);
    }
}
