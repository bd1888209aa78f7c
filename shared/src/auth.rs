//! Access tokens: short-lived signed JWTs that carry the permissions, so that a check costs no read.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::{Error, Refusal};
use crate::event::TenantId;
use crate::permission::covers;
use crate::seal::KeyRing;

/// The permission that holds all others.
pub const ALL_PERMISSIONS: &str = "*";
/// The header by which the administrator names the tenant of a request.
pub const TENANT_HEADER: &str = "x-tenant-id";

macro_rules! permissions {
    ($($variant:ident = $name:literal,)*) => {
        /// What a client may do; the names are the variants' in upper case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each says what it permits by its name")]
        pub enum Permission {
            $($variant,)*
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name, as in `VIEW_TASKS`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

permissions! {
    CancelTasks = "CANCEL_TASKS",
    CreateApps = "CREATE_APPS",
    CreateCallbacks = "CREATE_CALLBACKS",
    CreateChannels = "CREATE_CHANNELS",
    CreateClients = "CREATE_CLIENTS",
    CreateDispatchers = "CREATE_DISPATCHERS",
    CreateEvents = "CREATE_EVENTS",
    CreateRoles = "CREATE_ROLES",
    CreateSecrets = "CREATE_SECRETS",
    CreateSessions = "CREATE_SESSIONS",
    CreateSubscriptions = "CREATE_SUBSCRIPTIONS",
    CreateTaskFunction = "CREATE_TASK_FUNCTION",
    CreateTaskSchedule = "CREATE_TASK_SCHEDULE",
    CreateTasks = "CREATE_TASKS",
    CreateTemplates = "CREATE_TEMPLATES",
    CreateUsers = "CREATE_USERS",
    DeleteApps = "DELETE_APPS",
    DeleteChannels = "DELETE_CHANNELS",
    DeleteClients = "DELETE_CLIENTS",
    DeleteDispatchers = "DELETE_DISPATCHERS",
    DeleteRoles = "DELETE_ROLES",
    DeleteSecrets = "DELETE_SECRETS",
    DeleteTaskFunction = "DELETE_TASK_FUNCTION",
    DeleteTaskSchedule = "DELETE_TASK_SCHEDULE",
    DeleteTemplates = "DELETE_TEMPLATES",
    DeleteUsers = "DELETE_USERS",
    ExecuteApiFunction = "EXECUTE_API_FUNCTION",
    ExecuteTaskFunction = "EXECUTE_TASK_FUNCTION",
    ResolveTemplates = "RESOLVE_TEMPLATES",
    RetryRuns = "RETRY_RUNS",
    RotateKeys = "ROTATE_KEYS",
    RunActions = "RUN_ACTIONS",
    SendMails = "SEND_MAILS",
    SendMessages = "SEND_MESSAGES",
    UpdateApps = "UPDATE_APPS",
    UpdateAssets = "UPDATE_ASSETS",
    UpdateCaches = "UPDATE_CACHES",
    UpdateChannels = "UPDATE_CHANNELS",
    UpdateClients = "UPDATE_CLIENTS",
    UpdateDispatchers = "UPDATE_DISPATCHERS",
    UpdateRoles = "UPDATE_ROLES",
    UpdateSecrets = "UPDATE_SECRETS",
    UpdateSessions = "UPDATE_SESSIONS",
    UpdateTaskFunction = "UPDATE_TASK_FUNCTION",
    UpdateTaskSchedule = "UPDATE_TASK_SCHEDULE",
    UpdateTemplates = "UPDATE_TEMPLATES",
    UpdateUsers = "UPDATE_USERS",
    ViewActionRuns = "VIEW_ACTION_RUNS",
    ViewApiFunctionRequestLogs = "VIEW_API_FUNCTION_REQUEST_LOGS",
    ViewApiFunctionRequests = "VIEW_API_FUNCTION_REQUESTS",
    ViewApps = "VIEW_APPS",
    ViewAssets = "VIEW_ASSETS",
    ViewCaches = "VIEW_CACHES",
    ViewCallbacks = "VIEW_CALLBACKS",
    ViewChannels = "VIEW_CHANNELS",
    ViewClients = "VIEW_CLIENTS",
    ViewDispatchers = "VIEW_DISPATCHERS",
    ViewEvents = "VIEW_EVENTS",
    ViewMails = "VIEW_MAILS",
    ViewMessages = "VIEW_MESSAGES",
    ViewRoles = "VIEW_ROLES",
    ViewRuns = "VIEW_RUNS",
    ViewSecrets = "VIEW_SECRETS",
    ViewSessions = "VIEW_SESSIONS",
    ViewSubscriptions = "VIEW_SUBSCRIPTIONS",
    ViewTaskFunctionDetails = "VIEW_TASK_FUNCTION_DETAILS",
    ViewTaskFunctions = "VIEW_TASK_FUNCTIONS",
    ViewTaskLogs = "VIEW_TASK_LOGS",
    ViewTaskSchedules = "VIEW_TASK_SCHEDULES",
    ViewTasks = "VIEW_TASKS",
    ViewTemplates = "VIEW_TEMPLATES",
    ViewUsers = "VIEW_USERS",
}

impl Permission {
    /// Tells whether it can be held for one object alone, as `EXECUTE_TASK_FUNCTION:<name>` is.
    pub fn has_objects(self) -> bool {
        matches!(self, Self::ExecuteApiFunction | Self::ExecuteTaskFunction | Self::ResolveTemplates)
    }

    /// Returns the permission for one object.
    pub fn of(self, object: &str) -> String {
        format!("{}:{object}", self.name())
    }
}

const ISSUER: &str = "hookyard";
const PURPOSE: &str = "token";

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued the token, always `hookyard`.
    pub iss: String,
    /// The client that the token was issued to.
    pub sub: String,
    /// The tenant that the client belongs to.
    pub tenant: TenantId,
    /// What the client may do.
    pub permissions: Vec<String>,
    /// Whether it is the administrator, who may act for any tenant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub administrator: bool,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it stops being valid, in seconds since 1970.
    pub exp: i64,
}

/// To whom a token is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The client's id.
    pub id: String,
    /// The client's tenant.
    pub tenant_id: TenantId,
    /// What the client may do.
    pub permissions: Vec<String>,
    /// Whether it is the administrator, who may act for any tenant.
    pub is_administrator: bool,
}

/// Issues and checks access tokens with the keys of a ring.
#[derive(Debug, Clone)]
pub struct Tokens {
    ring: KeyRing,
    clock: Clock,
}

impl Tokens {
    /// Uses the keys of this ring.
    pub fn new(ring: KeyRing, clock: Clock) -> Self {
        Self { ring, clock }
    }

    /// Issues a token to a client that is valid for `lifetime_s` seconds.
    pub async fn issue(&self, client: Client, lifetime_s: i64) -> Result<String, Error> {
        let keys = self.ring.keys().await?;
        let version = keys.current();
        let missing = || Error::new("sign a token", "the current key is missing");
        let key = keys.derive(version, PURPOSE).ok_or_else(missing)?;
        let now = self.clock.now().as_second();
        let Client { id: sub, tenant_id: tenant, permissions, is_administrator: administrator } = client;
        let claims =
            Claims { iss: ISSUER.to_owned(), sub, tenant, permissions, administrator, iat: now, exp: now + lifetime_s };
        let header = Header { kid: Some(version.to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(&key)).map_err(Error::cannot("sign a token"))
    }

    /// Checks the bearer token of a request if it has one; any other kind of credentials is not for us.
    pub async fn check_if_sent(&self, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
        let mut sent = headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str().unwrap_or_default());
        let is_bearer = |value: &str| value.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("bearer"));
        if sent.any(is_bearer) { self.check(headers).await.map(Some) } else { Ok(None) }
    }

    /// Checks the bearer token of a request, and the tenant that the request names.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = bearer(headers)?;
        let unknown =
            |message: &str| Refusal::new(StatusCode::UNAUTHORIZED, 117, "ACCESS_TOKEN_UNKNOWN_EXCEPTION", message);
        let header = decode_header(token).map_err(|_| unknown("the access token is not one of ours"))?;
        let version = header.kid.ok_or_else(|| unknown("the access token is not one of ours"))?;
        let keys = self.ring.keys_with(&version).await?;
        let key = keys.derive(&version, PURPOSE);
        let key = key.ok_or_else(|| unknown("the key of the access token is no longer valid"))?;
        let claims = decode::<Claims>(token, &DecodingKey::from_secret(&key), &validation())
            .map_err(|_| unknown("the access token is not one of ours"))?
            .claims;
        if claims.exp <= self.clock.now().as_second() {
            let message = "the access token has expired";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, 118, "ACCESS_TOKEN_EXPIRED_EXCEPTION", message));
        }
        Caller { claims }.acting_for(headers)
    }
}

