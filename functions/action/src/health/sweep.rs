//! The minute schedule: the probes that are due.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use shared::bus::Entry;
use shared::event::fact::{ACTION_SOURCE, APP_AVAILABLE, APP_UNAVAILABLE, AppHealthChanged};
use shared::event::{Envelope, EventId, TenantId};
use shared::{Error, clock};

use super::{Health, HealthStatus};
use crate::app::{App, HealthCheck};
use crate::circuit;
use crate::failure::{Failure, FailureType};
use crate::input::Input;
use crate::product::Place;
use crate::run;
use crate::services::Services;
use crate::store::circuit::KeptHealth;
use crate::tag::Tag;

/// How the schedule names this sweep.
pub(crate) const HEALTH: &str = "health";
/// How many probes are under way at once.
const CONCURRENT_PROBES: usize = 20;
/// For how long probes are begun; those that are left are due in the next minute.
const TIME: Duration = Duration::from_secs(50);
/// How long one probe may take.
const PROBE_TIME: Duration = Duration::from_secs(20);

/// Makes the probes that are due.
pub(crate) async fn handle(services: &Services) -> Result<(), Error> {
    let started = tokio::time::Instant::now();
    let (mut due, mut failed) = (Vec::new(), None);
    for (tenant, tag) in services.apps.probed().await? {
        match places(services, &tenant, &tag).await {
            Ok(places) => due.extend(places),
            Err(error) => failed = Some(error),
        }
    }
    // One probe that fails to be made must not keep the others from being made.
    let errors: Vec<Error> = stream::iter(due)
        .map(|(app, place)| async move {
            let has_time = started.elapsed() < TIME;
            if has_time { probe(services, &place, &app).await } else { Ok(()) }
        })
        .buffer_unordered(CONCURRENT_PROBES)
        .filter_map(|probed| async { probed.err() })
        .collect()
        .await;
    errors.into_iter().next().or(failed).map_or(Ok(()), Err)
}

async fn places(services: &Services, tenant: &TenantId, tag: &Tag) -> Result<Vec<(Arc<App>, Place)>, Error> {
    let Some(app) = services.apps.get(tenant, tag).await? else { return Ok(Vec::new()) };
    let app = Arc::new(app);
    let places = services.places(tenant, &app).await?;
    Ok(places.into_iter().map(|place| (app.clone(), place)).collect())
}

/// Makes the probe of one place unless it is not due, or somebody else has begun it.
async fn probe(services: &Services, place: &Place, app: &App) -> Result<(), Error> {
    let Some(check) = &app.health else { return Ok(()) };
    let now = services.clock.now();
    let mut kept = services.circuits.health(place).await?;
    if kept.health.is_untold {
        kept = tell(services, place, kept).await?;
    }
    let Some(begun) = kept.health.begun(check, now) else { return Ok(()) };
    let Some(begun) = services.circuits.save_health(place, &kept, begun, now).await? else { return Ok(()) };
    let outcome = made(services, place, app, check).await?;
    let ended = services.clock.now();
    let found = match &outcome {
        Ok(()) => Ok(u64::try_from(ended.duration_since(now).as_millis()).unwrap_or_default()),
        Err(failure) => Err(failure.kind),
    };
    match &outcome {
        Ok(()) => circuit::recovered(services, place).await?,
        Err(failure) => circuit::note(services, place, &app.circuit, Some(failure)).await?,
    }
    let health = begun.health.after(check, found, ended);
    let Some(kept) = services.circuits.save_health(place, &begun, health, ended).await? else { return Ok(()) };
    if kept.health.is_untold {
        tell(services, place, kept).await?;
    }
    Ok(())
}

async fn made(
    services: &Services,
    place: &Place,
    app: &App,
    check: &HealthCheck,
) -> Result<Result<(), Failure>, Error> {
    let Some(action) = services.apps.action(&place.tenant_id, &app.tag, &check.action_tag).await? else {
        let message = format!("the app `{}` has no action `{}`", app.tag, check.action_tag);
        return Ok(Err(Failure::new(FailureType::NotFound, message)));
    };
    let run = Box::pin(run::once(services, place, app, &action, Input::default(), None));
    match tokio::time::timeout(PROBE_TIME, run).await {
        Ok(outcome) => Ok(outcome?.map(drop)),
        Err(_) => Ok(Err(Failure::new(FailureType::Timeout, "the probe took too long"))),
    }
}

/// Publishes a change of the status, and notes that it was.
///
/// A process that dies in between is followed by the next sweep, which publishes the same event once more.
async fn tell(services: &Services, place: &Place, kept: KeptHealth) -> Result<KeptHealth, Error> {
    let now = services.clock.now();
    if let Some(fact) = fact(place, &kept.health, now) {
        services.bus.publish(vec![fact]).await?;
    }
    let told = Health { is_untold: false, ..kept.health.clone() };
    Ok(services.circuits.save_health(place, &kept, told, now).await?.unwrap_or(kept))
}

fn fact(place: &Place, health: &Health, now: Timestamp) -> Option<Entry> {
    let kind = match health.status? {
        HealthStatus::Available => APP_AVAILABLE,
        HealthStatus::Unavailable => APP_UNAVAILABLE,
    };
    let since = health.since.unwrap_or(now);
    let parts = [
        kind.as_str().as_bytes(),
        place.tenant_id.as_str().as_bytes(),
        place.product.as_str().as_bytes(),
        place.env.as_str().as_bytes(),
        place.access_tag.as_str().as_bytes(),
        &since.as_millisecond().to_be_bytes(),
    ];
    let content = AppHealthChanged {
        app: place.app.to_string(),
        app_env: place.app_env.to_string(),
        product: place.product.to_string(),
        env: place.env.to_string(),
        access_tag: place.access_tag.to_string(),
        since,
        last_available: health.last_available,
        last_error: (health.status == Some(HealthStatus::Unavailable))
            .then(|| health.last_error.and_then(|kind| serde_json::to_value(kind).ok()))
            .flatten(),
    };
    let id = EventId::new(clock::derived_uuid(&parts).to_string());
    let fact = Envelope::new(kind, id, place.tenant_id.clone(), clock::truncate(now), content);
    Entry::fact(ACTION_SOURCE, &fact).ok()
}
