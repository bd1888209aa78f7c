//! The data directory: one process at a time, one format, all of its parts, readable by its owner only.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::database;
use crate::error::EmulatorError;

/// The format of the data, one higher after each change that an older version would misread.
const FORMAT: u32 = 9;
/// The oldest format that this version reads; what it writes has its own, so that a directory gets that when it is opened.
const OLDEST_FORMAT: u32 = 8;
/// The format of a directory with data and without the file.
const UNMARKED_FORMAT: u32 = 1;
/// The file that holds the number of the format; it is written when everything else is there.
const FORMAT_FILE: &str = "format";
/// The file that is there while a new directory is being filled, before anything was acknowledged.
const UNFINISHED_FILE: &str = "unfinished";
/// The file that says which parts belong together.
const CONTENTS_FILE: &str = "contents.json";
/// The file with the secrets.
pub(crate) const SECRETS_FILE: &str = "secrets.json";
/// The files of SQLite.
pub(crate) const DATABASES: [&str; 2] = ["bus.db", "dynamodb.db"];
/// How the names of all our files begin.
const OURS: [&str; 9] = [
    SECRETS_FILE,
    DATABASES[0],
    DATABASES[1],
    FORMAT_FILE,
    UNFINISHED_FILE,
    CONTENTS_FILE,
    "admin.json",
    "effects",
    "lock",
];

/// How often a lock that is held is tried again, and the pause before each time.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A data directory that is locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Its format when it was opened; `None` for a new one.
    format: Option<u32>,
    /// What it has held since its first start; `None` for a new one.
    contents: Option<Contents>,
    // The directory itself, which stays the same whatever happens to the files in it.
    _directory: File,
    // Versions that do not lock the directory lock this.
    _lock: File,
}

/// Which parts belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    /// What each database carries, so that one of another directory is recognised.
    pub(crate) id: i32,
    /// The secrets that exist: their marks by logical id.
    pub(crate) secrets: BTreeMap<String, String>,
}

impl Folder {
    /// Creates the directory if it does not exist, and locks it; one that is incomplete or in another format is left
    /// untouched.
    pub(crate) fn open(path: &Path) -> Result<Self, EmulatorError> {
        let doing = || format!("use the data directory {}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(EmulatorError::io(doing()))?;
        let path = fs::canonicalize(path).map_err(EmulatorError::io(doing()))?;
        let directory = File::open(&path).map_err(EmulatorError::io(doing()))?;
        lock(&directory, &path)?;
        let format = check_format(&path)?;
        let contents = match format {
            Some(_) => Some(check_parts(&path)?),
            None => None,
        };
        let file = path.join("lock");
        let lock_file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file);
        let lock_file = lock_file.map_err(EmulatorError::io(doing()))?;
        lock(&lock_file, &path)?;
        restrict(&path, format.is_some());
        if format.is_none() {
            replace(&path.join(UNFINISHED_FILE), b"").map_err(EmulatorError::io(doing()))?;
        }
        for name in DATABASES {
            // SQLite gives its other files the same permissions.
            let created = OpenOptions::new().create(true).append(true).mode(0o600).open(path.join(name));
            created.map_err(EmulatorError::io(doing()))?;
        }
        Ok(Self { path, format, contents, _directory: directory, _lock: lock_file })
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The secrets that it must have.
    pub(crate) fn known_secrets(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.contents.as_ref().map_or(&NONE, |contents| &contents.secrets)
    }

    /// Whether it holds data of an earlier start.
    pub(crate) fn is_complete(&self) -> bool {
        self.contents.is_some()
    }

    /// Records that everything is there, so that whatever is missing from now on has been lost.
    pub(crate) fn complete(&self, secrets: BTreeMap<String, String>) -> Result<(), EmulatorError> {
        let doing = || format!("write to the data directory {}", self.path.display());
        let id = self.contents.as_ref().map(|contents| contents.id).filter(|id| *id != 0);
        let contents = Contents { id: id.unwrap_or_else(|| rand::random_range(1..i32::MAX)), secrets };
        if self.contents.as_ref() != Some(&contents) {
            for name in DATABASES {
                database::mark(&self.file(name), contents.id)?;
            }
            let text = serde_json::to_vec(&contents).map_err(|cause| EmulatorError::engine(doing(), cause))?;
            replace(&self.file(CONTENTS_FILE), &text).map_err(EmulatorError::io(doing()))?;
        }
        if self.format != Some(FORMAT) {
            let number = format!("{FORMAT}\n");
            replace(&self.file(FORMAT_FILE), number.as_bytes()).map_err(EmulatorError::io(doing()))?;
        }
        match fs::remove_file(self.file(UNFINISHED_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EmulatorError::io(doing())(error)),
            _ => Ok(()),
        }
    }
}

/// Locks what a process which is just ending, or a fork that has not become another program yet, may still hold.
fn lock(file: &File, path: &Path) -> Result<(), EmulatorError> {
    let mut locked = file.try_lock();
    for _ in 0..LOCK_ATTEMPTS {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        thread::sleep(LOCK_PAUSE);
        locked = file.try_lock();
    }
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => EmulatorError::InUse(path.to_owned()),
        TryLockError::Error(cause) => EmulatorError::io(format!("lock the data directory {}", path.display()))(cause),
    })
}

