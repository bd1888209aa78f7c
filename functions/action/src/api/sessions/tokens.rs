//! Sessions started, verified, refreshed and revoked over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::auth::Caller;
use shared::http::{Affected, JsonBody};
use shared::{Error, Refusal};

use super::{known, of_path, unknown};
use crate::failure::Violation;
use crate::services::Services;
use crate::session::selector::text_of;
use crate::session::{self, Expected, NotRefreshed, NotStarted, StartedSession};
use crate::store::owner::Owner;
use crate::store::session::{LIST_LIMIT, SessionRecord};
use crate::tag::{Slug, Tag};

/// A session that is to be started.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({"env": "prd", "data": {"user": {"id": "u1", "email": "ann@example.com"}}}))]
pub(crate) struct NewSession {
    /// The environment in which it is good.
    env: Slug,
    /// The data, of the shape of the definition's schema and of at most 4,096 bytes.
    #[schema(value_type = Object)]
    data: Value,
}

/// A session that is to be started, with its product and tag.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({
    "product": "shop", "env": "prd", "tag": "login", "data": {"user": {"id": "u1", "email": "ann@example.com"}},
}))]
pub(crate) struct NewSessionOf {
    /// The product.
    product: Tag,
    /// The environment in which it is good.
    env: Slug,
    /// The tag of the definition.
    tag: Tag,
    /// The data, of the shape of the definition's schema and of at most 4,096 bytes.
    #[schema(value_type = Object)]
    data: Value,
}

/// A token that is to be verified, and what it must be good for; what is left out is not checked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({"product": "shop", "env": "prd", "tag": "login", "token": "login:eyJhbGciOi…"}))]
pub(crate) struct TokenToVerify {
    /// The token, with or without its tag in front.
    token: String,
    /// The product.
    product: Option<Tag>,
    /// The environment.
    env: Option<Slug>,
    /// The tag of the definition.
    tag: Option<Tag>,
}

/// What a token is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedToken {
    /// Whether it is good.
    valid: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The data of its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// The id of its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// When it ends.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// A refresh token, and what its session must be good for; what is left out is not checked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"refreshToken": "login:eyJhbGciOi…"}))]
pub(crate) struct Refreshing {
    /// The refresh token.
    refresh_token: String,
    /// The product.
    product: Option<Tag>,
    /// The environment.
    env: Option<Slug>,
    /// The tag of the definition.
    tag: Option<Tag>,
}

/// Which sessions are to be revoked: one, or all of a user.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"product": "shop", "tag": "login", "identifier": "u1"}))]
pub(crate) struct Revocation {
    /// The product.
    product: Tag,
    /// The tag of the definition.
    tag: Tag,
    /// The session.
    session_id: Option<String>,
    /// The user, as the selector of the definition finds one in the data.
    #[schema(value_type = Value)]
    identifier: Option<Value>,
    /// The environment in which the user is revoked; all unless given.
    env: Option<Slug>,
}

/// Starts a session.
#[utoipa::path(
    post, path = "/sessions/{product}/{tag}/start", tag = "sessions", request_body = NewSession,
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The session with its tokens.", body = StartedSession))
)]
pub(crate) async fn start_of(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    JsonBody(NewSession { env, data }): JsonBody<NewSession>,
) -> Result<Json<StartedSession>, Refusal> {
    let (product, tag) = of_path(&path)?;
    started(&services, Owner { tenant: caller.tenant_id(), product: &product, tag: &tag }, env, data).await
}

/// Starts a session of the product and tag in the body.
#[utoipa::path(
    post, path = "/sessions/start", tag = "sessions", request_body = NewSessionOf,
    responses(
        (status = 200, description = "The session with its tokens.", body = StartedSession),
        (status = 404, description = "The product has no session of this tag.", body = shared::http::ErrorBody),
    )
)]
pub(crate) async fn start(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(NewSessionOf { product, env, tag, data }): JsonBody<NewSessionOf>,
) -> Result<Json<StartedSession>, Refusal> {
    started(&services, Owner { tenant: caller.tenant_id(), product: &product, tag: &tag }, env, data).await
}

/// Tells whether a token is good, and what its session is.
#[utoipa::path(
    post, path = "/sessions/verify", tag = "sessions", request_body = TokenToVerify,
    responses((status = 200, description = "Whether the token is good.", body = VerifiedToken))
)]
pub(crate) async fn verify(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(TokenToVerify { token, product, env, tag }): JsonBody<TokenToVerify>,
) -> Result<Json<VerifiedToken>, Refusal> {
    let expected = Expected { product: product.as_ref(), env: env.as_ref(), tag: tag.as_ref() };
    let (tokens, sessions) = (&services.session_tokens, &services.sessions);
    let verified = match session::check(tokens, sessions, caller.tenant_id(), expected, &token).await? {
        Ok(verified) => verified,
        Err(invalid) => {
            let reason = Some(format!("the session {}", invalid.reason()));
            return Ok(Json(VerifiedToken { valid: false, reason, data: None, session_id: None, expires_at: None }));
        }
    };
    let ends_at = Timestamp::from_second(verified.ends_at_s).map_err(Error::cannot("tell when a session ends"))?;
    Ok(Json(VerifiedToken {
        valid: true,
        reason: None,
        data: Some(verified.session.data),
        session_id: Some(verified.session.id),
        expires_at: Some(ends_at),
    }))
}

