//! The life of a session: started, refreshed again and again, ended.
//!
//! As with logins of the API, each refresh token is good once. The one before the valid one is answered with the same
//! successor for a short time, for clients whose answer was lost; the use of any older one means that somebody else has
//! it, and revokes the session.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::Error;
use shared::event::TenantId;
use shared::rotation::{Rotation, Use};

use super::token::{self, RefreshClaims, Scope, SessionClaims};
use super::{Expected, Sealed, judge, owner, sealed_for, within};
use crate::failure::Violation;
use crate::services::Services;
use crate::store::owner::Owner;
use crate::store::session::SessionRecord;
use crate::tag::Slug;

/// For how long after the end of its token a session can be refreshed, in seconds: 30 days.
const REFRESHABLE_S: i64 = 30 * 24 * 3_600;
/// How long after that its record is kept, in seconds: a day.
const KEPT_S: i64 = 24 * 3_600;
/// How often a refresh looks again when others refresh at the same time.
const ATTEMPTS: u32 = 4;

/// A session that was started or refreshed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartedSession {
    /// The token, `<tag>:<jwt>`, as runs take it.
    pub(crate) token: String,
    /// Gets the next token, once.
    pub(crate) refresh_token: String,
    /// The id of the session, which stays the same.
    pub(crate) session_id: String,
    /// When the token ends.
    #[serde(with = "shared::clock::iso")]
    pub(crate) expires_at: Timestamp,
}

/// Why a session was not started.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// There is no such definition.
    Undefined,
    /// The data is not of the shape of the schema.
    Data(Vec<Violation>),
}

/// Why a session was not refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRefreshed {
    /// The refresh token is not one of ours, is used up, or its session has ended.
    Unknown,
    /// It was not used for too long.
    Expired,
}

/// Starts a session.
pub(crate) async fn start(
    services: &Services,
    of: Owner<'_>,
    env: Slug,
    data: Value,
) -> Result<Result<StartedSession, NotStarted>, Error> {
    let Some(defined) = services.sessions.definition(of).await? else { return Ok(Err(NotStarted::Undefined)) };
    let identifier = match defined.definition.identifier(&data) {
        Ok(identifier) => identifier,
        Err(violations) => return Ok(Err(NotStarted::Data(violations))),
    };
    let session_id = services.ids.uuid().to_string();
    let user = services.sessions.standing(of, &env, &session_id, &identifier).await?;
    let now = services.clock.now();
    let record = SessionRecord {
        owner: of.key(),
        record: Owner::session_record(&session_id),
        session_id,
        definition_id: defined.definition_id,
        env,
        identifier,
        user_generation: user.user_generation,
        data: data.to_string(),
        start_timestamp: now,
        generation: 0,
        rotated_at_ms: now.as_millisecond(),
        ends_at_s: 0,
        refreshable_until_s: 0,
        revoked: false,
        expires_at: 0,
    };
    let record = lasting(record, now.as_second() + defined.definition.lifetime_s());
    services.sessions.start(&record).await?;
    issue(services, of, &record).await.map(Ok)
}

/// Issues the next token and the next refresh token of a session.
pub(crate) async fn refresh(
    services: &Services,
    tenant: &TenantId,
    expected: Expected<'_>,
    refresh_token: &str,
) -> Result<Result<StartedSession, NotRefreshed>, Error> {
    let Some(claims) = token::read::<RefreshClaims>(&services.session_tokens.ring, refresh_token).await? else {
        return Ok(Err(NotRefreshed::Unknown));
    };
    if within(&claims.scope, tenant, expected).is_err() {
        return Ok(Err(NotRefreshed::Unknown));
    }
    let of = owner(&claims.scope);
    for _ in 0..ATTEMPTS {
        let now = services.clock.now();
        let Some((record, lifetime_s)) = refreshable(services, &claims).await? else {
            return Ok(Err(NotRefreshed::Unknown));
        };
        match rotation(&record).judge(claims.generation, now) {
            Use::Expired => return Ok(Err(NotRefreshed::Expired)),
            Use::Unknown => return Ok(Err(NotRefreshed::Unknown)),
            Use::Stolen => {
                tracing::warn!(
                    session_id = record.session_id,
                    "an old refresh token was used, so its session is revoked"
                );
                services.sessions.revoke(of, &record.session_id).await?;
                return Ok(Err(NotRefreshed::Unknown));
            }
            Use::Repeat => return issue(services, of, &record).await.map(Ok),
            Use::Rotate => {}
        }
        let (generation, rotated_at_ms) = (record.generation + 1, now.as_millisecond());
        let next = SessionRecord { generation, rotated_at_ms, ..record.clone() };
        let next = lasting(next, now.as_second() + lifetime_s);
        if services.sessions.rotate(&record, &next).await? {
            return issue(services, of, &next).await.map(Ok);
        }
    }
    Err(Error::new("refresh a session", "too many requests refresh it at the same time"))
}

/// Reads the session of a refresh token and how long its tokens last; `None` if it has ended.
async fn refreshable(services: &Services, claims: &RefreshClaims) -> Result<Option<(SessionRecord, i64)>, Error> {
    let (sessions, of) = (&services.sessions, owner(&claims.scope));
    let Some(record) = sessions.session(of, &claims.sid).await? else { return Ok(None) };
    let standing = sessions.standing(of, &record.env, &claims.sid, &record.identifier).await?;
    let defined = sessions.definition(of).await?.filter(|defined| defined.definition_id == record.definition_id);
    Ok(defined.filter(|_| judge(&standing).is_ok()).map(|defined| (record, defined.definition.lifetime_s())))
}

fn rotation(record: &SessionRecord) -> Rotation {
    Rotation {
        generation: record.generation,
        rotated_at_ms: record.rotated_at_ms,
        ends_at_s: record.refreshable_until_s,
    }
}

/// Sets when the tokens that are issued now end, and what follows from that.
fn lasting(record: SessionRecord, ends_at_s: i64) -> SessionRecord {
    let refreshable_until_s = ends_at_s + REFRESHABLE_S;
    SessionRecord { ends_at_s, refreshable_until_s, expires_at: refreshable_until_s + KEPT_S, ..record }
}

/// Issues the tokens of a session as it is.
async fn issue(services: &Services, of: Owner<'_>, record: &SessionRecord) -> Result<StartedSession, Error> {
    // The text of a serde error can quote the data, so that it must not become a cause.
    let unreadable = |_| Error::new("read the data of a session", "it is not JSON");
    let tokens = &services.session_tokens;
    let sid = record.session_id.clone();
    let (tenant, product, tag) = (of.tenant.clone(), of.product.clone(), of.tag.clone());
    let scope = Scope { tenant, product, env: record.env.clone(), tag };
    let data = serde_json::from_str(&record.data).map_err(unreadable)?;
    let sealed = Sealed { identifier: record.identifier.clone(), data };
    let sealed = serde_json::to_vec(&sealed).map_err(Error::cannot("write the data of a session"))?;
    let data = tokens.seal.seal(&sealed_for(&scope, &sid), &sealed).await?;
    let (iat, exp) = (tokens.clock.now().as_second(), record.ends_at_s);
    let session = SessionClaims { scope: scope.clone(), sid: sid.clone(), iat, exp, data };
    let refresh = RefreshClaims { scope, sid: sid.clone(), generation: record.generation };
    Ok(StartedSession {
        token: token::write(&tokens.ring, &session).await?,
        refresh_token: token::write(&tokens.ring, &refresh).await?,
        session_id: sid,
        expires_at: Timestamp::from_second(exp).map_err(Error::cannot("tell when a session ends"))?,
    })
}