/// Reads the format of a directory, `None` for a new one, and refuses one that this version does not read.
fn check_format(path: &Path) -> Result<Option<u32>, EmulatorError> {
    let file = path.join(FORMAT_FILE);
    let doing = || format!("read {}", file.display());
    let unreadable = || EmulatorError::damaged(path, FORMAT_FILE, "is not a number");
    let found = match fs::read_to_string(&file) {
        // What is not a number was not written by any version.
        Ok(text) => Some(text.trim().parse().map_err(|_| unreadable())?),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(unreadable()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let has_data = [SECRETS_FILE, DATABASES[0], DATABASES[1]].iter().any(|name| path.join(name).exists());
            (has_data && !path.join(UNFINISHED_FILE).exists()).then_some(UNMARKED_FORMAT)
        }
        Err(error) => return Err(EmulatorError::io(doing())(error)),
    };
    match found {
        Some(found) if !(OLDEST_FORMAT..=FORMAT).contains(&found) => {
            Err(EmulatorError::Format { path: path.to_owned(), found, readable: FORMAT })
        }
        found => Ok(found),
    }
}

/// Refuses a directory that has lost a part, or has one of another directory.
fn check_parts(path: &Path) -> Result<Contents, EmulatorError> {
    let doing = || format!("read the data directory {}", path.display());
    let contents: Contents = match fs::read(path.join(CONTENTS_FILE)) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|_| EmulatorError::damaged(path, CONTENTS_FILE, "is not what was written"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EmulatorError::damaged(path, CONTENTS_FILE, "is missing"));
        }
        Err(error) => return Err(EmulatorError::io(doing())(error)),
    };
    for name in [SECRETS_FILE, DATABASES[0], DATABASES[1]] {
        match fs::metadata(path.join(name)) {
            Ok(found) if !found.is_file() => return Err(EmulatorError::damaged(path, name, "is not a file")),
            Ok(found) if found.len() == 0 => return Err(EmulatorError::damaged(path, name, "is empty")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(EmulatorError::damaged(path, name, "is missing"));
            }
            Err(error) => return Err(EmulatorError::io(doing())(error)),
        }
    }
    for name in DATABASES {
        database::check(path, name, contents.id)?;
    }
    Ok(contents)
}

/// Takes the directory and our files in it away from everybody but their owner.
///
/// A directory that was not ours before and has other things in it stays as it is: its owner has chosen its permissions.
fn restrict(path: &Path, is_ours: bool) {
    let entries: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().collect();
    let is_of_us = |name: &str| OURS.iter().any(|ours| name.starts_with(ours));
    let (ours, others): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry.file_name().to_str().is_some_and(is_of_us));
    for entry in ours {
        match entry.file_type() {
            Ok(kind) if kind.is_file() => restrict_to(&entry.path(), 0o600),
            Ok(kind) if kind.is_dir() => restrict_to(&entry.path(), 0o700),
            _ => {}
        }
    }
    if is_ours || others.is_empty() {
        restrict_to(path, 0o700);
    }
}

