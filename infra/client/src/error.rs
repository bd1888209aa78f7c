use serde_json::Value;

use crate::answer::Answer;

/// Why a request did not get the expected answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client could not be built.
    #[error("cannot build an HTTP client: {0}")]
    Build(#[source] reqwest::Error),
    /// There was no answer.
    #[error("cannot reach {url}: {cause}")]
    Unreachable {
        /// The URL without its query, which may hold a token.
        url: String,
        /// The causes, the outermost first.
        cause: String,
    },
    /// The server refused.
    #[error("the answer was {}: {}", .0.status, text(&.0.body))]
    Refused(Answer),
    /// A wait ended before its condition was met.
    #[error("nothing more happened in {patience_s} s; the last answer was {last}")]
    TimedOut {
        /// The length of the wait in seconds.
        patience_s: u64,
        /// The last answer.
        last: Value,
    },
}

impl Error {
    pub(crate) fn unreachable(url: &str, cause: reqwest::Error) -> Self {
        let url = url.split('?').next().unwrap_or_default().to_owned();
        let cause = cause.without_url();
        let causes = std::iter::successors(Some(&cause as &dyn std::error::Error), |cause| cause.source());
        Self::Unreachable { url, cause: causes.map(ToString::to_string).collect::<Vec<_>>().join(": ") }
    }
}

fn text(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}
