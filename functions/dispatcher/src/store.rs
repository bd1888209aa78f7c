//! What this function keeps in DynamoDB: dispatchers, and the events with their runs.
//!
//! Bodies are kept as JSON text: smaller than DynamoDB's own maps, and any number or depth that JSON has fits.

mod dispatchers;
mod runs;

pub(crate) use dispatchers::{Dispatchers, Matching, Written};
pub(crate) use runs::{Begun, OpenRow, Receipt, Received, Runs};

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::Error;

fn to_text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::cannot("write a record"))
}

fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(Error::cannot("read a record"))
}
