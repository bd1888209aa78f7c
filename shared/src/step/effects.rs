//! Which effects have begun, as far as a killed process leaves it known.
//!
//! A record is marked before its work acts on the outside world. A process that is killed between the mark and the act
//! leaves a record of which nobody knows whether it has acted. So the last thing before the act is to note its claim in a
//! file of the process. Nothing waits for a disk: what was written to a file outlives the process, but not the machine. A
//! claim of a killed process that is not noted has not acted, and its work is done again; after the machine itself has
//! stopped, a mark alone decides.
//!
//! Between the note and the act, what acts should wait for nothing else: it can be done on threads that do nothing but that.
//!
//! One process at a time may use a directory, so that whoever has left notes in it is gone.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use crate::Error;
use crate::clock::Ids;

/// What Linux names the time since the machine was started by: another name after each start.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The length of a process's name among those of one directory, and of a delivery's in a claim's owner.
const PROCESS: usize = 12;
const DELIVERY: usize = 24;
/// The place of one note. A page of memory holds a whole number of them, so that no kill tears one.
const NOTE: usize = 32;
/// The place of the machine's name, before the notes.
const HEADER: usize = 2 * NOTE;
/// The longest file that is read, with 32,766 notes: far more than a process has work under way.
const FILE: usize = 1024 * 1024;
/// How many files of former processes are kept, and how long: a message stays in an SQS queue for 14 days at most.
const FILES: usize = 256;
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The notes of this process and of those that were killed before it, and where it acts. Cheap to clone; the default notes
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    notes: Option<Arc<Notes>>,
    threads: Option<Handle>,
}

#[derive(Debug)]
struct Notes {
    process: String,
    file: File,
    slots: Mutex<Slots>,
    former: HashMap<String, Former>,
}

/// What a process has left that was killed.
#[derive(Debug)]
enum Former {
    /// The deliveries whose effects had begun.
    Begun(HashSet<[u8; DELIVERY]>),
    /// The machine was started since, or the file is none that a process leaves.
    Unknown,
}

/// The places in the file of this process.
#[derive(Debug, Default)]
struct Slots {
    count: u64,
    /// Those whose work has ended.
    free: Vec<u64>,
    /// Whether a note could not be written, so that the file says no more what has not begun.
    is_void: bool,
}

/// The place of a note, which is given back when the work has ended.
#[derive(Debug)]
pub(super) struct Slot(u64);

impl Effects {
    /// Keeps the notes of this process in a directory that no other process uses meanwhile, and reads what others left there.
    ///
    /// Nothing is noted where the system does not tell one start of the machine from another.
    ///
    /// # Errors
    ///
    /// When the directory cannot be used.
    pub fn open(directory: &Path, ids: &Ids) -> io::Result<Self> {
        match fs::read_to_string(BOOT_ID) {
            Ok(boot) => Self::since(directory, ids, boot.trim())
                .map_err(|cause| io::Error::new(cause.kind(), format!("{}: {cause}", directory.display()))),
            Err(_) => Ok(Self::default()),
        }
    }

