//! Who calls: known from an access token or from a signature of OAuth 1.0.
//!
//! An access token is a short-lived signed JWT that carries the permissions, so that a check costs no read. For a signature
//! the owner and its permissions are read with each request.

pub mod directory;
mod key;
mod oauth1;
mod token;

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::HeaderMap;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::event::TenantId;
use crate::permission::covers;
pub use key::{Issuer, PublicKey, PublicKeys};
pub use token::{Sent, Signer, Tokens};

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
    AddRolePermission = "ADD_ROLE_PERMISSION",
    AddRoleToUser = "ADD_ROLE_TO_USER",
    CancelTasks = "CANCEL_TASKS",
    CreateApps = "CREATE_APPS",
    CreateCallbacks = "CREATE_CALLBACKS",
    CreateChannels = "CREATE_CHANNELS",
    CreateClients = "CREATE_CLIENTS",
    CreateDispatchers = "CREATE_DISPATCHERS",
    CreateEvents = "CREATE_EVENTS",
    CreateRole = "CREATE_ROLE",
    CreateSecrets = "CREATE_SECRETS",
    CreateSessions = "CREATE_SESSIONS",
    CreateSubscriptions = "CREATE_SUBSCRIPTIONS",
    CreateTasks = "CREATE_TASKS",
    CreateTaskFunction = "CREATE_TASK_FUNCTION",
    CreateTaskSchedule = "CREATE_TASK_SCHEDULE",
    CreateTemplates = "CREATE_TEMPLATES",
    CreateUser = "CREATE_USER",
    DeleteApps = "DELETE_APPS",
    DeleteAuthorizations = "DELETE_AUTHORIZATIONS",
    DeleteChannels = "DELETE_CHANNELS",
    DeleteClients = "DELETE_CLIENTS",
    DeleteDispatchers = "DELETE_DISPATCHERS",
    DeleteRole = "DELETE_ROLE",
    DeleteSecrets = "DELETE_SECRETS",
    DeleteTaskFunction = "DELETE_TASK_FUNCTION",
    DeleteTaskSchedule = "DELETE_TASK_SCHEDULE",
    DeleteTemplates = "DELETE_TEMPLATES",
    DeleteUser = "DELETE_USER",
    ExecuteApiFunction = "EXECUTE_API_FUNCTION",
    ExecuteTaskFunction = "EXECUTE_TASK_FUNCTION",
    RemoveRoleFromUser = "REMOVE_ROLE_FROM_USER",
    RemoveRolePermission = "REMOVE_ROLE_PERMISSION",
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
    UpdateRole = "UPDATE_ROLE",
    UpdateSecrets = "UPDATE_SECRETS",
    UpdateSessions = "UPDATE_SESSIONS",
    UpdateTaskFunction = "UPDATE_TASK_FUNCTION",
    UpdateTaskSchedule = "UPDATE_TASK_SCHEDULE",
    UpdateTemplates = "UPDATE_TEMPLATES",
    UpdateUser = "UPDATE_USER",
    UpdateUserEmail = "UPDATE_USER_EMAIL",
    ViewActionRuns = "VIEW_ACTION_RUNS",
    ViewApiFunctionRequests = "VIEW_API_FUNCTION_REQUESTS",
    ViewApiFunctionRequestLogs = "VIEW_API_FUNCTION_REQUEST_LOGS",
    ViewApps = "VIEW_APPS",
    ViewAssets = "VIEW_ASSETS",
    ViewAuthorizations = "VIEW_AUTHORIZATIONS",
    ViewCaches = "VIEW_CACHES",
    ViewCallbacks = "VIEW_CALLBACKS",
    ViewChannels = "VIEW_CHANNELS",
    ViewClients = "VIEW_CLIENTS",
    ViewDispatchers = "VIEW_DISPATCHERS",
    ViewEvents = "VIEW_EVENTS",
    ViewMails = "VIEW_MAILS",
    ViewMessages = "VIEW_MESSAGES",
    ViewRole = "VIEW_ROLE",
    ViewRuns = "VIEW_RUNS",
    ViewSecrets = "VIEW_SECRETS",
    ViewSessions = "VIEW_SESSIONS",
    ViewSubscriptions = "VIEW_SUBSCRIPTIONS",
    ViewTasks = "VIEW_TASKS",
    ViewTaskFunctions = "VIEW_TASK_FUNCTIONS",
    ViewTaskFunctionDetails = "VIEW_TASK_FUNCTION_DETAILS",
    ViewTaskLogs = "VIEW_TASK_LOGS",
    ViewTaskSchedules = "VIEW_TASK_SCHEDULES",
    ViewTemplates = "VIEW_TEMPLATES",
    ViewUser = "VIEW_USER",
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

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued the token, always `hookyard`.
    pub iss: String,
    /// The client or the user that the token was issued to.
    pub sub: String,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// What it may do.
    pub permissions: Vec<String>,
    /// Whether it is the administrator, who may act for any tenant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub administrator: bool,
    /// Whether it is a user rather than a client.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user: bool,
    /// The client through which it was issued, unless that is `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
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

/// Who logs in, and through which client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The client or the user.
    pub client: Client,
    /// Whether it is a user rather than a client.
    pub is_user: bool,
    /// The client through which it logs in.
    pub application_id: String,
}

impl From<Client> for Identity {
    /// A client that logs in through itself.
    fn from(client: Client) -> Self {
        Self { application_id: client.id.clone(), is_user: false, client }
    }
}

impl Claims {
    /// Returns what a token would say of somebody for whom there is none.
    fn of(Identity { client, is_user, application_id }: Identity) -> Self {
        Self {
            iss: String::new(),
            application: (application_id != client.id).then_some(application_id),
            sub: client.id,
            tenant: client.tenant_id,
            permissions: client.permissions,
            administrator: client.is_administrator,
            user: is_user,
            iat: 0,
            exp: 0,
        }
    }
}

/// The client or the user that a request comes from, known from its token or its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    claims: Claims,
}

impl Caller {
    /// Returns the id of the client or the user.
    pub fn client_id(&self) -> &str {
        &self.claims.sub
    }

    /// Returns the id of the client through which it calls: its own, unless it is a user or has logged in through another.
    pub fn application_id(&self) -> &str {
        self.claims.application.as_deref().unwrap_or(&self.claims.sub)
    }

    /// Tells whether it is a user rather than a client.
    pub fn is_user(&self) -> bool {
        self.claims.user
    }

    /// Tells whether it is the administrator.
    pub fn is_administrator(&self) -> bool {
        self.claims.administrator
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
        let client = Client { id: "c".to_owned(), tenant_id: TenantId::new("t"), permissions, is_administrator: false };
        Caller { claims: Claims::of(client.into()) }
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
}
