//! The data directory: one process at a time, readable by its owner only.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::EmulatorError;

/// A data directory that is locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the directory if it is not there, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, EmulatorError> {
        let doing = || format!("use the data directory {}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(EmulatorError::io(doing()))?;
        let path = fs::canonicalize(path).map_err(EmulatorError::io(doing()))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(EmulatorError::io(doing()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(EmulatorError::InUse(path)),
            Err(TryLockError::Error(cause)) => Err(EmulatorError::io(doing())(cause)),
        }
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
