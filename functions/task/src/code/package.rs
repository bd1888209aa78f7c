//! The files of a package, which is a zip archive: read within limits, whatever sizes and names the archive claims.

use std::io::{Cursor, Read as _};

use bytes::Bytes;
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::sandbox::Files;

/// The most bytes of all files together.
pub(crate) const UNPACKED_LIMIT_BYTES: usize = 5 * 1024 * 1024;
const FILES_LIMIT: usize = 2_000;
/// The most entries, with those of directories.
const ENTRIES_LIMIT: usize = 2 * FILES_LIMIT;
const PATH_LIMIT_BYTES: usize = 512;
const DEPTH_LIMIT: usize = 32;
/// How much of a name an error repeats.
const SHOWN_CHARACTERS: usize = 120;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Reads the files of a package, or says what is wrong with it.
///
/// A file is inflated only as far as there is room for it, so that no archive unpacks to more than the limit.
pub(crate) fn unpack(archive: &[u8]) -> Result<Files, String> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(|error| invalid(&error))?;
    if archive.len() > ENTRIES_LIMIT {
        return Err(too_many());
    }
    if archive.has_duplicate_names() {
        return Err("the archive has two entries of the same name".to_owned());
    }
    if archive.has_overlapping_entries().map_err(|error| invalid(&error))? {
        return Err("the archive has entries that share their bytes".to_owned());
    }
    let mut files = Files::new();
    let mut room = UNPACKED_LIMIT_BYTES;
    for index in 0..archive.len() {
        let Some(path) = path_of_entry(&mut archive, index)? else { continue };
        if files.len() == FILES_LIMIT {
            return Err(too_many());
        }
        let content = content(&mut archive, index, &path, room)?;
        room -= content.len();
        if files.insert(path.clone(), content).is_some() {
            return Err(format!("the file `{}` is there twice", shown(&path)));
        }
    }
    check_directories(&files)?;
    match files.is_empty() {
        true => Err("the archive has no files".to_owned()),
        false => Ok(files),
    }
}

/// The path of an entry that is a file of the package; `None` for directories and what file managers leave behind.
fn path_of_entry(archive: &mut Archive<'_>, index: usize) -> Result<Option<String>, String> {
    let entry = archive.by_index_raw(index).map_err(|error| invalid(&error))?;
    let name = entry.name().map_err(|error| invalid(&error))?.into_owned();
    let path = path(&name)?;
    check_kind(&entry, &name)?;
    let is_left_behind = path.starts_with("__MACOSX/") || path.ends_with(".DS_Store");
    Ok((!entry.is_dir() && !is_left_behind).then_some(path))
}

fn check_kind(entry: &ZipFile<'_, Cursor<&[u8]>>, name: &str) -> Result<(), String> {
    // The upper bits of the mode are the kind of file, as Unix has it; some tools leave them out.
    let kind = entry.unix_mode().map_or(0, |mode| mode & 0o170_000);
    if entry.is_symlink() {
        return Err(format!("`{}` is a symbolic link", shown(name)));
    }
    if !matches!(kind, 0 | 0o040_000 | 0o100_000) {
        return Err(format!("`{}` is neither a file nor a directory", shown(name)));
    }
    match entry.encrypted() {
        true => Err(format!("`{}` is encrypted", shown(name))),
        false => Ok(()),
    }
}

/// Inflates a file into the room that is left.
fn content(archive: &mut Archive<'_>, index: usize, path: &str, room: usize) -> Result<Bytes, String> {
    let broken = |error: &dyn std::fmt::Display| format!("the file `{}` cannot be unpacked: {error}", shown(path));
    let entry = archive.by_index(index).map_err(|error| broken(&error))?;
    let size = entry.size();
    let mut content = Vec::new();
    let read = entry.take(room as u64 + 1).read_to_end(&mut content);
    if content.len() > room {
        let megabytes = UNPACKED_LIMIT_BYTES / (1024 * 1024);
        return Err(format!("the files have more than {megabytes} MB with the file `{}`", shown(path)));
    }
    read.map_err(|error| broken(&error))?;
    match content.len() as u64 == size {
        true => Ok(content.into()),
        false => Err(broken(&"its size is not what the archive says")),
    }
}

/// The normalised path that a name stands for, without a slash at its start or end.
fn path(name: &str) -> Result<String, String> {
    let refused = |rule: &str| Err(format!("the name `{}` {rule}", shown(name)));
    if name.contains('\\') {
        return refused("has a backslash; directories are separated by `/`");
    }
    if name.chars().any(char::is_control) {
        return refused("has a control character");
    }
    if name.starts_with('/') {
        return refused("is an absolute path");
    }
    let segments: Vec<&str> = name.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    if segments.first().is_some_and(|first| first.contains(':')) {
        return refused("begins with a drive letter or a scheme");
    }
    if segments.contains(&"..") {
        return refused("leads out of a directory");
    }
    if name.len() > PATH_LIMIT_BYTES || segments.len() > DEPTH_LIMIT {
        return refused(&format!("has more than {PATH_LIMIT_BYTES} bytes or {DEPTH_LIMIT} directories"));
    }
    match segments.is_empty() && !name.ends_with('/') {
        true => refused("names no file"),
        false => Ok(segments.join("/")),
    }
}

/// Refuses a path that is a file and a directory as well.
fn check_directories(files: &Files) -> Result<(), String> {
    for path in files.keys() {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(parent) = parents.into_iter().find(|parent| files.contains_key(*parent)) {
            return Err(format!("`{}` is a file and a directory", shown(parent)));
        }
    }
    Ok(())
}

fn invalid(error: &ZipError) -> String {
    format!("the archive cannot be read: {error}")
}

fn too_many() -> String {
    format!("the archive has more than {FILES_LIMIT} files")
}

fn shown(name: &str) -> String {
    let characters = name.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character });
    characters.take(SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;
