//! Headers from values.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use shared::outbound::NOT_PASSED_ON;

use super::{Broken, plain};
use crate::input::Input;

/// The most headers of a request.
const LIMIT: usize = 100;
/// The most bytes of all names and values together.
const LIMIT_BYTES: usize = 64 * 1024;
/// What is about the connection as well as what the client never passes on.
const OF_THE_CONNECTION: [&str; 2] = ["keep-alive", "proxy-connection"];

/// The headers of a request, within the limits that servers have.
#[derive(Default)]
pub(crate) struct Headers {
    map: HeaderMap,
    bytes: usize,
}

impl Headers {
    /// Adds one, or says what is wrong with it without showing its value.
    pub(crate) fn add(&mut self, name: &str, value: &Value) -> Result<(), &'static str> {
        let text = plain(value).ok_or("must be a string")?;
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is not the name of a header")?;
        let value = HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| "has a line break or another control character, which no header can have")?;
        self.bytes += name.len() + text.len();
        if self.map.len() == LIMIT || self.bytes > LIMIT_BYTES {
            return Err("is more than a request can have: 100 headers of 65536 bytes together");
        }
        self.map.append(header, value);
        Ok(())
    }

    /// Returns them.
    pub(crate) fn into_map(self) -> HeaderMap {
        self.map
    }

    pub(super) fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.map.get(name)
    }

    pub(super) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.map.insert(name, value);
    }
}

/// Reads the headers of an input; `null` is left out.
pub(super) fn of(input: &Input, broken: &mut Broken<'_>) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in input.headers.iter().filter(|(_, value)| !value.is_null()) {
        let lower = name.to_ascii_lowercase();
        let added = if NOT_PASSED_ON.iter().any(|known| known == lower.as_str())
            || OF_THE_CONNECTION.contains(&lower.as_str())
        {
            Err("is about the connection, which is not the caller's affair")
        } else if headers.map.contains_key(&lower) {
            Err("is given twice: names of headers are the same in capitals")
        } else {
            headers.add(name, value)
        };
        if let Err(rule) = added {
            broken.value("Header", &[name], rule);
        }
    }
    headers
}
