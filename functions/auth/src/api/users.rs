//! `/users/v1`: the people of a tenant. Everybody sees and changes itself; others take a permission.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use serde_json::Value;
use shared::auth::{Caller, Permission, named_tenant};
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::{Affected, JsonBody, List, SourceAddress};
use shared::rql::{self, Rql};
use shared::{Error, Refusal, permission};

use crate::account::Accounts;
use crate::fact;
use crate::password;
use crate::store::user::{LIST_LIMIT, Outcome, Users};
use crate::user::{
    EmailChange, NewUser, User, UserChange, UserView, check_email, check_language, check_text, check_time_zone,
};

/// For how long the fact of a user is published again when somebody tries to create the same one, in seconds.
const ANNOUNCED_AGAIN_S: i64 = 3_600;

/// Whether anybody may create a user, who has no permissions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRegistration(pub(crate) bool);

/// Creates a user without roles.
///
/// Whoever has the permission `CREATE_USER` creates activated users of its own tenant. Without a token, which is how
/// client libraries of Extra Horizon call it, anybody creates users that are not activated, unless the parameter
/// `OpenRegistration` is `false`; the header `x-tenant-id` names their tenant.
#[utoipa::path(
    post, path = "/users/v1/register", tag = "users", request_body = NewUser,
    params(("x-tenant-id" = Option<String>, Header, description = "The tenant of the user, without a token.")),
    responses(
        (status = 200, description = "The user.", body = UserView),
        (status = 429, description = "Too many were registered from this address.", body = shared::http::ErrorBody),
    )
)]
#[expect(clippy::too_many_arguments, reason = "a handler names all that it touches")]
pub(crate) async fn register(
    State(accounts): State<Accounts>,
    State(OpenRegistration(is_open)): State<OpenRegistration>,
    State(bus): State<Bus>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    source: SourceAddress,
    caller: Option<Caller>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    JsonBody(new): JsonBody<NewUser>,
) -> Result<Json<UserView>, Refusal> {
    let tenant_id = match &caller {
        Some(caller) => {
            caller.require(Permission::CreateUser.name())?;
            caller.tenant_id().clone()
        }
        None if is_open => named_tenant(&headers, query.as_deref())?,
        None => return Err(Refusal::no_token("only those with the permission CREATE_USER create users here")),
    };
    check(&new)?;
    let now = clock.now();
    if caller.is_none()
        && let Some(seconds) = accounts.slowdown.register(source, now)
    {
        return Err(too_many_registrations(seconds));
    }
    let user = User {
        id: ids.hex24(),
        tenant_id,
        email: new.email,
        first_name: new.first_name,
        last_name: new.last_name,
        phone_number: new.phone_number,
        language: new.language.unwrap_or_else(|| "EN".to_owned()),
        time_zone: new.time_zone.unwrap_or_else(|| "UTC".to_owned()),
        activation: caller.is_some(),
        activations: 0,
        roles: Vec::new(),
        password_stamp: ids.hex24(),
        unannounced_password_ms: None,
        creation_timestamp: now,
        update_timestamp: now,
        version: 0,
    };
    let hash = accounts.passwords.hash(new.password).await?;
    match accounts.users.create(&user, &hash).await? {
        Outcome::Done => fact::created(&bus, &user).await?,
        Outcome::Taken | Outcome::Changed => return Err(taken(&accounts.users, &bus, &user).await?),
    }
    Ok(Json(UserView::new(&user, &[])))
}

/// Refuses an address that a user has; whose creation was cut off before it was announced is announced now.
async fn taken(users: &Users, bus: &Bus, new: &User) -> Result<Refusal, Error> {
    if let Some(former) = users.by_email(&new.tenant_id, &new.email).await?
        && new.creation_timestamp.as_second() - former.creation_timestamp.as_second() < ANNOUNCED_AGAIN_S
    {
        fact::created(bus, &former).await?;
    }
    Ok(email_used(&new.email))
}

fn too_many_registrations(seconds: u32) -> Refusal {
    let message = format!("too many users in a row were registered from this address, try again in {seconds} seconds");
    let status = http::StatusCode::TOO_MANY_REQUESTS;
    let mut refusal = Refusal::new(status, 9, "TOO_MANY_REQUESTS_EXCEPTION", message);
    refusal.retry_after_s = Some(seconds);
    refusal
}

