//! Writes the journal of a run while it lasts, within limits.

use super::journal::{Asked, Event, Journal, MAX_BYTES, Readings, Recording};
use super::stop::Reason;

/// Writes a journal until it is too large.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// None once the script has read too much.
    journal: Option<Journal>,
    /// How many readings of the clock have found no change since the last one that did.
    unchanged: u64,
}

impl Recorder {
    /// Starts the journal of a script that starts now.
    pub(super) fn new(started_ms: i64) -> Self {
        Self { journal: Some(Journal::new(started_ms)), unchanged: 0 }
    }

    /// Notes by how much the clock had advanced when the script read it.
    pub(super) fn reading(&mut self, advance_us: u64) {
        if advance_us == 0 {
            self.unchanged += 1;
            return;
        }
        let unchanged = std::mem::take(&mut self.unchanged);
        self.write(0, |journal| journal.add_readings(Readings { unchanged, advance_us }));
    }

    /// Notes what random values come from.
    pub(super) fn seeded(&mut self, seed: [u8; 32]) {
        self.write(0, |journal| journal.seed = Some(seed));
    }

    /// Notes a request or a call.
    pub(super) fn asked(&mut self, asked: &Asked) {
        self.write(asked.text_bytes(), |journal| journal.add_asked(asked));
    }

    /// Notes an event.
    pub(super) fn event(&mut self, event: &Event) {
        let body_bytes = match event {
            Event::Fetched { result: Ok(response), .. } => response.body.len(),
            Event::Called { result: Ok(answer), .. } => answer.len(),
            _ => 0,
        };
        self.write(body_bytes, |journal| journal.add_event(event));
    }

    /// Notes when the script was stopped; the first time counts.
    pub(super) fn stopped(&mut self, checks: u64, reason: Reason) {
        self.write(0, |journal| {
            journal.stopped.get_or_insert((checks, reason));
        });
    }

    /// Ends the journal.
    pub(super) fn finish(mut self) -> Recording {
        if let Some(last) = self.unchanged.checked_sub(1) {
            self.write(0, |journal| journal.add_readings(Readings { unchanged: last, advance_us: 0 }));
        }
        self.journal.map_or(Recording::TooLarge, |journal| journal.pack())
    }

    fn write(&mut self, bytes: usize, write: impl FnOnce(&mut Journal)) {
        // What is too long is not even copied.
        if let Some(journal) = self.journal.as_mut().filter(|journal| journal.bytes() + bytes <= MAX_BYTES) {
            write(journal);
        }
        self.journal.take_if(|journal| journal.bytes() + bytes > MAX_BYTES);
    }
}
