//! Writes that are done together or not at all.

use std::sync::Arc;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use serde::Serialize;

use super::sealed::{self, Sealing};
use super::{Expression, FIRST_PAUSE, Table, some};
use crate::error::Error;

/// How often a transaction that collided with another one is tried again.
const TRANSACTION_ATTEMPTS: u32 = 6;
/// The most items in one transaction.
///
/// Source: Amazon DynamoDB developer guide, `TransactWriteItems`.
pub const TRANSACTION_LIMIT: usize = 100;

/// One write of a transaction.
#[derive(Debug, Clone)]
pub struct Write {
    pub(super) item: TransactWriteItem,
    pub(super) sealing: Option<Arc<Sealing>>,
}

/// Which writes of a transaction did not meet their condition; empty if it was done.
pub type Unmet = Vec<usize>;

impl Table {
    /// Prepares a put for a transaction.
    pub fn writing(&self, item: &impl Serialize, condition: Option<Expression>) -> Result<Write, Error> {
        let (text, _, names, values) = condition.unwrap_or_default().join(None);
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(self.item(item)?))
            .set_condition_expression((!text.is_empty()).then_some(text))
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .build()
            .map_err(|cause| self.failed("write to", cause))?;
        Ok(Write { item: TransactWriteItem::builder().put(put).build(), sealing: self.sealing.clone() })
    }

    /// Prepares a delete for a transaction.
    pub fn deleting(&self, key: &impl Serialize, condition: Option<Expression>) -> Result<Write, Error> {
        let (text, _, names, values) = condition.unwrap_or_default().join(None);
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(self.item(key)?))
            .set_condition_expression((!text.is_empty()).then_some(text))
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .build()
            .map_err(|cause| self.failed("delete from", cause))?;
        Ok(Write { item: TransactWriteItem::builder().delete(delete).build(), sealing: None })
    }

    /// Does all the writes or none; returns the indexes of those whose condition did not hold.
    ///
    /// Writes may belong to several tables. A collision with another transaction is tried again.
    pub async fn transact(&self, writes: Vec<Write>) -> Result<Unmet, Error> {
        let writes = Box::pin(sealed::writes(writes)).await?;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let sent = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let error = match sent {
                Ok(_) => return Ok(Unmet::new()),
                Err(error) => error,
            };
            let codes = cancellation_codes(&error);
            if codes.iter().any(|code| code == "ConditionalCheckFailed") {
                let unmet = codes.iter().enumerate().filter(|(_, code)| *code == "ConditionalCheckFailed");
                return Ok(unmet.map(|(index, _)| index).collect());
            }
            let collided = codes.iter().any(|code| code == "TransactionConflict");
            if !collided || attempt >= TRANSACTION_ATTEMPTS {
                return Err(self.failed("write a transaction to", error));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(Unmet::new())
    }
}

fn cancellation_codes<R>(error: &SdkError<TransactWriteItemsError, R>) -> Vec<String> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            let reasons = canceled.cancellation_reasons().iter();
            reasons.map(|reason| reason.code().unwrap_or("None").to_owned()).collect()
        }
        _ => Vec::new(),
    }
}
