//! The outside of a running script: its clock, its random values and its events, from the machine or from a journal.
//!
//! Nothing else that a script can see differs from one run to the next, so that a journal of these makes a run happen
//! again.

use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use shared::clock::{Clock, Ids};

use super::journal::{Asked, Event, Journal, Recording};
use super::recorder::Recorder;
use super::replay::Replay;
use super::script::Outside as Choice;
use super::stop::Reason;

/// How often a script gets the time to the microsecond; after that to the millisecond, so that waiting in a loop does
/// not fill its journal.
const FINE_READINGS: u32 = 10_000;
const MS: u64 = 1_000;

/// The outside of one script.
#[derive(Debug)]
pub(super) struct Outside {
    started: Instant,
    started_ms: i64,
    /// The time from the start of the realm to that of the run.
    before_us: u64,
    /// The time since the start of the realm as the script has last read it.
    last_us: u64,
    fine_readings: u32,
    random: Option<ChaCha20Rng>,
    recorder: Option<Recorder>,
    replay: Option<Replay>,
}

impl Outside {
    /// Starts now, or when the journal did; `None` for a journal that cannot be read.
    pub(super) fn new(choice: &Choice) -> Option<Self> {
        let replay = match choice {
            Choice::Replayed(packed) => Some(Replay::new(Journal::unpack(packed)?)),
            Choice::Live | Choice::Recorded => None,
        };
        let now_ms = || Clock::system().now().as_millisecond();
        let started_ms = replay.as_ref().map_or_else(now_ms, Replay::started_ms);
        let recorder = (*choice != Choice::Live).then(|| Recorder::new(started_ms));
        let (started, before_us, last_us) = (Instant::now(), 0, 0);
        Some(Self { started, started_ms, before_us, last_us, fine_readings: 0, random: None, recorder, replay })
    }

    /// The outside of the next run in the same realm, whose clock goes on: it is set to that of the machine, and never back.
    pub(super) fn again(&self) -> Self {
        let now_ms = Clock::system().now().as_millisecond();
        let since_us = u64::try_from(now_ms.saturating_sub(self.started_ms)).unwrap_or(0).saturating_mul(MS);
        Self {
            started: Instant::now(),
            started_ms: self.started_ms,
            before_us: since_us.max(self.last_us),
            last_us: since_us.max(self.last_us),
            fine_readings: 0,
            random: None,
            recorder: None,
            replay: None,
        }
    }

    /// Whether everything comes from a journal.
    pub(super) fn is_replayed(&self) -> bool {
        self.replay.is_some()
    }

    /// The microseconds since the script was started, or at least those of the current millisecond.
    pub(super) fn elapsed_us(&mut self, is_fine: bool) -> u64 {
        let advance_us = match &mut self.replay {
            Some(replay) => replay.reading(),
            None => self.advance_us(is_fine),
        };
        self.last_us = self.last_us.saturating_add(advance_us);
        if let Some(recorder) = &mut self.recorder {
            recorder.reading(advance_us);
        }
        self.last_us
    }

    /// The milliseconds since 1970.
    pub(super) fn now_ms(&mut self) -> i64 {
        let elapsed_ms = i64::try_from(self.elapsed_us(false) / MS).unwrap_or(i64::MAX);
        self.started_ms.saturating_add(elapsed_ms)
    }

    fn advance_us(&mut self, is_fine: bool) -> u64 {
        let run_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let now_us = self.before_us.saturating_add(run_us);
        if is_fine && self.fine_readings < FINE_READINGS {
            self.fine_readings += 1;
        } else if now_us / MS == self.last_us / MS {
            return 0;
        }
        now_us.saturating_sub(self.last_us)
    }

    /// Fills bytes with random values that nobody can guess.
    pub(super) fn fill_random(&mut self, bytes: &mut [u8]) {
        self.random().fill_bytes(bytes);
    }

    /// A random number from 0 to 1, without 1.
    pub(super) fn random_number(&mut self) -> f64 {
        // As many bits as a number has.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.random().next_u64() >> 11) as f64;
        bits / (1_u64 << 53) as f64
    }

    fn random(&mut self) -> &mut ChaCha20Rng {
        let Self { random, recorder, replay, .. } = self;
        random.get_or_insert_with(|| {
            // Code that asks for random values where the recorded run did not gets the same ones every time.
            let seed =
                replay.as_ref().map_or_else(|| Ids::random().bytes(), |replay| replay.seed().unwrap_or_default());
            if let Some(recorder) = recorder {
                recorder.seeded(seed);
            }
            ChaCha20Rng::from_seed(seed)
        })
    }

    /// Notes a request or a call; fails with what is wrong if the journal has another one.
    pub(super) fn ask(&mut self, asked: &Asked) -> Result<(), String> {
        if let Some(recorder) = &mut self.recorder {
            recorder.asked(asked);
        }
        self.replay.as_mut().map_or(Ok(()), |replay| replay.ask(asked))
    }

    /// The next event of the journal.
    pub(super) fn replayed_event(&mut self) -> Option<Event> {
        self.replay.as_mut()?.event()
    }

    /// Notes an event that the script gets.
    pub(super) fn note_event(&mut self, event: &Event) {
        if let Some(recorder) = &mut self.recorder {
            recorder.event(event);
        }
    }

    /// Why the journal stops the script at this check, if it does.
    pub(super) fn replayed_stop(&self, checks: u64) -> Option<Reason> {
        self.replay.as_ref()?.stop_at(checks)
    }

    /// Notes that the script is stopped.
    pub(super) fn note_stop(&mut self, checks: u64, reason: Reason) {
        if let Some(recorder) = &mut self.recorder {
            recorder.stopped(checks, reason);
        }
    }

    /// Ends the recording.
    pub(super) fn finish(&mut self) -> Recording {
        self.recorder.take().map_or(Recording::Off, Recorder::finish)
    }
}
