//! Reads a journal in the order in which it was written.

use serde::de::DeserializeOwned;

use super::journal::{Asked, Entries, Event, Journal, Readings};
use super::stop::Reason;

/// By how much the clock advances with each reading after the last one of the journal, so that no loop waits forever.
const BEYOND_US: u64 = 1_000;

/// A journal and how far it has been read.
#[derive(Debug)]
pub(super) struct Replay {
    journal: Journal,
    current: Option<Readings>,
    readings_at: usize,
    asked_at: usize,
    events_at: usize,
}

impl Replay {
    /// Starts at the beginning.
    pub(super) fn new(journal: Journal) -> Self {
        Self { journal, current: None, readings_at: 0, asked_at: 0, events_at: 0 }
    }

    pub(super) fn started_ms(&self) -> i64 {
        self.journal.started_ms
    }

    pub(super) fn seed(&self) -> Option<[u8; 32]> {
        self.journal.seed
    }

    /// By how much the clock had advanced at the next reading.
    pub(super) fn reading(&mut self) -> u64 {
        if self.current.is_none() {
            self.current = next(self.journal.readings(), &mut self.readings_at);
        }
        match &mut self.current {
            Some(readings) if readings.unchanged > 0 => {
                readings.unchanged -= 1;
                0
            }
            Some(_) => self.current.take().map_or(0, |readings| readings.advance_us),
            None => BEYOND_US,
        }
    }

    /// Compares a request or a call with the next one.
    pub(super) fn ask(&mut self, asked: &Asked) -> Result<(), String> {
        match next(self.journal.asked(), &mut self.asked_at) {
            Some(recorded) if recorded == *asked => Ok(()),
            Some(recorded) if recorded.text() == asked.text() => {
                Err(format!("the script asked for {}, which is not the body in the journal", asked.text()))
            }
            Some(recorded) => {
                Err(format!("the script asked for {}, the journal has {}", asked.text(), recorded.text()))
            }
            None => Err(format!("the script asked for {}, the journal has nothing further", asked.text())),
        }
    }

    /// The next event.
    pub(super) fn event(&mut self) -> Option<Event> {
        next(self.journal.events(), &mut self.events_at)
    }

    /// Why the script was stopped at this check, if it was.
    pub(super) fn stop_at(&self, checks: u64) -> Option<Reason> {
        self.journal.stopped.filter(|(at, _)| *at == checks).map(|(_, reason)| reason)
    }
}

/// The next of the entries after so many bytes.
fn next<T: DeserializeOwned>(entries: Entries<'_, T>, at: &mut usize) -> Option<T> {
    let mut rest = entries.after(*at);
    let before = rest.left_bytes();
    let entry = rest.next()?;
    *at += before - rest.left_bytes();
    Some(entry)
}
