//! The operations: a request becomes one of these where it arrives, and the engine's thread runs it.

mod admin;
mod batch;
mod meter;
mod page;
mod read;
mod statement;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::request;
use crate::schema::Table;
pub use meter::Consumed;
pub(crate) use meter::Meter;

/// The tables by their names.
pub(crate) type Catalog = BTreeMap<String, Arc<Table>>;

/// What is to be done.
pub(crate) enum Operation {
    Get(read::Get),
    Query(Box<page::Page>),
    Scan(Box<page::Page>),
    Write(Box<write::Single>),
    BatchGet(batch::Gets),
    BatchWrite(batch::Writes),
    TransactWrite(batch::Transaction),
    TransactGet(batch::Reads),
    Statements(statement::Statements),
    Admin(admin::Admin),
}

impl Operation {
    /// Reads a request and checks it against the tables that it names.
    pub(crate) fn read(name: &str, body: &[u8], catalog: &Catalog) -> Result<Self, Error> {
        Ok(match name {
            "GetItem" => Self::Get(read::Get::new(request::read(body)?, catalog)?),
            "PutItem" => Self::Write(Box::new(write::Single::put(request::read(body)?, catalog)?)),
            "UpdateItem" => Self::Write(Box::new(write::Single::update(request::read(body)?, catalog)?)),
            "DeleteItem" => Self::Write(Box::new(write::Single::delete(request::read(body)?, catalog)?)),
            "Query" => Self::Query(Box::new(page::Page::query(request::read(body)?, catalog)?)),
            "Scan" => Self::Scan(Box::new(page::Page::scan(request::read(body)?, catalog)?)),
            "BatchGetItem" => Self::BatchGet(batch::Gets::new(request::read(body)?, catalog)?),
            "BatchWriteItem" => Self::BatchWrite(batch::Writes::new(request::read(body)?, catalog)?),
            "TransactWriteItems" => Self::TransactWrite(batch::Transaction::new(request::read(body)?, catalog)?),
            "TransactGetItems" => Self::TransactGet(batch::Reads::new(request::read(body)?, catalog)?),
            "BatchExecuteStatement" => Self::Statements(statement::Statements::new(&request::read(body)?, catalog)?),
            _ => match admin::Admin::read(name, body)? {
                Some(admin) => Self::Admin(admin),
                None => {
                    let message = format!("DynamoDB's {name} is not supported here");
                    return Err(Error { name: "UnknownOperationException", ..Error::validation(message) });
                }
            },
        })
    }

    /// Whether it changes anything.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::Get(_) | Self::Query(_) | Self::Scan(_) | Self::BatchGet(_) | Self::TransactGet(_) => false,
            Self::Write(_) | Self::BatchWrite(_) | Self::TransactWrite(_) => true,
            Self::Statements(statements) => statements.is_write(),
            Self::Admin(admin) => admin.is_write(),
        }
    }

    /// Returns what tells the same request, sent again, from another one.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::TransactWrite(transaction) => transaction.token.as_deref(),
            _ => None,
        }
    }

    /// Does what is done with items, and returns the body of the answer.
    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        match self {
            Self::Get(get) => get.run(connection, meter),
            Self::Query(page) | Self::Scan(page) => page.run(connection, meter),
            Self::Write(write) => write.run(connection, meter),
            Self::BatchGet(gets) => gets.run(connection, meter),
            Self::BatchWrite(writes) => writes.run(connection, meter),
            Self::TransactWrite(transaction) => transaction.run(connection, meter),
            Self::TransactGet(reads) => reads.run(connection, meter),
            Self::Statements(statements) => statements.run(connection, meter),
            Self::Admin(_) => Err(Error::internal("tables are changed with their catalog")),
        }
    }
}

fn table<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<Table>, Error> {
    let unknown = || Error::not_found(format!("Requested resource not found: Table: {name} not found"));
    catalog.get(name).ok_or_else(unknown)
}

fn bytes(answer: &Map<String, Json>) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(answer).map_err(|error| Error::internal(error.to_string()))
}
