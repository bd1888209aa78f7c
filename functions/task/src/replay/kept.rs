//! The journal of a task as it is kept, with what tells whether the same script would run again.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::sandbox::{Limits, Outside, Script};

/// The longest text of a journal that is kept in the record of its task, which costs no further write.
pub(crate) const MAX_INLINE_BYTES: usize = 4_096;

/// What the record of a task says of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Journaled {
    /// It is this.
    Here(String),
    /// It has a record of its own.
    Apart,
    /// The script has read more than a journal holds.
    TooLarge,
    /// The script ran in a realm that earlier tasks of its function had used.
    Warm,
    /// The function keeps none, or its script did not end by itself.
    Off,
    /// It could not be written.
    Lost,
}

/// A journal, and what its script was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    started_at_ms: i64,
    code: [u8; 32],
    variables: [u8; 32],
    input: [u8; 32],
    limits: Limits,
    /// Whether the script had an access token, which is kept nowhere.
    pub(crate) had_token: bool,
    pub(crate) packed: Bytes,
}

/// Why a task cannot be replayed as it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Code,
    Variables,
    Input,
}

impl Kept {
    /// What is kept of a script with the variables of its function that starts at this time, still without its journal.
    pub(crate) fn of(script: &Script, started_at: Timestamp) -> Self {
        Self {
            started_at_ms: started_at.as_millisecond(),
            code: code_of(script),
            variables: hash_of(&script.variables),
            input: hash(&[script.input.as_bytes()]),
            limits: script.limits,
            had_token: false,
            packed: Bytes::new(),
        }
    }

    /// It, of a script that gets an access token or not.
    pub(crate) fn with_token(self, had_token: bool) -> Self {
        Self { had_token, ..self }
    }

    /// It with its journal.
    pub(crate) fn with(self, packed: Bytes) -> Self {
        Self { packed, ..self }
    }

    /// Whether these were the environment variables of the script.
    pub(crate) fn had_variables(&self, variables: &BTreeMap<String, String>) -> bool {
        self.variables == hash_of(variables)
    }

    /// When the script was started.
    pub(crate) fn started_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.started_at_ms).unwrap_or_default()
    }

    /// The script as it runs from this journal.
    pub(crate) fn replaying(&self, script: Script) -> Script {
        Script { limits: self.limits, outside: Outside::Replayed(self.packed.clone()), ..script }
    }

    /// What is not as it was when the journal was written.
    pub(crate) fn change(&self, script: &Script) -> Option<Change> {
        let now = Self::of(script, self.started_at());
        match () {
            () if now.code != self.code => Some(Change::Code),
            () if now.variables != self.variables => Some(Change::Variables),
            () if now.input != self.input => Some(Change::Input),
            () => None,
        }
    }

    /// Writes it as text.
    pub(crate) fn text(&self) -> String {
        // Writing to memory does not fail, and neither do these types.
        postcard::to_stdvec(self).map(|bytes| STANDARD_NO_PAD.encode(bytes)).unwrap_or_default()
    }

    /// Reads its text; `None` if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        postcard::from_bytes(&STANDARD_NO_PAD.decode(text).ok()?).ok()
    }
}

fn code_of(script: &Script) -> [u8; 32] {
    let entry_point = script.entry_point.as_deref().unwrap_or_default();
    let mut parts = vec![script.source.as_bytes(), entry_point.as_bytes(), script.file_name.as_bytes()];
    parts.extend(script.files.iter().flat_map(|(path, content)| [path.as_bytes(), &**content]));
    hash(&parts)
}

fn hash_of(variables: &BTreeMap<String, String>) -> [u8; 32] {
    hash(&variables.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect::<Vec<_>>())
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sandbox::Isolation;

    fn script() -> Script {
        Script {
            tenant: "t".to_owned(),
            source: "exports.main = 1".into(),
            files: Arc::default(),
            file_name: "f.js".to_owned(),
            entry_point: None,
            input: "{}".to_owned(),
            variables: [("A".to_owned(), "b".to_owned())].into(),
            limits: Limits::default(),
            outside: Outside::Recorded,
            isolation: Isolation::Fresh,
        }
    }

    #[test]
    fn what_has_changed_since_is_known() {
        let kept = Kept::of(&script(), Timestamp::UNIX_EPOCH);
        let check = |script: Script, expected: Option<Change>| assert_eq!(kept.change(&script), expected);
        check(script(), None);
        check(Script { source: "exports.main = 2".into(), ..script() }, Some(Change::Code));
        let files = [("index.js".to_owned(), Bytes::from_static(b"1"))];
        check(Script { files: Arc::new(files.into()), ..script() }, Some(Change::Code));
        check(Script { entry_point: Some("main".to_owned()), ..script() }, Some(Change::Code));
        check(Script { variables: [("A".to_owned(), "c".to_owned())].into(), ..script() }, Some(Change::Variables));
        check(Script { variables: [("Ab".to_owned(), String::new())].into(), ..script() }, Some(Change::Variables));
        check(Script { input: "{\"a\":1}".to_owned(), ..script() }, Some(Change::Input));
    }

    #[test]
    fn what_is_written_is_read() {
        let kept = Kept::of(&script(), Timestamp::UNIX_EPOCH).with(Bytes::from_static(b"journal"));
        assert_eq!(Kept::parse(&kept.text()), Some(kept));
        for text in ["", "no", "AAAA"] {
            assert_eq!(Kept::parse(text), None);
        }
    }
}