fn email_used(email: &str) -> Refusal {
    let message = format!("a user with the address `{email}` exists already");
    Refusal::new(http::StatusCode::BAD_REQUEST, 203, "EMAIL_USED_EXCEPTION", message)
}

fn check(new: &NewUser) -> Result<(), Refusal> {
    check_email(&new.email)?;
    password::check("password", &new.password)?;
    let texts = [("first_name", &new.first_name), ("last_name", &new.last_name), ("phone_number", &new.phone_number)];
    for (field, text) in texts {
        check_text(field, text)?;
    }
    new.language.as_deref().map_or(Ok(()), check_language)?;
    new.time_zone.as_deref().map_or(Ok(()), check_time_zone)?;
    match new.activation_mode.as_deref() {
        None | Some("hash" | "pin_code" | "manual") => Ok(()),
        Some(_) => Err(Refusal::field("activation_mode", "must be `hash`, `pin_code` or `manual`")),
    }
}

/// Lists the users.
#[utoipa::path(
    get, path = "/users/v1", tag = "users",
    responses((status = 200, description = "A page of the users; the query string is RQL.", body = List<UserView>))
)]
pub(crate) async fn list(
    State(users): State<Users>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<UserView>(query.as_deref())?.ignoring_case("email");
    let found = rql::within(users.of_tenant(caller.tenant_id()).await?, LIST_LIMIT)?;
    let roles = users.roles(caller.tenant_id()).await?;
    let mut views: Vec<UserView> = found.iter().map(|user| UserView::new(user, &roles)).collect();
    views.sort_by(|left, right| (left.creation_timestamp, &left.id).cmp(&(right.creation_timestamp, &right.id)));
    query.apply(&views).map(Json)
}

/// Shows a user: the calling one itself, or any with the permission `VIEW_USER`.
#[utoipa::path(
    get, path = "/users/v1/{id}", tag = "users", responses((status = 200, description = "The user.", body = UserView))
)]
pub(crate) async fn get(
    State(users): State<Users>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<UserView>, Refusal> {
    let user = itself_or(&users, &caller, Permission::ViewUser, &id).await?;
    Ok(Json(UserView::new(&user, &users.roles_of(&user).await?)))
}

/// Changes a user: the calling one itself, or any with the permission `UPDATE_USER`.
#[utoipa::path(
    put, path = "/users/v1/{id}", tag = "users", request_body = UserChange,
    responses((status = 200, description = "The user as it is now.", body = UserView))
)]
pub(crate) async fn update(
    State(users): State<Users>,
    State(bus): State<Bus>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<UserChange>,
) -> Result<Json<UserView>, Refusal> {
    let former = itself_or(&users, &caller, Permission::UpdateUser, &id).await?;
    let activates = change.activation == Some(true);
    if change.activation.is_some() {
        caller.require(Permission::UpdateUser.name())?;
    }
    let next = apply(&former, change)?;
    let next = save(&users, &clock, &former, next).await?;
    if activates {
        fact::activated(&bus, &next).await?;
    }
    Ok(Json(UserView::new(&next, &users.roles_of(&next).await?)))
}

/// Gives a user another address: the calling one itself, or with the permission `UPDATE_USER_EMAIL` any that may do
/// nothing which the caller may not.
#[utoipa::path(
    put, path = "/users/v1/{id}/email", tag = "users", request_body = EmailChange,
    responses((status = 200, description = "The user as it is now.", body = UserView))
)]
pub(crate) async fn update_email(
    State(users): State<Users>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<EmailChange>,
) -> Result<Json<UserView>, Refusal> {
    let former = itself_or(&users, &caller, Permission::UpdateUserEmail, &id).await?;
    check_email(&change.email)?;
    let roles = users.roles_of(&former).await?;
    if !is_itself(&caller, &id) {
        permission::require_all(&caller, roles.iter().flat_map(|role| &role.permissions))?;
    }
    let next = User { email: change.email, ..former.clone() };
    let next = save(&users, &clock, &former, next).await?;
    Ok(Json(UserView::new(&next, &roles)))
}

