//! `/runs/{eventId}`: what became of an event.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use shared::Refusal;
use shared::event::EventId;
use shared::http::ErrorBody;

use crate::App;
use crate::timeline::Timeline;

/// Returns an event with its runs, steps and attempts, and everything that happened in order.
#[utoipa::path(
    get, path = "/runs/{eventId}", tag = "runs", params(("eventId" = String, Path)),
    responses(
        (status = 200, body = Timeline), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn get(State(app): State<Arc<App>>, Path(event_id): Path<String>) -> Result<Json<Timeline>, Refusal> {
    let found = app.runs.timeline(&EventId::new(event_id.as_str())).await?;
    let (receipt, runs) = found.ok_or_else(|| Refusal::unknown("event", &event_id))?;
    Ok(Json(Timeline::new(receipt, runs)))
}
