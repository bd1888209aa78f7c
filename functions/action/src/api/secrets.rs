//! Secrets over HTTP: created, listed, shown, changed, revoked and deleted, and their values never shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::http::{Affected, Api, JsonBody, List};
use shared::list;
use shared::rql::Rql;
use utoipa_axum::routes;

use crate::services::Services;
use crate::store::secret::{LIST_LIMIT, Secret, SecretHead, TokenType};
use crate::tag::{Slug, Tag};

/// The longest value, in bytes.
const VALUE_LIMIT_BYTES: usize = 16 * 1024;
/// The longest description, in characters.
const DESCRIPTION_LIMIT_CHARACTERS: usize = 1_000;
/// The most access tags and environments.
const NAMES_LIMIT: usize = 100;
/// The last second of the year 9999; what is later was meant in milliseconds.
const LAST_SECOND: i64 = 253_402_300_799;
/// How often a change is tried again that met another one.
const ATTEMPTS: usize = 10;

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::ViewSecrets, routes!(list))
        .permission(Permission::CreateSecrets, routes!(create))
        .permission(Permission::ViewSecrets, routes!(get))
        .permission(Permission::UpdateSecrets, routes!(update))
        .permission(Permission::DeleteSecrets, routes!(delete))
        .permission(Permission::UpdateSecrets, routes!(revoke))
}

/// The value of a secret on its way in; no error quotes it.
pub(crate) struct SecretValue(String);

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if (1..=VALUE_LIMIT_BYTES).contains(&text.len()) => Ok(Self(text)),
            _ => Err(de::Error::custom(format!("must be a text of 1 to {VALUE_LIMIT_BYTES} bytes"))),
        }
    }
}

/// A new secret.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "key": "WAREHOUSE_KEY", "value": "the value", "description": "Signs orders.",
    "token_type": "api", "scope": ["warehouse"], "envs": ["prd"], "expires_at": 1_893_456_000
}))]
pub(crate) struct NewSecret {
    /// The name in placeholders, as in `$Secret{KEY}`.
    key: Tag,
    /// The value; no answer ever has it.
    #[schema(value_type = String)]
    value: SecretValue,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// What it is to the app that takes it.
    #[serde(default)]
    token_type: TokenType,
    /// The access tags that may use it; all if there are none.
    #[serde(default)]
    scope: Vec<Tag>,
    /// The environments of products in which it may be used; all if there are none.
    #[serde(default)]
    envs: Vec<Slug>,
    /// From when on it may not be used, in seconds since 1970; never if null.
    #[serde(default)]
    expires_at: Option<i64>,
}

/// A change of a secret; what is absent stays as it is.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": "another value", "expires_at": null}))]
pub(crate) struct SecretChange {
    /// The value; no answer ever has it.
    #[schema(value_type = Option<String>)]
    value: Option<SecretValue>,
    /// What it is for.
    description: Option<String>,
    /// What it is to the app that takes it.
    token_type: Option<TokenType>,
    /// The access tags that may use it; all if there are none.
    scope: Option<Vec<Tag>>,
    /// The environments of products in which it may be used; all if there are none.
    envs: Option<Vec<Slug>>,
    /// From when on it may not be used, in seconds since 1970; never if null.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Option<i64>>,
}

/// Reads a field that is there, so that null is not the same as absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Whether a secret can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecretStatus {
    /// It can be used.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// A secret as it is shown: without its value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SecretView {
    /// The name in placeholders.
    key: Tag,
    /// What it is for.
    description: String,
    /// What it is to the app that takes it.
    token_type: TokenType,
    /// The access tags that may use it; all if there are none.
    scope: Vec<Tag>,
    /// The environments of products in which it may be used; all if there are none.
    envs: Vec<Slug>,
    /// From when on it may not be used, in seconds since 1970.
    expires_at: Option<i64>,
    /// Whether it can be used.
    status: SecretStatus,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    updated_at: Timestamp,
}

impl SecretView {
    fn new(head: SecretHead, now: Timestamp) -> Self {
        let SecretHead { key, description, token_type, scope, envs, expires_at, revoked, created_at, updated_at } =
            head;
        let status = match (revoked, expires_at) {
            (true, _) => SecretStatus::Revoked,
            (_, Some(end)) if end <= now.as_second() => SecretStatus::Expired,
            _ => SecretStatus::Active,
        };
        Self { key, description, token_type, scope, envs, expires_at, status, created_at, updated_at }
    }
}

/// Creates a secret.
#[utoipa::path(
    post, path = "/secrets", tag = "secrets", request_body = NewSecret,
    responses(
        (status = 200, description = "The secret, without its value.", body = SecretView),
        (status = 409, description = "There is a secret of this key."),
    )
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewSecret>,
) -> Result<Json<SecretView>, Refusal> {
    let NewSecret { key, value, description, token_type, scope, envs, expires_at } = new;
    let now = services.clock.now();
    let (created_at, updated_at) = (now, now);
    let head =
        SecretHead { key, description, token_type, scope, envs, expires_at, revoked: false, created_at, updated_at };
    check(&head)?;
    let secret = Secret::new(caller.tenant_id().clone(), head, services.ids.hex24(), value.0);
    if !services.secrets.create(&secret).await? {
        let message = format!("a secret named `{}` exists already", secret.head.key);
        return Err(Refusal::new(StatusCode::CONFLICT, 17, "RESOURCE_ALREADY_EXISTS_EXCEPTION", message));
    }
    Ok(Json(SecretView::new(secret.head, now)))
}

