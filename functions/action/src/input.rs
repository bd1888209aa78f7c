//! What a run is asked to send.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The four parts of a request; each is empty unless given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The query string.
    #[serde(default)]
    pub(crate) query: Map<String, Value>,
    /// The parameters of the resource.
    #[serde(default)]
    pub(crate) params: Map<String, Value>,
    /// The body: an object for all but SOAP and HTML, which can be a text.
    #[serde(default)]
    pub(crate) body: Value,
    /// The headers.
    #[serde(default)]
    pub(crate) headers: Map<String, Value>,
}
