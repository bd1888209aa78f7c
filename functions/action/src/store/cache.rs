//! Definitions of caches, and cached outputs, sealed, in `ACTION_CACHE_TABLE`.
//!
//! A definition is owned by the tenant; its values are owned by tenant, product and tag, and begin with the generation
//! of the definition, so that a new generation clears all of them at once. The record of a value is also where the one
//! who does the work for it says so: with the id of its flight, and until when that is to be believed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::event::TenantId;
use shared::seal::{Resealed, sealed_attribute_bytes};
use shared::table::{Check, Expression, Query, Row, SealedAttributes, TRANSACTION_LIMIT, Table, exists, is_new};
use shared::{Environment, Error};

use super::json_text;
use super::owner::Owner;
use crate::cache::Definition;
use crate::tag::Tag;

/// Of how many definitions or values a list can be made.
pub(crate) const LIST_LIMIT: usize = 10_000;
/// How many values of former generations one call removes.
const REMOVED_AT_ONCE: usize = 1_000;
/// The room that a value has in an item of at most 400 KB.
const VALUE_LIMIT_BYTES: usize = 390 * 1024;
/// What is longer than this without compression is not tried to be compressed.
const PLAIN_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// How deep a value can nest: what reads it again takes 128 levels.
const DEPTH_LIMIT: usize = 120;
/// For how long after a lease has ended its record is kept, in seconds.
const KEPT_S: i64 = 3_600;

const SEALED: SealedAttributes = SealedAttributes { key: &["owner", "record"], apart: &[&["value"]], together: &[] };
const DEFINITIONS: &str = "cache#";
const VALUES: &str = "value#";

/// Where a value of a cache is.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    owner: String,
    record: String,
    key: String,
}

/// A definition as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefinitionRecord {
    owner: TenantId,
    record: String,
    #[serde(with = "json_text")]
    pub(crate) definition: Definition,
    /// Which values are those of this cache; differs from that of every cache of the same tag before it.
    pub(crate) generation: String,
    /// Counts the changes.
    pub(crate) version: u64,
}

/// A value, or the work for one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ValueRecord {
    owner: String,
    record: String,
    key: String,
    /// The JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    component_tag: String,
    component_type: String,
    size_bytes: usize,
    stored_at_ms: i64,
    /// When the value ends, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
    /// Who works for a new value.
    #[serde(skip_serializing_if = "Option::is_none")]
    flight: Option<String>,
    /// Until when that is to be believed, in milliseconds since 1970.
    lease_until_ms: i64,
    /// When the record is removed, in seconds since 1970.
    expires_at: i64,
}

/// A value that is to be kept.
#[derive(Clone, Debug)]
pub(crate) struct NewValue<'a> {
    pub(crate) value: &'a Value,
    pub(crate) component_tag: String,
    pub(crate) component_type: String,
    pub(crate) stored_at: Timestamp,
    pub(crate) expiry_ms: i64,
}

/// What is known of a value without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueHead {
    pub(crate) key: String,
    pub(crate) component_tag: String,
    pub(crate) component_type: String,
    pub(crate) size_bytes: usize,
    pub(crate) stored_at_ms: i64,
    pub(crate) expires_at_ms: i64,
}

/// What there is where a value should be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// A value that has not ended.
    Value(ValueHead, Value),
    /// Somebody's work for one: the id of the flight.
    Flight(String),
    Nothing,
}

/// The table of caches.
pub(crate) struct Caches {
    table: Table,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    fn read<T: serde::de::DeserializeOwned>(item: Value) -> Result<(), Error> {
        serde_json::from_value::<T>(item).map(drop).map_err(Error::cannot("read a record of caches"))
    }
    Ok(environment.sealed_table("ACTION_CACHE_TABLE", &SEALED)?.check(|item: Value| {
        match item["record"].as_str().unwrap_or_default() {
            record if record.starts_with(DEFINITIONS) => read::<DefinitionRecord>(item),
            _ => read::<ValueRecord>(item),
        }
    }))
}

