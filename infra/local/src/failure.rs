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
        let mut text = format!("{self}: {cause}");
        let mut source = cause.source();
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        if let Some(hint) = hint {
            text.push_str(&format!("\n{hint}"));
        }
        text
    }
}
