//! Bodies whose objects reach a script as they were sent.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use shared::http::{BODY_LIMIT_BYTES, RawBody, is_json};
use shared::{Refusal, encoding, json};

/// A task: it runs its script from `init` on, every `interval` milliseconds, until `end`.
///
/// Any other property is kept as it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DirectorTask {
    /// The id: 1 to 256 characters without `/`; a UUID unless given.
    id: Option<String>,
    /// The URL of the script, or the path of an own asset, `/assets/public/director/…`.
    script: String,
    /// Whether it runs periodically; `false` unless given.
    running: Option<bool>,
    /// The argument of the script's `main`.
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// The first instant, a date or milliseconds since 1970; now unless given.
    init: Option<String>,
    /// When the task is deleted; never unless given.
    end: Option<String>,
    /// Milliseconds between two runs, from 1000 on. Required unless there is `cron`, or a JSON file beside an own script.
    interval: Option<i64>,
    /// A cron pattern in place of an interval.
    cron: Option<String>,
    /// The IANA name of the time zone of the pattern; `UTC` unless given.
    timezone: Option<String>,
    /// What becomes of a run that is due while the last one has not ended: `skip`, `queue` or `allow`.
    overlap: Option<String>,
    /// What becomes of runs that were due during downtime: `skip`, `once` or `all`.
    misfire: Option<String>,
    /// By how many milliseconds each run may be delayed.
    jitter: Option<i64>,
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Object>)]
    others: Map<String, Value>,
}

/// A script to run now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestBody {
    /// The text of the script.
    script_text: String,
    /// The argument of its `main`; an empty object unless given.
    #[schema(value_type = Object)]
    script_config: Option<Value>,
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Object>)]
    others: Map<String, Value>,
}

/// A JSON object, and each of its members as it was sent: with its own order and its own numbers.
#[derive(Debug)]
pub(crate) struct Verbatim {
    pub(super) fields: Map<String, Value>,
    pub(super) texts: BTreeMap<String, String>,
}

impl<S: Send + Sync> FromRequest<S> for Verbatim {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::unsupported_media_type("application/json"));
        }
        let encoding = encoding::declared(request.headers());
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        let bytes = match encoding.is_empty() {
            true => bytes,
            false => encoding::decoded(&encoding, &bytes, BODY_LIMIT_BYTES)?,
        };
        let Value::Object(fields) = json::parse(&bytes)? else {
            return Err(Refusal::body_format("the body must be an object"));
        };
        let texts: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&bytes).unwrap_or_default();
        let texts = texts.into_iter().map(|(name, text)| (name, text.get().to_owned())).collect();
        Ok(Self { fields, texts })
    }
}
