//! The auth function: signs people and programs in, and keeps the clients, the users and their roles.
//!
//! In: a name and a secret, a refresh token, or a signed request. Out: an access token that carries what its owner may do
//! and for which tenant, so that no other function has to ask this one; or a token that signs, whose owner's permissions
//! every function reads for itself. And the facts that a user was created, activated, deleted or has another password.
//!
//! A request for a token is read into a `grant`; `login` checks its secret, or `refresh` its refresh token, and the
//! answer is an access token and the next refresh token. Access tokens are signed with a key that this function alone
//! reads; the others check them with what it has published. Clients are created and changed under `/clients`, users and
//! roles under `/users/v1`, each in its own tenant; the administrator is kept in Secrets Manager and has no record.

mod account;
mod api;
mod attempt;
mod client;
mod credential;
mod fact;
mod grant;
mod login;
mod oauth;
mod password;
mod path;
mod refresh;
mod refresh_token;
mod role;
mod slowdown;
mod store;
mod user;

use axum::extract::FromRef;
use axum::middleware::from_fn;
use shared::auth::{Issuer, Permission, PublicKey, Signer, Tokens};
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::{Api, BODY_LIMIT_BYTES};
use shared::seal::KeyRing;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::account::Accounts;
use crate::api::tokens::Issuance;
use crate::api::users::OpenRegistration;
use crate::store::client::Clients;
use crate::store::signing_token::SigningTokens;
use crate::store::token_family::{TokenFamilies, TokenFamily};
use crate::store::user::Users;

/// The services of this function; each handler gets those that it touches.
#[derive(Clone, FromRef)]
struct Services {
    clients: Clients,
    users: Users,
    accounts: Accounts,
    families: TokenFamilies,
    signing: SigningTokens,
    ring: KeyRing,
    tokens: Tokens,
    signer: Signer,
    bus: Bus,
    clock: Clock,
    ids: Ids,
    open_registration: OpenRegistration,
    issuance: Issuance,
}

impl Services {
    fn new(environment: &Environment) -> Result<Self, Error> {
        let (clients, users) = (Clients::new(environment)?, Users::new(environment)?);
        let signer = Signer::new(environment, Issuer::Auth)?;
        Ok(Self {
            accounts: Accounts::new(environment, clients.clone(), users.clone())?,
            clients,
            users,
            families: TokenFamilies::new(environment)?,
            signing: SigningTokens::new(environment)?,
            ring: environment.key_ring()?,
            tokens: environment.tokens()?,
            issuance: Issuance { signer: signer.clone(), lifetime_s: environment.config.access_token_s()? },
            signer,
            bus: environment.bus()?,
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
            open_registration: OpenRegistration(environment.config.required("OPEN_REGISTRATION")? == "true"),
        })
    }
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Services::new(environment)?;
    let routes = user_routes(client_routes(token_routes(Api::new(services.tokens.clone()))));
    let checks = [
        services.clients.check(),
        services.users.check(),
        services.users.check_passwords(),
        services.signing.check(),
        services.accounts.logins.check(),
        environment.table("REFRESH_TOKENS_TABLE")?.check(|_: TokenFamily| Ok(())),
        environment.table("TOKEN_KEYS_TABLE")?.check(|_: PublicKey| Ok(())),
    ];
    let (router, openapi) = routes.finish(services);
    let router = router.layer(from_fn(path::check));
    let function = Function::new(environment.seal()?, (router, openapi), |incoming: Incoming| async move {
        Err(incoming.unexpected())
    });
    Ok(function.with_checks(checks))
}

fn token_routes(api: Api<Services>) -> Api<Services> {
    api.public(routes!(api::tokens::issue))
        .public(routes!(api::health::auth))
        .public(routes!(api::keys::published))
        .public(routes!(api::signing_tokens::create))
        .public(routes!(api::signing_tokens::confirm_mfa))
        .signed_in(routes!(api::signing_tokens::list))
        .signed_in(routes!(api::signing_tokens::delete))
        .signed_in(routes!(api::refresh_tokens::list))
        .signed_in(routes!(api::refresh_tokens::delete))
        .permission(Permission::RotateKeys, routes!(api::keys::rotate_tokens))
        .permission(Permission::RotateKeys, routes!(api::keys::rotate_clients))
}

fn client_routes(api: Api<Services>) -> Api<Services> {
    api.permission(Permission::ViewClients, routes!(api::clients::list))
        .permission(Permission::ViewClients, routes!(api::clients::get))
        .permission(Permission::CreateClients, routes!(api::clients::create))
        .permission(Permission::UpdateClients, routes!(api::clients::update))
        .permission(Permission::UpdateClients, routes!(api::clients::rotate))
        .permission(Permission::DeleteClients, routes!(api::clients::delete))
}

fn user_routes(api: Api<Services>) -> Api<Services> {
    api.decided_by_handler(Permission::CreateUser, BODY_LIMIT_BYTES, routes!(api::users::register))
        .public(routes!(api::logins::email_available))
        .public(routes!(api::health::users))
        .signed_in(routes!(api::me::me))
        .signed_in(routes!(api::passwords::policy))
        .signed_in(routes!(api::passwords::change_own))
        .signed_in(routes!(api::passwords::confirm))
        .signed_in(routes!(api::passwords::authenticate))
        .signed_in(routes!(api::passwords::change))
        .permission(Permission::ViewUser, routes!(api::users::list))
        .permission(Permission::DeleteUser, routes!(api::users::delete_found))
        .signed_in(routes!(api::users::get))
        .signed_in(routes!(api::users::update))
        .signed_in(routes!(api::users::update_email))
        .signed_in(routes!(api::users::delete))
        .signed_in(routes!(api::roles::permissions))
        .permission(Permission::ViewRole, routes!(api::roles::list))
        .permission(Permission::CreateRole, routes!(api::roles::create))
        .permission(Permission::UpdateRole, routes!(api::roles::update))
        .permission(Permission::DeleteRole, routes!(api::roles::delete_found))
        .permission(Permission::AddRolePermission, routes!(api::roles::add_permissions))
        .permission(Permission::RemoveRolePermission, routes!(api::roles::remove_permissions))
        .permission(Permission::AddRoleToUser, routes!(api::roles::add_to_users))
        .permission(Permission::RemoveRoleFromUser, routes!(api::roles::remove_from_users))
}
