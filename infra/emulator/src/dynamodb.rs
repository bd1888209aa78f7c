//! DynamoDB: the embedded engine behind the JSON that the SDK speaks.

pub(crate) mod port;
mod request;
mod schema;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynoxide::storage_backend::Clock as EngineClock;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::database;
use crate::error::EmulatorError;
use crate::options::Durability;
use crate::template::Table;
use crate::wire::Reply;

/// Largest request, as on AWS.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How many requests are in the engine at once; it runs one at a time, and waiting threads cost more than waiting tasks.
const TURNS: usize = 2;
/// How often expired items are swept; a sweep reads all items of the tables that have an expiry.
const SWEEP: Duration = Duration::from_secs(600);

/// The engine and its tables.
#[derive(Clone)]
pub(crate) struct Tables {
    database: Database,
    turns: Arc<Semaphore>,
}

impl Tables {
    /// Opens the file, or an empty engine in memory, and creates the tables of the template.
    pub(crate) fn open(
        path: Option<&Path>,
        durability: Durability,
        clock: &Clock,
        tables: &[Table],
    ) -> Result<Self, EmulatorError> {
        let fail = |cause: DynoxideError| match &cause {
            DynoxideError::SqliteError(cause) => database::failed(path.unwrap_or(Path::new("the tables")), cause),
            _ => EmulatorError::engine("open the tables", cause),
        };
        let database = match path {
            Some(path) => Database::new(&path.to_string_lossy()),
            None => Database::memory_with_clock(Arc::new(Ticking(clock.clone()))),
        }
        .map_err(fail)?;
        if durability == Durability::Process {
            // Afterwards SQLite's synchronisation is NORMAL: no fsync per commit.
            database.enable_bulk_loading().map_err(fail)?;
            database.disable_bulk_loading().map_err(fail)?;
        }
        for table in tables {
            schema::ensure(&database, table)?;
        }
        Ok(Self { database, turns: Arc::new(Semaphore::new(TURNS)) })
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, operation: &str, body: &[u8]) -> Reply {
        if body.len() > MAX_BODY_BYTES {
            return Reply::error(413, "RequestEntityTooLargeException", "the request is too large");
        }
        let (database, operation, body) = (self.database.clone(), operation.to_owned(), body.to_vec());
        let turns = self.turns.clone();
        // On a task of its own: a turn is taken as soon as it is there, even while the one who asked waits for something
        // else first, such as a request that comes after this one.
        let done = tokio::spawn(async move {
            let turn = turns.acquire_owned().await;
            let engine = move || {
                let _turn = turn;
                dispatch(&database, &operation, &body)
            };
            tokio::task::spawn_blocking(engine).await
        });
        done.await.and_then(|done| done).unwrap_or_else(Reply::internal)
    }

    /// Sweeps expired items every ten minutes.
    ///
    /// On a file, the engine compares expiry with the system's clock, so nothing is swept there under a fixed clock.
    pub(crate) fn sweep(&self, clock: Clock, on_disk: bool) -> Option<AbortHandle> {
        if on_disk && !clock.is_system() {
            return None;
        }
        let database = self.database.clone();
        let task = tokio::spawn(async move {
            loop {
                clock.wait_until_steady(Some(clock.steady() + SWEEP)).await;
                let database = database.clone();
                let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
                if let Ok(Err(error)) = swept {
                    tracing::error!(%error, "cannot sweep expired items");
                }
            }
        });
        Some(task.abort_handle())
    }
}

/// The emulator's clock as the engine reads it.
struct Ticking(Clock);

impl EngineClock for Ticking {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().as_second()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_millisecond() as f64 / 1000.0
    }
}

fn dispatch(database: &Database, operation: &str, body: &[u8]) -> Reply {
    match operation {
        "BatchExecuteStatement" => run(body, |request| database.batch_execute_statement(request)),
        "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
        "CreateTable" => run(body, |request| database.create_table(request)),
        "DeleteItem" => run(body, |request| database.delete_item(request)),
        "DeleteTable" => run(body, |request| database.delete_table(request)),
        "DescribeTable" => run(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
        "ExecuteStatement" => run(body, |request| database.execute_statement(request)),
        "ExecuteTransaction" => run(body, |request| database.execute_transaction(request)),
        "GetItem" => run(body, |request| database.get_item(request)),
        "ListTables" => run(body, |request| database.list_tables(request)),
        "ListTagsOfResource" => run(body, |request| database.list_tags_of_resource(request)),
        "PutItem" => run(body, |request| database.put_item(request)),
        "Query" => run(body, |request| database.query(request)),
        "Scan" => run(body, |request| database.scan(request)),
        "TagResource" => run(body, |request| database.tag_resource(request)),
        "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
        "UntagResource" => run(body, |request| database.untag_resource(request)),
        "UpdateItem" => run(body, |request| database.update_item(request)),
        "UpdateTable" => run(body, |request| database.update_table(request)),
        "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
        _ => {
            let message = format!("DynamoDB's {operation} is not supported here");
            Reply::error(400, "com.amazon.coral.service#UnknownOperationException", message)
        }
    }
}

fn run<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    call: impl FnOnce(Request) -> dynoxide::Result<Response>,
) -> Reply {
    match request::read(body).and_then(call) {
        Ok(response) => Reply::ok(&response),
        Err(error) => Reply::new(error.status_code(), error.to_json().into_bytes()),
    }
}