impl DefinitionRecord {
    /// Returns the record of a new definition.
    pub(crate) fn new(tenant: &TenantId, definition: Definition, generation: String) -> Self {
        let record = definition_record(&definition.product, &definition.tag);
        Self { owner: tenant.clone(), record, definition, generation, version: 0 }
    }

    /// Returns where the value of a key is.
    pub(crate) fn slot(&self, key: String) -> Slot {
        let owner = self.values_owner();
        Slot { owner, record: format!("{VALUES}{}#{key}", self.generation), key }
    }

    fn values_owner(&self) -> String {
        let Definition { product, tag, .. } = &self.definition;
        Owner { tenant: &self.owner, product, tag }.key()
    }
}

impl Slot {
    fn key(&self) -> Value {
        json!({"owner": self.owner, "record": self.record})
    }
}

impl NewValue<'_> {
    /// Returns the record of the value; `None` if it is too large or nests too deep to be kept.
    fn record(&self, slot: &Slot) -> Option<ValueRecord> {
        if shared::json::depth(self.value) > DEPTH_LIMIT {
            return None;
        }
        let value = self.value.to_string();
        let (size_bytes, stored_at_ms) = (value.len(), self.stored_at.as_millisecond());
        if size_bytes > PLAIN_LIMIT_BYTES || sealed_attribute_bytes(value.as_bytes()) > VALUE_LIMIT_BYTES {
            return None;
        }
        let expires_at_ms = stored_at_ms.saturating_add(self.expiry_ms);
        Some(ValueRecord {
            owner: slot.owner.clone(),
            record: slot.record.clone(),
            key: slot.key.clone(),
            value: Some(value),
            component_tag: self.component_tag.clone(),
            component_type: self.component_type.clone(),
            size_bytes,
            stored_at_ms,
            expires_at_ms: Some(expires_at_ms),
            flight: None,
            lease_until_ms: 0,
            expires_at: expires_at_ms / 1_000 + KEPT_S,
        })
    }
}

impl ValueRecord {
    fn head(&self) -> Option<ValueHead> {
        let (component_tag, component_type) = (self.component_tag.clone(), self.component_type.clone());
        let (size_bytes, stored_at_ms, expires_at_ms) = (self.size_bytes, self.stored_at_ms, self.expires_at_ms?);
        Some(ValueHead {
            key: self.key.clone(),
            component_tag,
            component_type,
            size_bytes,
            stored_at_ms,
            expires_at_ms,
        })
    }
}

impl ValueHead {
    /// Reads it of a record whose value stays sealed; `None` if there is only work for one.
    fn of(row: &Row) -> Option<Self> {
        Some(Self {
            expires_at_ms: row.attribute("expiresAtMs")?,
            key: row.attribute("key")?,
            component_tag: row.attribute("componentTag")?,
            component_type: row.attribute("componentType")?,
            size_bytes: row.attribute("sizeBytes")?,
            stored_at_ms: row.attribute("storedAtMs")?,
        })
    }
}

