//! The names of apps, actions, products and what belongs to them.

use serde::{Deserialize, Deserializer, Serialize, de};

/// The most characters of a tag.
pub(crate) const TAG_LIMIT_CHARACTERS: usize = 128;

/// A name in requests: 1 to 128 letters, digits, `_`, `.` and `-`.
///
/// No tag has a `#` or a `:`, so that keys and session tokens can join tags with them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub(crate) struct Tag(String);

impl Tag {
    /// Reads a tag.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_tag = (1..=TAG_LIMIT_CHARACTERS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if is_tag {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("must be 1 to {TAG_LIMIT_CHARACTERS} letters, digits, `_`, `.` and `-`"))
        }
    }

    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an environment: three lower-case letters, such as `dev` and `prd`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub(crate) struct Slug(String);

impl Slug {
    /// Reads a slug.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_slug = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if is_slug {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be three lower-case letters, such as `dev`".to_owned())
        }
    }

    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
