//! The versions of functions over HTTP: listed, shown and made current again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::auth::Caller;
use shared::http::{JsonBody, List};
use shared::list;
use shared::rql::Rql;
use shared::{Refusal, permission};

use super::functions::{ATTEMPTS, busy, known};
use crate::access::Creator;
use crate::code::Form;
use crate::function_body::check_isolation;
use crate::services::Services;
use crate::store::function::{Change, Function, Isolation, Variable};
use crate::store::version::{KEPT, Version};

/// A version of a function.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionView {
    /// Its number; the first one is 1.
    version: u32,
    /// Whether tasks run it.
    is_current: bool,
    /// When it was made.
    #[serde(with = "shared::clock::iso")]
    creation_timestamp: Timestamp,
    /// The client that made it, or through which a user did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_application_id: Option<String>,
    /// The user that made it, or the same client, which is its own user.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_user_id: Option<String>,
    /// The version that was made current again by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_of: Option<u32>,
    /// What the function was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Whether the code is the text of a script or a zip archive.
    code_type: Form,
    /// The SHA-256 of the text or the archive, in hex.
    code_hash: String,
    /// The size of the text or the archive, in bytes.
    code_size: usize,
    /// The name of the exported function.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry_point: Option<String>,
    /// Stored for clients of other systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
    /// Seconds that a run might take.
    time_limit: u32,
    /// Megabytes that a run might use.
    memory_limit: u32,
    /// Whether each of its tasks started in a realm of its own.
    isolation: Isolation,
    /// The content of `process.env`, with `*****` in place of every value.
    environment_variables: BTreeMap<String, Variable>,
}

/// A version of a function with its code.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct VersionDetail {
    #[serde(flatten)]
    version: VersionView,
    /// The code as it was sent.
    code: String,
}

/// Which version becomes current again.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollback {
    /// Its number.
    version: u32,
}

/// Lists the versions of a function, the newest first; the last 50 are kept.
#[utoipa::path(
    get, path = "/tasks/v1/functions/{name}/versions", tag = "functions",
    responses(
        (status = 200, description = "One page of versions without code; the query string is RQL.", body = List<VersionView>),
    )
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<VersionView>(query.as_deref())?;
    let function = known(&services, &caller, &name).await?;
    let versions = services.functions.versions().all(caller.tenant_id(), &name).await?;
    let views: Vec<VersionView> = versions.into_iter().map(|version| view(version, function.version)).collect();
    list::few(&query, &views).map(Json)
}

/// Shows a version of a function with its code.
#[utoipa::path(
    get, path = "/tasks/v1/functions/{name}/versions/{version}", tag = "functions",
    responses((status = 200, description = "The version.", body = VersionDetail))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((name, number)): Path<(String, u32)>,
) -> Result<Json<VersionDetail>, Refusal> {
    let function = known(&services, &caller, &name).await?;
    let version = version(&services, &caller, &name, number).await?;
    let code = services.functions.code(caller.tenant_id(), &version.function).await?;
    let code = code.ok_or_else(|| unknown(&name, number))?.as_sent();
    Ok(Json(VersionDetail { version: view(version, function.version), code }))
}

/// Makes a version of a function current again, as a new version with its code, entry point, limits and variables.
///
/// If the function runs just that already, nothing changes and the answer is the current version.
#[utoipa::path(
    post, path = "/tasks/v1/functions/{name}/rollback", tag = "functions", request_body = Rollback,
    responses((status = 200, description = "The version that is current now.", body = VersionView))
)]
pub(crate) async fn rollback(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
    JsonBody(Rollback { version: number }): JsonBody<Rollback>,
) -> Result<Json<VersionView>, Refusal> {
    let (functions, tenant) = (&services.functions, caller.tenant_id());
    for _ in 0..ATTEMPTS {
        let former = known(&services, &caller, &name).await?;
        permission::require_all(&caller, former.permissions())?;
        let Version { function: old, .. } = version(&services, &caller, &name, number).await?;
        let next = Function {
            code: old.code,
            entry_point: old.entry_point,
            runtime: old.runtime,
            lambda: old.lambda,
            time_limit: old.time_limit,
            memory_limit: old.memory_limit,
            isolation: old.isolation,
            environment_variables: old.environment_variables,
            update_timestamp: services.clock.now(),
            ..former.clone()
        };
        if next.runs_as(&former) {
            let current = version(&services, &caller, &name, former.version).await?;
            return Ok(Json(view(current, former.version)));
        }
        check_isolation(&next)?;
        let creator = Creator::of(&caller);
        let change = Change { former: Some(&former), next, creator: creator.clone(), rollback_of: Some(number) };
        if let Some(function) = functions.save(tenant, change).await? {
            let current = function.version;
            return Ok(Json(view(Version { function, creator, rollback_of: Some(number) }, current)));
        }
    }
    Err(busy(&name))
}

async fn version(services: &Services, caller: &Caller, name: &str, number: u32) -> Result<Version, Refusal> {
    let found = services.functions.versions().get(caller.tenant_id(), name, number).await?;
    found.ok_or_else(|| unknown(name, number))
}

fn unknown(name: &str, number: u32) -> Refusal {
    let mut refusal = Refusal::unknown("version", &number.to_string());
    refusal.message = format!("the function `{name}` has no version {number}; the last {KEPT} are kept");
    refusal
}

fn view(Version { function, creator, rollback_of }: Version, current: u32) -> VersionView {
    VersionView {
        version: function.version,
        is_current: function.version == current,
        creation_timestamp: function.update_timestamp,
        created_by_user_id: creator.user_id(),
        created_by_application_id: creator.created_by_application_id,
        rollback_of,
        description: function.description,
        code_type: function.code.form,
        code_hash: function.code.hash,
        code_size: function.code.size_bytes,
        entry_point: function.entry_point,
        runtime: function.runtime,
        time_limit: function.time_limit,
        memory_limit: function.memory_limit,
        isolation: function.isolation,
        environment_variables: function.environment_variables,
    }
}
