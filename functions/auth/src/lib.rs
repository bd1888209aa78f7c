//! The auth function: issues access tokens and keeps the API clients.
//!
//! In: a client's id and secret, or a refresh token. Out: an access token that carries what the client may do, so that
//! no other function asks this one anything.

mod client;
mod credential;
mod grant;
mod oauth;
mod refresh;
mod store;
mod token;
mod user;

use std::sync::Arc;

use shared::auth::Tokens;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::seal::KeyRing;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::credential::Administrator;
use crate::store::Store;

/// What the handlers work with.
struct Auth {
    store: Store,
    ring: KeyRing,
    tokens: Tokens,
    administrator: Administrator,
    clock: Clock,
    ids: Ids,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let ring = environment.key_ring()?;
    let tokens = Tokens::new(ring.clone(), environment.clock.clone());
    let auth = Arc::new(Auth {
        store: Store::new(environment)?,
        ring,
        tokens: tokens.clone(),
        administrator: Administrator::new(environment)?,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
    });
    let api = Api::new(tokens)
        .public(routes!(token::issue))
        .signed_in(routes!(user::me))
        .permission("VIEW_CLIENTS", routes!(client::list))
        .permission("VIEW_CLIENTS", routes!(client::get))
        .permission("CREATE_CLIENTS", routes!(client::create))
        .permission("UPDATE_CLIENTS", routes!(client::update))
        .permission("UPDATE_CLIENTS", routes!(client::rotate))
        .permission("DELETE_CLIENTS", routes!(client::delete));
    Ok(Function::new(api.finish(auth), on_event))
}

async fn on_event(incoming: Incoming) -> Result<(), Error> {
    Err(Error::new("handle an event", format!("{incoming:?} is nothing that this function does")))
}
