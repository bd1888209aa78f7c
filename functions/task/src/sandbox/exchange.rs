//! The requests of a script and their responses, as the script's thread and the HTTP client exchange them.

use tokio::sync::OwnedSemaphorePermit;

/// A request that a script wants to send.
#[derive(Debug)]
pub(super) struct FetchRequest {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<[String; 2]>,
    /// `follow`, `manual` or `error`.
    pub(super) redirect: String,
    pub(super) body: Vec<u8>,
}

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) id: u32,
    pub(super) result: Result<FetchResponse, FetchError>,
    /// Held until the script has taken the response, so that responses do not pile up.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// The response of a server.
#[derive(Debug)]
pub(super) struct FetchResponse {
    pub(super) status: u16,
    pub(super) status_text: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: bytes::Bytes,
}

/// Why there is no response, as the script sees it.
#[derive(Debug)]
pub(super) struct FetchError {
    pub(super) name: &'static str,
    pub(super) message: String,
}