/// Only our algorithm and issuer; the expiry is checked against our own clock.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["iss", "exp", "sub"]);
    validation.validate_exp = false;
    validation
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(Refusal::no_token("the request has several `Authorization` headers"));
    }
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        return Ok(token.trim());
    }
    Err(Refusal::no_token("the request needs `Authorization: Bearer <access token>`"))
}

/// The client that a request comes from, known from its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    claims: Claims,
}

impl Caller {
    /// Returns the client's id.
    pub fn client_id(&self) -> &str {
        &self.claims.sub
    }

    /// Returns the tenant for which the client acts: its own, or the one that the administrator has named.
    pub fn tenant_id(&self) -> &TenantId {
        &self.claims.tenant
    }

    /// Returns the tenant that a body names, which must be the one for which the client acts unless it is the
    /// administrator.
    pub fn tenant_named(&self, named: Option<String>) -> Result<TenantId, Refusal> {
        let Some(named) = named else { return Ok(self.tenant_id().clone()) };
        let tenant = TenantId::parse(&named).ok_or_else(|| Refusal::field("tenantId", TenantId::RULE))?;
        match self.claims.administrator || tenant == self.claims.tenant {
            true => Ok(tenant),
            false => Err(not_administrator()),
        }
    }

    /// Takes over the tenant that the header `x-tenant-id` names.
    fn acting_for(mut self, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(TENANT_HEADER).iter();
        let Some(named) = values.next() else { return Ok(self) };
        if values.next().is_some() {
            return Err(Refusal::field(TENANT_HEADER, "must be sent once"));
        }
        let invalid = || Refusal::field(TENANT_HEADER, TenantId::RULE);
        let named = named.to_str().map_err(|_| invalid())?;
        let tenant = TenantId::parse(named).ok_or_else(invalid)?;
        if tenant != self.claims.tenant && !self.claims.administrator {
            return Err(not_administrator());
        }
        self.claims.tenant = tenant;
        Ok(self)
    }