    fn since(directory: &Path, ids: &Ids, boot: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let former = kept(directory)?.into_iter().map(|(process, path)| {
            let notes = File::open(path).and_then(|file| {
                let mut notes = Vec::new();
                file.take(FILE as u64 + 1).read_to_end(&mut notes).map(|_| notes)
            });
            (process, notes.map_or(Former::Unknown, |notes| Former::read(&notes, boot)))
        });
        let former = former.collect();
        let process = ids.hex24()[..PROCESS].to_owned();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(&process))?;
        file.write_all_at(&place::<HEADER>(boot.as_bytes()), 0)?;
        let notes = Notes { process, file, slots: Mutex::default(), former };
        Ok(Self { notes: Some(Arc::new(notes)), threads: None })
    }

    /// Lets what acts do so on the threads of a runtime, if it does on any but those that it runs on.
    #[must_use]
    pub fn on(self, threads: Option<Handle>) -> Self {
        Self { threads, ..self }
    }

    /// The threads for what acts, if there are any of its own.
    pub fn threads(&self) -> Option<&Handle> {
        self.threads.as_ref()
    }

    /// Draws a name under which this process owns records; it tells whose notes are about them.
    pub(super) fn owner(&self, ids: &Ids) -> String {
        let name = ids.hex24();
        match &self.notes {
            Some(notes) => format!("{}{}", notes.process, &name[PROCESS..]),
            None => name,
        }
    }

    /// Notes that the effect of a claim begins.
    ///
    /// # Errors
    ///
    /// When neither that can be noted nor that the notes are of no use any more.
    pub(super) fn begin(&self, owner: &str) -> Result<Option<Slot>, Error> {
        let (Some(notes), Some((_, delivery))) = (&self.notes, parts(owner)) else { return Ok(None) };
        let mut slots = notes.slots();
        if slots.is_void {
            return Ok(None);
        }
        let slot = slots.free.pop().unwrap_or(slots.count);
        slots.count = slots.count.max(slot + 1);
        let at = HEADER as u64 + slot * NOTE as u64;
        let Err(error) = notes.file.write_all_at(&place::<NOTE>(&delivery), at) else { return Ok(Some(Slot(slot))) };
        tracing::error!(%error, "that an effect begins cannot be noted; after a kill its mark alone decides");
        let void = notes.file.write_all_at(&place::<HEADER>(b""), 0);
        void.map_err(|cause| Error::new("note that an effect begins", cause))?;
        slots.is_void = true;
        Ok(None)
    }

    /// Gives the place of a note to others, as the record says how the work has ended.
    pub(super) fn end(&self, Slot(slot): Slot) {
        if let Some(notes) = &self.notes {
            notes.slots().free.push(slot);
        }
    }

    /// Whether the process that owns a claim is certainly gone.
    pub(super) fn is_of_former(&self, owner: &str) -> bool {
        self.former(owner).is_some()
    }

    /// Whether the effect of a claim has certainly not begun, although it was marked, and never will.
    pub(super) fn never_began(&self, owner: &str) -> bool {
        let Some((Former::Begun(begun), delivery)) = self.former(owner) else { return false };
        !begun.contains(&delivery)
    }

    fn former(&self, owner: &str) -> Option<(&Former, [u8; DELIVERY])> {
        let (process, delivery) = parts(owner)?;
        Some((self.notes.as_ref()?.former.get(process)?, delivery))
    }
}

impl Notes {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Former {
    fn read(notes: &[u8], boot: &str) -> Self {
        match notes.split_at_checked(HEADER) {
            Some((header, rest)) if *header == place::<HEADER>(boot.as_bytes()) && notes.len() <= FILE => {
                Self::Begun(rest.chunks(NOTE).filter_map(|note| note.first_chunk().copied()).collect())
            }
            _ => Self::Unknown,
        }
    }
}

/// The name of the process that owns a claim and that of the delivery, from `<process>.<delivery>`.
fn parts(owner: &str) -> Option<(&str, [u8; DELIVERY])> {
    let (process, delivery) = owner.split_once('.')?;
    Some((process.get(..PROCESS)?, delivery.as_bytes().try_into().ok()?))
}

/// A text in its place; one that is too long is cut.
fn place<const BYTES: usize>(text: &[u8]) -> [u8; BYTES] {
    let mut place = [b' '; BYTES];
    let length = text.len().min(BYTES - 1);
    place[..length].copy_from_slice(&text[..length]);
    place[BYTES - 1] = b'\n';
    place
}

/// The files that former processes left, without those that nobody needs any more.
fn kept(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && name.len() == PROCESS
            && entry.file_type()?.is_file()
        {
            files.push((entry.metadata()?.modified()?, name, entry.path()));
        }
    }
    files.sort_unstable_by(|one, other| other.cmp(one));
    let now = machine_time();
    let is_old = |modified: &SystemTime| now.duration_since(*modified).is_ok_and(|age| age > KEPT);
    let mut kept = Vec::new();
    for (modified, process, path) in files {
        if kept.len() < FILES && !is_old(&modified) {
            kept.push((process, path));
        } else if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "notes that nobody needs any more stay");
        }
    }
    Ok(kept)
}

