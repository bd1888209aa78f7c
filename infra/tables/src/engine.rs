//! The one thread that owns the file: it runs all requests that wait in one transaction, and answers them together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::operation::{Catalog, Operation};
use crate::schema::Table;
use crate::store;

/// The most requests in one transaction.
const TRANSACTION_REQUESTS: usize = 512;
/// The longest that a transaction takes more requests in.
const TRANSACTION_TIME: Duration = Duration::from_millis(10);
/// How many statements are kept prepared.
const STATEMENTS: usize = 1024;
/// How long a transaction that was done is known by its token, as on AWS.
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);
/// The most tokens that are known.
const TOKENS: usize = 10_000;
/// How many pages SQLite's log has before they are moved into the file.
const CHECKPOINT_PAGES: u32 = 4_000;

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, `kill -9` included.
    Process,
    /// A power cut as well.
    Power,
}

/// The engine cannot be opened, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The definition of a table cannot be read.
    #[error("the definition of a table cannot be read: {0}")]
    Definition(#[from] serde_json::Error),
    /// The thread of the engine cannot be started.
    #[error("the engine's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// An answer in DynamoDB's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl From<Result<Vec<u8>, Error>> for Reply {
    fn from(done: Result<Vec<u8>, Error>) -> Self {
        match done {
            Ok(body) => Self { status: 200, body },
            Err(error) => Self { status: error.status, body: error.to_json().to_string().into_bytes() },
        }
    }
}

/// Returns the time in seconds since 1970.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

struct Waiting {
    operation: Operation,
    answer: oneshot::Sender<Result<Vec<u8>, Error>>,
}

enum Message {
    Request(Box<Waiting>),
    /// Removes what has expired.
    Sweep(oneshot::Sender<Result<usize, Error>>),
}

/// The tables.
#[derive(Debug, Clone)]
pub struct Engine {
    requests: Sender<Message>,
    catalog: Arc<RwLock<Catalog>>,
}

impl Engine {
    /// Opens a file, or tables in memory without one.
    pub fn open(path: Option<&Path>, durability: Durability, now: Now) -> Result<Self, EngineError> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(
            None,
            "synchronous",
            if durability == Durability::Power { "FULL" } else { "NORMAL" },
        )?;
        store::prepare(&connection)?;
        let mut catalog = Catalog::new();
        for definition in store::definitions(&connection)? {
            let table: Table = serde_json::from_str(&definition)?;
            catalog.insert(table.name.clone(), Arc::new(table));
        }
        let (requests, inbox) = channel();
        let catalog = Arc::new(RwLock::new(catalog));
        let worker = Worker { connection, catalog: catalog.clone(), now, tokens: HashMap::new() };
        thread::Builder::new().name("tables".to_owned()).spawn(move || worker.run(&inbox))?;
        Ok(Self { requests, catalog })
    }

    /// Answers a request; the answer comes when what it says is durable.
    pub async fn answer(&self, operation: &str, body: &[u8]) -> Reply {
        match self.ask(operation, body) {
            Ok(answered) => answered.await.unwrap_or_else(|_| Err(stopped())).into(),
            Err(error) => Err(error).into(),
        }
    }

    /// Answers a request to a thread that may wait.
    pub fn answer_now(&self, operation: &str, body: &[u8]) -> Reply {
        match self.ask(operation, body) {
            Ok(answered) => answered.blocking_recv().unwrap_or_else(|_| Err(stopped())).into(),
            Err(error) => Err(error).into(),
        }
    }

    fn ask(&self, operation: &str, body: &[u8]) -> Result<oneshot::Receiver<Result<Vec<u8>, Error>>, Error> {
        let operation = {
            let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
            Operation::read(operation, body, &catalog)?
        };
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Message::Request(Box::new(Waiting { operation, answer })));
        sent.map(|()| answered).map_err(|_| stopped())
    }

    /// Removes the items that have expired; returns how many.
    pub async fn sweep(&self) -> Result<usize, String> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Message::Sweep(answer)).map_err(|_| stopped().message)?;
        answered.await.unwrap_or_else(|_| Err(stopped())).map_err(|error| error.message)
    }
}

