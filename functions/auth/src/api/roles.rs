//! `/users/v1/roles`: named sets of permissions. Nobody gives, takes or uses up what it does not hold itself.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;
use shared::auth::{ALL_PERMISSIONS, Caller, Permission};
use shared::clock::{Clock, Ids};
use shared::http::{Affected, JsonBody, List};
use shared::rql::{self, Rql};
use shared::{Refusal, permission};

use super::users;
use crate::role::{
    NewRole, PermissionView, ROLES_OF_USER, Role, RoleChange, RolePermissions, RoleView, UserRoles, check,
};
use crate::store::user::{LIST_LIMIT, Outcome, Users};
use crate::user::User;

/// What becomes of a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

impl Change {
    /// Returns what is held with, or without, what is named.
    fn apply(self, held: &[String], named: &[String]) -> Vec<String> {
        match self {
            Self::Add => held.iter().chain(named.iter().filter(|name| !held.contains(name))).cloned().collect(),
            Self::Remove => held.iter().filter(|name| !named.contains(name)).cloned().collect(),
        }
    }
}

/// How often a change is tried that meets others.
const WRITE_ATTEMPTS: u32 = 50;

/// Lists the permissions that there are.
#[utoipa::path(
    get, path = "/users/v1/permissions", tag = "users",
    responses((status = 200, description = "A page of the permissions; the query string is RQL.", body = List<PermissionView>))
)]
pub(crate) async fn permissions(RawQuery(query): RawQuery) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<PermissionView>(query.as_deref())?;
    let names = Permission::ALL.iter().map(|permission| permission.name()).chain([ALL_PERMISSIONS]);
    let all: Vec<PermissionView> = names.map(PermissionView::new).collect();
    query.apply(&all).map(Json)
}

/// Lists the roles.
#[utoipa::path(
    get, path = "/users/v1/roles", tag = "users",
    responses((status = 200, description = "A page of the roles; the query string is RQL.", body = List<RoleView>))
)]
pub(crate) async fn list(
    State(users): State<Users>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<RoleView>(query.as_deref())?;
    let roles = rql::within(users.roles(caller.tenant_id()).await?, LIST_LIMIT)?;
    let mut views: Vec<RoleView> = roles.iter().map(RoleView::from).collect();
    views.sort_by(|left, right| (left.creation_timestamp, &left.id).cmp(&(right.creation_timestamp, &right.id)));
    query.apply(&views).map(Json)
}

/// Creates a role without permissions.
#[utoipa::path(
    post, path = "/users/v1/roles", tag = "users", request_body = NewRole,
    responses((status = 200, description = "The role.", body = RoleView))
)]
pub(crate) async fn create(
    State(users): State<Users>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    caller: Caller,
    JsonBody(new): JsonBody<NewRole>,
) -> Result<Json<RoleView>, Refusal> {
    check(&new.name, &new.description)?;
    let now = clock.now();
    let role = Role {
        id: ids.hex24(),
        tenant_id: caller.tenant_id().clone(),
        name: new.name,
        description: new.description,
        permissions: Vec::new(),
        creation_timestamp: now,
        update_timestamp: now,
        version: 0,
    };
    match users.create_role(&role).await? {
        Outcome::Done => Ok(Json(RoleView::from(&role))),
        Outcome::Taken | Outcome::Changed => Err(Refusal::already_exists("role", &role.name)),
    }
}

/// Changes the name and the description of a role.
#[utoipa::path(
    put, path = "/users/v1/roles/{id}", tag = "users", request_body = RoleChange,
    responses((status = 200, description = "The role as it is now.", body = RoleView))
)]
pub(crate) async fn update(
    State(users): State<Users>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<RoleChange>,
) -> Result<Json<RoleView>, Refusal> {
    let former = known(&users, &caller, &id).await?;
    let mut next = former.clone();
    next.name = change.name.unwrap_or(next.name);
    next.description = change.description.unwrap_or(next.description);
    check(&next.name, &next.description)?;
    Ok(Json(RoleView::from(&save(&users, &clock, &former, next).await?)))
}

/// Deletes the roles that a query finds, of which users may do no more then; takes all that they permit.
#[utoipa::path(
    delete, path = "/users/v1/roles", tag = "users",
    responses((status = 200, description = "How many roles were deleted; the query string is RQL.", body = Affected))
)]
pub(crate) async fn delete_found(
    State(users): State<Users>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Affected>, Refusal> {
    let found = found(&users, &caller, query.as_deref()).await?;
    permission::require_all(&caller, found.iter().flat_map(|role| &role.permissions))?;
    for role in &found {
        if users.delete_role(role).await? != Outcome::Done {
            return Err(changed_meanwhile());
        }
    }
    Ok(Json(Affected { affected_records: found.len() as u64 }))
}

/// Gives permissions to the roles that a query finds.
#[utoipa::path(
    post, path = "/users/v1/roles/add_permissions", tag = "users", request_body = RolePermissions,
    responses((status = 200, description = "How many roles were changed; the query string is RQL.", body = Affected))
)]
pub(crate) async fn add_permissions(
    State(users): State<Users>,
    State(clock): State<Clock>,
    caller: Caller,
    RawQuery(query): RawQuery,
    JsonBody(RolePermissions { permissions }): JsonBody<RolePermissions>,
) -> Result<Json<Affected>, Refusal> {
    change_permissions(&users, &clock, &caller, query.as_deref(), (Change::Add, permissions)).await
}

