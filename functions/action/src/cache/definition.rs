//! Definitions of caches: how long their values last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Refusal;

use crate::session::check_texts;
use crate::tag::Tag;

/// The longest that a value lasts, in milliseconds: 365 days.
pub(crate) const LONGEST_MS: i64 = 365 * 24 * 3_600 * 1_000;

/// A cache of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheDefinition)]
pub(crate) struct Definition {
    /// The product.
    pub(crate) product: Tag,
    /// The name in requests.
    pub(crate) tag: Tag,
    /// The name for people.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// How long a value lasts, in milliseconds.
    pub(crate) expiry: i64,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
}

/// A cache that is to be created.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({"product": "shop", "tag": "rates", "name": "Exchange rates", "expiry": 60_000}))]
#[schema(as = CacheNewDefinition)]
pub(crate) struct NewDefinition {
    /// The product.
    product: Tag,
    /// The name in requests.
    tag: Tag,
    /// The name for people.
    #[serde(default)]
    name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// How long a value lasts, in milliseconds; 365 days at most.
    expiry: i64,
}

/// What is to be changed of a cache; the rest stays as it is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({"expiry": 300_000}))]
#[schema(as = CacheDefinitionChange)]
pub(crate) struct DefinitionChange {
    /// The name for people.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// How long a value that is stored from now on lasts, in milliseconds.
    expiry: Option<i64>,
}

impl NewDefinition {
    /// Checks it.
    pub(crate) fn checked(self, now: Timestamp) -> Result<Definition, Refusal> {
        let Self { product, tag, name, description, expiry } = self;
        let (creation_timestamp, update_timestamp) = (now, now);
        let definition = Definition { product, tag, name, description, expiry, creation_timestamp, update_timestamp };
        definition.check()?;
        Ok(definition)
    }
}

impl DefinitionChange {
    /// Applies it to a definition and checks that.
    pub(crate) fn apply(self, former: Definition, now: Timestamp) -> Result<Definition, Refusal> {
        let definition = Definition {
            name: self.name.unwrap_or(former.name),
            description: self.description.unwrap_or(former.description),
            expiry: self.expiry.unwrap_or(former.expiry),
            update_timestamp: now,
            ..former
        };
        definition.check()?;
        Ok(definition)
    }
}

impl Definition {
    fn check(&self) -> Result<(), Refusal> {
        check_texts(&self.name, &self.description)?;
        check_expiry(self.expiry)
    }
}

/// Checks how long values are to last.
pub(crate) fn check_expiry(expiry_ms: i64) -> Result<(), Refusal> {
    match (1..=LONGEST_MS).contains(&expiry_ms) {
        true => Ok(()),
        false => Err(Refusal::field("expiry", format!("must be from 1 to {LONGEST_MS} milliseconds"))),
    }
}