fn restrict_to(path: &Path, mode: u32) {
    // The sticky bit marks a directory for everybody, such as `/tmp`.
    let is_other = |found: u32| found & 0o777 != mode && found & 0o1000 == 0;
    let is_open = fs::metadata(path).is_ok_and(|found| is_other(found.permissions().mode()));
    if is_open && let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode)) {
        tracing::warn!(path = %path.display(), %error, "others may read this file, and its permissions cannot be changed");
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
        files.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    fn marks(ids: &[&str]) -> BTreeMap<String, String> {
        ids.iter().map(|id| ((*id).to_owned(), format!("mark of {id}"))).collect()
    }

    /// A directory as a start leaves it behind.
    fn complete() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let opened = Folder::open(folder.path()).unwrap();
        fs::write(opened.file(SECRETS_FILE), "{}").unwrap();
        for name in DATABASES {
            rusqlite::Connection::open(opened.file(name)).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        }
        opened.complete(marks(&["KeyRing"])).unwrap();
        folder
    }

    #[test]
    fn a_new_directory_gets_the_format_and_opens_again() {
        let folder = complete();
        assert_eq!(fs::read_to_string(folder.path().join("format")).unwrap(), format!("{FORMAT}\n"));
        assert!(!folder.path().join(UNFINISHED_FILE).exists());
        let opened = Folder::open(folder.path()).unwrap();
        assert_eq!(opened.known_secrets(), &marks(&["KeyRing"]));
        assert!(opened.is_complete());
        let id = opened.contents.as_ref().unwrap().id;
        opened.complete(marks(&["Another", "KeyRing"])).unwrap();
        drop(opened);
        let opened = Folder::open(folder.path()).unwrap();
        assert_eq!((opened.contents.as_ref().unwrap().id, opened.known_secrets().len()), (id, 2));
        let nested = folder.path().join("not/there/yet");
        assert!(!Folder::open(&nested).unwrap().is_complete());
        assert_eq!(fs::metadata(nested).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_has_lost_a_part_is_refused_and_nothing_is_touched() {
        let other = complete();
        let [bus, tables] = DATABASES;
        let cases: [(&str, &[&str]); 6] = [
            ("gone", &[SECRETS_FILE, bus, tables]),
            ("empty", &[SECRETS_FILE, bus, tables, FORMAT_FILE, CONTENTS_FILE]),
            ("cut off", &[bus, tables, CONTENTS_FILE]),
            ("written over", &[bus, tables, FORMAT_FILE, CONTENTS_FILE]),
            ("of other data", &[bus, tables]),
            ("a folder", &[SECRETS_FILE, bus, tables]),
        ];
        for (damage, file) in cases.iter().flat_map(|(damage, files)| files.iter().map(move |file| (*damage, *file))) {
            let folder = complete();
            let path = folder.path().join(file);
            let whole = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            match damage {
                "empty" => fs::write(&path, "").unwrap(),
                "cut off" => fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
                "written over" => fs::write(&path, [&whole[..200.min(whole.len())], &[0xa5; 8000]].concat()).unwrap(),
                "of other data" => drop(fs::copy(other.path().join(file), &path).unwrap()),
                "a folder" => fs::create_dir(&path).unwrap(),
                _ => {}
            }
            let before = contents(folder.path());
            let error = Folder::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("`{file}`")), "{file} {damage}: {error}");
            assert!(error.contains("restore") && error.contains("--data"), "{file} {damage}: {error}");
            assert_eq!(contents(folder.path()), before, "{file} {damage}");
        }
    }

    #[test]
    fn a_directory_whose_process_died_before_it_was_complete_is_new() {
        let folder = tempfile::tempdir().unwrap();
        for left in ["lock", "format.new", "unfinished.new"] {
            fs::write(folder.path().join(left), "").unwrap();
        }
        drop(Folder::open(folder.path()).unwrap());
        fs::write(folder.path().join(SECRETS_FILE), "{}").unwrap();
        assert!(!Folder::open(folder.path()).unwrap().is_complete());
    }

    #[test]
    fn two_cannot_have_the_same_directory_whatever_is_deleted_in_it() {
        let folder = complete();
        let first = Folder::open(folder.path()).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let error = Folder::open(folder.path()).unwrap_err();
        assert!(matches!(error, EmulatorError::InUse(_)), "{error}");
        drop(first);
        assert!(Folder::open(folder.path()).is_ok());
    }

    #[test]
    fn what_others_could_read_is_taken_away_from_them() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = complete();
        fs::write(folder.path().join("bus.db-wal"), "").unwrap();
        fs::write(folder.path().join("secrets.json.bak"), "").unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o644)).unwrap();
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        drop(Folder::open(folder.path()).unwrap());
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        assert_eq!(mode(folder.path()), 0o700);

        let shared = tempfile::tempdir().unwrap();
        fs::write(shared.path().join("notes"), "").unwrap();
        fs::set_permissions(shared.path().join("notes"), Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(shared.path(), Permissions::from_mode(0o755)).unwrap();
        drop(Folder::open(shared.path()).unwrap());
        assert_eq!((mode(shared.path()), mode(&shared.path().join("notes"))), (0o755, 0o644));
        assert_eq!(mode(&shared.path().join("bus.db")), 0o600);
    }

    #[test]
    fn a_directory_of_a_format_that_is_still_read_gets_this_one() {
        let folder = complete();
        let number = folder.path().join(FORMAT_FILE);
        fs::write(&number, format!("{OLDEST_FORMAT}\n")).unwrap();
        Folder::open(folder.path()).unwrap().complete(marks(&["KeyRing"])).unwrap();
        assert_eq!(fs::read_to_string(number).unwrap(), format!("{FORMAT}\n"));
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
        for data in [SECRETS_FILE, DATABASES[0], DATABASES[1]] {
            check(
                &[(data, "x")],
                &format!("was written by an older version of Hookyard (format 1, this version reads format {FORMAT})"),
            );
        }
        for older in [1, OLDEST_FORMAT - 1] {
            let expected = format!("by an older version of Hookyard (format {older}");
            check(&[("format", &older.to_string())], &expected);
        }
        let newer = (FORMAT + 1).to_string();
        let expected = format!("by a newer version of Hookyard (format {newer}");
        check(&[("format", &format!("{newer}\n")), ("bus.db", "x")], &expected);
        check(
            &[("format", &newer)],
            "start with an empty directory by --data, or keep using the version that wrote it",
        );
        check(&[("format", "two")], "is damaged");
    }
}
