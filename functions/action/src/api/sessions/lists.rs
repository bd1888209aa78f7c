//! Who has sessions, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::auth::Caller;
use shared::http::List;
use shared::list;
use shared::rql::{self, Rql};
use shared::{Error, Refusal};

use super::{known, of_path};
use crate::services::Services;
use crate::store::owner::Owner;
use crate::store::session::{LIST_LIMIT, SessionRecord};
use crate::tag::Slug;

/// A session that is good now, without its data.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActiveSession {
    /// Its id.
    session_id: String,
    /// Whose it is.
    identifier: String,
    /// The environment.
    env: Slug,
    /// When it was started.
    #[serde(with = "shared::clock::iso")]
    start_timestamp: Timestamp,
    /// When its newest token was issued.
    #[serde(with = "shared::clock::iso")]
    refresh_timestamp: Timestamp,
    /// When its newest token ends.
    #[serde(with = "shared::clock::iso")]
    expires_at: Timestamp,
}

/// Somebody who has, or not long ago had, sessions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionUser {
    /// Who, as the selector of the definition finds one in the data.
    identifier: String,
    /// How many sessions are on record.
    sessions: usize,
    /// How many of them are good now.
    active_sessions: usize,
    /// When the last one was started.
    #[serde(with = "shared::clock::iso")]
    last_start_timestamp: Timestamp,
}

/// Counts of the sessions on record; each is in one of active, expired and revoked.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionDashboard {
    /// All of them.
    total_sessions: usize,
    /// Those that are good now.
    active_sessions: usize,
    /// Those whose token has ended; most can still be refreshed.
    expired_sessions: usize,
    /// Those that were revoked, by themselves or with their user.
    revoked_sessions: usize,
    /// Whose they are.
    total_users: usize,
    /// Who has at least one that is good now.
    active_users: usize,
}

/// How a session on record stands.
enum Stand {
    Active,
    Expired,
    Revoked,
}

/// Lists the sessions that are good now, the newest first; the query string is RQL.
#[utoipa::path(
    get, path = "/sessions/{product}/{tag}/active", tag = "sessions",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "One page of sessions.", body = List<ActiveSession>))
)]
pub(crate) async fn active(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<ActiveSession>(query.as_deref())?;
    let on_record = on_record(&services, &caller, &path).await?;
    let active = on_record.into_iter().filter(|(_, state)| matches!(state, Stand::Active));
    let mut active: Vec<ActiveSession> =
        active.map(|(session, _)| ActiveSession::of(session)).collect::<Result<_, _>>()?;
    active.sort_by(|left, right| {
        (right.start_timestamp, &left.session_id).cmp(&(left.start_timestamp, &right.session_id))
    });
    list::items(&query, active, LIST_LIMIT).map(Json)
}

/// Lists who has sessions on record; the query string is RQL.
#[utoipa::path(
    get, path = "/sessions/{product}/{tag}/users", tag = "sessions",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "One page of users.", body = List<SessionUser>))
)]
pub(crate) async fn users(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<SessionUser>(query.as_deref())?;
    let on_record = on_record(&services, &caller, &path).await?;
    list::items(&query, by_user(&on_record), LIST_LIMIT).map(Json)
}

/// Counts the sessions on record.
#[utoipa::path(
    get, path = "/sessions/{product}/{tag}/dashboard", tag = "sessions",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The counts.", body = SessionDashboard))
)]
pub(crate) async fn dashboard(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<SessionDashboard>, Refusal> {
    let on_record = on_record(&services, &caller, &path).await?;
    let users = by_user(&on_record);
    let mut counts = SessionDashboard {
        total_sessions: on_record.len(),
        total_users: users.len(),
        active_users: users.iter().filter(|user| user.active_sessions > 0).count(),
        ..SessionDashboard::default()
    };
    for (_, state) in &on_record {
        match state {
            Stand::Active => counts.active_sessions += 1,
            Stand::Expired => counts.expired_sessions += 1,
            Stand::Revoked => counts.revoked_sessions += 1,
        }
    }
    Ok(Json(counts))
}

/// Reads the sessions of the definition of a path.
async fn on_record(
    services: &Services,
    caller: &Caller,
    path: &(String, String),
) -> Result<Vec<(SessionRecord, Stand)>, Refusal> {
    let (product, tag) = of_path(path)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    let definition_id = known(services, owner).await?.definition_id;
    let users = services.sessions.revoked_users(owner).await?;
    let sessions = rql::within(services.sessions.sessions(owner).await?, LIST_LIMIT)?;
    let now_s = services.clock.now().as_second();
    // Sessions of a definition of the same tag that was deleted are nobody's any more.
    let own = sessions.into_iter().filter(|session| session.definition_id == definition_id);
    let stand = |session: SessionRecord| {
        let generation = users.generation(owner, &session.env, &session.identifier);
        let state = match (session.is_revoked(generation), now_s < session.ends_at_s) {
            (true, _) => Stand::Revoked,
            (false, true) => Stand::Active,
            (false, false) => Stand::Expired,
        };
        (session, state)
    };
    Ok(own.map(stand).collect())
}

fn by_user(on_record: &[(SessionRecord, Stand)]) -> Vec<SessionUser> {
    let mut users: BTreeMap<&str, SessionUser> = BTreeMap::new();
    for (session, state) in on_record {
        let user = users.entry(&session.identifier).or_insert_with(|| SessionUser {
            identifier: session.identifier.clone(),
            sessions: 0,
            active_sessions: 0,
            last_start_timestamp: session.start_timestamp,
        });
        user.sessions += 1;
        user.active_sessions += usize::from(matches!(state, Stand::Active));
        user.last_start_timestamp = user.last_start_timestamp.max(session.start_timestamp);
    }
    users.into_values().collect()
}

impl ActiveSession {
    fn of(session: SessionRecord) -> Result<Self, Refusal> {
        let time = |time: Result<Timestamp, jiff::Error>| time.map_err(Error::cannot("tell the times of a session"));
        Ok(Self {
            refresh_timestamp: time(Timestamp::from_millisecond(session.rotated_at_ms))?,
            expires_at: time(Timestamp::from_second(session.ends_at_s))?,
            session_id: session.session_id,
            identifier: session.identifier,
            env: session.env,
            start_timestamp: session.start_timestamp,
        })
    }
}
