//! The values of caches over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::auth::Caller;
use shared::http::{Affected, JsonBody, List};
use shared::list;
use shared::rql::{self, Rql};
use shared::{Error, Refusal};

use super::{known, of_path};
use crate::cache::check_expiry;
use crate::services::Services;
use crate::store::cache::{DefinitionRecord, Found, LIST_LIMIT, NewValue, ValueHead};
use crate::store::owner::Owner;

const KEY_LIMIT_BYTES: usize = 512;
const COMPONENT_LIMIT_CHARACTERS: usize = 256;

/// A value without what it says.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CachedValueHead {
    /// The key: of an answer, a hash of all that it depends on.
    key: String,
    /// What it belongs to: of an answer, the action.
    component_tag: String,
    /// What kind of thing that is, such as `action`.
    component_type: String,
    /// The size of its JSON.
    size_bytes: usize,
    /// Whether it has not ended.
    active: bool,
    /// When it was stored.
    #[serde(with = "shared::clock::iso")]
    stored_timestamp: Timestamp,
    /// When it ends.
    #[serde(with = "shared::clock::iso")]
    expires_at: Timestamp,
}

/// A value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CachedValue {
    #[serde(flatten)]
    head: CachedValueHead,
    /// What it says.
    #[schema(value_type = Value)]
    value: Value,
}

/// A value that is to be set.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"key": "eur", "value": {"usd": 1.08}, "componentTag": "rates", "componentType": "job"}))]
pub(crate) struct ValueToSet {
    /// The key, of at most 512 bytes.
    key: String,
    /// The value, any JSON.
    #[schema(value_type = Value)]
    value: Value,
    /// What it belongs to.
    #[serde(default)]
    component_tag: String,
    /// What kind of thing that is.
    #[serde(default)]
    component_type: String,
    /// How long it lasts, in milliseconds; as the cache says unless given.
    expiry: Option<i64>,
}

/// How far the clearing of a cache has come.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cleared {
    /// How many values this call has removed.
    affected_records: u64,
    /// Whether more are to be removed; none of them is found any more.
    more: bool,
}

/// Counts of the values on record.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CacheDashboard {
    /// All of them.
    total_values: usize,
    /// Those that have not ended.
    active_values: usize,
    /// Those that have ended and are not removed yet.
    expired_values: usize,
    /// How large all of them are together, in bytes of JSON.
    total_size: usize,
}

/// Lists the values by key, without what they say; the query string is RQL.
#[utoipa::path(
    get, path = "/caches/{product}/{tag}/values", tag = "caches",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "One page of values.", body = List<CachedValueHead>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<CachedValueHead>(query.as_deref())?;
    let cache = cache(&services, &caller, &product, &tag).await?;
    let now = services.clock.now();
    let heads = rql::within(services.caches.heads(&cache).await?, LIST_LIMIT)?;
    let heads: Vec<CachedValueHead> =
        heads.into_iter().map(|head| CachedValueHead::of(head, now)).collect::<Result<_, _>>()?;
    list::items(&query, heads, LIST_LIMIT).map(Json)
}

/// Counts the values.
#[utoipa::path(
    get, path = "/caches/{product}/{tag}/dashboard", tag = "caches",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "The counts.", body = CacheDashboard))
)]
pub(crate) async fn dashboard(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag)): Path<(String, String)>,
) -> Result<Json<CacheDashboard>, Refusal> {
    let cache = cache(&services, &caller, &product, &tag).await?;
    let now_ms = services.clock.now().as_millisecond();
    let heads = rql::within(services.caches.heads(&cache).await?, LIST_LIMIT)?;
    let active_values = heads.iter().filter(|head| now_ms < head.expires_at_ms).count();
    Ok(Json(CacheDashboard {
        total_values: heads.len(),
        active_values,
        expired_values: heads.len() - active_values,
        total_size: heads.iter().map(|head| head.size_bytes).sum(),
    }))
}

/// Shows a value that has not ended.
#[utoipa::path(
    get, path = "/caches/{product}/{tag}/values/{key}", tag = "caches",
    params(
        ("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag."),
        ("key" = String, Path, description = "The key."),
    ),
    responses((status = 200, description = "The value.", body = CachedValue))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag, key)): Path<(String, String, String)>,
) -> Result<Json<CachedValue>, Refusal> {
    let cache = cache(&services, &caller, &product, &tag).await?;
    check_key(&key).map_err(|_| unknown(&key))?;
    let now = services.clock.now();
    match services.caches.find(&cache.slot(key.clone()), now).await? {
        Found::Value(head, value) => Ok(Json(CachedValue { head: CachedValueHead::of(head, now)?, value })),
        Found::Flight(_) | Found::Nothing => Err(unknown(&key)),
    }
}