    /// Returns the client's permissions.
    pub fn permissions(&self) -> &[String] {
        &self.claims.permissions
    }

    /// Refuses a client that lacks a permission; `*` is all of them, and a permission covers its objects.
    pub fn require(&self, permission: &str) -> Result<(), Refusal> {
        if self.holds(permission) { Ok(()) } else { Err(Refusal::no_permission(permission)) }
    }

    /// Refuses a client that may not do everything in the administrator's own tenant: the process serves all tenants.
    pub fn require_operator(&self) -> Result<(), Refusal> {
        if self.claims.administrator {
            return Ok(());
        }
        self.require(ALL_PERMISSIONS)?;
        if self.tenant_id().as_str() == TenantId::DEFAULT { Ok(()) } else { Err(not_administrator()) }
    }

    fn holds(&self, permission: &str) -> bool {
        covers(&self.claims.permissions, permission)
    }
}

fn not_administrator() -> Refusal {
    let message = "only the administrator acts for another tenant";
    Refusal { message: message.to_owned(), ..Refusal::no_permission(ALL_PERMISSIONS) }
}

/// Returns the tenant that a request without a token is for: the one that its header or its query names, or the default
/// one.
///
/// Senders that know nothing but a URL have only its query, `?x-tenant-id=…`.
pub fn named_tenant(headers: &HeaderMap, query: Option<&str>) -> Result<TenantId, Refusal> {
    let invalid = || Refusal::field(TENANT_HEADER, TenantId::RULE);
    let mut values = headers.get_all(TENANT_HEADER).iter();
    let of_header = values.next().map(|value| value.to_str().map(str::to_owned).map_err(|_| invalid())).transpose()?;
    if values.next().is_some() {
        return Err(Refusal::field(TENANT_HEADER, "must be sent once"));
    }
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut of_query = parameters.filter(|(name, _)| name == TENANT_HEADER).map(|(_, value)| value.into_owned());
    match of_header.or_else(|| of_query.next()) {
        Some(named) => TenantId::parse(&named).ok_or_else(invalid),
        None => Ok(TenantId::new(TenantId::DEFAULT)),
    }
}