/// Takes permissions from the roles that a query finds.
#[utoipa::path(
    post, path = "/users/v1/roles/remove_permissions", tag = "users", request_body = RolePermissions,
    responses((status = 200, description = "How many roles were changed; the query string is RQL.", body = Affected))
)]
pub(crate) async fn remove_permissions(
    State(users): State<Users>,
    State(clock): State<Clock>,
    caller: Caller,
    RawQuery(query): RawQuery,
    JsonBody(RolePermissions { permissions }): JsonBody<RolePermissions>,
) -> Result<Json<Affected>, Refusal> {
    change_permissions(&users, &clock, &caller, query.as_deref(), (Change::Remove, permissions)).await
}

/// Gives roles to the users that a query finds.
#[utoipa::path(
    post, path = "/users/v1/add_roles", tag = "users", request_body = UserRoles,
    responses(
        (status = 200, description = "How many users were changed; the query string is RQL.", body = Affected),
        (status = 404, description = "There is no such role.", body = shared::http::ErrorBody),
    )
)]
pub(crate) async fn add_to_users(
    State(users): State<Users>,
    State(clock): State<Clock>,
    caller: Caller,
    RawQuery(query): RawQuery,
    JsonBody(UserRoles { roles }): JsonBody<UserRoles>,
) -> Result<Json<Affected>, Refusal> {
    change_users(&users, &clock, &caller, query.as_deref(), (Change::Add, &roles)).await
}

/// Takes roles from the users that a query finds.
#[utoipa::path(
    post, path = "/users/v1/remove_roles", tag = "users", request_body = UserRoles,
    responses(
        (status = 200, description = "How many users were changed; the query string is RQL.", body = Affected),
        (status = 404, description = "There is no such role.", body = shared::http::ErrorBody),
    )
)]
pub(crate) async fn remove_from_users(
    State(users): State<Users>,
    State(clock): State<Clock>,
    caller: Caller,
    RawQuery(query): RawQuery,
    JsonBody(UserRoles { roles }): JsonBody<UserRoles>,
) -> Result<Json<Affected>, Refusal> {
    change_users(&users, &clock, &caller, query.as_deref(), (Change::Remove, &roles)).await
}

/// Returns the ids of roles, each once, if they exist and permit nothing that the caller may not.
async fn usable(users: &Users, caller: &Caller, ids: &[String]) -> Result<Vec<String>, Refusal> {
    let mut usable: Vec<String> = Vec::new();
    if ids.len() > ROLES_OF_USER {
        return Err(Refusal::field("roles", format!("must name at most {ROLES_OF_USER} roles")));
    }
    for id in ids {
        let role = known(users, caller, id).await?;
        permission::require_all(caller, &role.permissions)?;
        if !usable.contains(id) {
            usable.push(role.id);
        }
    }
    Ok(usable)
}

/// Changes the permissions of the roles that a query finds by some that the caller holds.
async fn change_permissions(
    users: &Users,
    clock: &Clock,
    caller: &Caller,
    query: Option<&str>,
    (change, named): (Change, Vec<String>),
) -> Result<Json<Affected>, Refusal> {
    let named = permission::checked("permissions", named)?;
    permission::require_all(caller, &named)?;
    let found = found(users, caller, query).await?;
    let changed = |role: &Role| {
        let permissions = change.apply(&role.permissions, &named);
        match change {
            Change::Add => permission::checked("permissions", permissions),
            Change::Remove => Ok(permissions),
        }
    };
    // All of them can be changed, or none is.
    let next: Vec<Vec<String>> = found.iter().map(changed).collect::<Result<_, _>>()?;
    if let Change::Add = change {
        check_holders(users, caller, &found, &next).await?;
    }
    let count = found.len() as u64;
    for mut role in found {
        for attempt in 1.. {
            let permissions = changed(&role)?;
            if permissions == role.permissions {
                break;
            }
            let (update_timestamp, version) = (clock.now(), role.version + 1);
            let next = Role { permissions, update_timestamp, version, ..role.clone() };
            if matches!(users.change_role(&role, &next).await?, Outcome::Done) {
                break;
            }
            if attempt == WRITE_ATTEMPTS {
                return Err(changed_meanwhile());
            }
            let Some(latest) = users.role(caller.tenant_id(), &role.id).await? else { break };
            role = latest;
        }
    }
    Ok(Json(Affected { affected_records: count }))
}

