//! `/runs/{eventId}`: what happened to an event.

use axum::Json;
use axum::extract::{Path, State};
use shared::Refusal;
use shared::event::EventId;
use shared::http::ErrorBody;

use crate::store::Store;
use crate::timeline::Timeline;

/// Returns an event with its runs, steps and attempts, and everything that happened, in order.
#[utoipa::path(
    get, path = "/runs/{eventId}", tag = "runs", params(("eventId" = String, Path)),
    responses(
        (status = 200, body = Timeline), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn get(State(store): State<Store>, Path(event_id): Path<String>) -> Result<Json<Timeline>, Refusal> {
    let found = store.events.with_runs(&EventId::new(event_id.as_str())).await?;
    let (record, runs) = found.ok_or_else(|| Refusal::unknown("event", &event_id))?;
    Ok(Json(Timeline::new(record, runs)))
}