fn stopped() -> Error {
    Error::internal("the tables are closed")
}

struct Worker {
    connection: Connection,
    catalog: Arc<RwLock<Catalog>>,
    now: Now,
    /// When transactions with these tokens were done.
    tokens: HashMap<String, Instant>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(first) = inbox.recv() {
            match first {
                Message::Sweep(answer) => drop(answer.send(self.sweep())),
                Message::Request(first) => {
                    let (batch, sweep) = gather(*first, inbox);
                    self.batch(batch);
                    if let Some(answer) = sweep {
                        drop(answer.send(self.sweep()));
                    }
                }
            }
        }
    }

    /// Runs requests in one transaction; if that cannot be committed, none of them was done.
    fn batch(&mut self, batch: Vec<Waiting>) {
        let before = self.catalog();
        let writes = batch.iter().any(|waiting| waiting.operation.is_write());
        let mut failure = self.execute(if writes { "BEGIN IMMEDIATE" } else { "BEGIN" }).err();
        let (mut answers, mut tokens) = (Vec::with_capacity(batch.len()), Vec::new());
        for Waiting { operation, answer } in batch {
            let result = match &failure {
                Some(failure) => Err(failure.clone()),
                None => self.one(&operation),
            };
            match &result {
                Ok(_) => tokens.extend(operation.token().map(str::to_owned)),
                Err(error) if error.is_of_storage => failure = Some(error.clone()),
                Err(_) => {}
            }
            answers.push((answer, result));
        }
        if failure.is_none() {
            failure = self.execute("COMMIT").err();
        }
        match &failure {
            None => self.remember(tokens),
            Some(_) => {
                if !self.connection.is_autocommit() {
                    // Where even this fails, SQLite has rolled back by itself.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = before;
            }
        }
        for (answer, result) in answers {
            let result = match (&failure, result) {
                (Some(failure), Ok(_)) => Err(failure.clone()),
                (_, result) => result,
            };
            // Whoever asked may be gone.
            let _ = answer.send(result);
        }
    }

    fn one(&self, operation: &Operation) -> Result<Vec<u8>, Error> {
        let is_done = |token: &str| self.tokens.get(token).is_some_and(|at| at.elapsed() < TOKEN_LIFETIME);
        if operation.token().is_some_and(is_done) {
            return Ok(b"{}".to_vec());
        }
        match operation {
            Operation::Admin(admin) => {
                let mut catalog = self.catalog();
                let done = admin.run(&self.connection, &mut catalog, (self.now)())?;
                *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
                Ok(done)
            }
            operation => operation.run(&self.connection),
        }
    }

    fn catalog(&self) -> Catalog {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.execute_batch(sql).map_err(|error| store::failed(&error))
    }

    fn remember(&mut self, tokens: Vec<String>) {
        if self.tokens.len() + tokens.len() > TOKENS {
            self.tokens.retain(|_, at| at.elapsed() < TOKEN_LIFETIME);
        }
        let now = Instant::now();
        self.tokens.extend(tokens.into_iter().map(|token| (token, now)));
    }

    fn sweep(&mut self) -> Result<usize, Error> {
        let now = (self.now)();
        let mut removed = 0;
        for table in self.catalog().values() {
            let Some(attribute) = &table.ttl else { continue };
            removed += store::expire(&self.connection, table, attribute, now)?;
        }
        Ok(removed)
    }
}

/// Takes what waits beside the first request.
fn gather(first: Waiting, inbox: &Receiver<Message>) -> (Vec<Waiting>, Option<oneshot::Sender<Result<usize, Error>>>) {
    let start = Instant::now();
    let mut batch = vec![first];
    while batch.len() < TRANSACTION_REQUESTS && start.elapsed() < TRANSACTION_TIME {
        match inbox.try_recv() {
            Ok(Message::Request(next)) => batch.push(*next),
            Ok(Message::Sweep(answer)) => return (batch, Some(answer)),
            Err(_) => break,
        }
    }
    (batch, None)
}
