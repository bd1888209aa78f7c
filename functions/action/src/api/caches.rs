//! Caches over HTTP.

mod definitions;
mod values;

use std::sync::Arc;

use shared::Refusal;
use shared::auth::Permission;
use shared::http::Api;
use utoipa_axum::routes;

use crate::services::Services;
use crate::store::cache::DefinitionRecord;
use crate::store::owner::Owner;
use crate::tag::Tag;

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::UpdateCaches, routes!(definitions::create))
        .permission(Permission::ViewCaches, routes!(definitions::list))
        .permission(Permission::ViewCaches, routes!(definitions::get))
        .permission(Permission::UpdateCaches, routes!(definitions::update))
        .permission(Permission::UpdateCaches, routes!(definitions::delete))
        .permission(Permission::ViewCaches, routes!(values::list))
        .permission(Permission::ViewCaches, routes!(values::get))
        .permission(Permission::ViewCaches, routes!(values::dashboard))
        .permission(Permission::UpdateCaches, routes!(values::set))
        .permission(Permission::UpdateCaches, routes!(values::clear))
        .permission(Permission::UpdateCaches, routes!(values::clear_all))
}

/// Reads the product and the tag of a path; what cannot be one names nothing.
fn of_path(product: &str, tag: &str) -> Result<(Tag, Tag), Refusal> {
    match (Tag::parse(product), Tag::parse(tag)) {
        (Ok(product), Ok(tag)) => Ok((product, tag)),
        _ => Err(unknown(tag)),
    }
}

/// Reads a definition, or answers that there is none.
async fn known(services: &Services, owner: Owner<'_>) -> Result<DefinitionRecord, Refusal> {
    let record = services.caches.definition(owner).await?;
    record.ok_or_else(|| unknown(owner.tag.as_str()))
}

fn unknown(tag: &str) -> Refusal {
    Refusal::unknown("cache", &tag.chars().take(crate::tag::TAG_LIMIT_CHARACTERS).collect::<String>())
}
