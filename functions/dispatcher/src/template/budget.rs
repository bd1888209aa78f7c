//! What filling in templates may cost.
//!
//! It is counted in bytes that are read or written and never in time, so that the same run ends in the same way
//! wherever it runs; a megabyte is a few milliseconds. Everything is paid for before memory is taken.

use std::io;

use serde_json::Value;

use super::Failure;

/// The longest value that a placeholder may have on its way through its filters.
pub(super) const PLACEHOLDER_OUTPUT_BYTES: usize = 1_000_000;
/// The most that the filters of one placeholder may read and write: about ten milliseconds.
pub(super) const PLACEHOLDER_WORK_BYTES: usize = 3_000_000;
/// The most that all placeholders of an action may read and write together.
const ACTION_WORK_BYTES: usize = 12_000_000;

/// What the templates of one action may still use.
#[derive(Debug)]
pub(crate) struct Budget {
    output_bytes: usize,
    work_bytes: usize,
}

impl Budget {
    /// The budget of an action whose fields may take so many bytes.
    pub(crate) fn new(output_bytes: usize) -> Self {
        Self { output_bytes, work_bytes: ACTION_WORK_BYTES }
    }

    /// Pays for a part of the result.
    pub(super) fn output(&mut self, size_bytes: usize) -> Result<(), Failure> {
        self.output_bytes = self.output_bytes.checked_sub(size_bytes).ok_or(Failure::TooLarge)?;
        Ok(())
    }

    /// Refuses a part of the result that is too large, before it is built and paid for.
    pub(super) fn room_for(&self, size_bytes: usize) -> Result<(), Failure> {
        if size_bytes <= self.output_bytes { Ok(()) } else { Err(Failure::TooLarge) }
    }

    /// Returns what the next placeholder may use.
    pub(super) fn placeholder(&mut self) -> Allowance<'_> {
        Allowance { of_action: &mut self.work_bytes, work_bytes: PLACEHOLDER_WORK_BYTES }
    }
}

/// What one placeholder may still use.
#[derive(Debug)]
pub(super) struct Allowance<'b> {
    of_action: &'b mut usize,
    work_bytes: usize,
}

impl Allowance<'_> {
    /// Pays for reading or writing.
    pub(super) fn work(&mut self, size_bytes: usize) -> Result<(), String> {
        let left = self.work_bytes.checked_sub(size_bytes).zip(self.of_action.checked_sub(size_bytes));
        let Some((work_bytes, of_action)) = left else {
            return Err("its filters, or those of the whole action, have too much to do".to_owned());
        };
        (self.work_bytes, *self.of_action) = (work_bytes, of_action);
        Ok(())
    }

    /// Pays for a value that a filter is about to build.
    pub(super) fn output(&mut self, size_bytes: usize) -> Result<(), String> {
        if size_bytes > PLACEHOLDER_OUTPUT_BYTES {
            return Err(format!("its filters make more than the {PLACEHOLDER_OUTPUT_BYTES} bytes of a placeholder"));
        }
        self.work(size_bytes)
    }

    /// Pays for a value's JSON and returns its size.
    pub(super) fn json(&mut self, value: &Value) -> Result<usize, String> {
        let mut counter = Counter { bytes: 0 };
        let measured = serde_json::to_writer(&mut counter, value);
        // It stopped where there was too much, so that this refuses it.
        self.output(counter.bytes)?;
        measured.map(|()| counter.bytes).map_err(|error| error.to_string())
    }
}

/// Counts what is written to it, up to a little more than a placeholder may have.
struct Counter {
    bytes: usize,
}

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        if self.bytes > PLACEHOLDER_OUTPUT_BYTES {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
