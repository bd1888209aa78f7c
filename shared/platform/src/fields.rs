//! The members of a JSON object, each read separately and only when needed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::time;

/// The longest reason, in characters; some reasons quote the input.
const REASON_LIMIT: usize = 200;
/// Ids are far shorter; they are repeated with every message.
const ID_LIMIT_BYTES: usize = 512;
/// Names are far shorter; they are repeated with every message.
const NAME_LIMIT: usize = 256;

/// The members of an object by name, as they were sent.
#[derive(Default, Deserialize)]
pub(crate) struct Fields<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Splits an object into its members; an error says why that is impossible.
    pub(crate) fn of(raw: &'a RawValue) -> Result<Self, String> {
        read(raw)
    }

    /// Returns a member as it was sent, unless it is absent or null.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// Returns a member that may be absent but must have the expected type.
    pub(crate) fn optional<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        self.raw(name).map(read).transpose().map_err(|cause| format!("`{name}`: {cause}"))
    }

    /// Returns a required member.
    pub(crate) fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, String> {
        self.optional(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    /// Returns a string; anything else counts as absent.
    pub(crate) fn any_text(&self, name: &str) -> Option<String> {
        self.optional(name).ok().flatten()
    }

    /// Returns a required string that is not empty, such as an id.
    pub(crate) fn id(&self, name: &str) -> Result<String, String> {
        let id: String = self.required(name)?;
        match id.len() {
            0 => Err(format!("`{name}` is empty")),
            size_bytes if size_bytes > ID_LIMIT_BYTES => Err(format!("`{name}` has over {ID_LIMIT_BYTES} bytes")),
            _ => Ok(id),
        }
    }

    /// Returns a string unless it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.optional(name)?.filter(|text: &String| !text.is_empty()))
    }

    /// Returns the beginning of a name unless it is absent or empty.
    pub(crate) fn name(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.text(name)?.map(|text| text.chars().take(NAME_LIMIT).collect()))
    }

    /// Returns a time, most often in seconds since 1970 as a text or as a number, in milliseconds.
    pub(crate) fn milliseconds(&self, name: &str) -> Result<i64, String> {
        let raw = self.raw(name).ok_or_else(|| format!("`{name}` is missing"))?;
        let time = time::parse(raw.get().trim_matches('"')).map(jiff::Timestamp::as_millisecond);
        time.filter(|ms| *ms >= 0).ok_or_else(|| format!("`{name}` is not a time since 1970"))
    }

    /// Returns the items of a list that may be absent.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<&'a RawValue>, String> {
        self.optional(name).map(Option::unwrap_or_default)
    }

    /// Returns a member as a value, whatever it is.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Value>, String> {
        self.optional(name)
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|cause| cause.to_string().chars().take(REASON_LIMIT).collect())
}
