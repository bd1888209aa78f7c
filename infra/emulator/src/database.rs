//! The files of SQLite: whether they are whole and belong to their directory, and what their errors mean.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::EmulatorError;

/// The largest file that is read from beginning to end before it is used; larger ones would delay the start.
const READ_WHOLE_BYTES: u64 = 16 << 20;

/// Refuses a file that is damaged, or that carries another directory's id; without an id any will do.
pub(crate) fn check(directory: &Path, name: &'static str, id: i32) -> Result<(), EmulatorError> {
    let path = directory.join(name);
    let fail = |cause: rusqlite::Error| match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            EmulatorError::damaged(directory, name, "is not a whole database")
        }
        _ => failed(&path, &cause),
    };
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fail)?;
    // A file that was cut off fails here, because it says how many pages it has.
    let found: i32 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(fail)?;
    let is_small = fs::metadata(&path).is_ok_and(|found| found.len() <= READ_WHOLE_BYTES);
    if is_small {
        let report: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fail)?;
        if report != "ok" {
            return Err(EmulatorError::damaged(directory, name, "is not a whole database"));
        }
    }
    let carried: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(fail)?;
    match (found, id == 0 || carried == id) {
        (0, _) => Err(EmulatorError::damaged(directory, name, "is empty")),
        (_, false) => Err(EmulatorError::damaged(directory, name, "belongs to other data")),
        (_, true) => Ok(()),
    }
}

/// Writes the id of the directory into a file.
pub(crate) fn mark(path: &Path, id: i32) -> Result<(), EmulatorError> {
    let mark = || Connection::open(path)?.pragma_update(None, "application_id", id);
    mark().map_err(|cause| failed(path, &cause))
}

/// Turns an error of SQLite into that of the system behind it, where there is one.
pub(crate) fn failed(path: &Path, cause: &rusqlite::Error) -> EmulatorError {
    let doing = format!("use {}", path.display());
    let kind = match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => io::ErrorKind::PermissionDenied,
        Some(ErrorCode::ReadOnly) => io::ErrorKind::ReadOnlyFilesystem,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => io::ErrorKind::ResourceBusy,
        _ => return EmulatorError::engine(doing, cause),
    };
    EmulatorError::io(doing)(io::Error::new(kind, cause.to_string()))
}
