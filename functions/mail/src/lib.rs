//! The mail function: keeps templates, renders them, and sends mails.
//!
//! In: requests about templates and mails, the command `mail.requested`, and what the mail service reports. Out: a mail to
//! the mail service, the answer of a step, and the facts `mail.delivered`, `mail.bounced`, `mail.complained` and
//! `mail.failed`.
//!
//! A mail is asked for by a client (`api::mails`) or by a step (`on_mail_requested`). It is checked (`draft`), its template
//! is filled in and its files are fetched (`fetch`), and it is handed to the mail service once (`send`), as MIME (`letter`).
//! What becomes of it after that the mail service reports (`on_mail_changed`), or whoever opens it (`api::opens`).

mod address;
mod api;
mod draft;
mod fetch;
mod letter;
mod mail;
mod on_mail_changed;
mod on_mail_requested;
mod send;
mod services;
mod store;
mod template;

use shared::auth::Permission;
use shared::event::command::MAIL;
use shared::http::Api;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::services::Services;

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let services = Services::new(environment)?;
    let api = Api::new(environment.tokens()?)
        .permission_up_to(api::mails::BODY_BYTES, Permission::SendMails, routes!(api::mails::create))
        .permission(Permission::ViewMails, routes!(api::mails::list))
        .permission(Permission::ViewMails, routes!(api::mails::queued))
        .permission(Permission::RotateKeys, routes!(api::mails::rotate))
        .public(routes!(api::mails::health))
        .public(routes!(api::opens::open));
    let routes = template_routes(api).finish(services.clone());
    let checks = [store::template::check(environment)?, store::mail::check(environment)?];
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

async fn on_event(services: Services, incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { envelope, .. } if envelope.kind == MAIL.event_type() => {
            on_mail_requested::handle(&services, &envelope).await
        }
        Incoming::Service { source, detail } if source == "aws.ses" => on_mail_changed::handle(&services, detail).await,
        other => Err(other.unexpected()),
    }
}
