//! Circuits and health of the environments of apps, in `APP_HEALTH_TABLE`: `owner` is the tenant and the app.

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::event::TenantId;
use shared::table::{Check, Expression, Query, Table, is_new};
use shared::{Environment, Error};

use crate::circuit::state::Circuit;
use crate::health::Health;
use crate::product::Place;
use crate::tag::{Slug, Tag};

/// How long a process goes by what it has read.
const RECENT: SignedDuration = SignedDuration::from_secs(1);
/// Of how many circuits a process keeps what it has read.
const RECENT_CIRCUITS: u64 = 1_000;
/// How long a record is kept after the last change.
const RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The record of a circuit.
const CIRCUIT: &str = "circuit";
/// The record of the probes at one place.
const HEALTH: &str = "health";

/// The environment of an app that a circuit belongs to, whoever uses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CircuitKey {
    /// The tenant.
    pub(crate) tenant_id: TenantId,
    /// The app.
    pub(crate) app: Tag,
    /// The environment of the app.
    pub(crate) env: Slug,
}

/// A circuit as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    /// The circuit.
    pub(crate) circuit: Circuit,
    /// How often it was written.
    revision: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CircuitItem {
    owner: String,
    record: String,
    env: Slug,
    circuit: Circuit,
    revision: u64,
    /// When the record is removed, in seconds since 1970.
    expires_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthItem {
    owner: String,
    record: String,
    place: Place,
    health: Health,
    revision: u64,
    /// When the record is removed, in seconds since 1970.
    expires_at: i64,
}

/// The probes at one place, as they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptHealth {
    /// What came of them.
    pub(crate) health: Health,
    /// How often it was written.
    revision: u64,
}

/// The table of circuits and health.
pub(crate) struct Circuits {
    table: Table,
    recent: Cache<CircuitKey, (Timestamp, Kept)>,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("APP_HEALTH_TABLE")?.check(|item: Value| {
        let is_circuit = item["record"].as_str().is_some_and(|record| record.starts_with(CIRCUIT));
        let read = match is_circuit {
            true => serde_json::from_value::<CircuitItem>(item).map(drop),
            false => serde_json::from_value::<HealthItem>(item).map(drop),
        };
        read.map_err(Error::cannot("read the health of an app"))
    }))
}

impl CircuitKey {
    /// The circuit that requests at a place go through.
    pub(crate) fn of(place: &Place) -> Self {
        Self { tenant_id: place.tenant_id.clone(), app: place.app.clone(), env: place.app_env.clone() }
    }

    fn owner(&self) -> String {
        self.tenant_id.key(self.app.as_str())
    }

    fn record(&self) -> String {
        format!("{CIRCUIT}#{}", self.env)
    }
}

impl Circuits {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("APP_HEALTH_TABLE")?, recent: Cache::new(RECENT_CIRCUITS) })
    }

    /// Returns a circuit as this process knows it, at most a second old.
    pub(crate) async fn recent(&self, key: &CircuitKey, now: Timestamp) -> Result<Kept, Error> {
        match self.recent.get(key) {
            Some((read_at, kept)) if now.duration_since(read_at).abs() < RECENT => Ok(kept),
            _ => self.get(key, now).await,
        }
    }

    /// Reads a circuit; one that was never written is closed.
    pub(crate) async fn get(&self, key: &CircuitKey, now: Timestamp) -> Result<Kept, Error> {
        let item: Option<CircuitItem> = self.table.get(&json!({"owner": key.owner(), "record": key.record()})).await?;
        let kept = item.map(|item| Kept { circuit: item.circuit, revision: item.revision }).unwrap_or_default();
        self.recent.insert(key.clone(), (now, kept));
        Ok(kept)
    }

    /// Writes what became of a circuit unless it has changed since it was read; returns whether it did.
    pub(crate) async fn save(
        &self,
        key: &CircuitKey,
        former: &Kept,
        circuit: Circuit,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let item = CircuitItem {
            owner: key.owner(),
            record: key.record(),
            env: key.env.clone(),
            circuit,
            revision: former.revision + 1,
            expires_at: expires_at(now),
        };
        let is_saved = self.table.put_if(&item, unchanged(former.revision)).await?;
        if is_saved {
            self.recent.insert(key.clone(), (now, Kept { circuit, revision: item.revision }));
        }
        Ok(is_saved)
    }

    /// Reads the circuits of an app by environment.
    pub(crate) async fn circuits(&self, tenant: &TenantId, app: &Tag) -> Result<Vec<(Slug, Circuit)>, Error> {
        let items: Vec<CircuitItem> = self.of_app(tenant, app, CIRCUIT).await?;
        Ok(items.into_iter().map(|item| (item.env, item.circuit)).collect())
    }

    /// Reads the probes of an app at all places.
    pub(crate) async fn probes(&self, tenant: &TenantId, app: &Tag) -> Result<Vec<(Place, Health)>, Error> {
        let items: Vec<HealthItem> = self.of_app(tenant, app, HEALTH).await?;
        Ok(items.into_iter().map(|item| (item.place, item.health)).collect())
    }

    async fn of_app<T: serde::de::DeserializeOwned>(
        &self,
        tenant: &TenantId,
        app: &Tag,
        kind: &str,
    ) -> Result<Vec<T>, Error> {
        let key = Expression::new("#owner = :owner AND begins_with(#record, :kind)")
            .name("#owner", "owner")
            .name("#record", "record")
            .value(":owner", tenant.key(app.as_str()))
            .value(":kind", format!("{kind}#"));
        self.table.query(Query::new(key)).await
    }

    /// Reads the probes at a place.
    pub(crate) async fn health(&self, place: &Place) -> Result<KeptHealth, Error> {
        let item: Option<HealthItem> = self.table.get(&health_key(place)).await?;
        Ok(item.map(|item| KeptHealth { health: item.health, revision: item.revision }).unwrap_or_default())
    }

    /// Writes the probes at a place unless they have changed since they were read; returns the new state if so.
    pub(crate) async fn save_health(
        &self,
        place: &Place,
        former: &KeptHealth,
        health: Health,
        now: Timestamp,
    ) -> Result<Option<KeptHealth>, Error> {
        let kept = KeptHealth { health, revision: former.revision + 1 };
        let (owner, record) = (place.tenant_id.key(place.app.as_str()), health_record(place));
        let item = HealthItem {
            owner,
            record,
            place: place.clone(),
            health: kept.health.clone(),
            revision: kept.revision,
            expires_at: expires_at(now),
        };
        let is_saved = self.table.put_if(&item, unchanged(former.revision)).await?;
        Ok(is_saved.then_some(kept))
    }
}

fn health_key(place: &Place) -> Value {
    json!({"owner": place.tenant_id.key(place.app.as_str()), "record": health_record(place)})
}

fn health_record(place: &Place) -> String {
    let Place { product, access_tag, env, app_env, .. } = place;
    format!("{HEALTH}#{app_env}#{product}#{access_tag}#{env}")
}

fn unchanged(revision: u64) -> Expression {
    match revision {
        0 => is_new("owner"),
        revision => Expression::new("revision = :former").value(":former", revision),
    }
}

fn expires_at(now: Timestamp) -> i64 {
    now.as_second() + RETENTION.as_secs()
}
