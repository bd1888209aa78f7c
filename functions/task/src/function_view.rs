//! A function as a list shows it.

use jiff::Timestamp;
use serde::Serialize;

use crate::store::function::Function;

/// A function as a list shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionSummary {
    /// The unique name.
    name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    update_timestamp: Timestamp,
}

impl From<Function> for FunctionSummary {
    fn from(function: Function) -> Self {
        let Function { name, description, update_timestamp, .. } = function;
        Self { name, description, update_timestamp }
    }
}
