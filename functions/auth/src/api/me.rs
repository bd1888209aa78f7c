//! `/users/v1/me`: who calls, as it sees itself.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::Refusal;
use shared::auth::Caller;
use shared::event::TenantId;

use crate::role::RoleView;
use crate::store::client::Clients;
use crate::store::user::Users;
use crate::user::UserView;

/// Who calls: a user, a client, the administrator, or a function whose script calls.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Me {
    /// The id of the user or of the client.
    id: String,
    /// The address of the user; the id of a client, by which it logs in.
    email: String,
    /// The first name of the user; the name of a client.
    first_name: String,
    /// The last name of the user; empty for a client.
    last_name: String,
    /// The phone number of the user.
    phone_number: String,
    /// The language of the user; `EN` for a client.
    language: String,
    /// The time zone of the user; `UTC` for a client.
    time_zone: String,
    /// Whether the user is activated.
    activation: bool,
    /// The roles of the user; a client has its permissions itself.
    roles: Vec<RoleView>,
    /// When it was created, in milliseconds since 1970, if there is a record of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_timestamp: Option<i64>,
    /// When it was last changed, in milliseconds since 1970, if there is a record of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    update_timestamp: Option<i64>,
    /// The same as `id`.
    #[serde(rename = "clientId")]
    client_id: String,
    /// The client through which it calls.
    #[serde(rename = "applicationId")]
    application_id: String,
    /// The tenant for which it acts.
    #[serde(rename = "tenantId")]
    tenant_id: TenantId,
    /// What it may do; `*` is everything.
    permissions: Vec<String>,
}

/// Shows who calls.
#[utoipa::path(
    get, path = "/users/v1/me", tag = "users", responses((status = 200, description = "Who calls.", body = Me))
)]
pub(crate) async fn me(
    State(users): State<Users>,
    State(clients): State<Clients>,
    caller: Caller,
) -> Result<Json<Me>, Refusal> {
    let id = caller.client_id();
    let mut me = Me {
        id: id.to_owned(),
        email: id.to_owned(),
        first_name: id.to_owned(),
        last_name: String::new(),
        phone_number: String::new(),
        language: "EN".to_owned(),
        time_zone: "UTC".to_owned(),
        activation: true,
        roles: Vec::new(),
        creation_timestamp: None,
        update_timestamp: None,
        client_id: id.to_owned(),
        application_id: caller.application_id().to_owned(),
        tenant_id: caller.tenant_id().clone(),
        permissions: caller.permissions().to_vec(),
    };
    if caller.is_user() {
        let user = users.get(caller.tenant_id(), id).await?.ok_or_else(|| Refusal::unknown("user", id))?;
        me.show(UserView::new(&user, &users.roles_of(&user).await?));
    } else if let Some(record) = clients.get(id).await? {
        me.first_name = record.client.name;
        me.creation_timestamp = Some(record.client.creation_timestamp.as_millisecond());
        me.update_timestamp = Some(record.client.update_timestamp.as_millisecond());
    }
    Ok(Json(me))
}

impl Me {
    fn show(&mut self, user: UserView) {
        self.email = user.email;
        self.first_name = user.first_name;
        self.last_name = user.last_name;
        self.phone_number = user.phone_number;
        self.language = user.language;
        self.time_zone = user.time_zone;
        self.activation = user.activation;
        self.roles = user.roles;
        self.creation_timestamp = Some(user.creation_timestamp);
        self.update_timestamp = Some(user.update_timestamp);
    }
}
