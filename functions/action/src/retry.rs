//! Which failures are tried again, and when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which failures of an app are tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryPolicy {
    /// The most attempts after the first.
    pub(crate) max: u32,
    /// What is done about each HTTP status; one that is not named is not tried again.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) policy: BTreeMap<u16, StatusPolicy>,
}

/// What is done about an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusPolicy {
    /// Whether it is tried again.
    pub(crate) available: bool,
    /// The shortest wait before the next attempt, in milliseconds.
    #[serde(default = "lag")]
    pub(crate) lag: u64,
}

fn lag() -> u64 {
    5_000
}
