//! Keeps a run within what one DynamoDB item can hold.

use shared::event::{StepError, StepRecord};
use shared::json::size_bytes;

use super::Run;

/// The largest JSON of a run; DynamoDB accepts 400 KB with the other attributes.
const RUN_LIMIT_BYTES: usize = 395_000;
/// How much of an error is kept, as JSON.
const KIND_LIMIT_BYTES: usize = 20;
const NAME_LIMIT_BYTES: usize = 60;
/// How much of an error's message is kept with the step, and of the reason why it was skipped.
pub(super) const STEP_MESSAGE_LIMIT_BYTES: usize = 600;
/// How much of an error's message is kept with each attempt.
pub(super) const ATTEMPT_MESSAGE_LIMIT_BYTES: usize = 100;
/// How much is kept of what ended the waiting of an attempt.
pub(super) const RESUMED_BY_LIMIT_BYTES: usize = 60;
/// How much is kept of the id of an attempt's record.
const RECORD_ID_LIMIT_BYTES: usize = 64;
/// How much a run grows at most by one more attempt, and by the end of a step without its output.
const ATTEMPT_RESERVE_BYTES: usize = 600;
const STEP_RESERVE_BYTES: usize = 800;

impl Run {
    /// Whether the run fits into its row, whatever may still happen to the steps that are not over.
    ///
    /// The limits of a dispatcher ensure that a run without outputs always does.
    pub(super) fn fits(&self) -> bool {
        let open = self.steps.iter().filter(|step| !step.status.is_over());
        let reserve = open.map(|step| {
            let attempts = step.action.retry.attempts.saturating_sub(step.attempts_made()) as usize;
            (attempts + 1) * ATTEMPT_RESERVE_BYTES + STEP_RESERVE_BYTES
        });
        size_bytes(self) + reserve.sum::<usize>() <= RUN_LIMIT_BYTES
    }
}

/// Shortens an error to what is kept of it.
pub(super) fn shortened(error: &StepError, message_bytes: usize) -> StepError {
    StepError {
        kind: error.kind.as_deref().map(|kind| cut(kind, KIND_LIMIT_BYTES)),
        name: cut(&error.name, NAME_LIMIT_BYTES),
        message: cut(&error.message, message_bytes),
    }
}

/// Shortens the record of an attempt to what is kept of it; no function's ids are longer.
pub(super) fn record(record: &StepRecord) -> StepRecord {
    StepRecord { kind: record.kind, id: cut(&record.id, RECORD_ID_LIMIT_BYTES) }
}

/// Cuts a text so that its JSON has at most `limit_bytes`, and shows that it was cut.
pub(super) fn cut(text: &str, limit_bytes: usize) -> String {
    let mut used_bytes = 0;
    for (at, char) in text.char_indices() {
        used_bytes += match char {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\0'..='\u{1f}' => 6,
            char => char.len_utf8(),
        };
        if used_bytes > limit_bytes {
            return format!("{}…", &text[..at]);
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_the_bytes_of_their_json() {
        let check = |text: &str, limit: usize, expected: &str| assert_eq!(cut(text, limit), expected, "{text:?}");
        check("short", 5, "short");
        check("longer", 5, "longe…");
        check("\0\0", 6, "\0…");
        check("äöü", 5, "äö…");
        check("\"\"\"", 4, "\"\"…");
    }
}
