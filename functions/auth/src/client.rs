//! The API clients: who may call, and what they may do.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::auth::{ALL_PERMISSIONS, Caller};
use shared::http::{Affected, ErrorBody, JsonBody, List};
use shared::rql::Rql;

use crate::Auth;
use crate::credential::hash;
use crate::store::Client;

const NAME_LIMIT_CHARACTERS: usize = 128;
const PERMISSION_LIMIT_BYTES: usize = 128;
/// All permissions travel in every access token, and gateways take about 10 KB of headers.
const PERMISSIONS_LIMIT_BYTES: usize = 4096;
/// No id of ours is longer.
const ID_LIMIT_BYTES: usize = 64;

/// A new client.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewClient {
    /// A name for people.
    name: String,
    /// The client's tenant; the caller's own unless given.
    tenant_id: Option<String>,
    /// What the client may do; the caller must hold every one.
    #[serde(default)]
    permissions: Vec<String>,
}

/// A change of a client; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientChange {
    /// A name for people.
    name: Option<String>,
    /// What the client may do; the caller must hold every one that is new.
    permissions: Option<Vec<String>>,
}

/// A client as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientView {
    /// The client's id, which is its user name as well.
    client_id: String,
    /// The secret, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// A name for people.
    name: String,
    /// The client's tenant.
    tenant_id: String,
    /// What the client may do; `*` is everything.
    permissions: Vec<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    creation_timestamp: Timestamp,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    update_timestamp: Timestamp,
}

impl ClientView {
    fn of(client: Client) -> Self {
        Self {
            client_id: client.client_id,
            client_secret: None,
            name: client.name,
            tenant_id: client.tenant_id,
            permissions: client.permissions,
            creation_timestamp: client.creation_timestamp,
            update_timestamp: client.update_timestamp,
        }
    }

    fn with_secret(client: Client, secret: String) -> Self {
        Self { client_secret: Some(secret), ..Self::of(client) }
    }
}

/// Creates a client; the answer alone shows its secret.
#[utoipa::path(
    post, path = "/clients", tag = "clients", request_body = NewClient,
    responses(
        (status = 200, description = "The client with its secret.", body = ClientView),
        (status = 400, description = "A field breaks a rule.", body = ErrorBody),
        (status = 401, description = "A permission is missing.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(auth): State<Arc<Auth>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewClient>,
) -> Result<Json<ClientView>, Refusal> {
    let tenant_id = new.tenant_id.unwrap_or_else(|| caller.tenant_id().to_owned());
    check_name("tenantId", &tenant_id)?;
    if tenant_id != caller.tenant_id() {
        caller.require(ALL_PERMISSIONS)?;
    }
    check_name("name", &new.name)?;
    let permissions = checked(new.permissions)?;
    require_all(&caller, &permissions)?;
    let secret = auth.ids.secret();
    let now = auth.clock.now();
    let client = Client {
        client_id: auth.ids.hex24(),
        name: new.name,
        tenant_id,
        permissions,
        secret_hash: hash(&secret),
        creation_timestamp: now,
        update_timestamp: now,
        ..Client::default()
    };
    auth.store.create_client(&client).await?;
    Ok(Json(ClientView::with_secret(client, secret)))
}

/// Lists the clients, never their secrets.
#[utoipa::path(
    get, path = "/clients", tag = "clients",
    responses(
        (status = 200, description = "A page of the clients; the query string is RQL.", body = List<ClientView>),
        (status = 400, description = "The query is no RQL.", body = ErrorBody),
    )
)]
pub(crate) async fn list(
    State(auth): State<Arc<Auth>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse(query.as_deref())?;
    let mut clients = auth.store.clients().await?;
    clients.retain(|client| sees(&caller, client));
    clients.sort_by(|left, right| {
        (left.creation_timestamp, &left.client_id).cmp(&(right.creation_timestamp, &right.client_id))
    });
    let views: Vec<ClientView> = clients.into_iter().map(ClientView::of).collect();
    query.apply(&views).map(Json)
}

