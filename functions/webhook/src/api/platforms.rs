//! `/platforms`: the platforms that channels can have.

use axum::Json;
use platform::chat::Chat;
use platform::spec::Spec;
use platform::{Platform, registry};
use serde::Serialize;

/// A platform.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlatformSpec {
    /// The same as `platform`.
    id: &'static str,
    /// Always `ACTIVE`.
    status: &'static str,
    #[serde(flatten)]
    spec: Spec,
    /// Whether its channels describe how the sender signs.
    takes_recipe: bool,
    /// The base URL of its API unless the channel says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<&'static str>,
}

/// Lists the platforms with the credentials and capabilities of each.
#[utoipa::path(
    get, path = "/platforms", tag = "channels",
    responses((status = 200, description = "Every platform", body = [PlatformSpec])),
)]
pub(crate) async fn list() -> Json<Vec<PlatformSpec>> {
    let shown = |platform: &'static dyn Platform| PlatformSpec {
        id: platform.spec().name,
        status: "ACTIVE",
        spec: *platform.spec(),
        takes_recipe: platform.takes_recipe(),
        api_url: platform.chat().map(Chat::api_url),
    };
    Json(registry::all().map(shown).collect())
}