#[expect(clippy::disallowed_methods, reason = "the times of files are the machine's")]
fn machine_time() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use tempfile::{TempDir, tempdir};

    use super::*;

    const BOOT: &str = "6f1f3c6e-8f0f-4f4e-9d0f-0a8f3c1d2e4b";

    fn open(directory: &TempDir, seed: u64, boot: &str) -> Effects {
        Effects::since(directory.path(), &Ids::seeded(seed), boot).unwrap()
    }

    fn owner(effects: &Effects, delivery: u32) -> String {
        format!("{}.{delivery:024x}", effects.owner(&Ids::seeded(99)))
    }

    #[test]
    fn what_a_killed_process_has_not_begun_is_known() {
        let directory = tempdir().unwrap();
        let killed = open(&directory, 1, BOOT);
        for delivery in 0..200 {
            assert!(killed.begin(&owner(&killed, delivery)).unwrap().is_some());
        }
        let next = open(&directory, 2, BOOT);
        assert!((0..200).all(|delivery| !next.never_began(&owner(&killed, delivery))));
        assert!(next.never_began(&owner(&killed, 200)));
        assert!((0..=200).all(|delivery| next.is_of_former(&owner(&killed, delivery))));
        // What comes after a second kill knows both.
        let last = open(&directory, 3, BOOT);
        assert!(last.never_began(&owner(&killed, 200)) && last.never_began(&owner(&next, 0)));
        assert!(!last.never_began(&owner(&killed, 7)));
    }

    #[test]
    fn nothing_is_known_of_oneself_of_strangers_and_of_odd_owners() {
        let directory = tempdir().unwrap();
        open(&directory, 1, BOOT);
        let effects = open(&directory, 2, BOOT);
        let stranger = format!("{}.{:024x}", Ids::seeded(7).hex24(), 1);
        for owner in [owner(&effects, 1), stranger, String::new(), "a.b".to_owned(), "€€€€€.é".to_owned()] {
            assert!(!effects.is_of_former(&owner) && !effects.never_began(&owner), "{owner}");
        }
        assert!(Effects::default().begin(&owner(&effects, 1)).unwrap().is_none());
    }

    #[test]
    fn after_another_start_of_the_machine_it_is_known_only_that_the_process_is_gone() {
        let directory = tempdir().unwrap();
        let killed = open(&directory, 1, BOOT);
        let next = open(&directory, 2, "another");
        assert!(next.is_of_former(&owner(&killed, 1)));
        assert!(!next.never_began(&owner(&killed, 1)));
    }

    #[test]
    fn a_place_is_used_again_when_the_work_has_ended() {
        let directory = tempdir().unwrap();
        let killed = open(&directory, 1, BOOT);
        assert!(killed.begin(&owner(&killed, 0)).unwrap().is_some());
        for delivery in 1..100 {
            let slot = killed.begin(&owner(&killed, delivery)).unwrap();
            killed.end(slot.unwrap());
        }
        let length = fs::metadata(directory.path().join(&Ids::seeded(1).hex24()[..PROCESS])).unwrap().len();
        assert_eq!(length, (HEADER + 2 * NOTE) as u64);
        let next = open(&directory, 2, BOOT);
        assert!([0, 99].iter().all(|delivery| !next.never_began(&owner(&killed, *delivery))));
    }

    #[test]
    fn notes_that_cannot_be_written_leave_the_decision_to_the_mark() {
        let directory = tempdir().unwrap();
        let killed = open(&directory, 1, BOOT);
        let path = directory.path().join(&Ids::seeded(1).hex24()[..PROCESS]);
        let read_only = |notes: &Notes| Notes {
            process: notes.process.clone(),
            file: File::open(&path).unwrap(),
            slots: Mutex::default(),
            former: HashMap::new(),
        };
        let notes = read_only(killed.notes.as_ref().unwrap());
        let refused = Effects { notes: Some(Arc::new(notes)), threads: None };
        let error = refused.begin(&owner(&killed, 1)).unwrap_err();
        assert!(error.chain().contains("note that an effect begins"), "{}", error.chain());
        // A file that does not grow, but can be written.
        killed.notes.as_ref().unwrap().slots().count = u64::MAX / NOTE as u64 / 2;
        assert!(killed.begin(&owner(&killed, 1)).unwrap().is_none());
        assert!(killed.begin(&owner(&killed, 2)).unwrap().is_none());
        assert!(!open(&directory, 2, BOOT).never_began(&owner(&killed, 3)));
    }

    #[test]
    fn a_file_that_no_process_leaves_tells_nothing() {
        let directory = tempdir().unwrap();
        let killed = open(&directory, 1, BOOT);
        let path = directory.path().join(killed.notes.as_ref().unwrap().process.as_str());
        let set_length = |length: u64| File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        set_length(FILE as u64);
        assert!(open(&directory, 2, BOOT).never_began(&owner(&killed, 1)));
        // It is sparse, and as a whole has no room in memory.
        set_length(1 << 36);
        let next = open(&directory, 3, BOOT);
        assert!(!next.never_began(&owner(&killed, 1)) && next.is_of_former(&owner(&killed, 1)));
    }

    #[test]
    fn few_files_are_kept() {
        let directory = tempdir().unwrap();
        let first = open(&directory, 0, BOOT);
        let path = directory.path().join(first.notes.as_ref().unwrap().process.as_str());
        File::options().write(true).open(path).unwrap().set_modified(machine_time() - KEPT - KEPT).unwrap();
        let second = open(&directory, 1, BOOT);
        assert!(!second.is_of_former(&owner(&first, 1)));
        for seed in 2..300 {
            open(&directory, seed, BOOT);
        }
        fs::write(directory.path().join("a file of somebody else"), "").unwrap();
        fs::create_dir(directory.path().join("somebodyelse")).unwrap();
        open(&directory, 300, BOOT);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), FILES + 3);
    }
}