/// Shows a client, never its secret.
#[utoipa::path(
    get, path = "/clients/{id}", tag = "clients", params(("id" = String, Path, description = "The client's id.")),
    responses(
        (status = 200, description = "The client.", body = ClientView),
        (status = 404, description = "No such client.", body = ErrorBody),
    )
)]
pub(crate) async fn get(
    State(auth): State<Arc<Auth>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ClientView>, Refusal> {
    auth.seen(&caller, &id).await.map(ClientView::of).map(Json)
}

/// Changes a client's name and permissions.
#[utoipa::path(
    put, path = "/clients/{id}", tag = "clients", request_body = ClientChange,
    params(("id" = String, Path, description = "The client's id.")),
    responses(
        (status = 200, description = "How many clients were changed.", body = Affected),
        (status = 400, description = "A field breaks a rule.", body = ErrorBody),
        (status = 401, description = "A permission is missing.", body = ErrorBody),
        (status = 404, description = "No such client.", body = ErrorBody),
    )
)]
pub(crate) async fn update(
    State(auth): State<Arc<Auth>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<ClientChange>,
) -> Result<Json<Affected>, Refusal> {
    let mut client = auth.seen(&caller, &id).await?;
    if let Some(name) = change.name {
        check_name("name", &name)?;
        client.name = name;
    }
    if let Some(permissions) = change.permissions {
        let permissions = checked(permissions)?;
        let added: Vec<String> =
            permissions.iter().filter(|permission| !client.permissions.contains(permission)).cloned().collect();
        require_all(&caller, &added)?;
        client.permissions = permissions;
    }
    auth.change(&client).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Gives a client a new secret, which the answer alone shows; the old one and its refresh tokens end.
#[utoipa::path(
    post, path = "/clients/{id}/secret", tag = "clients",
    params(("id" = String, Path, description = "The client's id.")),
    responses(
        (status = 200, description = "The client with its new secret.", body = ClientView),
        (status = 401, description = "A permission is missing.", body = ErrorBody),
        (status = 404, description = "No such client.", body = ErrorBody),
    )
)]
pub(crate) async fn rotate(
    State(auth): State<Arc<Auth>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ClientView>, Refusal> {
    let mut client = auth.seen(&caller, &id).await?;
    // Whoever learns a client's secret can do all that the client can.
    require_all(&caller, &client.permissions)?;
    let secret = auth.ids.secret();
    client.secret_hash = hash(&secret);
    client.update_timestamp = auth.change(&client).await?;
    Ok(Json(ClientView::with_secret(client, secret)))
}

/// Deletes a client; its access tokens end within five minutes.
#[utoipa::path(
    delete, path = "/clients/{id}", tag = "clients",
    params(("id" = String, Path, description = "The client's id.")),
    responses(
        (status = 200, description = "How many clients were deleted.", body = Affected),
        (status = 404, description = "No such client.", body = ErrorBody),
    )
)]
pub(crate) async fn delete(
    State(auth): State<Arc<Auth>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    auth.seen(&caller, &id).await?;
    let deleted = auth.store.delete_client(&id).await?;
    Ok(Json(Affected { affected_records: u64::from(deleted) }))
}

impl Auth {
    /// Returns a client that the caller may know of.
    async fn seen(&self, caller: &Caller, id: &str) -> Result<Client, Refusal> {
        let unknown = || Refusal::unknown("client", id.get(..ID_LIMIT_BYTES).unwrap_or(id));
        if id.is_empty() || id.len() > ID_LIMIT_BYTES {
            return Err(unknown());
        }
        let client = self.store.client(id).await?;
        client.filter(|client| sees(caller, client)).ok_or_else(unknown)
    }

    async fn change(&self, client: &Client) -> Result<Timestamp, Refusal> {
        let now = self.clock.now();
        if self.store.change_client(client, now).await? {
            return Ok(now);
        }
        Err(Refusal::illegal_state("the client was changed at the same time, read it and try again"))
    }
}

/// A caller knows the clients of its own tenant, and one that may do everything those of all tenants.
fn sees(caller: &Caller, client: &Client) -> bool {
    client.tenant_id == caller.tenant_id() || caller.require(ALL_PERMISSIONS).is_ok()
}

/// Nobody hands on what they do not have.
fn require_all(caller: &Caller, permissions: &[String]) -> Result<(), Refusal> {
    let require = |permission: &String| match permission.split_once(':') {
        Some((base, object)) => caller.require_for(base, object),
        None => caller.require(permission),
    };
    permissions.iter().try_for_each(require)
}

fn check_name(field: &str, name: &str) -> Result<(), Refusal> {
    let length = name.chars().count();
    if (1..=NAME_LIMIT_CHARACTERS).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Refusal::field(field, format!("must have 1 to {NAME_LIMIT_CHARACTERS} printable characters")))
}

/// Returns the permissions in order and each once, or says which one cannot be a permission.
fn checked(mut permissions: Vec<String>) -> Result<Vec<String>, Refusal> {
    for (index, permission) in permissions.iter().enumerate() {
        if !is_permission(permission) {
            let rule = "must be `*` or a name like VIEW_TASKS, perhaps with an object as in EXECUTE_TASK_FUNCTION:name";
            return Err(Refusal::field(&format!("permissions[{index}]"), rule));
        }
    }
    permissions.sort_unstable();
    permissions.dedup();
    if permissions.iter().map(|permission| permission.len() + 3).sum::<usize>() > PERMISSIONS_LIMIT_BYTES {
        return Err(Refusal::field("permissions", format!("may have {PERMISSIONS_LIMIT_BYTES} bytes in all")));
    }
    Ok(permissions)
}

fn is_permission(text: &str) -> bool {
    let (name, object) = text.split_once(':').map_or((text, None), |(name, object)| (name, Some(object)));
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let is_object =
        object.is_none_or(|object| !object.is_empty() && object.bytes().all(|byte| byte.is_ascii_graphic()));
    text.len() <= PERMISSION_LIMIT_BYTES && (text == ALL_PERMISSIONS || (is_name && is_object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_a_name_with_an_object_perhaps() {
        let check = |text: &str, expected| assert_eq!(is_permission(text), expected, "{text}");
        check("*", true);
        check("VIEW_TASKS", true);
        check("EXECUTE_TASK_FUNCTION:my-fn", true);
        check("", false);
        check("view", false);
        check("VIEW TASKS", false);
        check("VIEW:", false);
        check("*:x", false);
        check(&"A".repeat(129), false);
    }

    #[test]
    fn permissions_are_kept_in_order_and_once() {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(checked(list(&["B", "A", "B"])).unwrap(), list(&["A", "B"]));
        let refusal = checked(list(&["A", "b"])).unwrap_err();
        assert!(refusal.message.contains("`permissions[1]`"), "{}", refusal.message);
        let many: Vec<String> = (0..200).map(|n| format!("PERMISSION_NUMBER_{n}")).collect();
        assert_eq!(checked(many).unwrap_err().code, 15);
    }
}
