//! Apps: the environments, credentials, constants and variables of an API, and the actions that can be run on it.
//!
//! The fields are spelt as Ductape spells them, so that what its users have can be sent as it is.

mod auth;
pub(crate) mod declaration;
mod field;
pub(crate) mod resource;
pub(crate) mod rules;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::circuit::CircuitSettings;
use crate::retry::RetryPolicy;
use crate::tag::{Slug, Tag};
pub(crate) use auth::{Auth, AuthSetup};
pub(crate) use field::{DecoratorPosition, Field, FieldType, PlainType};

/// An API that can be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct App {
    /// The name in requests.
    pub(crate) tag: Tag,
    /// The name for people.
    #[serde(default)]
    pub(crate) name: String,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
    /// Where it runs.
    #[serde(default)]
    pub(crate) envs: Vec<AppEnv>,
    /// How its callers prove who they are.
    #[serde(default)]
    pub(crate) auths: Vec<Auth>,
    /// Values that are the same for all who use it.
    #[serde(default)]
    pub(crate) constants: Vec<Constant>,
    /// Values that each access tag gives for each of its environments.
    #[serde(default)]
    pub(crate) variables: Vec<Variable>,
    /// Which failures are tried again, unless a run says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retries: Option<RetryPolicy>,
    /// How its health is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<HealthCheck>,
    /// When requests are refused for a while, after failures in a row.
    #[serde(default, skip_serializing_if = "CircuitSettings::is_default")]
    pub(crate) circuit: CircuitSettings,
    /// Whether methods that are not idempotent carry the header `Idempotency-Key`, the same for all attempts at a run.
    #[serde(default)]
    pub(crate) idempotency_key: bool,
}

/// One environment of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppEnv {
    /// The name for people.
    #[serde(default)]
    pub(crate) env_name: String,
    /// The name in requests, three lower-case letters.
    pub(crate) slug: Slug,
    /// What the resources of actions are appended to.
    pub(crate) base_url: String,
    /// Whether it can be used.
    #[serde(default)]
    pub(crate) active: bool,
    /// How bodies are sent unless an action says so itself.
    #[serde(default)]
    pub(crate) request_type: RequestType,
}

/// How the body of a request is written, and its answer read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum RequestType {
    #[default]
    Json,
    Urlencoded,
    Formdata,
    Soap,
    Html,
}

/// One request that an app answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AppAction)]
pub(crate) struct Action {
    /// The name in requests.
    pub(crate) tag: Tag,
    /// The name for people.
    #[serde(default)]
    pub(crate) name: String,
    /// What it does.
    #[serde(default)]
    pub(crate) description: String,
    /// The path below the base URL of the environment, with `:name` for each parameter.
    pub(crate) resource: String,
    /// The HTTP method, in whatever case.
    pub(crate) method: String,
    /// How the body is sent; as the environment says unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_type: Option<RequestType>,
    /// The base URL where the environment has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// The parameters of the resource.
    #[serde(default)]
    pub(crate) params: Vec<Field>,
    /// The fields of the query string.
    #[serde(default)]
    pub(crate) query: Vec<Field>,
    /// The headers.
    #[serde(default)]
    pub(crate) headers: Vec<Field>,
    /// The fields of the body.
    #[serde(default)]
    pub(crate) body: Vec<Field>,
}

/// A value that is the same for all who use an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Constant {
    /// Its name, as in `$Constant{app}{key}`.
    pub(crate) key: String,
    /// The value.
    #[schema(value_type = Value)]
    pub(crate) value: Value,
    /// What values it takes.
    #[serde(rename = "type", default)]
    pub(crate) kind: FieldType,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
}

/// A value that each access tag gives for each of its environments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AppVariable)]
pub(crate) struct Variable {
    /// Its name, as in `$Variable{app}{key}`.
    pub(crate) key: String,
    /// What values it takes.
    #[serde(rename = "type", default)]
    pub(crate) kind: FieldType,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
}

/// How the health of an app is probed in each environment of its access tags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthCheck {
    /// The action to run, without input.
    pub(crate) action_tag: Tag,
    /// How often, in milliseconds: whole minutes.
    pub(crate) interval: u64,
    /// After how many failures in a row it counts as unavailable.
    #[serde(default)]
    pub(crate) retries: u32,
}
