//! `/runs/retry` and `/runs/retries`: every run that failed under a filter is retried, with its progress.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::clock::derived_hex24;
use shared::http::{IdempotencyKey, JsonBody, List};
use shared::rql::{self, Rql};
use utoipa::ToSchema;

use super::{Answer, Services};
use crate::bulk::{Bulk, BulkFilter, BulkProgress, BulkStatus};
use crate::dispatcher::is_id;
use crate::on_bulk_retry;
use crate::store::BULK_LIMIT;

/// How many runs of a bulk retry are in progress at a time, if it does not say.
const DEFAULT_IN_PROGRESS: usize = 100;
/// How many it can say.
const MOST_IN_PROGRESS: usize = 500;
/// How often a write is tried when others get ahead of it.
const WRITE_ATTEMPTS: u32 = 20;

/// Which runs to retry, and how many at a time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"filter": {"eventType": "order.paid", "errorName": "HttpStatus"}, "maxInProgress": 50}))]
pub(crate) struct NewBulkRetry {
    /// Which of the runs that failed.
    filter: BulkFilter,
    /// How many of them are in progress at a time, 1 to 500, and 100 unless given.
    #[serde(default)]
    max_in_progress: Option<usize>,
}

/// A bulk retry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BulkRetryView {
    /// The id, 24 hex digits.
    id: String,
    status: BulkStatus,
    filter: BulkFilter,
    /// How many runs are in progress at a time.
    max_in_progress: usize,
    /// When it began.
    #[serde(with = "shared::clock::iso")]
    created_at: Timestamp,
    /// When it last got on.
    #[serde(with = "shared::clock::iso")]
    updated_at: Timestamp,
    /// When it ended.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    /// How many of the retried runs are followed now.
    in_progress: usize,
    #[serde(flatten)]
    progress: BulkProgress,
}

/// Retries every run that failed under a filter, in the background and each of them once.
///
/// It takes the runs that had failed when it began, from the newest to the oldest, and retries their failed steps.
/// The same `Idempotency-Key` from the same client is the same bulk retry.
#[utoipa::path(
    post, path = "/runs/retry", tag = "runs", request_body = NewBulkRetry,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes.")),
    responses((status = 200, description = "The bulk retry, which begins.", body = BulkRetryView)),
)]
pub(crate) async fn create(
    State(app): Services,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(NewBulkRetry { filter, max_in_progress }): JsonBody<NewBulkRetry>,
) -> Answer<BulkRetryView> {
    let max_in_progress = max_in_progress.unwrap_or(DEFAULT_IN_PROGRESS);
    if !(1..=MOST_IN_PROGRESS).contains(&max_in_progress) {
        return Err(Refusal::field("maxInProgress", format!("must be 1 to {MOST_IN_PROGRESS}")));
    }
    if let (Some(since), Some(until)) = (filter.since, filter.until)
        && since > until
    {
        return Err(Refusal::field("filter.until", "must not be before `filter.since`"));
    }
    if filter.dispatcher_id.as_ref().is_some_and(|id| !is_id(id.as_str())) {
        return Err(Refusal::field("filter.dispatcherId", "must be the id of a dispatcher, which has 24 hex digits"));
    }
    let (now, tenant) = (app.clock.now(), caller.tenant_id());
    let id = match key.as_bytes() {
        Some(key) => derived_hex24(&[b"bulk", tenant.as_str().as_bytes(), caller.client_id().as_bytes(), key]),
        None => app.ids.hex24(),
    };
    let retries = &app.store.retries;
    let mut bulk = Bulk::new(id, tenant.clone(), filter, max_in_progress, now, retries.expires_at(now));
    if !retries.create(&bulk).await? {
        let earlier = retries.get(tenant, &bulk.id).await?.ok_or_else(Refusal::unavailable)?;
        if (&earlier.filter, earlier.max_in_progress) != (&bulk.filter, max_in_progress) {
            return Err(Refusal::field("Idempotency-Key", "was used for another bulk retry"));
        }
        bulk = earlier;
    }
    if !bulk.is_over() {
        // Also for a repetition: the process may have died in between.
        on_bulk_retry::schedule(&app.outbox, &bulk, now).await?;
    }
    Ok(Json(bulk.into()))
}

/// Lists the bulk retries, the newest first.
#[utoipa::path(
    get, path = "/runs/retries", tag = "runs",
    responses((status = 200, description = "A page of them.", body = List<BulkRetryView>)),
)]
pub(crate) async fn list(State(app): Services, caller: Caller, RawQuery(query): RawQuery) -> Answer<List<Value>> {
    let query = Rql::parse::<BulkRetryView>(query.as_deref())?;
    let mut bulks = rql::within(app.store.retries.all(caller.tenant_id()).await?, BULK_LIMIT)?;
    bulks.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let views: Vec<BulkRetryView> = bulks.into_iter().map(BulkRetryView::from).collect();
    query.apply(&views).map(Json)
}

/// Returns a bulk retry with its progress.
#[utoipa::path(
    get, path = "/runs/retries/{id}", tag = "runs",
    responses((status = 200, description = "The bulk retry.", body = BulkRetryView)),
)]
pub(crate) async fn get(State(app): Services, caller: Caller, Path(id): Path<String>) -> Answer<BulkRetryView> {
    let found = app.store.retries.get(caller.tenant_id(), &id).await?;
    found.map(|bulk| Json(bulk.into())).ok_or_else(|| Refusal::unknown("bulk retry", &id))
}

/// Cancels a bulk retry: it retries no further runs, and those that it has retried go on.
///
/// Cancelling it again changes nothing.
#[utoipa::path(
    post, path = "/runs/retries/{id}/cancel", tag = "runs",
    responses((status = 200, description = "The bulk retry, which is cancelled.", body = BulkRetryView)),
)]
pub(crate) async fn cancel(State(app): Services, caller: Caller, Path(id): Path<String>) -> Answer<BulkRetryView> {
    let retries = &app.store.retries;
    for _ in 0..WRITE_ATTEMPTS {
        let found = retries.get(caller.tenant_id(), &id).await?;
        let mut bulk = found.ok_or_else(|| Refusal::unknown("bulk retry", &id))?;
        match bulk.status {
            BulkStatus::Done => return Err(Refusal::illegal_state("the bulk retry is done")),
            BulkStatus::Cancelled => return Ok(Json(bulk.into())),
            BulkStatus::Running => {}
        }
        bulk.end(BulkStatus::Cancelled, app.clock.now());
        bulk.version += 1;
        if retries.save(&bulk).await? {
            return Ok(Json(bulk.into()));
        }
    }
    Err(Refusal::unavailable())
}

impl From<Bulk> for BulkRetryView {
    fn from(bulk: Bulk) -> Self {
        Self {
            id: bulk.id,
            status: bulk.status,
            filter: bulk.filter,
            max_in_progress: bulk.max_in_progress,
            created_at: bulk.created_at,
            updated_at: bulk.updated_at,
            finished_at: bulk.finished_at,
            in_progress: bulk.followed.len(),
            progress: bulk.progress,
        }
    }
}
