use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the emulator could not read its template or open its data.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The template is not valid YAML, or is not a template.
    #[error("cannot read the template: {0}")]
    Template(String),
    /// A property of a resource is not supported or is invalid.
    #[error("cannot use {resource}.{property} of the template: {problem}")]
    Resource {
        /// Logical id of the resource.
        resource: String,
        /// Path of the property inside the resource.
        property: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process uses the same data directory.
    #[error("the data directory {} is in use by another process: stop that process, or choose another directory by --data", .0.display())]
    InUse(PathBuf),
    /// The data directory is laid out as another version of Hookyard does it.
    #[error(
        "the data directory {} was written by {} version of Hookyard (format {found}, this version reads format \
         {readable}): start with an empty directory by --data, or keep using the version that wrote it",
        .path.display(), if .found < .readable { "an older" } else { "a newer" }
    )]
    Format {
        /// The directory, which was left as it is.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format that this version reads.
        readable: u32,
    },
    /// A file of the data directory is missing or is not what Hookyard wrote.
    #[error(
        "the data directory {} is damaged (its file `{file}` {problem}): restore `{file}` from a backup, together with \
         the other files of the same time, or start with an empty directory by --data", .path.display()
    )]
    Damaged {
        /// The directory, which was left as it is.
        path: PathBuf,
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A file or socket could not be used.
    #[error("cannot {doing}: {cause}")]
    Io {
        /// What was being done.
        doing: String,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// A storage engine failed.
    #[error("cannot {doing}: {cause}")]
    Engine {
        /// What was being done.
        doing: String,
        /// The engine's error.
        cause: String,
    },
}

impl EmulatorError {
    #[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
    pub(crate) fn resource(resource: &str, property: impl Into<String>, problem: impl ToString) -> Self {
        Self::Resource { resource: resource.to_owned(), property: property.into(), problem: problem.to_string() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
    pub(crate) fn engine(doing: impl Into<String>, cause: impl ToString) -> Self {
        Self::Engine { doing: doing.into(), cause: cause.to_string() }
    }

    pub(crate) fn damaged(path: &Path, file: &'static str, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), file, problem: problem.into() }
    }

    /// Adapts an I/O error; for `map_err`.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Io { doing, cause }
    }
}
