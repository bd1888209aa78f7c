//! The console output of a script, within limits.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How much text of one run is kept.
const KEPT_BYTES: usize = 64 * 1024;
/// How many lines of one run are kept.
const KEPT_LINES: usize = 1_000;
/// How much text a script may print before it is stopped.
pub(super) const PRINTED_BYTES: usize = 256 * 1024;

/// What stands for a text that is hidden.
const MASK: &str = "*****";
/// The line that replaces what is not kept.
const TRUNCATED: &str = "[truncated: the output is longer than what is kept]";

/// One line of console output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// What was printed, which may contain line breaks.
    pub message: String,
    /// When it was printed.
    #[serde(with = "shared::clock::iso")]
    pub timestamp: Timestamp,
}

/// The console output of a script, which can be read while it runs. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log {
    console: Arc<Mutex<Console>>,
    hidden: Arc<OnceLock<String>>,
}

impl Log {
    /// Returns the lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        let mut lines = self.lock().lines.clone();
        if let Some(hidden) = self.hidden.get() {
            let printed = lines.iter_mut().filter(|line| line.message.contains(hidden));
            printed.for_each(|line| line.message = line.message.replace(hidden, MASK));
        }
        lines
    }

    /// Hides a text in what is printed.
    pub fn hide(&self, text: &str) {
        self.hidden.get_or_init(|| text.to_owned());
    }

    /// Tells how many lines there are so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().lines.len()
    }

    /// Begins again, as the script does.
    pub(super) fn restart(&self) {
        *self.lock() = Console::default();
    }

    /// Adds what the script printed. Returns `false` once it has printed more than it may.
    #[must_use]
    pub(super) fn print(&self, timestamp: Timestamp, message: String) -> bool {
        self.lock().print(timestamp, message)
    }

    /// Adds a line of our own, which does not count as printed.
    pub fn keep(&self, timestamp: Timestamp, message: String) {
        self.lock().keep(timestamp, message);
    }

    fn lock(&self) -> MutexGuard<'_, Console> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The console output of one run.
#[derive(Debug, Default)]
struct Console {
    lines: Vec<LogLine>,
    kept_bytes: usize,
    printed_bytes: usize,
    truncated: bool,
}

impl Console {
    /// Adds what the script printed. Returns `false` once it has printed more than it may.
    #[must_use]
    fn print(&mut self, timestamp: Timestamp, message: String) -> bool {
        self.printed_bytes = self.printed_bytes.saturating_add(message.len() + 1);
        self.keep(timestamp, message);
        self.printed_bytes <= PRINTED_BYTES
    }

    /// Adds a line of our own, which does not count as printed.
    fn keep(&mut self, timestamp: Timestamp, mut message: String) {
        if self.truncated {
            return;
        }
        let room = KEPT_BYTES - self.kept_bytes;
        if self.lines.len() < KEPT_LINES && message.len() < room {
            self.kept_bytes += message.len() + 1;
            self.lines.push(LogLine { message, timestamp });
            return;
        }
        self.truncated = true;
        if self.lines.len() < KEPT_LINES {
            message.truncate(message.floor_char_boundary(room));
            self.lines.push(LogLine { message, timestamp });
        }
        self.lines.push(LogLine { message: TRUNCATED.to_owned(), timestamp });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(messages: impl IntoIterator<Item = String>) -> (Vec<LogLine>, bool) {
        let mut console = Console::default();
        let within = messages.into_iter().fold(true, |_, message| console.print(Timestamp::UNIX_EPOCH, message));
        (console.lines, within)
    }

    #[test]
    fn little_output_is_kept_whole() {
        let (lines, within) = printed((0..KEPT_LINES).map(|line| line.to_string()));
        assert_eq!(lines.len(), KEPT_LINES);
        assert_eq!(lines[999].message, "999");
        assert!(within);
    }

    #[test]
    fn the_line_after_the_last_says_that_there_was_more() {
        let (lines, within) = printed((0..KEPT_LINES + 5).map(|line| line.to_string()));
        assert_eq!(lines.len(), KEPT_LINES + 1);
        assert_eq!(lines[KEPT_LINES].message, TRUNCATED);
        assert!(within);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let (lines, within) = printed(["é".repeat(KEPT_BYTES)]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].message.len(), KEPT_BYTES);
        assert!(within);
    }

    #[test]
    fn what_is_hidden_is_in_no_line() {
        let log = Log::default();
        assert!(log.print(Timestamp::UNIX_EPOCH, "it is secret".to_owned()));
        log.hide("secret");
        assert_eq!(log.lines()[0].message, "it is *****");
    }

    #[test]
    fn printing_too_much_is_noticed() {
        assert!(printed(vec!["x".repeat(PRINTED_BYTES - 1)]).1);
        assert!(!printed(vec!["x".repeat(PRINTED_BYTES)]).1);
        assert!(!printed(vec!["x".repeat(1023); 257]).1);
    }
}
