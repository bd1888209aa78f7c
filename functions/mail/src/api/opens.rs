//! `/mail/v1/{hash}/open`: counting that a mail was opened.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use shared::Refusal;
use shared::http::Affected;
use subtle::ConstantTimeEq as _;

use crate::services::Services;

/// How many characters of the hash are the id of the mail; the rest is its secret.
const ID_CHARACTERS: usize = 24;
/// A transparent image of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Counts that a mail was opened.
///
/// Answers with an image of one pixel, or with JSON for a client that accepts JSON. The hash is in the image at the end of
/// a mail that was sent with `track_opens`.
#[utoipa::path(
    get, path = "/mail/v1/{hash}/open", tag = "mails",
    params(("hash" = String, Path, description = "What stands in the URL of the image")),
    responses(
        (status = 200, description = "It is counted", content((Affected = "application/json"), (Vec<u8> = "image/gif"))),
        (status = 404, description = "No mail has that hash"),
    ),
)]
pub(crate) async fn open(
    State(services): State<Services>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let is_counted = count(&services, &hash).await?;
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = match (accepts.contains("application/json"), is_counted) {
        (true, true) => Json(Affected { affected_records: 1 }).into_response(),
        (true, false) => return Err(Refusal::unknown("mail", &hash)),
        // Whoever reads an old mail sees no broken image.
        (false, _) => {
            let status = if is_counted { StatusCode::OK } else { StatusCode::NOT_FOUND };
            (status, [(CONTENT_TYPE, "image/gif")], PIXEL).into_response()
        }
    };
    // Each opening is to reach us.
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn count(services: &Services, hash: &str) -> Result<bool, Refusal> {
    let Services { mails, clock, .. } = services;
    let Some((id, secret)) = hash.split_at_checked(ID_CHARACTERS) else { return Ok(false) };
    let Some(record) = mails.store().get(id).await? else { return Ok(false) };
    let is_right: bool = record.private.secret.as_bytes().ct_eq(secret.as_bytes()).into();
    Ok(is_right && mails.store().opened(id, clock.now()).await?)
}
