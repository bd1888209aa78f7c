//! The mail function: keeps templates, renders them, and sends mails.
//!
//! In: requests about templates and mails, `mail.requested`. Out: a mail to the mail service, the answer of a step.
#![allow(dead_code, reason = "rooms are filled one after the other")]

mod api;
mod store;
mod template;

use axum::extract::FromRef;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};

use crate::store::template::Templates;

/// The services of this function; each handler gets those that it touches.
#[derive(Clone, FromRef)]
struct Services {
    templates: Templates,
    clock: Clock,
    ids: Ids,
}

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Services {
        templates: Templates::new(environment)?,
        clock: environment.clock.clone(),
        ids: environment.ids.clone(),
    };
    let routes = Api::new(environment.tokens()?).finish(services.clone());
    Ok(Function::new(environment.seal()?, routes, move |incoming| on_event(services.clone(), incoming)))
}

async fn on_event(_: Services, incoming: Incoming) -> Result<(), Error> {
    Err(incoming.unexpected())
}
