//! Definitions of sessions: what data they have, whom they name, how long they last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{Refusal, json};

use super::sample;
use super::selector::Selector;
use crate::failure::Violation;
use crate::tag::Tag;

/// The most bytes of JSON that the data of a session, and so a schema, can have.
pub(crate) const DATA_LIMIT_BYTES: usize = 4 * 1024;
/// The longest that a session lasts, in seconds: ten years.
const LONGEST_S: i64 = 3_650 * 24 * 3_600;
const NAME_LIMIT_CHARACTERS: usize = 256;
const DESCRIPTION_LIMIT_CHARACTERS: usize = 4_096;

/// What sessions of one tag of a product are like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionDefinition)]
pub(crate) struct Definition {
    /// The product.
    pub(crate) product: Tag,
    /// The name in requests and in front of tokens.
    pub(crate) tag: Tag,
    /// The name for people.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// Sample data, whose shape all data must have.
    #[schema(value_type = Object)]
    pub(crate) schema: Value,
    /// Where the data names whom a session is for.
    pub(crate) selector: String,
    /// How long a token is valid, in `period`.
    pub(crate) expiry: u32,
    /// The unit of `expiry`.
    pub(crate) period: Period,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
}

/// The unit of how long a token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SessionPeriod)]
pub(crate) enum Period {
    Seconds,
    Minutes,
    Hours,
    Days,
}

/// A definition that is to be created.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({
    "product": "shop", "tag": "login", "name": "Customers who are logged in",
    "schema": {"user": {"id": "u1", "email": "ann@example.com"}}, "selector": "$Session{user}{id}",
    "expiry": 2, "period": "hours",
}))]
#[schema(as = SessionNewDefinition)]
pub(crate) struct NewDefinition {
    /// The product.
    product: Tag,
    /// The name in requests and in front of tokens.
    tag: Tag,
    /// The name for people.
    #[serde(default)]
    name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Sample data, whose shape all data must have.
    #[schema(value_type = Object)]
    schema: Value,
    /// Where the data names whom a session is for; it must end on a string, a number or a boolean.
    selector: String,
    /// How long a token is valid, in `period`; ten years at most.
    expiry: u32,
    /// The unit of `expiry`.
    period: Period,
}

/// What is to be changed of a definition; the rest stays as it is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({"expiry": 30, "period": "minutes"}))]
#[schema(as = SessionDefinitionChange)]
pub(crate) struct DefinitionChange {
    /// The name for people.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// Sample data, whose shape all data of sessions that are started from now on must have.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
    /// Where the data names whom a session is for.
    selector: Option<String>,
    /// How long a token that is issued from now on is valid, in `period`.
    expiry: Option<u32>,
    /// The unit of `expiry`.
    period: Option<Period>,
}

impl NewDefinition {
    /// Checks it.
    pub(crate) fn checked(self, now: Timestamp) -> Result<Definition, Refusal> {
        let Self { product, tag, name, description, schema, selector, expiry, period } = self;
        let (creation_timestamp, update_timestamp) = (now, now);
        let definition = Definition {
            product,
            tag,
            name,
            description,
            schema,
            selector,
            expiry,
            period,
            creation_timestamp,
            update_timestamp,
        };
        definition.check()?;
        Ok(definition)
    }
}

impl DefinitionChange {
    /// Applies it to a definition and checks that.
    pub(crate) fn apply(self, former: Definition, now: Timestamp) -> Result<Definition, Refusal> {
        let Self { name, description, schema, selector, expiry, period } = self;
        let definition = Definition {
            name: name.unwrap_or(former.name),
            description: description.unwrap_or(former.description),
            schema: schema.unwrap_or(former.schema),
            selector: selector.unwrap_or(former.selector),
            expiry: expiry.unwrap_or(former.expiry),
            period: period.unwrap_or(former.period),
            update_timestamp: now,
            product: former.product,
            tag: former.tag,
            creation_timestamp: former.creation_timestamp,
        };
        definition.check()?;
        Ok(definition)
    }
}

impl Definition {
    fn check(&self) -> Result<(), Refusal> {
        check_texts(&self.name, &self.description)?;
        let is_sample = self.schema.as_object().is_some_and(|fields| !fields.is_empty());
        if !is_sample || json::size_bytes(&self.schema) > DATA_LIMIT_BYTES {
            let rule = format!("must be an object of sample data with fields, of at most {DATA_LIMIT_BYTES} bytes");
            return Err(Refusal::field("schema", rule));
        }
        let selector = Selector::parse(&self.selector, &self.tag);
        selector.and_then(|found| found.check(&self.schema)).map_err(|rule| Refusal::field("selector", rule))?;
        match self.lifetime_s() {
            1..=LONGEST_S => Ok(()),
            _ => Err(Refusal::field("expiry", "must be from 1 second to 3650 days")),
        }
    }

    /// Returns how long a token is valid, in seconds.
    pub(crate) fn lifetime_s(&self) -> i64 {
        let unit_s = match self.period {
            Period::Seconds => 1,
            Period::Minutes => 60,
            Period::Hours => 3_600,
            Period::Days => 24 * 3_600,
        };
        i64::from(self.expiry) * unit_s
    }

    /// Returns whom this data names, or what is wrong with it.
    pub(super) fn identifier(&self, data: &Value) -> Result<String, Vec<Violation>> {
        let violation = |rule: String| vec![Violation { selector: self.selector.clone(), rule }];
        if json::size_bytes(data) > DATA_LIMIT_BYTES {
            let rule = format!("must have at most {DATA_LIMIT_BYTES} bytes");
            return Err(vec![Violation { selector: "$Session".to_owned(), rule }]);
        }
        let differences = sample::differences(&self.schema, data);
        if !differences.is_empty() {
            return Err(differences);
        }
        let selector = Selector::parse(&self.selector, &self.tag);
        selector.and_then(|selector| selector.identifier(data)).map_err(violation)
    }
}

/// Checks what describes a definition for people.
pub(crate) fn check_texts(name: &str, description: &str) -> Result<(), Refusal> {
    for (field, text, limit) in
        [("name", name, NAME_LIMIT_CHARACTERS), ("description", description, DESCRIPTION_LIMIT_CHARACTERS)]
    {
        if text.chars().count() > limit {
            return Err(Refusal::field(field, format!("must have at most {limit} characters")));
        }
    }
    Ok(())
}
