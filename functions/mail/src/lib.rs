//! The mail function: keeps templates, renders them, and sends mails.
//!
//! In: requests about templates and mails, `mail.requested`. Out: a mail to the mail service, the answer of a step.
#![allow(dead_code, reason = "rooms are filled one after the other")]

mod api;
mod store;
mod template;

use axum::extract::FromRef;
use shared::auth::Permission;
use shared::clock::{Clock, Ids};
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

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
    let routes = template_routes(Api::new(environment.tokens()?)).finish(services.clone());
    let checks = vec![store::template::check(environment)?];
    Ok(Function::new(environment.seal()?, routes, move |incoming| on_event(services.clone(), incoming))
        .with_checks(checks))
}

/// Adds the routes of templates.
fn template_routes(api: Api<Services>) -> Api<Services> {
    api.permission(Permission::ViewTemplates, routes!(api::templates::list))
        .permission(Permission::CreateTemplates, routes!(api::templates::create))
        .signed_in(routes!(api::templates::health))
        .permission(Permission::UpdateTemplates, routes!(api::templates::update))
        .permission(Permission::DeleteTemplates, routes!(api::templates::delete))
        .signed_in(routes!(api::templates::resolve))
}

async fn on_event(_: Services, incoming: Incoming) -> Result<(), Error> {
    Err(incoming.unexpected())
}
