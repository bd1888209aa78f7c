//! `/clients`: who may call, and what they may do. A caller knows the clients of its own tenant only.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::clock::{Clock, Ids};
use shared::http::{Affected, JsonBody, List};
use shared::list;
use shared::permission;
use shared::rql::Rql;

use crate::client::{Client, ClientChange, ClientWithSecret, NewClient, check_name};
use crate::store::client::{ClientRecord, Clients, LIST_LIMIT};

/// No id of ours is longer.
const ID_LIMIT_BYTES: usize = 64;

/// Creates a client; this answer alone shows its secret.
#[utoipa::path(
    post, path = "/clients", tag = "clients", request_body = NewClient,
    responses((status = 200, description = "The client with its secret.", body = ClientWithSecret))
)]
pub(crate) async fn create(
    State(clients): State<Clients>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    caller: Caller,
    JsonBody(new): JsonBody<NewClient>,
) -> Result<Json<ClientWithSecret>, Refusal> {
    let tenant_id = caller.tenant_named(new.tenant_id)?;
    check_name(&new.name)?;
    let permissions = permission::checked("permissions", new.permissions)?;
    permission::require_all(&caller, &permissions)?;
    let (client_secret, now) = (ids.secret(), clock.now());
    let client = Client {
        client_id: ids.hex24(),
        name: new.name,
        tenant_id,
        permissions,
        creation_timestamp: now,
        update_timestamp: now,
    };
    clients.create(&ClientRecord::new(client.clone(), client_secret.clone())).await?;
    Ok(Json(ClientWithSecret { client, client_secret }))
}

/// Lists the clients, never their secrets.
#[utoipa::path(
    get, path = "/clients", tag = "clients",
    responses((status = 200, description = "A page of the clients; the query string is RQL.", body = List<Client>))
)]
pub(crate) async fn list(
    State(clients): State<Clients>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Client>(query.as_deref())?;
    let records = clients.of_tenant(caller.tenant_id()).await?;
    let mut clients: Vec<Client> = records.into_iter().map(|record| record.client).collect();
    clients.sort_by(|left, right| {
        (left.creation_timestamp, &left.client_id).cmp(&(right.creation_timestamp, &right.client_id))
    });
    list::items(&query, clients, LIST_LIMIT).map(Json)
}

/// Shows a client, never its secret.
#[utoipa::path(
    get, path = "/clients/{id}", tag = "clients", responses((status = 200, description = "The client.", body = Client))
)]
pub(crate) async fn get(
    State(clients): State<Clients>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Client>, Refusal> {
    known(&clients, &caller, &id).await.map(|record| Json(record.client))
}

/// Changes a client's name, and its permissions if the caller holds those that it has and those that it gets.
#[utoipa::path(
    put, path = "/clients/{id}", tag = "clients", request_body = ClientChange,
    responses((status = 200, description = "How many clients were changed.", body = Affected))
)]
pub(crate) async fn update(
    State(clients): State<Clients>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<ClientChange>,
) -> Result<Json<Affected>, Refusal> {
    let mut record = known(&clients, &caller, &id).await?;
    if let Some(name) = change.name {
        check_name(&name)?;
        record.client.name = name;
    }
    if let Some(permissions) = change.permissions {
        let permissions = permission::checked("permissions", permissions)?;
        if permissions != record.client.permissions {
            // Taking away is as much as granting: a client that was made weak could be taken over and made strong again.
            permission::require_all(&caller, record.client.permissions.iter().chain(&permissions))?;
        }
        record.client.permissions = permissions;
    }
    save(&clients, &clock, &mut record).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Gives a client a new secret, which this answer alone shows; the old one and its refresh tokens end.
#[utoipa::path(
    post, path = "/clients/{id}/secret", tag = "clients",
    responses((status = 200, description = "The client with its new secret.", body = ClientWithSecret))
)]
pub(crate) async fn rotate(
    State(clients): State<Clients>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ClientWithSecret>, Refusal> {
    let mut record = known(&clients, &caller, &id).await?;
    // Whoever learns a client's secret can do all that the client can.
    permission::require_all(&caller, &record.client.permissions)?;
    let client_secret = ids.secret();
    record.set_secret(client_secret.clone());
    save(&clients, &clock, &mut record).await?;
    Ok(Json(ClientWithSecret { client: record.client, client_secret }))
}

/// Deletes a client that may do nothing which the caller may not; its access tokens end when their time is over.
#[utoipa::path(
    delete, path = "/clients/{id}", tag = "clients",
    responses((status = 200, description = "How many clients were deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(clients): State<Clients>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    let record = known(&clients, &caller, &id).await?;
    permission::require_all(&caller, &record.client.permissions)?;
    match clients.delete(&record).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(changed_meanwhile()),
    }
}

/// Returns a client of the caller's tenant; any other is unknown.
async fn known(clients: &Clients, caller: &Caller, id: &str) -> Result<ClientRecord, Refusal> {
    let unknown = || Refusal::unknown("client", &id.chars().take(ID_LIMIT_BYTES).collect::<String>());
    if !(1..=ID_LIMIT_BYTES).contains(&id.len()) {
        return Err(unknown());
    }
    let record = clients.get(id).await?;
    record.filter(|record| record.client.tenant_id == *caller.tenant_id()).ok_or_else(unknown)
}

async fn save(clients: &Clients, clock: &Clock, record: &mut ClientRecord) -> Result<(), Refusal> {
    record.client.update_timestamp = clock.now();
    match clients.change(record).await? {
        true => Ok(()),
        false => Err(changed_meanwhile()),
    }
}

fn changed_meanwhile() -> Refusal {
    Refusal::illegal_state("the client was changed at the same time, read it and try again")
}