/// Handlers take the caller as a parameter; the route's gate has put it there.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let missing = || Refusal::no_token("this route knows no caller");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// A route that need not have a caller has `None` then.
impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_the_header_names_the_tenant_and_then_the_query() {
        let check = |header: Option<&'static str>, query: Option<&str>, expected: Result<&str, u32>| {
            let header = header.map(|value| (TENANT_HEADER.parse().unwrap(), value.parse().unwrap()));
            let named = named_tenant(&HeaderMap::from_iter(header), query);
            let named = named.as_ref().map(TenantId::as_str).map_err(|refusal| refusal.code);
            assert_eq!(named, expected, "{query:?}");
        };
        check(None, None, Ok("default"));
        check(Some("acme"), None, Ok("acme"));
        check(Some("acme"), Some("x-tenant-id=other"), Ok("acme"));
        check(None, Some("a=b&x-tenant-id=Acme+Ltd."), Ok("Acme Ltd."));
        check(None, Some("tenant=other"), Ok("default"));
        check(Some("a#b"), None, Err(15));
        check(None, Some("x-tenant-id="), Err(15));
    }

    fn caller(permissions: &[&str]) -> Caller {
        let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
        let (iss, sub, tenant) = (ISSUER.to_owned(), "c".to_owned(), TenantId::new("t"));
        Caller { claims: Claims { iss, sub, tenant, permissions, administrator: false, iat: 0, exp: 0 } }
    }

    #[test]
    fn the_administrator_alone_acts_for_other_tenants() {
        let administrator = Caller { claims: Claims { administrator: true, ..caller(&["*"]).claims } };
        let acting = |caller: &Caller, tenant: &'static str| {
            let headers = HeaderMap::from_iter([(TENANT_HEADER.parse().unwrap(), tenant.parse().unwrap())]);
            caller.clone().acting_for(&headers).map(|caller| caller.tenant_id().to_string())
        };
        assert_eq!(acting(&administrator, "other").as_deref(), Ok("other"));
        assert_eq!(acting(&caller(&["*"]), "t").as_deref(), Ok("t"));
        assert_eq!(acting(&caller(&["*"]), "other"), Err(not_administrator()));
        let twice =
            HeaderMap::from_iter(["a", "b"].map(|tenant| (TENANT_HEADER.parse().unwrap(), tenant.parse().unwrap())));
        assert!(administrator.clone().acting_for(&twice).is_err());
        assert_eq!(acting(&administrator, "a#b"), Err(Refusal::field(TENANT_HEADER, TenantId::RULE)));
        let named =
            |caller: &Caller, tenant: &str| caller.tenant_named(Some(tenant.to_owned())).map(|id| id.to_string());
        assert_eq!(named(&administrator, "other").as_deref(), Ok("other"));
        assert_eq!(named(&caller(&["*"]), "t").as_deref(), Ok("t"));
        assert_eq!(named(&caller(&["*"]), "other"), Err(not_administrator()));
        assert_eq!(caller(&[]).tenant_named(None), Ok(TenantId::new("t")));
    }

    #[test]
    fn the_process_is_shown_to_those_who_may_do_everything_in_the_administrators_tenant() {
        let check = |permissions: &[&str], tenant: &str, is_administrator: bool| {
            let claims = caller(permissions).claims;
            let caller =
                Caller { claims: Claims { tenant: TenantId::new(tenant), administrator: is_administrator, ..claims } };
            caller.require_operator().is_ok()
        };
        assert!(check(&["*"], "default", false) && check(&["*"], "other", true));
        assert!(!check(&["*"], "other", false) && !check(&["VIEW_RUNS"], "default", false));
    }

    #[test]
    fn a_permission_is_exact_or_everything() {
        assert!(caller(&["VIEW_TASKS"]).require("VIEW_TASKS").is_ok());
        assert!(caller(&["*"]).require("VIEW_TASKS").is_ok());
        assert_eq!(caller(&["VIEW_TASK"]).require("VIEW_TASKS"), Err(Refusal::no_permission("VIEW_TASKS")));
    }

    #[test]
    fn only_a_bearer_header_is_a_token() {
        let check = |value: &str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(bearer(&headers).ok(), expected, "{value}");
        };
        check("Bearer abc", Some("abc"));
        check("bearer abc", Some("abc"));
        check("Bearer ", None);
        check("Basic abc", None);
        check("abc", None);
        assert!(bearer(&HeaderMap::new()).is_err());
    }
}
