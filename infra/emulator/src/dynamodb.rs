//! DynamoDB: the tables behind the JSON that the SDK speaks.

pub(crate) mod port;
mod schema;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tables::{Consumed, Engine, EngineError};
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::database;
use crate::error::EmulatorError;
use crate::options::Durability;
use crate::template::Table;
use crate::wire::Reply;

/// Largest request, as on AWS.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How often expired items are swept.
const SWEEP: Duration = Duration::from_secs(600);

/// The engine and its tables.
#[derive(Clone)]
pub(crate) struct Tables {
    engine: Engine,
}

impl Tables {
    /// Opens the file, or tables in memory, and creates the tables of the template.
    pub(crate) fn open(
        path: Option<&Path>,
        durability: Durability,
        clock: &Clock,
        tables: &[Table],
    ) -> Result<Self, EmulatorError> {
        let clock = clock.clone();
        let now = Arc::new(move || clock.now().as_second());
        let durability = match durability {
            Durability::Process => tables::Durability::Process,
            Durability::Power => tables::Durability::Power,
        };
        let engine = Engine::open(path, durability, now).map_err(|cause| match &cause {
            EngineError::Sqlite(cause) => database::failed(path.unwrap_or(Path::new("the tables")), cause),
            _ => EmulatorError::engine("open the tables", cause),
        })?;
        for table in tables {
            schema::ensure(&engine, table)?;
        }
        Ok(Self { engine })
    }

    /// Answers a request, and tells what it has cost.
    pub(crate) async fn answer(&self, operation: &str, body: &[u8]) -> (Reply, Vec<Consumed>) {
        if body.len() > MAX_BODY_BYTES {
            let refused = Reply::error(413, "RequestEntityTooLargeException", "the request is too large");
            return (refused, Vec::new());
        }
        let reply = self.engine.answer(operation, body).await;
        (Reply::new(reply.status, reply.body), reply.consumed)
    }

    /// Finishes what was asked and closes the file.
    pub(crate) fn close(&self) {
        self.engine.close();
    }

    /// Sweeps expired items every ten minutes.
    pub(crate) fn sweep(&self, clock: Clock) -> AbortHandle {
        let engine = self.engine.clone();
        let task = tokio::spawn(async move {
            loop {
                clock.wait_until_steady(Some(clock.steady() + SWEEP)).await;
                if let Err(error) = engine.sweep().await {
                    tracing::error!(error, "cannot sweep expired items");
                }
            }
        });
        task.abort_handle()
    }
}
