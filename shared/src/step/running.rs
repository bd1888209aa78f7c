//! What this process works on, and which of its records are written.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use super::effects::{Effects, Slot};
use crate::Error;

/// The records that this process works on.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<String, Arc<Written>>>>);

impl Running {
    /// Begins to work on a record; `None` if this process does so already.
    pub(super) fn begin(&self, id: &str) -> Option<Work> {
        let record = Arc::<Written>::default();
        let mut records = self.records();
        if records.contains_key(id) {
            return None;
        }
        records.insert(id.to_owned(), record.clone());
        Some(Work { running: self.clone(), id: id.to_owned(), record })
    }

    /// Returns what is known of a record; one that nobody works on is written.
    pub(super) fn record(&self, id: &str) -> Arc<Written> {
        self.records().get(id).cloned().unwrap_or_default()
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Arc<Written>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the record of a piece of work is written.
#[derive(Debug)]
pub(super) struct Written {
    /// Locked while it is written for the first time.
    pub(super) is_written: AsyncMutex<bool>,
    /// Whether another delivery has written it first.
    pub(super) is_lost: AtomicBool,
    /// The note that its effect has begun.
    note: Mutex<Option<Slot>>,
}

impl Default for Written {
    fn default() -> Self {
        Self { is_written: AsyncMutex::new(true), is_lost: AtomicBool::new(false), note: Mutex::default() }
    }
}

impl Written {
    pub(super) async fn set(&self, is_written: bool) {
        *self.is_written.lock().await = is_written;
        self.is_lost.store(false, Ordering::Release);
    }

    pub(super) async fn is_unwritten(&self) -> bool {
        !*self.is_written.lock().await
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Makes the note, once.
    pub(super) fn note(&self, begin: impl FnOnce() -> Result<Option<Slot>, Error>) -> Result<(), Error> {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if note.is_none() {
            *note = begin()?;
        }
        Ok(())
    }

    /// Takes the note, as the work has ended.
    pub(super) fn take_note(&self) -> Option<Slot> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Work that is marked as acting on the outside world. Cheap to clone; the default is marked nowhere.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Marked(Option<(Effects, Arc<Written>, String)>);

impl Marked {
    pub(super) fn new(effects: Effects, written: Arc<Written>, owner: String) -> Self {
        Self(Some((effects, written, owner)))
    }

    /// Notes that the work acts from now on, unless that is noted already. Until then a kill leaves it certain that it has
    /// not, so that nothing else should be done between this and the act.
    ///
    /// # Errors
    ///
    /// When that cannot be noted: then it must not act.
    pub fn acts(&self) -> Result<(), Error> {
        let Some((effects, written, owner)) = &self.0 else { return Ok(()) };
        written.note(|| effects.begin(owner))
    }
}

/// The work on one record; it ends when this is dropped.
pub(super) struct Work {
    running: Running,
    id: String,
    pub(super) record: Arc<Written>,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.running.records().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_works_on_a_record_once_at_a_time() {
        let running = Running::default();
        let work = running.begin("a").unwrap();
        assert!(running.begin("a").is_none());
        assert!(running.begin("b").is_some());
        drop(work);
        assert!(running.begin("a").is_some());
    }
}
