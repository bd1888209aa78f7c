//! Moves SQLite's log into its file beside the thread that writes, which would stand still while the disk works.
//!
//! SQLite begins its log anew only once all of it is in the file, and no other thread gets that far while the writer goes
//! on. So a helper moves what is much, until little came while it did, and the writer moves what is left.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

/// So few pages are left to the writer: it syncs them within some milliseconds.
const FEW_PAGES: u32 = 64;
/// How often the helper goes on with what came meanwhile, if that is more every time.
const ROUNDS: usize = 4;

thread_local! {
    /// How many pages there are in the log that this thread writes.
    static LOG_PAGES: Cell<u32> = const { Cell::new(0) };
}

/// Keeps the log of a connection short, on the one thread that writes to it and to no other.
///
/// It has to be dropped before the connection, whose end leaves no log behind.
#[derive(Debug)]
pub struct Checkpoints {
    /// How long the log becomes, in pages, before it is moved.
    every: u32,
    /// The length at which it is moved the next time.
    next: u32,
    /// Tables in memory have no log.
    helper: Option<Helper>,
}

#[derive(Debug)]
struct Helper {
    /// Dropped to end the thread.
    begin: Option<Sender<()>>,
    /// Whether it could move the log.
    done: Receiver<bool>,
    is_busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Takes over from SQLite for a connection in WAL mode; its log is moved whenever it has so many pages.
    pub fn of(connection: &Connection, pages: u32) -> Result<Self, io::Error> {
        connection.wal_hook(Some(|_, pages| {
            LOG_PAGES.set(u32::try_from(pages).unwrap_or_default());
            Ok(())
        }));
        let file = connection.path().filter(|path| !path.is_empty());
        let helper = file.map(|path| Helper::start(Path::new(path))).transpose()?;
        Ok(Self { every: pages, next: pages, helper })
    }

    /// Does what is due after a commit.
    pub fn after_commit(&mut self, connection: &Connection) {
        let Some(helper) = &mut self.helper else { return };
        let log = LOG_PAGES.get();
        if !helper.is_busy {
            helper.is_busy = log >= self.next && helper.begin.as_ref().is_some_and(|begin| begin.send(()).is_ok());
            return;
        }
        let Ok(moved) = helper.done.try_recv() else { return };
        helper.is_busy = false;
        self.next = log.saturating_add(self.every);
        if moved && checkpoint(connection).is_some_and(|(log, moved)| log == moved) {
            LOG_PAGES.set(0);
            self.next = self.every;
        }
    }
}

impl Helper {
    fn start(path: &Path) -> Result<Self, io::Error> {
        let connection = Connection::open(path).map_err(io::Error::other)?;
        let ((begin, begun), (report, done)) = (channel(), channel());
        let work = move || {
            while begun.recv() == Ok(()) && report.send(move_much(&connection)).is_ok() {}
        };
        let thread = thread::Builder::new().name("checkpoints".to_owned()).spawn(work)?;
        Ok(Self { begin: Some(begin), done, is_busy: false, thread: Some(thread) })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the checkpoints panicked");
        }
    }
}

/// Moves the log until little came meanwhile; returns whether that worked.
fn move_much(connection: &Connection) -> bool {
    let mut before = 0;
    for _ in 0..ROUNDS {
        let Some((log, _)) = checkpoint(connection) else { return false };
        if log.abs_diff(before) <= FEW_PAGES {
            break;
        }
        before = log;
    }
    true
}

/// Moves what can be moved without waiting; returns how many pages the log has, and how many of them are in the file.
fn checkpoint(connection: &Connection) -> Option<(u32, u32)> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
    let result = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], read);
    result.inspect_err(|error| tracing::warn!(%error, "the log cannot be moved into the file; it grows")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection
    }

    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM row", [], |row| row.get(0)).unwrap()
    }

    /// Writes until the log has begun anew so often; returns how many rows that took.
    fn write(connection: &Connection, checkpoints: &mut Checkpoints, turns: usize) -> i64 {
        connection.execute_batch("CREATE TABLE row (content BLOB)").unwrap();
        let (mut rows, mut turned, mut before) = (0, 0, 0);
        while turned < turns {
            connection.execute("INSERT INTO row VALUES (zeroblob(5000))", []).unwrap();
            rows += 1;
            let log = LOG_PAGES.get();
            turned += usize::from(log < before);
            before = log;
            checkpoints.after_commit(connection);
            assert!(rows < 100_000, "the log has {log} pages and does not begin anew");
        }
        rows
    }

    #[test]
    fn the_log_begins_anew_while_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.db");
        let connection = open(&path);
        let mut checkpoints = Checkpoints::of(&connection, 200).unwrap();
        let rows = write(&connection, &mut checkpoints, 5);
        // What a killed process leaves: the file and its log.
        let left = tempfile::tempdir().unwrap();
        for name in ["rows.db", "rows.db-wal"] {
            std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
        }
        assert_eq!((count(&connection), count(&open(&left.path().join("rows.db")))), (rows, rows));
        drop(checkpoints);
        drop(connection);
        assert!(!folder.path().join("rows.db-wal").exists());
        assert_eq!(count(&open(&path)), rows);
    }

    #[test]
    fn the_helper_moves_what_another_connection_has_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.db");
        let connection = open(&path);
        connection.execute_batch("CREATE TABLE row (content BLOB); INSERT INTO row VALUES (zeroblob(500000))").unwrap();
        assert!(move_much(&open(&path)));
        std::fs::copy(&path, folder.path().join("file alone.db")).unwrap();
        assert_eq!(count(&open(&folder.path().join("file alone.db"))), 1);
    }

    #[test]
    fn tables_in_memory_have_no_log() {
        let connection = Connection::open_in_memory().unwrap();
        let mut checkpoints = Checkpoints::of(&connection, 1).unwrap();
        connection.execute_batch("CREATE TABLE row (content BLOB)").unwrap();
        checkpoints.after_commit(&connection);
        assert!(checkpoints.helper.is_none());
    }
}
