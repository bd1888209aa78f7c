//! The data directory: one process at a time, one format, readable by its owner only.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::EmulatorError;

/// The format of the data, one higher after each change that an older version would misread.
const FORMAT: u32 = 2;
/// The format of a directory with data and without the file.
const UNMARKED_FORMAT: u32 = 1;
/// The file that holds the number of the format.
const FORMAT_FILE: &str = "format";
/// The files that hold data.
const DATA_FILES: [&str; 3] = ["bus.db", "dynamodb.db", "secrets.json"];

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
        match lock.try_lock() {
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

/// Reads the format of a directory, `None` for a new one, and refuses any format but this version's.
fn check_format(path: &Path) -> Result<Option<u32>, EmulatorError> {
    let file = path.join(FORMAT_FILE);
    let doing = || format!("read {}", file.display());
    let found = match fs::read_to_string(&file) {
        Ok(text) => Some(text.trim().parse().map_err(|cause| EmulatorError::engine(doing(), cause))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DATA_FILES.iter().any(|name| path.join(name).exists()).then_some(UNMARKED_FORMAT)
        }
        Err(error) => return Err(EmulatorError::io(doing())(error)),
    };
    match found {
        Some(found) if found != FORMAT => Err(EmulatorError::Format { path: path.to_owned(), found, readable: FORMAT }),
        found => Ok(found),
    }
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
            assert_eq!(fs::read_to_string(path.join("format")).unwrap(), "2\n");
            fs::write(path.join("bus.db"), "data").unwrap();
            Folder::open(path).unwrap();
        }
    }

    #[test]
    fn a_directory_whose_process_died_before_it_wrote_the_format_is_new() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lock"), "").unwrap();
        fs::write(folder.path().join("format.new"), "").unwrap();
        Folder::open(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("format")).unwrap(), "2\n");
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
                "was written by an older version of Hookyard (format 1, this version reads format 2)",
            );
        }
        check(&[("format", "1")], "by an older version of Hookyard (format 1");
        check(&[("format", "3\n"), ("bus.db", "x")], "by a newer version of Hookyard (format 3");
        check(&[("format", "3")], "start with an empty directory by --data, or keep using the version that wrote it");
        check(&[("format", "two")], "cannot read");
    }
}
