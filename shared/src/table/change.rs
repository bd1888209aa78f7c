//! Writes of one item each, of which several share a request.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementOutput;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementResponse};

use super::statement::Statement;
use super::{Expression, Item, is_condition, some};
use crate::gather::{Failure, Requests};

/// The most statements in one request.
const STATEMENTS_LIMIT: usize = 25;
/// The most bytes of the items in one request; DynamoDB takes 16 MB.
const STATEMENTS_LIMIT_BYTES: usize = 1 << 20;

/// A write of one item of which nobody asks how the item was or is.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Writes an item in place of any with the same key.
    Put {
        item: Item,
        condition: Option<Expression>,
        /// The attributes that the former item may have and this one may lack, if they are known.
        may_lack: Option<&'static [&'static str]>,
    },
    /// Changes an item; the update holds the names and values of the condition, too.
    Update { key: Item, update: Expression, condition: Option<String> },
}

impl Change {
    /// Returns the attributes of the item that is written, or of its key.
    pub(super) fn attributes(&self) -> &Item {
        match self {
            Self::Put { item, .. } => item,
            Self::Update { key, .. } => key,
        }
    }

    /// Takes an attribute out of the item that is written, or of its key.
    pub(super) fn take(&mut self, name: &str) -> Option<AttributeValue> {
        match self {
            Self::Put { item, .. } => item.remove(name),
            Self::Update { key, .. } => key.remove(name),
        }
    }

    /// Returns what the `:values` of its expressions stand for.
    pub(super) fn values(&self) -> Option<&Item> {
        match self {
            Self::Put { condition, .. } => condition.as_ref().map(|condition| &condition.values),
            Self::Update { update, .. } => Some(&update.values),
        }
    }

    /// Does it in a request of its own; returns whether the condition held.
    pub(super) async fn alone(self, client: &Client, table: &str) -> Result<bool, Failure> {
        match self {
            Self::Put { item, condition, .. } => {
                let (text, _, names, values) = condition.unwrap_or_default().join(None);
                let sent = client
                    .put_item()
                    .table_name(table)
                    .set_item(Some(item))
                    .set_condition_expression((!text.is_empty()).then_some(text))
                    .set_expression_attribute_names(some(names))
                    .set_expression_attribute_values(some(values))
                    .send()
                    .await;
                met(sent)
            }
            Self::Update { key, update, condition } => {
                let sent = client
                    .update_item()
                    .table_name(table)
                    .set_key(Some(key))
                    .update_expression(update.text)
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(some(update.names))
                    .set_expression_attribute_values(some(update.values))
                    .send()
                    .await;
                met(sent)
            }
        }
    }
}

fn met<O, E, R>(sent: Result<O, SdkError<E, R>>) -> Result<bool, Failure>
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
    SdkError<E, R>: ProvideErrorMetadata,
{
    match sent {
        Ok(_) => Ok(true),
        Err(error) if is_condition(&error) => Ok(false),
        Err(error) => Err(Failure::new(error)),
    }
}

/// What has become of a write.
pub(crate) enum Outcome {
    /// It was done, unless its condition did not hold.
    Done(bool),
    /// Its request failed.
    Failed(Failure),
    /// It was not done beside others: it has to be done alone.
    Alone,
}

/// A write that can share a request.
pub(crate) struct Single {
    table: String,
    /// The same for writes of the same item alone.
    identity: String,
    size_bytes: usize,
    change: Change,
    statement: Statement,
}

impl Single {
    /// Prepares a write to a table with this key, if that is known; returns the write if it goes out alone.
    pub(super) fn new(table: &str, key: Option<&'static [&'static str]>, change: Change) -> Result<Self, Box<Change>> {
        let key: Vec<&str> = match (&change, key) {
            (Change::Update { key, .. }, _) => {
                key.keys().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
            }
            (Change::Put { .. }, Some(key)) => key.to_vec(),
            (Change::Put { .. }, None) => return Err(Box::new(change)),
        };
        let prepared = identity(table, &key, change.attributes()).zip(Statement::of(table, &key, &change));
        let Some((identity, statement)) = prepared else { return Err(Box::new(change)) };
        let size_bytes = item_bytes(change.attributes()) + change.values().map_or(0, item_bytes);
        Ok(Self { table: table.to_owned(), identity, size_bytes, change, statement })
    }

    async fn alone(self, client: &Client) -> Vec<Outcome> {
        vec![self.change.alone(client, &self.table).await.map_or_else(Outcome::Failed, Outcome::Done)]
    }
}

