//! Assets over HTTP: written, listed, read and deleted.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use shared::auth::Caller;
use shared::http::{Affected, BODY_LIMIT_BYTES, Called, List, RawBody};
use shared::list;
use shared::rql::Rql;
use shared::{Refusal, encoding};

use crate::asset::{self, AssetName, Kind};
use crate::code::Runnable;
use crate::function_body::check_script;
use crate::services::Services;
use crate::store::asset::{Asset, AssetHead, LIST_LIMIT};

/// Creates or replaces an asset: a script (`.js`), JSON (`.json`) or a description (`.md`).
///
/// A script must compile. The JSON file of a script's name holds the `init`, `end` and `interval` of the tasks that do not
/// say so themselves.
#[utoipa::path(
    put, path = "/assets/public/director/{*name}", tag = "assets",
    params(("name" = String, Path, description = "Folders and a file, such as `tasks/slack/notify/script.js`.")),
    request_body(content = String, description = "The content, at most 358,400 bytes.", content_type = "text/plain"),
    responses((status = 200, description = "What is known of the asset.", body = AssetHead))
)]
pub(crate) async fn put(
    State(services): State<Arc<Services>>,
    caller: Caller,
    called: Called,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let name = AssetName::of_request(&called)?;
    let body = encoding::decoded(&encoding::declared(&headers), &body, BODY_LIMIT_BYTES)?;
    let content = asset::content(&name, &headers, &body)?;
    if name.kind() == Kind::Script {
        let compiled = check_script(
            &services.sandbox,
            caller.tenant_id(),
            Runnable::Text(content.as_str().into()),
            name.as_str().to_owned(),
            None,
        )
        .await?;
        let refused = |error: shared::event::StepError| format!("the script cannot be compiled: {}", error.message);
        compiled.map_err(|error| Refusal::body_format(refused(error)))?;
    }
    let asset = Asset::new(name, content, services.clock.now());
    services.assets.put(caller.tenant_id(), &asset).await?;
    Ok(([(ETAG, asset.head.etag.clone())], Json(asset.head)).into_response())
}

/// Lists the assets by name; the query string is RQL.
#[utoipa::path(
    get, path = "/assets/public/director", tag = "assets",
    responses((status = 200, description = "One page of assets, without their contents.", body = List<AssetHead>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<AssetHead>(query.as_deref())?;
    list::items(&query, services.assets.all(caller.tenant_id()).await?, LIST_LIMIT).map(Json)
}

/// Reads the content of an asset, or nothing if the client has it already (`If-None-Match`).
#[utoipa::path(
    get, path = "/assets/public/director/{*name}", tag = "assets",
    params(("name" = String, Path, description = "Folders and a file.")),
    responses(
        (status = 200, description = "The content, with its `ETag`.", body = String, content_type = "text/javascript"),
        (status = 304, description = "The content is the one that the client has."),
    )
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    called: Called,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let name = AssetName::of_request(&called)?;
    let asset = services.assets.get(caller.tenant_id(), &name).await?;
    let Asset { head, content } = asset.ok_or_else(|| Refusal::unknown("asset", name.as_str()))?;
    let validators: [(HeaderName, String); 3] = [
        (ETAG, head.etag.clone()),
        (LAST_MODIFIED, http_date(head.update_timestamp)),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    if is_known(&headers, &head.etag) {
        return Ok((StatusCode::NOT_MODIFIED, validators).into_response());
    }
    let describing = [(CONTENT_TYPE, name.kind().content_type()), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((validators, describing, content).into_response())
}

/// Deletes an asset; tasks whose script it was will fail.
#[utoipa::path(
    delete, path = "/assets/public/director/{*name}", tag = "assets",
    params(("name" = String, Path, description = "Folders and a file.")),
    responses((status = 200, description = "The asset was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    called: Called,
) -> Result<Json<Affected>, Refusal> {
    let name = AssetName::of_request(&called)?;
    match services.assets.delete(caller.tenant_id(), &name).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("asset", name.as_str())),
    }
}

/// Tells whether the client has the content of this tag; comparison is weak, as RFC 9110 says.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_the_content_is_recognised() {
        let check = |value: &str, expected: bool| {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, value.parse().unwrap())]);
            assert_eq!(is_known(&headers, "\"abc\""), expected, "{value}");
        };
        check("\"abc\"", true);
        check("W/\"abc\"", true);
        check("\"x\", \"abc\"", true);
        check("*", true);
        check("\"abcd\"", false);
        check("abc", false);
        assert!(!is_known(&HeaderMap::new(), "\"abc\""));
    }

    #[test]
    fn a_date_is_written_as_http_has_it() {
        assert_eq!(http_date(Timestamp::UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