impl Caches {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.sealed_table("ACTION_CACHE_TABLE", &SEALED)? })
    }

    /// Seals a batch of records with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }

    /// Creates a definition; false if there is one of its product and tag.
    pub(crate) async fn define(&self, record: &DefinitionRecord) -> Result<bool, Error> {
        self.table.put_if(record, is_new("record")).await
    }

    /// Reads a definition.
    pub(crate) async fn definition(&self, owner: Owner<'_>) -> Result<Option<DefinitionRecord>, Error> {
        self.table.get(&definition_key(owner)).await
    }

    /// Reads the definitions of a tenant, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn definitions(&self, tenant: &TenantId) -> Result<Vec<DefinitionRecord>, Error> {
        self.table.query(Query::new(beginning(tenant.as_str(), DEFINITIONS)).limit(LIST_LIMIT + 1)).await
    }

    /// Replaces a definition as it was read; false if it has been changed since.
    pub(crate) async fn change(&self, record: &DefinitionRecord) -> Result<bool, Error> {
        let changed = DefinitionRecord { version: record.version + 1, ..record.clone() };
        let unchanged = Expression::new("version = :version AND generation = :generation");
        let unchanged = unchanged.value(":version", record.version).value(":generation", &record.generation);
        self.table.put_if(&changed, unchanged).await
    }

    /// Deletes a definition, after which none of its values is found; returns it as it was.
    pub(crate) async fn delete_definition(&self, owner: Owner<'_>) -> Result<Option<DefinitionRecord>, Error> {
        self.table.delete(&definition_key(owner), None).await
    }

    /// Begins a new generation, after which no value of the former ones is found; `None` if there is no definition.
    pub(crate) async fn clear_all(
        &self,
        owner: Owner<'_>,
        generation: &str,
    ) -> Result<Option<DefinitionRecord>, Error> {
        let begin = Expression::new("SET generation = :generation").value(":generation", generation);
        self.table.update(&definition_key(owner), begin, Some(exists("record"))).await
    }

    /// Removes the records of values that are not of the current generation; returns how many values they were, and
    /// whether there are more.
    pub(crate) async fn remove_former(&self, current: &DefinitionRecord) -> Result<(u64, bool), Error> {
        let generation = &current.generation;
        let ranges = [
            (VALUES.to_owned(), format!("{VALUES}{generation}")),
            (format!("{VALUES}{generation}~"), format!("{VALUES}~")),
        ];
        let (owner, mut rows) = (current.values_owner(), Vec::new());
        for (from, to) in ranges {
            let key = Expression::new("#owner = :owner AND #record BETWEEN :from AND :to");
            let key = key.name("#owner", "owner").name("#record", "record").value(":owner", &owner);
            let query = Query::new(key.value(":from", from).value(":to", to)).limit(REMOVED_AT_ONCE + 1);
            rows.extend(self.table.query_rows(query).await?);
        }
        let more = rows.len() > REMOVED_AT_ONCE;
        let values = rows.iter().take(REMOVED_AT_ONCE).filter(|row| ValueHead::of(row).is_some()).count() as u64;
        let mut deletes = Vec::with_capacity(rows.len());
        for row in rows.iter().take(REMOVED_AT_ONCE) {
            let record: String = row.attribute("record").unwrap_or_default();
            deletes.push(self.table.deleting(&json!({"owner": owner, "record": record}), None)?);
        }
        for deletes in deletes.chunks(TRANSACTION_LIMIT) {
            self.table.transact(deletes.to_vec()).await?;
        }
        Ok((values, more))
    }

    /// Reads what there is where a value should be.
    pub(crate) async fn find(&self, slot: &Slot, now: Timestamp) -> Result<Found, Error> {
        let Some(record) = self.table.get::<ValueRecord>(&slot.key()).await? else { return Ok(Found::Nothing) };
        let now_ms = now.as_millisecond();
        if let Some(head) = record.head().filter(|head| now_ms < head.expires_at_ms) {
            // The text of a serde error can quote the value, so that it must not become a cause.
            let value = record.value.as_deref().and_then(|json| serde_json::from_str(json).ok());
            let value = value.ok_or_else(|| Error::new("read a cached value", "it is not JSON"))?;
            return Ok(Found::Value(head, value));
        }
        let flight = record.flight.filter(|_| now_ms < record.lease_until_ms);
        Ok(flight.map_or(Found::Nothing, Found::Flight))
    }

    /// Takes it on to work for a value until a time; false if there is a value, or somebody else works for it already.
    ///
    /// The work of `former` is not waited for, whatever it says.
    pub(crate) async fn take_off(
        &self,
        slot: &Slot,
        flight: &str,
        former: Option<&str>,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<bool, Error> {
        let work = Expression::new("SET #key = :key, flight = :flight, leaseUntilMs = :until, expiresAt = :removal");
        let work = work.name("#key", "key").value(":key", &slot.key).value(":flight", flight);
        let work = work.value(":until", until.as_millisecond()).value(":removal", until.as_second() + KEPT_S);
        let free = Expression::new(
            "(attribute_not_exists(expiresAtMs) OR expiresAtMs <= :now) AND \
             (attribute_not_exists(flight) OR leaseUntilMs <= :now OR flight = :flight OR flight = :former)",
        );
        let free = free.value(":now", now.as_millisecond()).value(":former", former.unwrap_or(flight));
        Ok(self.table.update::<ValueRecord>(&slot.key(), work, Some(free)).await?.is_some())
    }

    /// Goes on working until another time; false if nobody wants the work any more.
    pub(crate) async fn go_on(&self, slot: &Slot, flight: &str, until: Timestamp) -> Result<bool, Error> {
        let renew = Expression::new("SET leaseUntilMs = :until, expiresAt = :removal");
        let renew = renew.value(":until", until.as_millisecond()).value(":removal", until.as_second() + KEPT_S);
        Ok(self.table.update::<ValueRecord>(&slot.key(), renew, Some(is_of(flight))).await?.is_some())
    }

    /// Keeps the value that a flight has brought, unless it has been cleared or set meanwhile or is too large.
    pub(crate) async fn land(&self, slot: &Slot, flight: &str, value: &NewValue<'_>) -> Result<(), Error> {
        match value.record(slot) {
            Some(record) => self.table.put_if(&record, is_of(flight)).await.map(drop),
            None => self.give_up(slot, flight).await,
        }
    }

    /// Gives up the work of a flight.
    pub(crate) async fn give_up(&self, slot: &Slot, flight: &str) -> Result<(), Error> {
        self.table.delete::<ValueRecord>(&slot.key(), Some(is_of(flight))).await.map(drop)
    }

    /// Sets a value, whoever works for one; `None` if it is too large.
    pub(crate) async fn set(&self, slot: &Slot, value: &NewValue<'_>) -> Result<Option<ValueHead>, Error> {
        let Some(record) = value.record(slot) else { return Ok(None) };
        self.table.put(&record).await?;
        Ok(record.head())
    }

    /// Clears a value, and lets nobody who works for it keep what comes of that; false if there was no value.
    pub(crate) async fn clear(&self, slot: &Slot, now: Timestamp) -> Result<bool, Error> {
        let cleared: Option<ValueRecord> = self.table.delete(&slot.key(), None).await?;
        let head = cleared.and_then(|record| record.head());
        Ok(head.is_some_and(|head| now.as_millisecond() < head.expires_at_ms))
    }

    /// Reads what is known of the values of a cache, by key, and of one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn heads(&self, cache: &DefinitionRecord) -> Result<Vec<ValueHead>, Error> {
        let prefix = format!("{VALUES}{}#", cache.generation);
        let query = Query::new(beginning(&cache.values_owner(), &prefix)).limit(LIST_LIMIT + 1);
        Ok(self.table.query_rows(query).await?.iter().filter_map(ValueHead::of).collect())
    }
}

/// The condition that a value is still worked for by a flight.
fn is_of(flight: &str) -> Expression {
    Expression::new("flight = :flight").value(":flight", flight)
}

fn beginning(owner: &str, prefix: &str) -> Expression {
    let key = Expression::new("#owner = :owner AND begins_with(#record, :prefix)");
    key.name("#owner", "owner").name("#record", "record").value(":owner", owner).value(":prefix", prefix)
}

fn definition_key(owner: Owner<'_>) -> Value {
    json!({"owner": owner.tenant, "record": definition_record(owner.product, owner.tag)})
}

fn definition_record(product: &Tag, tag: &Tag) -> String {
    format!("{DEFINITIONS}{product}#{tag}")
}
