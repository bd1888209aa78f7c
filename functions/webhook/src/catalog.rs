//! The platforms that there are.

use axum::Json;
use serde::Serialize;
use shared::http::ErrorBody;

use platform::spec::{Capability, Credential, Spec};

/// A platform as clients see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlatformSpec {
    /// The same as `platform`.
    id: &'static str,
    /// The name for people.
    name: &'static str,
    /// What a channel gives as its `platform`.
    platform: &'static str,
    /// The version of the platform's interface that is spoken.
    version: &'static str,
    /// Always `ACTIVE`.
    status: &'static str,
    /// What can be done with it.
    capabilities: &'static [Capability],
    /// The secrets and names that a channel of it has.
    credentials: &'static [Credential],
    /// The content types that its webhooks may have.
    content_types: &'static [&'static str],
    /// Whether a channel of it describes how its sender signs.
    takes_recipe: bool,
    /// Where its interface is unless the channel says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<&'static str>,
}

/// Lists the platforms, with what each needs and can do.
#[utoipa::path(
    get, path = "/platforms", tag = "channels",
    responses(
        (status = 200, description = "Every platform", body = [PlatformSpec]),
        (status = 401, description = "No valid token", body = ErrorBody),
    ),
)]
pub(crate) async fn list() -> Json<Vec<PlatformSpec>> {
    let shown = |platform: &'static dyn platform::Platform| {
        let Spec { name, title, version, capabilities, credentials, content_types } = *platform.spec();
        PlatformSpec {
            id: name,
            name: title,
            platform: name,
            version,
            status: "ACTIVE",
            capabilities,
            credentials,
            content_types,
            takes_recipe: platform.takes_recipe(),
            api_url: platform.chat().map(platform::chat::Chat::api_url),
        }
    };
    Json(platform::registry::all().map(shown).collect())
}
