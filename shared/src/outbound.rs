//! The guarded HTTP client: everything that leaves on a user's behalf goes through it.
//!
//! A user names the URL, so every address is checked against the special ranges of IPv4 and IPv6 before a connection
//! is opened to it, at each redirect again. A name is resolved once: the connection goes to one of the very addresses
//! that were checked.

mod address;
mod connect;
mod exchange;
mod names;
mod redirect;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use ipnet::IpNet;
use thiserror::Error;

use self::address::{OWN_ADDRESS, is_of_this_machine};
pub use self::address::{is_allowed, refusal};
pub use self::exchange::{NOT_PASSED_ON, check_url};

/// The client. Cheap to clone; all clones share their connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    allowed: Arc<[IpNet]>,
    own_ports: Arc<[u16]>,
    /// Where our own API may be called.
    own_api: Option<SocketAddr>,
    client: Arc<OnceLock<reqwest::Client>>,
    /// For our own ports: its resolver passes on no address of this machine.
    client_beyond: Arc<OnceLock<reqwest::Client>>,
}

/// One request, with the limits of its whole exchange.
#[derive(Clone)]
pub struct Request {
    /// The method of the first hop, none of `CONNECT`, `TRACE` and `TRACK`.
    pub method: Method,
    /// An absolute `http` or `https` URL without credentials.
    pub url: String,
    /// Headers as given; those that frame the message or belong to the connection are not passed on.
    pub headers: HeaderMap,
    /// The body, possibly empty.
    pub body: Bytes,
    /// The time for everything: resolving, connecting, all redirects and the last byte of the answer.
    pub timeout: Duration,
    /// The longest answer body that is read, as it comes and decoded.
    pub max_response_bytes: usize,
    /// How many redirects are followed; with 0 a redirect is returned as the answer it is.
    pub max_redirects: u8,
}

/// The answer of the last hop.
#[derive(Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The whole body, decoded where it came in a `content-encoding` that is understood.
    pub body: Bytes,
    /// The URL that answered, after redirects.
    pub url: String,
}

/// Why there is no answer.
///
/// No text in it carries more of the request than the host: a path or a query may be secret. `sent` tells whether a
/// server may have got the request, or one before it in a chain of redirects.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutboundError {
    /// The URL cannot be requested at all.
    #[error("the URL cannot be used: {reason}")]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The method is about the connection and not about what is requested.
    #[error("the method {method} cannot be used")]
    InvalidMethod {
        /// The method.
        method: String,
    },
    /// A redirect led to a URL that cannot be requested.
    #[error("the redirect cannot be followed: {reason}")]
    InvalidRedirect {
        /// What is wrong with it.
        reason: String,
    },
    /// The host is, or resolves to, an address that is not allowed.
    #[error("requests to {host} are refused: {reason}")]
    Refused {
        /// The host as it stands in the URL.
        host: String,
        /// The kind of address.
        reason: String,
        /// Whether an earlier hop got the request.
        sent: bool,
    },
    /// No connection: unknown name, refused, unreachable, or no agreement on TLS.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// The host as it stands in the URL.
        host: String,
        /// What the system said.
        reason: String,
        /// The name of the system's error, such as `ECONNREFUSED`, where it is known.
        code: Option<&'static str>,
        /// Whether an earlier hop got the request.
        sent: bool,
    },
    /// The time was over.
    #[error("no complete answer in time")]
    Timeout {
        /// Whether a connection stood, so that the request may have been read.
        sent: bool,
    },
    /// The answer's body is longer than allowed.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit that it broke.
        limit: usize,
    },
    /// The chain of redirects is longer than allowed.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The limit that it broke.
        limit: u8,
    },
    /// The connection broke, or what came over it was not HTTP.
    #[error("the exchange with {host} failed: {reason}")]
    Failed {
        /// The host as it stands in the URL.
        host: String,
        /// What went wrong.
        reason: String,
        /// The name of the system's error, such as `ECONNRESET`, where it is known.
        code: Option<&'static str>,
    },
}

impl Outbound {
    /// A client that refuses special addresses except those in `allowed`.
    ///
    /// Nothing is opened or loaded before the first request.
    #[must_use]
    pub fn new(allowed: &[IpNet]) -> Self {
        Self {
            allowed: allowed.into(),
            own_ports: Arc::default(),
            own_api: None,
            client: Arc::default(),
            client_beyond: Arc::default(),
        }
    }

    /// Refuses these ports on every address of this machine, whatever is allowed: we listen there ourselves.
    #[must_use]
    pub fn without_own_ports(self, ports: &[u16]) -> Self {
        Self { own_ports: ports.into(), ..self }
    }

    /// Returns the client for one who may call our own API, at this address of this machine, whatever else is refused.
    #[must_use]
    pub fn with_own_api(&self, address: SocketAddr) -> Self {
        Self { own_api: Some(address), ..self.clone() }
    }

    /// Sends a request, follows its redirects and reads the whole answer.
    ///
    /// Any status is an answer. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When there is no complete answer within the request's limits; see [`OutboundError::may_have_arrived`].
    pub async fn send(&self, request: Request) -> Result<Response, OutboundError> {
        exchange::run(self, request).await
    }

    fn client(&self, port: Option<u16>) -> Result<&reqwest::Client, OutboundError> {
        let is_own = self.is_own(port);
        let client = if is_own { &self.client_beyond } else { &self.client };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let built = connect::client(self.allowed.clone(), is_own, names::Names::of_system())?;
        Ok(client.get_or_init(|| built))
    }

    /// Tells whether we listen on this port ourselves.
    fn is_own(&self, port: Option<u16>) -> bool {
        port.is_some_and(|port| self.own_ports.contains(&port))
    }

    /// What speaks against an address, as a noun phrase.
    fn refusal(&self, ip: IpAddr, port: Option<u16>) -> Option<&'static str> {
        if self.own_api.is_some_and(|own| own.ip() == ip && Some(own.port()) == port) {
            return None;
        }
        refusal(ip, &self.allowed).or_else(|| (self.is_own(port) && is_of_this_machine(ip)).then_some(OWN_ADDRESS))
    }
}

impl Request {
    /// A request without headers and body, of 30 seconds, 1 MiB of answer and 10 redirects.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(30),
            max_response_bytes: 1024 * 1024,
            max_redirects: 10,
        }
    }
}

/// Without the URL, the headers and the body, as each of them may hold a secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Without the URL, the headers and the body, as each of them may hold a secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl OutboundError {
    /// Whether a server may have read the request and acted on it.
    ///
    /// `false` is certain, so that the request may be sent again; `true` is not.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::InvalidUrl { .. } | Self::InvalidMethod { .. } => false,
            Self::Refused { sent, .. } | Self::Connect { sent, .. } | Self::Timeout { sent } => *sent,
            Self::InvalidRedirect { .. }
            | Self::TooLarge { .. }
            | Self::TooManyRedirects { .. }
            | Self::Failed { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests;
