//! Declared fields of requests, and their types.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    pub(crate) fields: Vec<Self>,
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

impl Field {
    /// A field of this name that takes anything.
    pub(crate) fn named(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            description: String::new(),
            kind: FieldType::default(),
            required: false,
            min_length: None,
            max_length: None,
            decorator: String::new(),
            decorator_position: DecoratorPosition::default(),
            default_value: Value::Null,
            sample_value: Value::Null,
            fields: Vec::new(),
        }
    }
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
