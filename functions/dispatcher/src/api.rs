//! The HTTP routes: dispatchers with their actions, events, runs.

mod actions;
mod dispatchers;
mod events;
mod runs;

use std::sync::Arc;

use axum::Router;
use shared::Refusal;
use shared::auth::Tokens;
use shared::http::Api;
use utoipa_axum::routes;

use crate::App;
use crate::dispatcher::{Dispatcher, is_id};
use crate::store::Written;

/// How often a change is tried that others get ahead of.
const TRIES: u32 = 10;

/// Returns the routes and their description.
pub(crate) fn routes(app: Arc<App>, tokens: Tokens) -> (Router, utoipa::openapi::OpenApi) {
    Api::new(tokens)
        .permission("VIEW_DISPATCHERS", routes!(dispatchers::list))
        .permission("CREATE_DISPATCHERS", routes!(dispatchers::create))
        .permission("VIEW_DISPATCHERS", routes!(dispatchers::get))
        .permission("UPDATE_DISPATCHERS", routes!(dispatchers::update))
        .permission("DELETE_DISPATCHERS", routes!(dispatchers::delete))
        .permission("VIEW_DISPATCHERS", routes!(dispatchers::explain))
        .permission("UPDATE_DISPATCHERS", routes!(actions::create))
        .permission("UPDATE_DISPATCHERS", routes!(actions::update))
        .permission("UPDATE_DISPATCHERS", routes!(actions::delete))
        .permission("CREATE_EVENTS", routes!(events::create))
        .permission("VIEW_EVENTS", routes!(events::list))
        .permission("VIEW_RUNS", routes!(runs::get))
        .finish(app)
}

impl App {
    /// Returns a dispatcher, or refuses an id that none has.
    async fn dispatcher(&self, id: &str) -> Result<Dispatcher, Refusal> {
        check_id("dispatcher", id)?;
        self.dispatchers.get(id).await?.ok_or_else(|| Refusal::unknown("dispatcher", id))
    }

    /// Changes a dispatcher from how it is at the moment of the write.
    async fn change(
        &self,
        id: &str,
        change: impl Fn(&Dispatcher) -> Result<Dispatcher, Refusal>,
    ) -> Result<Dispatcher, Refusal> {
        for _ in 0..TRIES {
            let before = self.dispatcher(id).await?;
            let after = change(&before)?;
            match self.dispatchers.replace(&before, &after).await? {
                Written::Done => return Ok(after),
                Written::NameTaken => return Err(name_taken(&after)),
                Written::Changed => {}
            }
        }
        Err(Refusal::unavailable())
    }
}

fn name_taken(dispatcher: &Dispatcher) -> Refusal {
    Refusal::already_exists("dispatcher", dispatcher.name.as_deref().unwrap_or_default())
}

/// Refuses a text that cannot be the id of a resource.
fn check_id(resource: &str, id: &str) -> Result<(), Refusal> {
    if is_id(id) {
        return Ok(());
    }
    Err(Refusal::id_format(format!("the id of a {resource} has 24 hex digits")))
}
