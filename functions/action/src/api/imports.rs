//! Imports over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use shared::auth::{Caller, Permission};
use shared::http::{Api, RawBody};
use shared::{Refusal, encoding};
use utoipa_axum::routes;

use super::actions;
use crate::import::document::{self, SIZE_LIMIT_BYTES, Syntax};
use crate::import::saving::{self, Refused, Report};
use crate::import::{self, Invalid, Kind};
use crate::services::Services;
use crate::store::app::Addition;
use crate::tag::Tag;

/// Adds the routes.
pub(super) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission_up_to(SIZE_LIMIT_BYTES, Permission::CreateApps, routes!(import))
}

/// What an import is asked to do.
#[derive(Debug, Default)]
struct Parameters {
    tag: Option<Tag>,
    update_if_exists: bool,
    kind: Option<Kind>,
}

/// The names of the parameters.
const PARAMETERS: [&str; 3] = ["tag", "type", "updateIfExists"];

/// Imports an app from an OpenAPI 3.0 or 3.1 document (JSON or YAML) or a Postman 2.1 collection of up to 4 MB.
///
/// Sending the same document again continues an import that was interrupted. Changing an app that exists needs
/// `UPDATE_APPS` as well; what the document does not name stays as it is.
#[utoipa::path(
    post, path = "/apps/import", tag = "apps",
    params(
        ("tag" = Option<String>, Query, description = "The tag of the app; made of the title unless given."),
        ("type" = Option<Kind>, Query, description = "What the document is; recognised unless given."),
        ("updateIfExists" = Option<bool>, Query, description = "Whether an app of this tag may be changed."),
    ),
    request_body(description = "The document.", content(
        (serde_json::Value = "application/json"),
        (String = "application/yaml"),
    )),
    responses((status = 200, description = "What was imported, and what could not be.", body = Report))
)]
pub(crate) async fn import(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Report>, Refusal> {
    let syntax = syntax(&headers)?;
    let parameters = parameters(query.as_deref().unwrap_or_default())?;
    if parameters.update_if_exists {
        caller.require(Permission::UpdateApps.name())?;
    }
    let body = encoding::decoded(&encoding::declared(&headers), &body, SIZE_LIMIT_BYTES)?;
    let document = document::parse(&body, syntax).map_err(invalid)?;
    let imported = import::read(&document, parameters.kind, parameters.tag.as_ref()).map_err(invalid)?;
    drop(document);
    let tag = imported.app.tag.clone();
    match saving::save(&services, caller.tenant_id(), imported, parameters.update_if_exists).await? {
        Ok(report) => Ok(Json(report)),
        Err(Refused::Exists) => {
            let mut refusal = Refusal::already_exists("app", tag.as_str());
            refusal.message.push_str("; `updateIfExists=true` changes it");
            Err(refusal)
        }
        Err(Refused::Busy) => {
            let message = format!("another document is being imported into the app `{tag}`, try again in a minute");
            Err(Refusal { message, retry_after_s: Some(60), ..Refusal::unavailable() })
        }
        Err(Refused::Actions(Addition::Exists(_) | Addition::Added)) => Err(Refusal::unavailable()),
        Err(Refused::Actions(refused)) => Err(actions::refusal(&tag, &refused)),
        Err(Refused::Broken(problem)) => Err(problem.into()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn invalid(invalid: Invalid) -> Refusal {
    Refusal::body_format(invalid.to_string()).with("pointer", invalid.pointer.as_str())
}

/// Reads from the content type how the document is written.
fn syntax(headers: &HeaderMap) -> Result<Syntax, Refusal> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "application/json" => Ok(Syntax::Json),
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/plain" => Ok(Syntax::Yaml),
        name if name.ends_with("+json") => Ok(Syntax::Json),
        name if name.ends_with("+yaml") => Ok(Syntax::Yaml),
        _ => Err(Refusal::unsupported_media_type("application/json or application/yaml")),
    }
}

fn parameters(query: &str) -> Result<Parameters, Refusal> {
    let mut parameters = Parameters::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("tag", value) => parameters.tag = Some(Tag::parse(value).map_err(|rule| Refusal::field("tag", rule))?),
            ("updateIfExists", "true" | "false") => parameters.update_if_exists = value == "true",
            ("updateIfExists", _) => return Err(Refusal::field("updateIfExists", "must be `true` or `false`")),
            ("type", "openapi") => parameters.kind = Some(Kind::Openapi),
            ("type", "postman") => parameters.kind = Some(Kind::Postman),
            ("type", _) => return Err(Refusal::field("type", "must be `openapi` or `postman`")),
            (name, _) => {
                return Err(Refusal::illegal_argument(shared::nearest::unknown("parameter", name, PARAMETERS)));
            }
        }
    }
    Ok(parameters)
}
