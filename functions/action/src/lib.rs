//! The action function: makes the HTTP call of a step.
//!
//! In: the command `http.requested`. Out: `step.finished` with the status, headers and body of the answer.
//!
//! The call is recorded before and after, so that a redelivered command never calls twice: a recorded answer is
//! published again, and a call whose outcome was lost is `OutcomeUnknown`, unless its method promises that a second call
//! does no harm.

mod api;
mod call;
mod form;
mod on_http_requested;
mod store;

use std::sync::Arc;

use shared::auth::Permission;
use shared::event::command::HTTP;
use shared::http::Api;
use shared::step::Claims;
use shared::{Environment, Error, Function, Incoming};
use utoipa_axum::routes;

use crate::store::Calls;

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Function, Error> {
    let calls = Arc::new(Claims::new(environment, Calls::new(environment)?));
    let (bus, outbound, clock) = (environment.bus()?, environment.outbound()?, environment.clock.clone());
    let routes =
        Api::new(environment.tokens()?).permission(Permission::RotateKeys, routes!(api::rotate)).finish(calls.clone());
    let check = store::check(environment)?;
    let function = Function::new(environment.seal()?, routes, move |incoming| {
        let (calls, bus, outbound, clock) = (calls.clone(), bus.clone(), outbound.clone(), clock.clone());
        async move {
            match incoming {
                Incoming::Event { envelope, .. } if envelope.kind == HTTP.event_type() => {
                    on_http_requested::handle(&calls, &bus, &outbound, &clock, &envelope).await
                }
                other => Err(other.unexpected()),
            }
        }
    });
    Ok(function.with_checks([check]))
}
