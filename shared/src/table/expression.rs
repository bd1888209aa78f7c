//! Expressions and queries in DynamoDB's language.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value;
use serde_json::Value;

use super::Item;

/// An expression in DynamoDB's language with what its `#names` and `:values` stand for.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    pub(super) text: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Starts an expression, such as `#status = :new AND version = :version`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Says which attribute `#name` stands for; needed for DynamoDB's reserved words.
    #[must_use]
    pub fn name(mut self, name: &str, attribute: impl Into<String>) -> Self {
        self.names.insert(name.to_owned(), attribute.into());
        self
    }

    /// Says what `:name` stands for; a value that cannot be an attribute becomes null.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Serialize) -> Self {
        let value = to_attribute_value(value).unwrap_or(AttributeValue::Null(true));
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Says what `:name` stands for, as the table has it.
    #[must_use]
    pub(super) fn attribute(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Adds to the end of the expression.
    #[must_use]
    pub fn append(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Splits a condition and an update that share one namespace, as one request has it.
    pub(super) fn join(self, condition: Option<Self>) -> (String, Option<String>, HashMap<String, String>, Item) {
        let Self { text, mut names, mut values } = self;
        let condition = condition.map(|condition| {
            names.extend(condition.names);
            values.extend(condition.values);
            condition.text
        });
        (text, condition, names, values)
    }
}

/// A query of one partition of a table or index.
#[derive(Debug, Clone)]
pub struct Query {
    /// The key condition, such as `eventType = :type`.
    pub key: Expression,
    /// Which of the items that are read are returned; all if none.
    pub filter: Option<Expression>,
    /// The index; the table itself, read consistently, if none.
    pub index: Option<&'static str>,
    /// Newest (highest sort key) first.
    pub descending: bool,
    /// The most items to return; all if none.
    pub limit: Option<usize>,
}

impl Query {
    /// Asks for everything in a partition of the table, strongly consistent.
    pub fn new(key: Expression) -> Self {
        Self { key, filter: None, index: None, descending: false, limit: None }
    }

    /// Returns only the items for which a condition holds, which are found among all that are read.
    #[must_use]
    pub fn filter(self, filter: Expression) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Asks an index instead, which is eventually consistent.
    #[must_use]
    pub fn index(self, index: &'static str) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Returns the highest sort key first.
    #[must_use]
    pub fn descending(self) -> Self {
        Self { descending: true, ..self }
    }

    /// Returns no more than this many items.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

/// The condition that no item with this key exists.
pub fn is_new(key: &str) -> Expression {
    Expression::new("attribute_not_exists(#key)").name("#key", key)
}

/// The condition that an item with this key exists.
pub fn exists(key: &str) -> Expression {
    Expression::new("attribute_exists(#key)").name("#key", key)
}

/// Makes the key of an item from one attribute.
pub fn key(name: &str, value: impl Into<Value>) -> Value {
    Value::Object([(name.to_owned(), value.into())].into_iter().collect())
}
