//! Passwords of users: changed by the user itself, or by somebody who may do all that the user may.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use shared::auth::{Caller, Permission};
use shared::clock::{Clock, Ids};
use shared::http::{Affected, JsonBody, SourceAddress};
use shared::{Refusal, permission};

use crate::account::Accounts;
use crate::grant::Credentials;
use crate::login::{self, Login};
use crate::password;
use crate::store::user::Outcome;
use crate::user::{NewPassword, PasswordChange, User, UserView};

use super::users::{changed_meanwhile, is_itself, itself_or};

/// The rules for passwords.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) struct PasswordPolicy {
    minimum_length: u32,
    maximum_length: u32,
    upper_case_required: bool,
    lower_case_required: bool,
    symbol_required: bool,
    number_required: bool,
    /// The same as a regular expression of JavaScript.
    pattern: &'static str,
}

/// A password of the calling user, to be confirmed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct PasswordConfirmation {
    password: String,
}

/// The address and the password of a user, to be checked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct Authentication {
    email: String,
    password: String,
}

/// Gives the calling user another password; its refresh tokens and the tokens that it signs with end.
#[utoipa::path(
    put, path = "/users/v1/password", tag = "users", request_body = PasswordChange,
    responses((status = 200, description = "The user as it is now.", body = UserView))
)]
pub(crate) async fn change_own(
    State(accounts): State<Accounts>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    source: SourceAddress,
    caller: Caller,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<Json<UserView>, Refusal> {
    password::check("new_password", &change.new_password)?;
    let user = confirmed(&accounts, source, &clock, &caller, change.old_password).await?;
    let user = set(&accounts, &clock, &ids, user, change.new_password).await?;
    Ok(Json(UserView::new(&user, &accounts.users.roles_of(&user).await?)))
}

/// Gives a user another password; takes the permission `UPDATE_USER` and all that the user may do.
#[utoipa::path(
    put, path = "/users/v1/{id}/password", tag = "users", request_body = NewPassword,
    responses((status = 200, description = "How many users were changed.", body = Affected))
)]
pub(crate) async fn change(
    State(accounts): State<Accounts>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewPassword>,
) -> Result<Json<Affected>, Refusal> {
    if is_itself(&caller, &id) {
        return Err(Refusal::illegal_argument("a user changes its own password with `PUT /users/v1/password`"));
    }
    let user = itself_or(&accounts.users, &caller, Permission::UpdateUser, &id).await?;
    password::check("password", &new.password)?;
    let roles = accounts.users.roles_of(&user).await?;
    permission::require_all(&caller, roles.iter().flat_map(|role| &role.permissions))?;
    set(&accounts, &clock, &ids, user, new.password).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Checks the password of the calling user.
#[utoipa::path(
    post, path = "/users/v1/confirm_password", tag = "users", request_body = PasswordConfirmation,
    responses((status = 200, description = "The user.", body = UserView))
)]
pub(crate) async fn confirm(
    State(accounts): State<Accounts>,
    State(clock): State<Clock>,
    source: SourceAddress,
    caller: Caller,
    JsonBody(body): JsonBody<PasswordConfirmation>,
) -> Result<Json<UserView>, Refusal> {
    let user = confirmed(&accounts, source, &clock, &caller, body.password).await?;
    Ok(Json(UserView::new(&user, &accounts.users.roles_of(&user).await?)))
}

/// Checks the password of a user of the caller's tenant.
#[utoipa::path(
    post, path = "/users/v1/authenticate", tag = "users", request_body = Authentication,
    responses((status = 200, description = "The user.", body = UserView))
)]
pub(crate) async fn authenticate(
    State(accounts): State<Accounts>,
    State(clock): State<Clock>,
    source: SourceAddress,
    caller: Caller,
    JsonBody(body): JsonBody<Authentication>,
) -> Result<Json<UserView>, Refusal> {
    let login = Login { accounts: &accounts, source, now: clock.now() };
    let credentials = Credentials { id: body.email, secret: body.password };
    let user = login::as_person(login, caller.tenant_id(), &credentials).await;
    let user = user.map_err(crate::oauth::OAuthError::into_refusal)?;
    Ok(Json(UserView::new(&user, &accounts.users.roles_of(&user).await?)))
}

/// Shows the rules for passwords, which are the same everywhere.
#[utoipa::path(
    get, path = "/users/v1/password_policy", tag = "users",
    responses((status = 200, description = "The rules.", body = PasswordPolicy))
)]
pub(crate) async fn policy() -> Json<PasswordPolicy> {
    Json(PasswordPolicy {
        minimum_length: 8,
        maximum_length: 128,
        upper_case_required: false,
        lower_case_required: false,
        symbol_required: false,
        number_required: false,
        pattern: password::PATTERN,
    })
}

/// Returns the calling user if this is its password.
async fn confirmed(
    accounts: &Accounts,
    source: SourceAddress,
    clock: &Clock,
    caller: &Caller,
    password: String,
) -> Result<User, Refusal> {
    if !caller.is_user() {
        return Err(Refusal::illegal_argument("only users have passwords: a client has its secret"));
    }
    let id = caller.client_id();
    let user = accounts.users.get(caller.tenant_id(), id).await?.ok_or_else(|| Refusal::unknown("user", id))?;
    let login = Login { accounts, source, now: clock.now() };
    let credentials = Credentials { id: user.email, secret: password };
    login::as_person(login, caller.tenant_id(), &credentials).await.map_err(crate::oauth::OAuthError::into_refusal)
}

async fn set(accounts: &Accounts, clock: &Clock, ids: &Ids, former: User, password: String) -> Result<User, Refusal> {
    let hash = accounts.passwords.hash(password).await?;
    let former = accounts.announce_password(former).await?;
    let (now, version) = (clock.now(), former.version + 1);
    let next = User {
        password_stamp: ids.hex24(),
        unannounced_password_ms: Some(now.as_millisecond()),
        update_timestamp: now,
        version,
        ..former.clone()
    };
    match accounts.users.change_password(&former, &next, &hash).await? {
        Outcome::Done => Ok(accounts.announce_password(next).await?),
        Outcome::Taken | Outcome::Changed => Err(changed_meanwhile()),
    }
}
