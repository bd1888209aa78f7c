//! Why a webhook, a channel's settings or a message cannot be accepted as it is.

/// A mistake of the sender or of whoever configured the channel: the same input fails again.
///
/// The text names the field and the rule, and never repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field breaks a rule.
    #[error("`{field}` {rule}")]
    Field {
        /// The path of the field, such as `content.type`.
        field: String,
        /// The rule, such as `must not be empty`.
        rule: String,
    },
    /// A required field is missing.
    #[error("`{0}` is required")]
    MissingField(String),
    /// The credentials have a name that is not one of the platform's.
    #[error("`credentials.{name}` is unknown")]
    UnknownCredential {
        /// The name.
        name: String,
        /// The names that the platform knows.
        known: Vec<&'static str>,
    },
    /// The body is empty.
    #[error("the request needs a JSON body")]
    EmptyBody,
    /// The body is not what its content type or its platform says.
    #[error("{0}")]
    Body(String),
    /// The charset that the request declares is not known.
    #[error("the charset `{0}` is not understood")]
    Charset(String),
    /// The body, or what is in it, is over a limit.
    #[error("{0}")]
    TooLarge(String),
    /// The webhook does not prove who sent it.
    #[error(transparent)]
    Unverified(#[from] Unverified),
}

/// Why a webhook does not prove who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// A header that the scheme needs is missing or repeated.
    #[error("the header `{0}` must occur exactly once")]
    Header(String),
    /// The timestamp is not a time in any known notation.
    #[error("the header `{0}` must be a time: seconds or milliseconds since 1970, RFC 3339, or an HTTP date")]
    Timestamp(String),
    /// The timestamp is too far in the past or in the future.
    #[error("the timestamp is more than {tolerance_s} seconds from the current time")]
    Stale {
        /// How far it may be, in seconds.
        tolerance_s: u32,
    },
    /// No signature is that of the body and the secret.
    #[error("the signature does not match")]
    Mismatch,
}

impl Unverified {
    /// Refuses a signature that is not the right one.
    pub(crate) fn unless(is_right: bool) -> Result<(), Self> {
        if is_right { Ok(()) } else { Err(Self::Mismatch) }
    }
}

impl Error {
    /// A field breaks a rule.
    pub fn field(field: &str, rule: impl Into<String>) -> Self {
        Self::Field { field: field.to_owned(), rule: rule.into() }
    }

    /// A required field is missing.
    pub fn missing_field(field: &str) -> Self {
        Self::MissingField(field.to_owned())
    }
}
