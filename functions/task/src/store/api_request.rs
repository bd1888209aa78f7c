//! The requests to API functions, and what their scripts printed, in `API_REQUESTS_TABLE`.
//!
//! Both are rows of a partition of their tenant, so that a list reads no logs. An id begins with the time, so that its order
//! is that of the requests.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::Ids;
use shared::event::{StepError, TenantId};
use shared::list::{self, Index, Walks};
use shared::seal::Resealed;
use shared::table::{Check, SealedAttributes, Table};
use shared::{Environment, Error};

use crate::sandbox::LogLine;

/// What a sender, a script or a step may have said.
const SEALED: SealedAttributes =
    SealedAttributes { key: &["pk", "id"], apart: &[], together: &[&["path"], &["error"], &["logs"]] };

/// A request to an API function. Its script is running, or its process has ended, if there is no status code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiRequest {
    pk: String,
    pub(crate) id: String,
    pub(crate) function_name: String,
    pub(crate) method: String,
    /// The path after the name of the function, and the query.
    pub(crate) path: String,
    /// The user or the client, unless the function is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// The client through which a user came, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) application_id: Option<String>,
    #[serde(with = "shared::clock::iso")]
    pub(crate) timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
    /// When the record is removed, in seconds since 1970.
    expires_at: i64,
}

/// What the script of a request printed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Logs {
    pk: String,
    id: String,
    logs: Vec<LogLine>,
    expires_at: i64,
}

/// Either kind of row.
#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Request(#[expect(dead_code, reason = "that it can be read is what counts")] Box<ApiRequest>),
    Logs(#[expect(dead_code, reason = "that it can be read is what counts")] Logs),
}

/// The table of requests.
pub(crate) struct ApiRequests {
    table: Table,
    walks: Walks,
    retention_s: i64,
    ids: Ids,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.sealed_table("API_REQUESTS_TABLE", &SEALED)?.check(|_: Row| Ok(())))
}

impl ApiRequests {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            table: environment.sealed_table("API_REQUESTS_TABLE", &SEALED)?,
            walks: Walks::default(),
            retention_s: environment.config.retention_s()?,
            ids: environment.ids.clone(),
        })
    }

    /// Builds the record of a request that begins now.
    pub(crate) fn begin(&self, tenant: &TenantId, function_name: &str, now: Timestamp) -> ApiRequest {
        let random = &self.ids.hex24()[..12];
        ApiRequest {
            pk: requests(tenant),
            id: format!("{}{random}", prefix(now.as_millisecond())),
            function_name: function_name.to_owned(),
            method: String::new(),
            path: String::new(),
            client_id: None,
            application_id: None,
            timestamp: now,
            status_code: None,
            duration_ms: None,
            error: None,
            expires_at: now.as_second() + self.retention_s,
        }
    }

    /// Writes the record of a request.
    pub(crate) async fn put(&self, request: &ApiRequest) -> Result<(), Error> {
        self.table.put(request).await
    }

    /// Writes the record of a request that has ended, and what its script printed.
    pub(crate) async fn end(&self, tenant: &TenantId, request: &ApiRequest, lines: Vec<LogLine>) -> Result<(), Error> {
        if lines.is_empty() {
            return self.put(request).await;
        }
        let (id, expires_at) = (request.id.clone(), request.expires_at);
        let lines = Logs { pk: logs(tenant), id, logs: lines, expires_at };
        tokio::try_join!(self.table.put(&lines), self.put(request)).map(|_| ())
    }

    /// Reads a request of a tenant.
    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<ApiRequest>, Error> {
        self.table.get(&key(&requests(tenant), id)).await
    }

    /// Reads what the script of a request of a tenant printed.
    pub(crate) async fn logs(&self, tenant: &TenantId, id: &str) -> Result<Vec<LogLine>, Error> {
        let found: Option<Logs> = self.table.get(&key(&logs(tenant), id)).await?;
        Ok(found.map(|found| found.logs).unwrap_or_default())
    }

    /// Reads requests of a tenant in no particular order, without those that are gone or cannot be read.
    pub(crate) async fn of_ids(&self, tenant: &TenantId, ids: &[&str]) -> Result<Vec<ApiRequest>, Error> {
        let pk = requests(tenant);
        let found = self.table.get_all(&ids.iter().map(|id| key(&pk, id)).collect::<Vec<_>>()).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Returns the requests of a tenant in the order of their times.
    pub(crate) fn index(&self, tenant: &TenantId, now: Timestamp) -> Index<'_, ApiRequest> {
        let bounds: list::Bounds = |(from, to)| {
            // Sorts after every digit.
            let to = format!("{}~", to.map_or_else(String::new, prefix));
            (prefix(from.unwrap_or(0)).into(), to.into())
        };
        Index::new(&self.table, &self.walks, ("pk", requests(tenant)), ("id", bounds), "timestamp", now).changing(&[
            "duration",
            "error",
            "method",
            "path",
            "statusCode",
        ])
    }

    /// Seals a batch of rows with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }
}

fn requests(tenant: &TenantId) -> String {
    tenant.key("requests")
}

fn logs(tenant: &TenantId) -> String {
    tenant.key("logs")
}

fn key(pk: &str, id: &str) -> Value {
    json!({"pk": pk, "id": id})
}

/// How the ids of the requests of a millisecond begin: with 12 hex digits.
fn prefix(ms: i64) -> String {
    format!("{:012x}", ms.clamp(0, 0xffff_ffff_ffff))
}
