//! Who may execute a function directly, and for which tenant.

use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::Refusal;
use shared::auth::{Caller, Permission, named_tenant};
use shared::event::TenantId;

use crate::function_body::check_name;
use crate::store::function::{Function, Functions, PermissionMode};

/// Who has made something, as its record says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Creator {
    /// The client, or the one through which a user came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by_application_id: Option<String>,
    /// The user who came through that client, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by_user_id: Option<String>,
}

impl Creator {
    /// Returns who has sent a request.
    pub(crate) fn of(caller: &Caller) -> Self {
        let created_by_user_id = caller.is_user().then(|| caller.client_id().to_owned());
        Self { created_by_application_id: Some(caller.application_id().to_owned()), created_by_user_id }
    }

    /// Returns the user, or the client, which is its own user.
    pub(crate) fn user_id(&self) -> Option<String> {
        self.created_by_user_id.clone().or_else(|| self.created_by_application_id.clone())
    }
}

/// A function that somebody may execute.
pub(crate) struct Granted {
    pub(crate) tenant: TenantId,
    pub(crate) function: Arc<Function>,
    /// The client that executes it; `None` for a public function and a request without a token.
    pub(crate) client_id: Option<String>,
    /// The client through which a user executes it, if it is one.
    pub(crate) application_id: Option<String>,
}

/// Finds the function that a request names and checks that it may execute it.
///
/// Without a token the tenant is the one that the request names. Whoever may not execute a function is not told whether
/// it exists.
pub(crate) async fn grant(
    functions: &Functions,
    permission: Permission,
    name: &str,
    caller: Option<Caller>,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Granted, Refusal> {
    check_name("name", name)?;
    let tenant = match &caller {
        Some(caller) => caller.tenant_id().clone(),
        None => named_tenant(headers, query)?,
    };
    let function = functions.recent(&tenant, name).await?;
    let mode = function.as_ref().map_or(PermissionMode::PermissionRequired, |function| function.permission_mode());
    match (&caller, mode) {
        (_, PermissionMode::Public) | (Some(_), PermissionMode::AllUsers) => {}
        (Some(caller), PermissionMode::PermissionRequired) => caller.require(&permission.of(name))?,
        (None, _) => return Err(Refusal::no_token("the request needs `Authorization: Bearer <access token>`")),
    }
    let function = function.ok_or_else(|| Refusal::unknown("function", name))?;
    if !function.enabled {
        return Err(Refusal::illegal_state(format!("the function `{name}` is disabled")));
    }
    let user = caller.as_ref().filter(|caller| caller.is_user());
    let application_id = user.map(|caller| caller.application_id().to_owned());
    Ok(Granted { tenant, function, client_id: caller.map(|caller| caller.client_id().to_owned()), application_id })
}
