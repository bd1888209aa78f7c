//! The auth function: issues access tokens and keeps the API clients.
//!
//! In: a client's id and secret, or a refresh token. Out: an access token that carries what the client may do and for
//! which tenant, so that no other function has to ask this one.
//!
//! A request for a token is read into a `grant`; `login` checks its secret, or `refresh` its refresh token, and the
//! answer is an access token and the next refresh token. The clients themselves are created and changed under
//! `/clients`, each in its own tenant; the administrator is kept in Secrets Manager and has no record there.

mod account;
mod api;
mod client;
mod credential;
mod grant;
mod login;
mod oauth;
mod refresh;
mod refresh_token;
mod slowdown;
mod store;

use axum::extract::FromRef;
use shared::auth::{Permission, Tokens};
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::seal::KeyRing;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::account::Accounts;
use crate::store::client::{ClientRecord, Clients};
use crate::store::token_family::{TokenFamilies, TokenFamily};

/// The services of this function; each handler gets those that it touches.
#[derive(Clone, FromRef)]
struct Services {
    clients: Clients,
    accounts: Accounts,
    families: TokenFamilies,
    ring: KeyRing,
    tokens: Tokens,
    clock: Clock,
    ids: Ids,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let (ring, clients) = (environment.key_ring()?, Clients::new(environment)?);
    let services = Services {
        accounts: Accounts::new(environment, clients.clone())?,
        clients,
        families: TokenFamilies::new(environment)?,
        tokens: Tokens::new(ring.clone(), environment.clock.clone()),
        ring,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
    };
    let router = Api::new(services.tokens.clone())
        .public(routes!(api::tokens::issue))
        .signed_in(routes!(api::users::me))
        .permission(Permission::ViewClients, routes!(api::clients::list))
        .permission(Permission::ViewClients, routes!(api::clients::get))
        .permission(Permission::CreateClients, routes!(api::clients::create))
        .permission(Permission::UpdateClients, routes!(api::clients::update))
        .permission(Permission::UpdateClients, routes!(api::clients::rotate))
        .permission(Permission::DeleteClients, routes!(api::clients::delete))
        .finish(services);
    let checks = [
        environment.table("CLIENTS_TABLE")?.check(|_: ClientRecord| Ok(())),
        environment.table("REFRESH_TOKENS_TABLE")?.check(|_: TokenFamily| Ok(())),
    ];
    let function =
        Function::new(environment.seal()?, router, |incoming: Incoming| async move { Err(incoming.unexpected()) });
    Ok(function.with_checks(checks))
}
