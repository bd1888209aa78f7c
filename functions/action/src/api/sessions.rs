//! Sessions over HTTP.

mod definitions;
mod lists;
mod tokens;

use std::sync::Arc;

use shared::Refusal;
use shared::auth::Permission;
use shared::http::Api;
use utoipa_axum::routes;

use crate::services::Services;
use crate::store::owner::Owner;
use crate::store::session::DefinitionRecord;
use crate::tag::Tag;

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::UpdateSessions, routes!(definitions::create))
        .permission(Permission::ViewSessions, routes!(definitions::list))
        .permission(Permission::ViewSessions, routes!(definitions::get))
        .permission(Permission::UpdateSessions, routes!(definitions::update))
        .permission(Permission::UpdateSessions, routes!(definitions::delete))
        .permission(Permission::CreateSessions, routes!(tokens::start))
        .permission(Permission::CreateSessions, routes!(tokens::start_of))
        .permission(Permission::ViewSessions, routes!(tokens::verify))
        .permission(Permission::CreateSessions, routes!(tokens::refresh))
        .permission(Permission::UpdateSessions, routes!(tokens::revoke))
        .permission(Permission::ViewSessions, routes!(lists::active))
        .permission(Permission::ViewSessions, routes!(lists::users))
        .permission(Permission::ViewSessions, routes!(lists::dashboard))
}

/// Reads the product and the tag of a path; what cannot be one names nothing.
fn of_path((product, tag): &(String, String)) -> Result<(Tag, Tag), Refusal> {
    match (Tag::parse(product), Tag::parse(tag)) {
        (Ok(product), Ok(tag)) => Ok((product, tag)),
        _ => Err(unknown(tag)),
    }
}

/// Reads a definition, or answers that there is none.
async fn known(services: &Services, owner: Owner<'_>) -> Result<DefinitionRecord, Refusal> {
    let record = services.sessions.definition(owner).await?;
    record.ok_or_else(|| unknown(owner.tag.as_str()))
}

fn unknown(tag: &str) -> Refusal {
    Refusal::unknown("session", &tag.chars().take(crate::tag::TAG_LIMIT_CHARACTERS).collect::<String>())
}
