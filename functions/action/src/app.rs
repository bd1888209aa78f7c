//! Apps: the environments, credentials, constants and variables of an API, and the actions that can be run on it.
//!
//! The fields are spelt as Ductape spells them, so that what its users have can be sent as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::circuit::CircuitSettings;
use crate::retry::RetryPolicy;
use crate::tag::{Slug, Tag};

/// An API that can be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
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

/// A declared field of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) key: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// What values it takes.
    #[serde(rename = "type", default)]
    pub(crate) kind: FieldType,
    /// Whether a request without it is refused.
    #[serde(default)]
    pub(crate) required: bool,
    /// The fewest characters or items.
    #[serde(rename = "minLength", default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_length: Option<u64>,
    /// The most characters or items.
    #[serde(rename = "maxLength", default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_length: Option<u64>,
    /// What is joined to the value with a space, such as `Bearer`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) decorator: String,
    /// On which side of the value.
    #[serde(rename = "decoratorPosition", default, skip_serializing_if = "DecoratorPosition::is_none")]
    pub(crate) decorator_position: DecoratorPosition,
    /// What is sent when the input has nothing; can have placeholders.
    #[serde(rename = "defaultValue", default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Value)]
    pub(crate) default_value: Value,
    /// An example.
    #[serde(rename = "sampleValue", default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Value)]
    pub(crate) sample_value: Value,
    /// The fields of an object, or of each object of an array.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub(crate) fields: Vec<Field>,
}

/// What a field takes: a plain type, or an array of one (`array-string`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldType {
    /// Whether it is an array of them.
    pub(crate) is_array: bool,
    /// The plain type.
    pub(crate) plain: PlainType,
}

/// A type of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PlainType {
    /// Anything at all.
    #[default]
    Any,
    String,
    NoSpacesString,
    EmailString,
    NumberString,
    Number,
    Float,
    Double,
    Uuid,
    Array,
    Object,
    Boolean,
}

/// On which side of a value its decorator stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum DecoratorPosition {
    /// Before it.
    #[serde(alias = "")]
    #[default]
    Before,
    /// After it.
    After,
}

impl DecoratorPosition {
    fn is_none(&self) -> bool {
        *self == Self::Before
    }
}

/// A way in which callers of an app prove who they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    /// The name in placeholders, as in `$Auth{tag}{token}`.
    pub(crate) tag: Tag,
    /// The name for people.
    #[serde(default)]
    pub(crate) name: String,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
    /// How it works.
    #[serde(flatten)]
    pub(crate) setup: AuthSetup,
    /// What is added to every request of the app, with placeholders over the credentials.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) headers: BTreeMap<String, String>,
    /// What is added to the query of every request of the app.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) query: BTreeMap<String, String>,
}

/// How an auth works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "setup_type", rename_all = "snake_case")]
pub(crate) enum AuthSetup {
    /// The data of the access tag is the token.
    TokenAccess {},
    /// The data of the access tag is exchanged for a token by running an action.
    CredentialAccess {
        /// The action.
        action_tag: Tag,
        /// How long its answer is good for, in periods.
        expiry: u64,
        /// The period: secs, mins, hours, days, weeks, months or years.
        period: String,
    },
    /// OAuth 2: client credentials, or a refresh token where the data has one.
    #[serde(rename = "oauth2")]
    OAuth2 {
        /// The token endpoint.
        token_url: String,
        /// What is asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
    },
    /// The data has `key`, which is sent in a header or the query.
    ApiKey {
        /// The name of the header or field.
        name: String,
        /// `header` or `query`.
        #[serde(rename = "in")]
        place: String,
    },
    /// The data has `username` and `password`.
    Basic {},
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

impl Serialize for FieldType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for FieldType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (is_array, name) = text.strip_prefix("array-").map_or((false, text.as_str()), |plain| (true, plain));
        match PLAIN_TYPES.iter().find(|(known, _)| *known == name) {
            Some((_, plain)) => Ok(Self { is_array, plain: *plain }),
            None => Err(serde::de::Error::custom(shared::nearest::unknown(
                "type",
                &text,
                PLAIN_TYPES.map(|(name, _)| name),
            ))),
        }
    }
}

impl std::fmt::Display for FieldType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = PLAIN_TYPES.iter().find(|(_, plain)| *plain == self.plain).map_or("any", |(name, _)| name);
        write!(f, "{}{name}", if self.is_array { "array-" } else { "" })
    }
}

impl utoipa::PartialSchema for FieldType {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for FieldType {}

/// The plain types by their names in requests.
const PLAIN_TYPES: [(&str, PlainType); 12] = [
    ("any", PlainType::Any),
    ("string", PlainType::String),
    ("nospaces_string", PlainType::NoSpacesString),
    ("email_string", PlainType::EmailString),
    ("numberstring", PlainType::NumberString),
    ("number", PlainType::Number),
    ("float", PlainType::Float),
    ("double", PlainType::Double),
    ("uuid", PlainType::Uuid),
    ("array", PlainType::Array),
    ("object", PlainType::Object),
    ("boolean", PlainType::Boolean),
];