/// Issues the next token and the next refresh token of a session; the refresh token that was sent is used up.
#[utoipa::path(
    post, path = "/sessions/refresh", tag = "sessions", request_body = Refreshing,
    responses((status = 200, description = "The session with its new tokens.", body = StartedSession))
)]
pub(crate) async fn refresh(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(Refreshing { refresh_token, product, env, tag }): JsonBody<Refreshing>,
) -> Result<Json<StartedSession>, Refusal> {
    let expected = Expected { product: product.as_ref(), env: env.as_ref(), tag: tag.as_ref() };
    match session::refresh(&services, caller.tenant_id(), expected, &refresh_token).await? {
        Ok(session) => Ok(Json(session)),
        Err(NotRefreshed::Unknown) => {
            let message = "the refresh token is unknown or no longer valid";
            Err(Refusal::new(StatusCode::BAD_REQUEST, 119, "REFRESH_TOKEN_UNKNOWN_EXCEPTION", message))
        }
        Err(NotRefreshed::Expired) => {
            let message = "the refresh token has expired";
            Err(Refusal::new(StatusCode::BAD_REQUEST, 120, "REFRESH_TOKEN_EXPIRED_EXCEPTION", message))
        }
    }
}

/// Revokes a session, or all that a user has now; their tokens are refused from the answer on.
#[utoipa::path(
    post, path = "/sessions/revoke", tag = "sessions", request_body = Revocation,
    responses(
        (status = 200, description = "How many sessions that were good are not any more.", body = Affected),
        (status = 404, description = "There is no such session.", body = shared::http::ErrorBody),
    )
)]
pub(crate) async fn revoke(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(Revocation { product, tag, session_id, identifier, env }): JsonBody<Revocation>,
) -> Result<Json<Affected>, Refusal> {
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    let affected_records = match (session_id, identifier) {
        (Some(session_id), None) if env.is_none() => {
            known(&services, owner).await?;
            let revoked = services.sessions.revoke(owner, &session_id).await?;
            u64::from(revoked.ok_or_else(|| Refusal::unknown("session", &cut(&session_id)))?)
        }
        (None, Some(identifier)) => {
            let rule = "must be a string, a number or a boolean";
            let identifier = text_of(&identifier).ok_or_else(|| Refusal::field("identifier", rule))?;
            revoke_user(&services, owner, env.as_ref(), &identifier).await?
        }
        (Some(_), None) => return Err(Refusal::field("env", "must not be given with `sessionId`")),
        _ => return Err(Refusal::illegal_argument("exactly one of `sessionId` and `identifier` must be given")),
    };
    Ok(Json(Affected { affected_records }))
}

async fn started(
    services: &Services,
    owner: Owner<'_>,
    env: Slug,
    data: Value,
) -> Result<Json<StartedSession>, Refusal> {
    match session::start(services, owner, env, data).await? {
        Ok(session) => Ok(Json(session)),
        Err(NotStarted::Undefined) => Err(unknown(owner.tag.as_str())),
        Err(NotStarted::Data(violations)) => Err(not_of_the_schema(&violations)),
    }
}

/// Names every difference, and the first of them in the message.
fn not_of_the_schema(violations: &[Violation]) -> Refusal {
    let first = violations.first().map(|found| format!("`{}` {}", found.selector, found.rule)).unwrap_or_default();
    let refusal = Refusal::field("data", format!("is not of the shape of the schema: {first}"));
    refusal.with("violations", serde_json::to_value(violations).unwrap_or_default())
}

/// Revokes a user, and counts which sessions that has ended.
async fn revoke_user(
    services: &Services,
    owner: Owner<'_>,
    env: Option<&Slug>,
    identifier: &str,
) -> Result<u64, Refusal> {
    let definition_id = known(services, owner).await?.definition_id;
    let users = services.sessions.revoked_users(owner).await?;
    services.sessions.revoke_user(owner, env, identifier).await?;
    let sessions = services.sessions.sessions(owner).await?;
    let now_s = services.clock.now().as_second();
    let is_ended = |session: &&SessionRecord| {
        session.identifier == identifier
            && env.is_none_or(|env| session.env == *env)
            && session.is_good(&definition_id, users.generation(owner, &session.env, identifier), now_s)
    };
    Ok(sessions.iter().take(LIST_LIMIT).filter(is_ended).count() as u64)
}

fn cut(text: &str) -> String {
    text.chars().take(crate::tag::TAG_LIMIT_CHARACTERS).collect()
}