/// Sets a value; one of the same key is replaced, and work under way for it does not replace this one.
#[utoipa::path(
    put, path = "/caches/{product}/{tag}/values", tag = "caches", request_body = ValueToSet,
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "What is known of the value.", body = CachedValueHead))
)]
pub(crate) async fn set(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag)): Path<(String, String)>,
    JsonBody(new): JsonBody<ValueToSet>,
) -> Result<Json<CachedValueHead>, Refusal> {
    let cache = cache(&services, &caller, &product, &tag).await?;
    let ValueToSet { key, value, component_tag, component_type, expiry } = new;
    check_key(&key).map_err(|rule| Refusal::field("key", rule))?;
    for (field, text) in [("componentTag", &component_tag), ("componentType", &component_type)] {
        if text.chars().count() > COMPONENT_LIMIT_CHARACTERS {
            return Err(Refusal::field(field, format!("must have at most {COMPONENT_LIMIT_CHARACTERS} characters")));
        }
    }
    let expiry_ms = expiry.unwrap_or(cache.definition.expiry);
    check_expiry(expiry_ms)?;
    let now = services.clock.now();
    let new = NewValue { value: &value, component_tag, component_type, stored_at: now, expiry_ms };
    let set = services.caches.set(&cache.slot(key), &new).await?;
    let too_large = || Refusal::too_large("`value` is larger than a cache can keep, about 390 KB when compressed");
    CachedValueHead::of(set.ok_or_else(too_large)?, now).map(Json)
}

/// Clears a value, also the one that work under way would store.
#[utoipa::path(
    delete, path = "/caches/{product}/{tag}/values/{key}", tag = "caches",
    params(
        ("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag."),
        ("key" = String, Path, description = "The key."),
    ),
    responses((status = 200, description = "The value was cleared.", body = Affected))
)]
pub(crate) async fn clear(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag, key)): Path<(String, String, String)>,
) -> Result<Json<Affected>, Refusal> {
    let cache = cache(&services, &caller, &product, &tag).await?;
    check_key(&key).map_err(|_| unknown(&key))?;
    match services.caches.clear(&cache.slot(key.clone()), services.clock.now()).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(unknown(&key)),
    }
}

/// Clears all values, also those that work under way would store: none of them is found after the answer, and up to
/// 1,000 are removed.
#[utoipa::path(
    delete, path = "/caches/{product}/{tag}/values", tag = "caches",
    params(("product" = String, Path, description = "The product."), ("tag" = String, Path, description = "The tag.")),
    responses((status = 200, description = "How far the removal has come; call it again until there are no more.", body = Cleared))
)]
pub(crate) async fn clear_all(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((product, tag)): Path<(String, String)>,
) -> Result<Json<Cleared>, Refusal> {
    let (product, tag) = of_path(&product, &tag)?;
    let owner = Owner { tenant: caller.tenant_id(), product: &product, tag: &tag };
    let cleared = services.caches.clear_all(owner, &services.ids.hex24()).await?;
    let cleared = cleared.ok_or_else(|| super::unknown(tag.as_str()))?;
    let (affected_records, more) = services.caches.remove_former(&cleared).await?;
    Ok(Json(Cleared { affected_records, more }))
}

async fn cache(services: &Services, caller: &Caller, product: &str, tag: &str) -> Result<DefinitionRecord, Refusal> {
    let (product, tag) = of_path(product, tag)?;
    known(services, Owner { tenant: caller.tenant_id(), product: &product, tag: &tag }).await
}

fn check_key(key: &str) -> Result<(), String> {
    match (1..=KEY_LIMIT_BYTES).contains(&key.len()) {
        true => Ok(()),
        false => Err(format!("must have 1 to {KEY_LIMIT_BYTES} bytes")),
    }
}

fn unknown(key: &str) -> Refusal {
    Refusal::unknown("value", &key.chars().take(KEY_LIMIT_BYTES).collect::<String>())
}

impl CachedValueHead {
    fn of(head: ValueHead, now: Timestamp) -> Result<Self, Refusal> {
        let time = |time_ms| Timestamp::from_millisecond(time_ms).map_err(Error::cannot("tell the times of a value"));
        Ok(Self {
            active: now.as_millisecond() < head.expires_at_ms,
            stored_timestamp: time(head.stored_at_ms)?,
            expires_at: time(head.expires_at_ms)?,
            key: head.key,
            component_tag: head.component_tag,
            component_type: head.component_type,
            size_bytes: head.size_bytes,
        })
    }
}
