//! The requests of a script and their responses, as the script and the HTTP client exchange them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A request that a script wants to send.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FetchRequest {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<[String; 2]>,
    /// `follow`, `manual` or `error`.
    pub(super) redirect: String,
    /// How many redirects are followed, where any are.
    pub(super) max_redirects: u8,
    #[serde(with = "at_once")]
    pub(super) body: Vec<u8>,
}

impl FetchRequest {
    /// The size of everything but its body.
    pub(super) fn head_bytes(&self) -> usize {
        let headers = self.headers.iter().flatten().map(String::len);
        self.method.len() + self.url.len() + self.redirect.len() + headers.sum::<usize>()
    }
}

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) id: u32,
    pub(super) result: Result<FetchResponse, FetchError>,
}

/// The response of a server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FetchResponse {
    pub(crate) status: u16,
    pub(crate) status_text: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// Why there is no response, as the script sees it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FetchError {
    pub(crate) name: String,
    pub(crate) message: String,
    /// The name that Node.js has for the cause, such as `ECONNREFUSED`.
    pub(crate) code: Option<String>,
}

impl FetchError {
    pub(super) fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), code: None }
    }
}

/// Copies bytes as a whole, not one by one.
pub(super) mod at_once {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::sandbox) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(in crate::sandbox) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Bytes::deserialize(deserializer).map(Vec::from)
    }
}