/// Refuses permissions that some roles would have next if a user has more of them then than a token can hold.
async fn check_holders(users: &Users, caller: &Caller, changed: &[Role], next: &[Vec<String>]) -> Result<(), Refusal> {
    let tenant = caller.tenant_id();
    let mut permissions = permissions_by_role(users, caller).await?;
    permissions.extend(changed.iter().map(|role| role.id.clone()).zip(next.iter().cloned()));
    let is_changed = |id: &String| changed.iter().any(|role| role.id == *id);
    let held: BTreeSet<Vec<String>> = rql::within(users.of_tenant(tenant).await?, LIST_LIMIT)?
        .into_iter()
        .map(|user| user.roles)
        .filter(|roles| roles.iter().any(is_changed))
        .collect();
    held.iter().try_for_each(|roles| fit_in_token("permissions", roles, &permissions))
}

async fn permissions_by_role(users: &Users, caller: &Caller) -> Result<HashMap<String, Vec<String>>, Refusal> {
    let roles = users.roles(caller.tenant_id()).await?;
    Ok(roles.into_iter().map(|role| (role.id, role.permissions)).collect())
}

fn fit_in_token(field: &str, roles: &[String], permissions: &HashMap<String, Vec<String>>) -> Result<(), Refusal> {
    permission::fit_together(field, roles.iter().filter_map(|id| permissions.get(id)).flatten())
}

/// Changes the roles of the users that a query finds by some that permit nothing which the caller may not.
async fn change_users(
    users: &Users,
    clock: &Clock,
    caller: &Caller,
    query: Option<&str>,
    (change, named): (Change, &[String]),
) -> Result<Json<Affected>, Refusal> {
    let named = usable(users, caller, named).await?;
    let found = users::found(users, caller, query).await?;
    let permissions = permissions_by_role(users, caller).await?;
    let changed = |user: &User| {
        let roles = change.apply(&user.roles, &named);
        if roles.len() > ROLES_OF_USER {
            return Err(Refusal::field("roles", format!("make more than {ROLES_OF_USER} roles of one user")));
        }
        // What a user has already is no reason to refuse that it loses some of it.
        if let Change::Add = change
            && roles != user.roles
        {
            fit_in_token("roles", &roles, &permissions)?;
        }
        Ok(roles)
    };
    // All of them can be changed, or none is.
    found.iter().try_for_each(|user| changed(user).map(drop))?;
    let count = found.len() as u64;
    for mut user in found {
        for attempt in 1.. {
            let roles = changed(&user)?;
            if roles == user.roles {
                break;
            }
            let next = User { roles, update_timestamp: clock.now(), version: user.version + 1, ..user.clone() };
            if matches!(users.change(&user, &next).await?, Outcome::Done) {
                break;
            }
            if attempt == WRITE_ATTEMPTS {
                return Err(users::changed_meanwhile());
            }
            let Some(latest) = users.get(caller.tenant_id(), &user.id).await? else { break };
            user = latest;
        }
    }
    Ok(Json(Affected { affected_records: count }))
}

/// Returns the roles that the conditions of a query find.
async fn found(users: &Users, caller: &Caller, query: Option<&str>) -> Result<Vec<Role>, Refusal> {
    let query = Rql::parse_conditions::<RoleView>(query)?;
    let all = rql::within(users.roles(caller.tenant_id()).await?, LIST_LIMIT)?;
    let views: Vec<RoleView> = all.iter().map(RoleView::from).collect();
    let page = query.page(&views)?;
    let ids: BTreeSet<&String> = page.data.iter().map(|view| &view.id).collect();
    Ok(all.iter().filter(|role| ids.contains(&role.id)).cloned().collect())
}

async fn known(users: &Users, caller: &Caller, id: &str) -> Result<Role, Refusal> {
    let unknown = || Refusal::unknown("role", &id.chars().take(64).collect::<String>());
    if !(1..=64).contains(&id.len()) {
        return Err(unknown());
    }
    users.role(caller.tenant_id(), id).await?.ok_or_else(unknown)
}

async fn save(users: &Users, clock: &Clock, former: &Role, next: Role) -> Result<Role, Refusal> {
    let next = Role { update_timestamp: clock.now(), version: former.version + 1, ..next };
    match users.change_role(former, &next).await? {
        Outcome::Done => Ok(next),
        Outcome::Taken if former.name != next.name => Err(Refusal::already_exists("role", &next.name)),
        Outcome::Taken | Outcome::Changed => Err(changed_meanwhile()),
    }
}

fn changed_meanwhile() -> Refusal {
    Refusal::illegal_state("the role was changed at the same time, read it and try again")
}