/// Lists the secrets by key, without their values; the query string is RQL.
#[utoipa::path(
    get, path = "/secrets", tag = "secrets",
    responses((status = 200, description = "One page of secrets.", body = List<SecretView>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<SecretView>(query.as_deref())?;
    let heads = services.secrets.heads(caller.tenant_id()).await?;
    let now = services.clock.now();
    let views: Vec<SecretView> = heads.into_iter().map(|head| SecretView::new(head, now)).collect();
    list::items(&query, views, LIST_LIMIT).map(Json)
}

/// Shows a secret, without its value.
#[utoipa::path(
    get, path = "/secrets/{key}", tag = "secrets",
    responses((status = 200, description = "The secret, without its value.", body = SecretView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Json<SecretView>, Refusal> {
    let secret = services.secrets.get(caller.tenant_id(), &key).await?.ok_or_else(|| unknown(&key))?;
    Ok(Json(SecretView::new(secret.head, services.clock.now())))
}

/// Changes a secret that is not revoked; runs that start afterwards use it as it is then.
#[utoipa::path(
    put, path = "/secrets/{key}", tag = "secrets", request_body = SecretChange,
    responses((status = 200, description = "The secret, without its value.", body = SecretView))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(key): Path<String>,
    JsonBody(change): JsonBody<SecretChange>,
) -> Result<Json<SecretView>, Refusal> {
    let changed = |mut secret: Secret| {
        if secret.head.revoked {
            let message = format!("the secret `{}` is revoked: delete it and create another one", secret.head.key);
            return Err(Refusal::illegal_state(message));
        }
        let (head, change) = (&mut secret.head, &change);
        head.description.clone_from(change.description.as_ref().unwrap_or(&head.description.clone()));
        head.token_type = change.token_type.unwrap_or(head.token_type);
        head.scope = change.scope.clone().unwrap_or_else(|| std::mem::take(&mut head.scope));
        head.envs = change.envs.clone().unwrap_or_else(|| std::mem::take(&mut head.envs));
        head.expires_at = change.expires_at.unwrap_or(head.expires_at);
        check(head)?;
        if let Some(SecretValue(value)) = &change.value {
            secret.value = Some(value.clone());
        }
        Ok(secret)
    };
    changed_by(&services, &caller, &key, changed).await
}

/// Revokes a secret for good: no run can use it any more, and its value is forgotten.
#[utoipa::path(
    post, path = "/secrets/{key}/revoke", tag = "secrets",
    responses((status = 200, description = "The secret, which is revoked now or was before.", body = SecretView))
)]
pub(crate) async fn revoke(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Json<SecretView>, Refusal> {
    let revoked = |mut secret: Secret| {
        secret.head.revoked = true;
        secret.value = None;
        Ok(secret)
    };
    changed_by(&services, &caller, &key, revoked).await
}

/// Deletes a secret.
#[utoipa::path(
    delete, path = "/secrets/{key}", tag = "secrets",
    responses((status = 200, description = "The secret was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    match services.secrets.delete(caller.tenant_id(), &key).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(unknown(&key)),
    }
}

/// Writes what a change makes of a secret, again while others change it at the same time.
async fn changed_by(
    services: &Services,
    caller: &Caller,
    key: &str,
    change: impl Fn(Secret) -> Result<Secret, Refusal>,
) -> Result<Json<SecretView>, Refusal> {
    for _ in 0..ATTEMPTS {
        let former = services.secrets.get(caller.tenant_id(), key).await?.ok_or_else(|| unknown(key))?;
        let (was_revoked, mut secret) = (former.head.revoked, change(former)?);
        let now = services.clock.now();
        if was_revoked {
            return Ok(Json(SecretView::new(secret.head, now)));
        }
        secret.head.updated_at = now;
        let head = secret.head.clone();
        if services.secrets.change(secret).await? {
            return Ok(Json(SecretView::new(head, now)));
        }
    }
    Err(Refusal::unavailable())
}

fn check(head: &SecretHead) -> Result<(), Refusal> {
    if head.description.chars().count() > DESCRIPTION_LIMIT_CHARACTERS {
        let rule = format!("must have at most {DESCRIPTION_LIMIT_CHARACTERS} characters");
        return Err(Refusal::field("description", rule));
    }
    for (field, count) in [("scope", head.scope.len()), ("envs", head.envs.len())] {
        if count > NAMES_LIMIT {
            return Err(Refusal::field(field, format!("must have at most {NAMES_LIMIT} items")));
        }
    }
    match head.expires_at {
        Some(end) if !(1..=LAST_SECOND).contains(&end) => {
            Err(Refusal::field("expires_at", format!("must be seconds since 1970, from 1 to {LAST_SECOND}")))
        }
        _ => Ok(()),
    }
}

fn unknown(key: &str) -> Refusal {
    Refusal::unknown("secret", key)
}