/// Deletes a user that may do nothing which the caller may not; its access tokens end when their time is over.
#[utoipa::path(
    delete, path = "/users/v1/{id}", tag = "users",
    responses((status = 200, description = "How many users were deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(users): State<Users>,
    State(bus): State<Bus>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    let user = itself_or(&users, &caller, Permission::DeleteUser, &id).await?;
    remove(&users, &bus, &clock, &caller, &user).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Deletes the users that the conditions of a query find; a query without any, or with anything else, is refused.
#[utoipa::path(
    delete, path = "/users/v1", tag = "users",
    responses((status = 200, description = "How many users were deleted; the query string is RQL.", body = Affected))
)]
pub(crate) async fn delete_found(
    State(users): State<Users>,
    State(bus): State<Bus>,
    State(clock): State<Clock>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Affected>, Refusal> {
    let found = found(&users, &caller, query.as_deref()).await?;
    for user in &found {
        remove(&users, &bus, &clock, &caller, user).await?;
    }
    Ok(Json(Affected { affected_records: found.len() as u64 }))
}

/// Returns the users that the conditions of a query find.
pub(super) async fn found(users: &Users, caller: &Caller, query: Option<&str>) -> Result<Vec<User>, Refusal> {
    let query = Rql::parse_conditions::<UserView>(query)?.ignoring_case("email");
    let all = rql::within(users.of_tenant(caller.tenant_id()).await?, LIST_LIMIT)?;
    let roles = users.roles(caller.tenant_id()).await?;
    let views: Vec<UserView> = all.iter().map(|user| UserView::new(user, &roles)).collect();
    let page = query.page(&views)?;
    let ids: std::collections::BTreeSet<&String> = page.data.iter().map(|view| &view.id).collect();
    Ok(all.iter().filter(|user| ids.contains(&user.id)).cloned().collect())
}

async fn remove(users: &Users, bus: &Bus, clock: &Clock, caller: &Caller, user: &User) -> Result<(), Refusal> {
    if !is_itself(caller, &user.id) {
        let roles = users.roles_of(user).await?;
        permission::require_all(caller, roles.iter().flat_map(|role| &role.permissions))?;
    }
    // First, so that a deletion that is cut off is told when it is tried again.
    fact::deleted(bus, user, clock.now()).await?;
    match users.delete(user).await? {
        Outcome::Done => Ok(()),
        Outcome::Taken | Outcome::Changed => Err(changed_meanwhile()),
    }
}

fn apply(former: &User, change: UserChange) -> Result<User, Refusal> {
    let mut next = former.clone();
    let texts = [
        ("first_name", change.first_name, &mut next.first_name),
        ("last_name", change.last_name, &mut next.last_name),
        ("phone_number", change.phone_number, &mut next.phone_number),
    ];
    for (field, text, place) in texts {
        if let Some(text) = text {
            check_text(field, &text)?;
            *place = text;
        }
    }
    if let Some(language) = change.language {
        check_language(&language)?;
        next.language = language;
    }
    if let Some(time_zone) = change.time_zone {
        check_time_zone(&time_zone)?;
        next.time_zone = time_zone;
    }
    next.activation = change.activation.unwrap_or(former.activation);
    next.activations += u64::from(next.activation && !former.activation);
    Ok(next)
}

/// Writes a user in place of what was read.
pub(super) async fn save(users: &Users, clock: &Clock, former: &User, next: User) -> Result<User, Refusal> {
    let next = User { update_timestamp: clock.now(), version: former.version + 1, ..next };
    match users.change(former, &next).await? {
        Outcome::Done => Ok(next),
        Outcome::Taken if former.email != next.email => Err(email_used(&next.email)),
        Outcome::Taken | Outcome::Changed => Err(changed_meanwhile()),
    }
}

pub(super) fn is_itself(caller: &Caller, id: &str) -> bool {
    caller.is_user() && caller.client_id() == id
}

/// Returns the calling user itself, or any other of its tenant with a permission.
pub(super) async fn itself_or(
    users: &Users,
    caller: &Caller,
    permission: Permission,
    id: &str,
) -> Result<User, Refusal> {
    if !is_itself(caller, id) {
        caller.require(permission.name())?;
    }
    users.get(caller.tenant_id(), id).await?.ok_or_else(|| Refusal::unknown("user", id))
}

pub(super) fn changed_meanwhile() -> Refusal {
    Refusal::illegal_state("the user was changed at the same time, read it and try again")
}
