//! The errors of DynamoDB, with its names.

use serde_json::{Value as Json, json};

/// An error as DynamoDB answers it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Error {
    /// The HTTP status.
    pub status: u16,
    /// The name, as in `ValidationException`.
    pub name: &'static str,
    /// What is wrong.
    pub message: String,
    /// What the answer has beside name and message.
    pub more: Option<(&'static str, Json)>,
    /// Whether SQLite failed, so that nothing of the same transaction can be kept.
    pub is_of_storage: bool,
}

impl Error {
    fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, name, message: message.into(), more: None, is_of_storage: false }
    }

    /// The request is wrong.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The request cannot be read.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// The condition of a write does not hold.
    pub(crate) fn condition(item: Option<Json>) -> Self {
        let failed = Self::new("ConditionalCheckFailedException", "The conditional request failed");
        Self { more: item.map(|item| ("Item", item)), ..failed }
    }

    /// An item with the key of one that is inserted is there already.
    pub(crate) fn duplicate() -> Self {
        Self::new("DuplicateItemException", "Duplicate primary key exists in table")
    }

    /// There is no such table.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    /// The table is there already.
    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new("ResourceInUseException", message)
    }

    /// A transaction was given up, for these reasons.
    pub(crate) fn cancelled(reasons: Vec<Json>) -> Self {
        let codes: Vec<&str> = reasons.iter().map(|reason| reason["Code"].as_str().unwrap_or("None")).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        Self {
            more: Some(("CancellationReasons", Json::Array(reasons))),
            ..Self::new("TransactionCanceledException", message)
        }
    }

    /// The engine itself failed.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, ..Self::new("InternalServerError", message) }
    }

    /// SQLite failed.
    pub(crate) fn storage(message: impl Into<String>) -> Self {
        Self { is_of_storage: true, ..Self::internal(message) }
    }

    /// Returns the short name that the answers of statements have.
    pub(crate) fn code(&self) -> &'static str {
        match self.name {
            "ValidationException" | "SerializationException" => "ValidationError",
            name => name.strip_suffix("Exception").unwrap_or(name),
        }
    }

    /// Returns the body of the answer.
    pub(crate) fn to_json(&self) -> Json {
        let space = if self.name == "ValidationException" || self.name == "SerializationException" {
            "com.amazon.coral.validate"
        } else {
            "com.amazonaws.dynamodb.v20120810"
        };
        let mut body = json!({"__type": format!("{space}#{}", self.name), "message": self.message});
        if let Some((name, value)) = &self.more {
            body[*name] = value.clone();
        }
        body
    }
}