/// The requests that write by statements, each with its own condition and its own error.
pub(crate) struct Statements(pub(super) Client);

impl Requests for Statements {
    type Part = Single;
    type Answer = Outcome;
    type Lane = ();

    const LIMIT: usize = STATEMENTS_LIMIT;
    const LIMIT_BYTES: usize = STATEMENTS_LIMIT_BYTES;

    fn lane(_: &Single) {}

    fn size_bytes(single: &Single) -> usize {
        single.size_bytes
    }

    fn clash(one: &Single, other: &Single) -> bool {
        one.identity == other.identity
    }

    async fn send(&self, mut writes: Vec<Single>) -> Vec<Outcome> {
        if writes.len() == 1
            && let Some(single) = writes.pop()
        {
            return single.alone(&self.0).await;
        }
        let count = writes.len();
        let statements = writes.into_iter().map(|write| write.statement.request(write.change));
        let Ok(statements) = statements.collect::<Result<_, BuildError>>() else { return all_alone(count) };
        let sent = self.0.batch_execute_statement().set_statements(Some(statements)).send().await;
        let responses = sent.map(|answer: BatchExecuteStatementOutput| answer.responses.unwrap_or_default());
        match responses {
            Ok(responses) if responses.len() == count => responses.iter().map(outcome).collect(),
            Ok(_) => all_alone(count),
            Err(error) => unanswered(error, count),
        }
    }
}

fn outcome(response: &BatchStatementResponse) -> Outcome {
    match response.error() {
        None => Outcome::Done(true),
        Some(error) => match error.code() {
            Some(Code::ConditionalCheckFailed | Code::DuplicateItem) => Outcome::Done(false),
            // Throttled, too large, not allowed: alone it is repeated, or fails, as any single write does.
            _ => Outcome::Alone,
        },
    }
}

fn all_alone(count: usize) -> Vec<Outcome> {
    (0..count).map(|_| Outcome::Alone).collect()
}

/// A request that is refused as a whole has done nothing, and may be so for the sake of one of its writes.
fn unanswered<E, R>(error: SdkError<E, R>, count: usize) -> Vec<Outcome>
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
    SdkError<E, R>: ProvideErrorMetadata,
{
    if is_refused(&error) {
        return all_alone(count);
    }
    let failure = Failure::new(error);
    (0..count).map(|_| Outcome::Failed(failure.clone())).collect()
}

/// Whether a request was understood and refused, not merely unlucky.
pub(super) fn is_refused<E, R>(error: &SdkError<E, R>) -> bool
where
    SdkError<E, R>: ProvideErrorMetadata,
{
    let refusals = [
        "AccessDeniedException",
        "ItemCollectionSizeLimitExceededException",
        "ResourceNotFoundException",
        "UnknownOperationException",
        "ValidationException",
    ];
    error.code().is_some_and(|code| refusals.contains(&code))
}

/// Returns what identifies an item among all of all tables; `None` if it lacks a part of its key.
pub(super) fn identity(table: &str, key: &[&str], item: &Item) -> Option<String> {
    let mut identity = table.to_owned();
    for name in key {
        let value = item.get(*name)?;
        let _ = match value {
            // The length keeps what stands beside it apart.
            AttributeValue::S(text) => write!(identity, "\0{name}\0S{}\0{text}", text.len()),
            AttributeValue::N(number) => write!(identity, "\0{name}\0N{number}"),
            other => write!(identity, "\0{name}\0{other:?}"),
        };
    }
    Some(identity)
}

/// Returns about how many bytes an item takes.
fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        // Bytes are sent as base64.
        AttributeValue::B(bytes) => bytes.as_ref().len() / 3 * 4 + 4,
        AttributeValue::M(map) => item_bytes(map) + 3,
        AttributeValue::L(list) => list.iter().map(|value| value_bytes(value) + 1).sum::<usize>() + 3,
        AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Bs(all) => all.iter().map(|bytes| bytes.as_ref().len() / 3 * 4 + 4).sum(),
        _ => 1,
    }
}
