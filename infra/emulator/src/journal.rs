//! The durable state of bus, scheduler and outbox: one SQLite file, one writer thread, group commit.
//!
//! The thread does everything in its queue in one transaction, commits it, and only then notifies the callers. So callers
//! of the same moment share the cost of a commit.

use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use rusqlite::Connection;
use tables::Checkpoints;
use tokio::sync::oneshot;

use crate::database;
use crate::error::EmulatorError;
use crate::options::Durability;

/// How many pages SQLite's log has before they are moved into the file.
const CHECKPOINT_PAGES: u32 = 1_000;
/// The most jobs in one transaction, so that nobody waits long for others.
const BATCH: usize = 512;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS delivery (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        target TEXT NOT NULL,
        event TEXT NOT NULL,
        retries INTEGER NOT NULL,
        expires_at_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at_ms INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS delivery_target ON delivery (target, id);
    CREATE TABLE IF NOT EXISTS dead_letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        target TEXT NOT NULL,
        event TEXT NOT NULL,
        error TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        died_at_ms INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS schedule_group (name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS schedule (
        schedule_group TEXT NOT NULL,
        name TEXT NOT NULL,
        definition TEXT NOT NULL,
        due_at_ms INTEGER,
        PRIMARY KEY (schedule_group, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS mail (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL UNIQUE,
        accepted_at_ms INTEGER NOT NULL,
        letter TEXT NOT NULL,
        recipients TEXT NOT NULL,
        due_at_ms INTEGER,
        raw BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS mail_due ON mail (due_at_ms) WHERE due_at_ms IS NOT NULL;
";

/// What happens after the commit.
type Completion = Box<dyn FnOnce() + Send>;

type Work = Box<dyn FnOnce(&Connection) -> rusqlite::Result<Completion> + Send>;

enum Job {
    /// Must be as durable as the journal promises.
    Firm(Work),
    /// May be undone by a power cut, as it is then done again.
    Lazy(Work),
    Close,
}

/// The journal cannot be used: it is closed, or its disk is full or broken.
#[derive(Debug)]
pub(crate) struct Refused;

/// A handle to the writer thread.
#[derive(Debug)]
pub(crate) struct Journal {
    jobs: mpsc::Sender<Job>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Journal {
    /// Opens the file, or an empty journal in memory.
    pub(crate) fn open(path: Option<&Path>, durability: Durability) -> Result<Self, EmulatorError> {
        let fail = |cause: rusqlite::Error| database::failed(path.unwrap_or(Path::new("the journal")), &cause);
        let connection = match path {
            Some(path) => Connection::open(path),
            None => Connection::open_in_memory(),
        }
        .map_err(fail)?;
        prepare(&connection).map_err(fail)?;
        let opening = EmulatorError::io("start the journal's thread");
        let checkpoints = Checkpoints::of(&connection, CHECKPOINT_PAGES).map_err(opening)?;
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run((&connection, checkpoints), &queue, durability))
            .map_err(EmulatorError::io("start the journal's thread"))?;
        Ok(Self { jobs, thread: Mutex::new(Some(thread)) })
    }

    /// Writes, and returns once the write is durable.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        self.write_then(work, |value| value).await
    }

    /// Writes, and runs `after` once the write is durable: on the writer's thread, in the order of the commits.
    pub(crate) async fn write_then<T: Send + 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<R, Refused> {
        let (done, result) = oneshot::channel();
        self.post(move |connection| {
            let value = work(connection)?;
            Ok(Box::new(move || {
                // Nobody may be waiting any more.
                let _ = done.send(after(value));
            }))
        });
        result.await.map_err(|_| Refused)
    }

    fn post(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<Completion> + Send + 'static) {
        // After the journal has closed, nothing is written.
        let _ = self.jobs.send(Job::Firm(Box::new(work)));
    }

    /// Queues a write that a power cut may undo, and that nobody waits for.
    pub(crate) fn post_lazy(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) {
        let work = |connection: &Connection| {
            work(connection)?;
            Ok(Box::new(|| {}) as Completion)
        };
        let _ = self.jobs.send(Job::Lazy(Box::new(work)));
    }

    /// Reads, and blocks until everything that was queued before is done.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        let (done, result) = mpsc::channel();
        self.post(move |connection| {
            let value = work(connection)?;
            Ok(Box::new(move || drop(done.send(value))))
        });
        result.recv().map_err(|_| Refused)
    }

    /// Finishes what is queued and closes the file.
    pub(crate) fn close(&self) {
        let _ = self.jobs.send(Job::Close);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(SCHEMA)
}

fn run((connection, mut checkpoints): (&Connection, Checkpoints), queue: &mpsc::Receiver<Job>, durability: Durability) {
    let mut synced = false;
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        jobs.extend(queue.try_iter().take(BATCH - 1));
        let firm = jobs.iter().any(|job| matches!(job, Job::Firm(_)));
        let sync = firm && durability == Durability::Power;
        let closing = jobs.iter().any(|job| matches!(job, Job::Close));
        match commit(connection, jobs, (sync != synced).then_some(sync)) {
            Ok(completions) => {
                completions.into_iter().for_each(|complete| complete());
                checkpoints.after_commit(connection);
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be written");
                // The dropped completions tell those who wait; the transaction may be open or not.
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
        synced = sync;
        if closing {
            return;
        }
    }
}

/// Does all jobs in one transaction, after switching the synchronisation if necessary.
fn commit(connection: &Connection, jobs: Vec<Job>, sync: Option<bool>) -> rusqlite::Result<Vec<Completion>> {
    if let Some(sync) = sync {
        let level = if sync { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", level)?;
    }
    execute(connection, "BEGIN IMMEDIATE")?;
    let mut completions = Vec::with_capacity(jobs.len());
    for job in jobs {
        if let Job::Firm(work) | Job::Lazy(work) = job {
            completions.extend(attempt(connection, work)?);
        }
    }
    execute(connection, "COMMIT")?;
    Ok(completions)
}

/// Does one job; a failing one is undone, and the others of its transaction stay.
fn attempt(connection: &Connection, work: Work) -> rusqlite::Result<Option<Completion>> {
    execute(connection, "SAVEPOINT job")?;
    let completion = work(connection);
    if let Err(error) = &completion {
        tracing::error!(%error, "a write to the journal failed");
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")?;
    Ok(completion.ok())
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(journal: &Journal) -> i64 {
        let sql = "SELECT count(*) FROM schedule_group";
        journal.read(move |c| c.query_row(sql, [], |row| row.get(0))).unwrap()
    }

    async fn add(journal: &Journal, name: &str) -> Result<usize, Refused> {
        let name = name.to_owned();
        let sql = "INSERT INTO schedule_group (name) VALUES (?1)";
        journal.write(move |c| c.execute(sql, [&name])).await
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_closing_and_opening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus.db");
        for (durability, expected) in [(Durability::Process, 1), (Durability::Power, 2)] {
            let journal = Journal::open(Some(&path), durability).unwrap();
            add(&journal, &format!("{expected}")).await.unwrap();
            assert_eq!(count(&journal), expected);
            journal.close();
            assert!(add(&journal, "late").await.is_err());
        }
    }

    #[tokio::test]
    async fn a_failing_write_is_refused_and_its_neighbours_work() {
        let journal = Journal::open(None, Durability::Process).unwrap();
        add(&journal, "a").await.unwrap();
        let (one, two, three) = tokio::join!(add(&journal, "b"), add(&journal, "a"), add(&journal, "c"));
        assert!(one.is_ok() && two.is_err() && three.is_ok());
        assert_eq!(count(&journal), 3);
    }
}
