//! Products: who uses which apps, under which access tags and with what in each environment.

pub(crate) mod rules;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::event::TenantId;

use crate::tag::{Slug, Tag};

/// What a tenant builds with apps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Product {
    /// The name in requests.
    pub(crate) tag: Tag,
    /// The name for people.
    #[serde(default)]
    pub(crate) name: String,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
    /// Its environments.
    pub(crate) envs: Vec<ProductEnv>,
    /// How many access tags it has.
    #[serde(default)]
    #[schema(read_only)]
    pub(crate) access_tags: usize,
}

/// An environment of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductEnv {
    /// The name in requests.
    pub(crate) slug: Slug,
    /// The name for people.
    #[serde(default)]
    pub(crate) env_name: String,
    /// Whether it can be used.
    #[serde(default = "yes")]
    pub(crate) active: bool,
}

/// An app in a product, under an access tag; an app can have several in one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Connection {
    /// The name in requests.
    pub(crate) access_tag: Tag,
    /// The app.
    pub(crate) app: Tag,
    /// What it uses in which environment of the product.
    #[serde(default)]
    pub(crate) envs: Vec<ConnectionEnv>,
    /// The access tags of the same product that take over, in this order, when a run fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fallbacks: Vec<Fallback>,
}

/// What an access tag uses in an environment of the product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionEnv {
    /// The environment of the product.
    pub(crate) product_env_slug: Slug,
    /// The environment of the app.
    pub(crate) app_env_slug: Slug,
    /// The values of the app's variables.
    #[serde(default)]
    pub(crate) variables: Vec<VariableValue>,
    /// Which auth is used; the first one that the app has unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_tag: Option<Tag>,
    /// The auths that it has data for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) auth: Vec<AuthData>,
}

/// The data of an auth: its credentials, which are kept apart and never shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthData {
    /// The auth.
    pub(crate) auth_tag: Tag,
    /// The credentials; only in requests. Those that are kept already stay as they are if there are none.
    #[serde(default, skip_serializing)]
    #[schema(value_type = Option<Object>, write_only)]
    pub(crate) data: Option<Map<String, Value>>,
    /// Whether there are credentials; only in answers.
    #[serde(default)]
    #[schema(read_only)]
    pub(crate) configured: bool,
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariableValue {
    /// The variable.
    pub(crate) key: String,
    /// The value.
    #[schema(value_type = Value)]
    pub(crate) value: Value,
}

/// What takes over when a run fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fallback {
    /// The access tag.
    pub(crate) app: Tag,
    /// The action there; the one of the same tag unless given.
    #[serde(default, alias = "action", skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Tag>,
    /// Its input, with `$Input{…}` over that of the run; the same input unless given.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Value)]
    pub(crate) input: Value,
}

/// Where a run takes place: what credentials, caches and circuits belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    /// The tenant.
    pub(crate) tenant_id: TenantId,
    /// The product.
    pub(crate) product: Tag,
    /// The environment of the product.
    pub(crate) env: Slug,
    /// The access tag.
    pub(crate) access_tag: Tag,
    /// The app behind it.
    pub(crate) app: Tag,
    /// The environment of the app.
    pub(crate) app_env: Slug,
}

fn yes() -> bool {
    true
}
