use std::io;

/// Why the command ended without success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The runtime could not start.
    #[error("cannot {doing}")]
    Start {
        /// What was being done.
        doing: &'static str,
        /// What the user can do about it.
        hint: Option<String>,
        /// Why it could not be done.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A step of the demo did not get the expected answer.
    #[error("the demo stopped at \"{step}\": {problem}")]
    Demo {
        /// The step.
        step: String,
        /// What was wrong with the answer.
        problem: String,
    },
    /// The data directory has rows that cannot be read.
    #[error("{rows} rows cannot be read; they are left out of every list until they are repaired or deleted")]
    Unreadable {
        /// How many.
        rows: usize,
    },
    /// A task could not be replayed.
    #[error("cannot replay the task: {problem}")]
    Replay {
        /// Why not.
        problem: String,
    },
    /// Dead letters could not be redriven.
    #[error("cannot redrive the dead letters: {problem}")]
    Redrive {
        /// Why not.
        problem: String,
    },
    /// A document could not be imported.
    #[error("cannot import the document: {problem}")]
    Import {
        /// Why not.
        problem: String,
    },
    /// A replayed task did not do the same.
    #[error("the task did not do the same: {}", .differences.join("; "))]
    NotIdentical {
        /// What was not the same.
        differences: Vec<String>,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

impl Failure {
    /// Wraps a failure to print.
    pub fn output(cause: io::Error) -> Self {
        Self::Output(cause)
    }

    pub(crate) fn start(doing: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Start { doing, hint: None, cause: cause.into() }
    }

    /// Returns one text with every cause and what to do next.
    pub fn explain(&self) -> String {
        let Self::Start { hint, cause, .. } = self else { return self.to_string() };
        let mut text = self.to_string();
        let mut system = None;
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(cause.as_ref());
        while let Some(error) = next {
            let said = error.to_string();
            // Some errors say what caused them themselves.
            if !text.ends_with(&said) {
                text.push_str(&format!(": {said}"));
            }
            system = system.or_else(|| error.downcast_ref::<io::Error>().and_then(advice));
            next = error.source();
        }
        if let Some(hint) = hint.as_deref().or(system) {
            text.push_str(&format!("\n{hint}"));
        }
        text
    }
}

/// What to do about an error of the system.
fn advice(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, ResourceBusy,
        StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            Some("the disk is full: free some space, or choose a directory on another disk with --data")
        }
        PermissionDenied => Some(
            "this user may not use the file: give it the directory with all files in it, or choose another directory \
             with --data",
        ),
        ReadOnlyFilesystem => Some("the disk cannot be written: choose a directory on another one with --data"),
        AlreadyExists | NotADirectory => {
            Some("a file is where a directory belongs: move it away, or choose another directory with --data")
        }
        ResourceBusy => Some("another program uses the file: stop it, or choose another directory with --data"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_comes_with_advice_and_is_said_once() {
        let check = |kind: io::ErrorKind, expected: &str| {
            let cause = emulator::EmulatorError::Io { doing: "read the file".to_owned(), cause: kind.into() };
            let text = Failure::start("open the data directory", cause).explain();
            assert!(text.starts_with("cannot open the data directory: cannot read the file: "), "{text}");
            assert!(text.contains(expected), "{text}");
            assert_eq!(text.matches(&io::Error::from(kind).to_string()).count(), 1, "{text}");
        };
        check(io::ErrorKind::StorageFull, "free some space");
        check(io::ErrorKind::QuotaExceeded, "free some space");
        check(io::ErrorKind::PermissionDenied, "may not use the file");
        check(io::ErrorKind::ReadOnlyFilesystem, "cannot be written");
        check(io::ErrorKind::NotADirectory, "move it away");
        check(io::ErrorKind::ResourceBusy, "another program");
        check(io::ErrorKind::TimedOut, "");
    }
}
