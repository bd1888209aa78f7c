//! Journals that have no room in the records of their tasks, in `JOURNALS_TABLE`: `taskId` is that of the task.

use serde::{Deserialize, Serialize};
use shared::event::TenantId;
use shared::seal::Resealed;
use shared::table::{Check, SealedAttributes, Table, key};
use shared::{Environment, Error};

use crate::replay::kept::{Journaled, Kept, MAX_INLINE_BYTES};
use crate::sandbox::Recording;
use crate::store::task::Task;

const KEY: &str = "taskId";
/// What a script read from outside may be secret.
const SEALED: SealedAttributes = SealedAttributes { key: &[KEY], apart: &[&["journal"]], together: &[] };

/// The table of journals.
pub(crate) struct Journals {
    table: Table,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    task_id: String,
    tenant_id: TenantId,
    journal: String,
    /// When the record is removed, in seconds since 1970.
    expires_at: i64,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    let table = environment.sealed_table("JOURNALS_TABLE", &SEALED)?;
    Ok(table.check(|stored: Stored| match Kept::parse(&stored.journal) {
        Some(_) => Ok(()),
        None => Err(Error::new("read a journal", "it is damaged")),
    }))
}

impl Journals {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.sealed_table("JOURNALS_TABLE", &SEALED)? })
    }

    /// Keeps the journal of a task, and returns what the record of the task is to say of it.
    ///
    /// A task ends as its script did, also if its journal cannot be written.
    pub(crate) async fn keep(&self, task: &Task, kept: Kept, recording: &Recording) -> Journaled {
        let packed = match recording {
            Recording::Kept(packed) => packed.clone(),
            Recording::TooLarge => return Journaled::TooLarge,
            Recording::Warm => return Journaled::Warm,
            Recording::Off => return Journaled::Off,
        };
        let journal = kept.with(packed).text();
        if journal.len() <= MAX_INLINE_BYTES {
            return Journaled::Here(journal);
        }
        let (task_id, tenant_id, expires_at) = (task.task_id.clone(), task.tenant_id.clone(), task.expires_at);
        match self.table.put(&Stored { task_id, tenant_id, journal, expires_at }).await {
            Ok(()) => Journaled::Apart,
            Err(error) => {
                tracing::warn!(task_id = task.task_id, error = error.chain(), "the journal of a task is not kept");
                Journaled::Lost
            }
        }
    }

    /// Reads the text of a journal that has a record of its own; `None` if there is none.
    pub(crate) async fn read(&self, task: &Task) -> Result<Option<String>, Error> {
        let stored: Option<Stored> = self.table.get(&key(KEY, task.task_id.as_str())).await?;
        Ok(stored.filter(|stored| stored.tenant_id == task.tenant_id).map(|stored| stored.journal))
    }

    /// Seals a batch of journals with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }
}
