//! `/auth/v2/oauth2/refreshTokens`: the logins that can still be renewed.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::clock::Clock;
use shared::http::{Affected, List};
use shared::rql::{self, Rql};

use crate::store::token_family::{LIST_LIMIT, TokenFamilies, TokenFamily};

/// A login that can still be renewed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefreshTokenView {
    /// The id by which it is ended.
    id: String,
    /// The client through which the login was made.
    application_id: String,
    /// Whose login it is.
    user_id: String,
    /// When the login was made.
    #[serde(with = "shared::clock::iso")]
    creation_timestamp: Timestamp,
    /// When it was last renewed.
    #[serde(with = "shared::clock::iso")]
    update_timestamp: Timestamp,
    /// When it ends unless it is renewed before.
    #[serde(with = "shared::clock::iso")]
    expiry_timestamp: Timestamp,
}

impl From<TokenFamily> for RefreshTokenView {
    fn from(family: TokenFamily) -> Self {
        let at = |time: Result<Timestamp, jiff::Error>| time.unwrap_or(family.creation_timestamp);
        Self {
            id: family.token_hash,
            application_id: family.application_id,
            user_id: family.client_id,
            creation_timestamp: family.creation_timestamp,
            update_timestamp: at(Timestamp::from_millisecond(family.rotated_at_ms)),
            expiry_timestamp: at(Timestamp::from_second(family.expires_at)),
        }
    }
}

/// Lists the logins of the caller, or of its whole tenant with the permission `VIEW_AUTHORIZATIONS`, never their tokens.
#[utoipa::path(
    get, path = "/auth/v2/oauth2/refreshTokens", tag = "auth",
    responses((status = 200, description = "A page of the logins; the query string is RQL.", body = List<RefreshTokenView>))
)]
pub(crate) async fn list(
    State(families): State<TokenFamilies>,
    State(clock): State<Clock>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<RefreshTokenView>(query.as_deref())?;
    let mut found = visible(&families, &caller, Permission::ViewAuthorizations, clock.now()).await?;
    let key = |family: &TokenFamily| (family.creation_timestamp, family.token_hash.clone());
    found.sort_by_key(key);
    let views: Vec<RefreshTokenView> = found.into_iter().map(RefreshTokenView::from).collect();
    query.apply(&views).map(Json)
}

/// Ends a login of the caller, or any of its tenant with the permission `DELETE_AUTHORIZATIONS`.
#[utoipa::path(
    delete, path = "/auth/v2/oauth2/refreshTokens/{id}", tag = "auth",
    responses((status = 200, description = "How many logins were ended.", body = Affected))
)]
pub(crate) async fn delete(
    State(families): State<TokenFamilies>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    let unknown = || Refusal::unknown("refresh token", &id.chars().take(64).collect::<String>());
    let now_s = clock.now().as_second();
    let family = families.get(&id).await?.ok_or_else(unknown)?;
    let is_own = family.client_id == caller.client_id();
    let is_open = family.tenant_id == *caller.tenant_id() && !family.revoked && family.expires_at > now_s;
    if !is_open || !(is_own || caller.require(Permission::DeleteAuthorizations.name()).is_ok()) {
        return Err(unknown());
    }
    families.revoke(&id).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Returns the caller's own logins, or all of its tenant with a permission.
async fn visible(
    families: &TokenFamilies,
    caller: &Caller,
    permission: Permission,
    now: Timestamp,
) -> Result<Vec<TokenFamily>, Refusal> {
    let own = caller.require(permission.name()).is_err().then(|| caller.client_id());
    rql::within(families.of(caller.tenant_id(), own, now).await?, LIST_LIMIT)
}
