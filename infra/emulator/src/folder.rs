//! The data directory: one process at a time, one format, readable by its owner only.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::EmulatorError;

/// The format of the data, one higher after each change that an older version would misread.
const FORMAT: u32 = 3;
/// The format of a directory with data and without the file.
const UNMARKED_FORMAT: u32 = 1;
/// The file that holds the number of the format.
const FORMAT_FILE: &str = "format";
/// The files that hold data, in the order in which they are created.
const DATA_FILES: [&str; 3] = ["secrets.json", "bus.db", "dynamodb.db"];

/// How often a lock that is held is tried again, and the pause before each time.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A data directory that is locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the directory if it does not exist, and locks it; one in another format is left untouched.
    pub(crate) fn open(path: &Path) -> Result<Self, EmulatorError> {
        let doing = || format!("use the data directory {}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(EmulatorError::io(doing()))?;
        let path = fs::canonicalize(path).map_err(EmulatorError::io(doing()))?;
        check_format(&path)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(EmulatorError::io(doing()))?;
        match locked(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EmulatorError::InUse(path)),
            Err(TryLockError::Error(cause)) => return Err(EmulatorError::io(doing())(cause)),
        }
        // Another process may have written data before it released the lock.
        if check_format(&path)?.is_none() {
            replace(&path.join(FORMAT_FILE), format!("{FORMAT}\n").as_bytes()).map_err(EmulatorError::io(doing()))?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Locks a file that a process which is just ending, or a fork that has not become another program yet, may still hold.
fn locked(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_ATTEMPTS {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    lock.try_lock()
}

/// Reads the format of a directory, `None` for a new one, and refuses any format but this version's.
fn check_format(path: &Path) -> Result<Option<u32>, EmulatorError> {
    let file = path.join(FORMAT_FILE);
    let doing = || format!("read {}", file.display());
    let found = match fs::read_to_string(&file) {
        // What is not a number was not written by any version.
        Ok(text) => Some(text.trim().parse().map_err(|_| EmulatorError::Damaged(path.to_owned(), FORMAT_FILE))?),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(EmulatorError::Damaged(path.to_owned(), FORMAT_FILE));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DATA_FILES.iter().any(|name| path.join(name).exists()).then_some(UNMARKED_FORMAT)
        }
        Err(error) => return Err(EmulatorError::io(doing())(error)),
    };
    match found {
        Some(found) if found != FORMAT => Err(EmulatorError::Format { path: path.to_owned(), found, readable: FORMAT }),
        found => check_parts(path).map(|()| found),
    }
}

/// Refuses a directory that has lost a file; they are created in this order, so that only the last ones may be missing.
fn check_parts(path: &Path) -> Result<(), EmulatorError> {
    let mut missing = None;
    for name in DATA_FILES {
        match (path.join(name).exists(), missing) {
            (true, Some(missing)) => return Err(EmulatorError::Damaged(path.to_owned(), missing)),
            (true, None) => {}
            (false, earlier) => missing = earlier.or(Some(name)),
        }
    }
    Ok(())
}

/// Replaces a file atomically: whatever happens, it has either the old or the new content.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The files of a directory with their bytes.
    fn contents(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    #[test]
    fn a_new_directory_gets_the_format_and_opens_again() {
        let parent = tempfile::tempdir().unwrap();
        for path in [parent.path(), &parent.path().join("not/there/yet")] {
            drop(Folder::open(path).unwrap());
            assert_eq!(fs::read_to_string(path.join("format")).unwrap(), format!("{FORMAT}\n"));
            fs::write(path.join("secrets.json"), "data").unwrap();
            Folder::open(path).unwrap();
        }
    }

    #[test]
    fn a_directory_that_has_lost_a_file_is_refused_and_nothing_is_touched() {
        for lost in ["secrets.json", "bus.db", "format"] {
            let folder = tempfile::tempdir().unwrap();
            drop(Folder::open(folder.path()).unwrap());
            DATA_FILES.iter().for_each(|name| fs::write(folder.path().join(name), "data").unwrap());
            match lost {
                "format" => fs::write(folder.path().join(lost), b"\xff").unwrap(),
                _ => fs::remove_file(folder.path().join(lost)).unwrap(),
            }
            let before = contents(folder.path());
            let error = Folder::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("`{lost}`")) && error.contains("--data"), "{lost}: {error}");
            assert_eq!(contents(folder.path()), before);
        }
    }

    #[test]
    fn a_directory_whose_process_died_before_it_wrote_the_format_is_new() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lock"), "").unwrap();
        fs::write(folder.path().join("format.new"), "").unwrap();
        Folder::open(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("format")).unwrap(), format!("{FORMAT}\n"));
    }

    #[test]
    fn another_format_is_refused_and_nothing_is_touched() {
        let check = |files: &[(&str, &str)], expected: &str| {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in files {
                fs::write(folder.path().join(name), content).unwrap();
            }
            let before = contents(folder.path());
            let error = Folder::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{files:?}: {error}");
            assert_eq!(contents(folder.path()), before, "{files:?}");
        };
        for data in DATA_FILES {
            check(
                &[(data, "x")],
                "was written by an older version of Hookyard (format 1, this version reads format 3)",
            );
        }
        check(&[("format", "1")], "by an older version of Hookyard (format 1");
        check(&[("format", "4\n"), ("bus.db", "x")], "by a newer version of Hookyard (format 4");
        check(&[("format", "4")], "start with an empty directory by --data, or keep using the version that wrote it");
        check(&[("format", "two")], "is damaged");
    }
}
