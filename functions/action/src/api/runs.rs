//! Runs over HTTP: run now, and look at runs.

use std::sync::Arc;

use shared::http::Api;

use crate::services::Services;

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api
}
