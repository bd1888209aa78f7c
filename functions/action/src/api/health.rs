//! Circuits and health of apps over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Serialize;
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::http::Api;
use utoipa_axum::routes;

use crate::app::App;
use crate::circuit;
use crate::circuit::state::{Circuit, CircuitState};
use crate::failure::FailureType;
use crate::health::{Health, HealthStatus};
use crate::product::Place;
use crate::services::Services;
use crate::store::circuit::CircuitKey;
use crate::tag::{Slug, Tag};

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::ViewApps, routes!(health)).permission(Permission::UpdateApps, routes!(reset))
}

/// The health of an app.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AppHealth {
    /// The app.
    app: Tag,
    /// Its environments.
    envs: Vec<EnvHealth>,
}

/// The health of an environment of an app.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EnvHealth {
    /// The environment.
    env: Slug,
    /// Its circuit.
    circuit: CircuitShown,
    /// What the probes have found, for each access tag that uses the environment.
    probes: Vec<Probes>,
}

/// A circuit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CircuitShown {
    /// Its state.
    state: CircuitState,
    /// How many failures in a row there were.
    failures: u32,
    /// Since when it has been closed or not; absent if it never opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// Until when requests are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// What the last failure was.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<FailureType>,
}

/// What the probes have found with one access tag.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Probes {
    /// The product.
    product: Tag,
    /// Its environment.
    product_env: Slug,
    /// The access tag.
    access_tag: Tag,
    /// Whether they get through; absent before the first has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<HealthStatus>,
    /// When the status changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// How many in a row have not.
    failures: u32,
    /// What the last failure was.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<FailureType>,
    /// When the last one got through.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_available: Option<Timestamp>,
    /// When the last one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_checked: Option<Timestamp>,
    /// How long the last one took that got through, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_latency: Option<u64>,
    /// How long they take on average, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    average_latency: Option<f64>,
}

/// Shows the circuits of an app's environments, and what its health probes have found.
#[utoipa::path(
    get, path = "/apps/{tag}/health", tag = "apps",
    params(("tag" = String, Path, description = "The app.", example = "crm")),
    responses((
        status = 200, description = "The health of its environments.", body = AppHealth,
        example = json!({"app": "crm", "envs": [{
            "env": "prd",
            "circuit": {
                "state": "open", "failures": 5, "since": "2026-07-01T12:00:00Z", "until": "2026-07-01T12:00:30Z",
                "lastError": "TIMEOUT",
            },
            "probes": [{
                "product": "shop", "productEnv": "prd", "accessTag": "crm-main", "status": "available",
                "since": "2026-07-01T11:00:00Z", "failures": 0, "lastAvailable": "2026-07-01T11:59:00Z",
                "lastChecked": "2026-07-01T11:59:00Z", "lastLatency": 120, "averageLatency": 98.5,
            }],
        }]}),
    ))
)]
pub(crate) async fn health(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(tag): Path<String>,
) -> Result<Json<AppHealth>, Refusal> {
    let app = app(&services, &caller, &tag).await?;
    let (circuits, probes) = tokio::try_join!(
        services.circuits.circuits(caller.tenant_id(), &app.tag),
        services.circuits.probes(caller.tenant_id(), &app.tag)
    )?;
    let now = services.clock.now();
    let envs = app.envs.iter().map(|env| {
        let circuit = circuits.iter().find(|(slug, _)| *slug == env.slug).map(|(_, circuit)| *circuit);
        let of_env = probes.iter().filter(|(place, _)| place.app_env == env.slug);
        EnvHealth {
            env: env.slug.clone(),
            circuit: CircuitShown::new(&circuit.unwrap_or_default(), now),
            probes: of_env.map(|(place, health)| Probes::new(place, health)).collect(),
        }
    });
    Ok(Json(AppHealth { envs: envs.collect(), app: app.tag.clone() }))
}

/// Closes the circuit of an environment of an app, so that requests pass again.
#[utoipa::path(
    post, path = "/apps/{tag}/health/{env}/reset", tag = "apps",
    params(
        ("tag" = String, Path, description = "The app.", example = "crm"),
        ("env" = String, Path, description = "Its environment.", example = "prd"),
    ),
    responses((
        status = 200, description = "The circuit, closed.", body = CircuitShown,
        example = json!({"state": "closed", "failures": 0, "since": "2026-07-01T12:00:10Z", "lastError": "TIMEOUT"}),
    ))
)]
pub(crate) async fn reset(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((tag, env)): Path<(String, String)>,
) -> Result<Json<CircuitShown>, Refusal> {
    let app = app(&services, &caller, &tag).await?;
    let known = app.envs.iter().find(|known| known.slug.as_str() == env);
    let known = known.ok_or_else(|| Refusal::unknown("environment", &env))?;
    let key = CircuitKey { tenant_id: caller.tenant_id().clone(), app: app.tag.clone(), env: known.slug.clone() };
    let circuit = circuit::reset(&services, &key).await?;
    Ok(Json(CircuitShown::new(&circuit, services.clock.now())))
}

async fn app(services: &Services, caller: &Caller, tag: &str) -> Result<App, Refusal> {
    let unknown = || Refusal::unknown("app", tag);
    let parsed = Tag::parse(tag).map_err(|_| unknown())?;
    services.apps.get(caller.tenant_id(), &parsed).await?.ok_or_else(unknown)
}

impl CircuitShown {
    fn new(circuit: &Circuit, now: Timestamp) -> Self {
        let state = circuit.state(now);
        Self {
            state,
            failures: circuit.failures,
            since: circuit.since,
            until: circuit.open_until.filter(|_| state == CircuitState::Open),
            last_error: circuit.last_error,
        }
    }
}

impl Probes {
    fn new(place: &Place, health: &Health) -> Self {
        Self {
            product: place.product.clone(),
            product_env: place.env.clone(),
            access_tag: place.access_tag.clone(),
            status: health.status,
            since: health.since,
            failures: health.failures,
            last_error: health.last_error,
            last_available: health.last_available,
            last_checked: health.last_checked,
            last_latency: health.last_latency_ms,
            average_latency: health.average_latency_ms,
        }
    }
}
