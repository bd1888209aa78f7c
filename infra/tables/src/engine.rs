//! The one thread that owns the file: it runs all requests that wait in one transaction, and answers them together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::error::Error;
use crate::operation::{Catalog, Consumed, Meter, Operation};
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
const TOKENS: u64 = 10_000;
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
    /// The file is a database, but not one of this engine.
    #[error("the file was written by something else, or by another version")]
    Layout,
    /// The thread of the engine cannot be started.
    #[error("the engine's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// An answer in DynamoDB's JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// What the request has cost, whether or not it asked for that.
    pub consumed: Vec<Consumed>,
}

/// What became of a request.
struct Done {
    result: Result<Vec<u8>, Error>,
    consumed: Vec<Consumed>,
}

impl From<Error> for Done {
    fn from(error: Error) -> Self {
        Self { result: Err(error), consumed: Vec::new() }
    }
}

impl From<Done> for Reply {
    fn from(Done { result, consumed }: Done) -> Self {
        match result {
            Ok(body) => Self { status: 200, body, consumed },
            Err(error) => Self { status: error.status, body: error.to_json().to_string().into_bytes(), consumed },
        }
    }
}

/// Returns the time in seconds since 1970.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

struct Waiting {
    operation: Operation,
    answer: oneshot::Sender<Done>,
}

enum Message {
    Request(Box<Waiting>),
    /// Removes what has expired.
    Sweep(oneshot::Sender<Result<usize, Error>>),
    /// Ends the thread, and closes the file.
    Close,
}

/// A sweep under way.
struct Sweep {
    answer: oneshot::Sender<Result<usize, Error>>,
    removed: usize,
}

/// The tables.
#[derive(Debug, Clone)]
pub struct Engine {
    requests: Sender<Message>,
    catalog: Arc<RwLock<Catalog>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Engine {
    /// Opens a file, or tables in memory without one.
    pub fn open(path: Option<&Path>, durability: Durability, now: Now) -> Result<Self, EngineError> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        if !store::prepare(&connection)? {
            return Err(EngineError::Layout);
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(
            None,
            "synchronous",
            if durability == Durability::Power { "FULL" } else { "NORMAL" },
        )?;
        let mut catalog = Catalog::new();
        for definition in store::definitions(&connection)? {
            let table: Table = serde_json::from_str(&definition)?;
            catalog.insert(table.name.clone(), Arc::new(table));
        }
        let (requests, inbox) = channel();
        let catalog = Arc::new(RwLock::new(catalog));
        let tokens = Cache::builder().max_capacity(TOKENS).time_to_live(TOKEN_LIFETIME).build();
        let checkpoints = Checkpoints::of(&connection, CHECKPOINT_PAGES)?;
        let worker = Worker { checkpoints, connection, catalog: catalog.clone(), now, tokens };
        let thread = thread::Builder::new().name("tables".to_owned()).spawn(move || worker.run(&inbox))?;
        Ok(Self { requests, catalog, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Answers what waits, closes the file and returns once it is whole without the log beside it.
    pub fn close(&self) {
        // The thread may have ended.
        let _ = self.requests.send(Message::Close);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the tables panicked");
        }
    }

    /// Answers a request; the answer comes when what it says is durable.
    pub async fn answer(&self, operation: &str, body: &[u8]) -> Reply {
        match self.ask(operation, body) {
            Ok(answered) => answered.await.unwrap_or_else(|_| stopped().into()).into(),
            Err(error) => Done::from(error).into(),
        }
    }

    /// Answers a request to a thread that may wait.
    pub fn answer_now(&self, operation: &str, body: &[u8]) -> Reply {
        match self.ask(operation, body) {
            Ok(answered) => answered.blocking_recv().unwrap_or_else(|_| stopped().into()).into(),
            Err(error) => Done::from(error).into(),
        }
    }

    fn ask(&self, operation: &str, body: &[u8]) -> Result<oneshot::Receiver<Done>, Error> {
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

/// Turns a panic into an error of the request: it must not close the tables for everybody else.
fn caught<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let panicked = |_| Err(Error::internal("the request made the tables' engine panic"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

struct Worker {
    checkpoints: Checkpoints,
    connection: Connection,
    catalog: Arc<RwLock<Catalog>>,
    now: Now,
    /// The tokens of the transactions that were done.
    tokens: Cache<String, ()>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Message>) {
        let mut sweep: Option<Sweep> = None;
        let mut left: Option<Message> = None;
        loop {
            // Between two parts of a sweep, what waits is let through.
            let message = match left.take() {
                None if sweep.is_some() => inbox.try_recv().ok(),
                None => match inbox.recv() {
                    Ok(message) => Some(message),
                    Err(_) => return,
                },
                message => message,
            };
            match message {
                Some(Message::Close) => return,
                Some(Message::Sweep(answer)) => sweep = Some(Sweep { answer, removed: 0 }),
                Some(Message::Request(first)) => {
                    let batch;
                    (batch, left) = gather(*first, inbox);
                    self.batch(batch);
                }
                None => {}
            }
            sweep = sweep.take().and_then(|sweep| self.sweep(sweep));
        }
    }

    /// Runs requests in one transaction; where that fails, each in one of its own, so that only those fail that must.
    fn batch(&mut self, batch: Vec<Waiting>) {
        let is_of_tables = |waiting: &Waiting| matches!(waiting.operation, Operation::Admin(_));
        let before = batch.iter().any(is_of_tables).then(|| self.catalog());
        let failure = match caught(|| self.transact(&batch)) {
            Ok(done) => {
                for (Waiting { answer, .. }, done) in batch.into_iter().zip(done) {
                    // Whoever asked may be gone.
                    let _ = answer.send(done);
                }
                self.checkpoints.after_commit(&self.connection);
                return;
            }
            Err(failure) => failure,
        };
        if !self.connection.is_autocommit() {
            // Where even this fails, SQLite has rolled back by itself.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        if let Some(before) = before {
            *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = before;
        }
        if let [_] = batch.as_slice() {
            for Waiting { answer, .. } in batch {
                let _ = answer.send(failure.clone().into());
            }
            return;
        }
        for waiting in batch {
            self.batch(vec![waiting]);
        }
    }

    fn transact(&mut self, batch: &[Waiting]) -> Result<Vec<Done>, Error> {
        let writes = batch.iter().any(|waiting| waiting.operation.is_write());
        self.execute(if writes { "BEGIN IMMEDIATE" } else { "BEGIN" })?;
        let (mut all, mut tokens) = (Vec::with_capacity(batch.len()), Vec::new());
        for Waiting { operation, .. } in batch {
            let done = self.one(operation, &tokens);
            match &done.result {
                Ok(_) => tokens.extend(operation.token().map(str::to_owned)),
                Err(error) if error.is_of_storage => return Err(error.clone()),
                Err(_) => {}
            }
            all.push(done);
        }
        self.execute("COMMIT")?;
        tokens.into_iter().for_each(|token| self.tokens.insert(token, ()));
        Ok(all)
    }

    fn one(&self, operation: &Operation, tokens: &[String]) -> Done {
        let is_done = |token: &str| tokens.iter().any(|done| done == token) || self.tokens.contains_key(token);
        let mut meter = Meter::default();
        let result = match operation {
            repeated if repeated.token().is_some_and(is_done) => Ok(b"{}".to_vec()),
            Operation::Admin(admin) => {
                let mut catalog = self.catalog();
                let done = admin.run(&self.connection, &mut catalog, (self.now)());
                if done.is_ok() {
                    *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
                }
                done
            }
            operation => operation.run(&self.connection, &mut meter),
        };
        Done { result, consumed: meter.consumed() }
    }

    fn catalog(&self) -> Catalog {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.execute_batch(sql).map_err(|error| store::failed(&error))
    }

    /// Does a part of a sweep; returns it if something may be left.
    fn sweep(&mut self, mut sweep: Sweep) -> Option<Sweep> {
        match caught(|| self.expire()) {
            Ok(0) => {
                let _ = sweep.answer.send(Ok(sweep.removed));
                None
            }
            Ok(removed) => {
                self.checkpoints.after_commit(&self.connection);
                sweep.removed += removed;
                Some(sweep)
            }
            Err(error) => {
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                let _ = sweep.answer.send(Err(error));
                None
            }
        }
    }

    fn expire(&self) -> Result<usize, Error> {
        let now_s = (self.now)();
        let mut removed = 0;
        self.execute("BEGIN IMMEDIATE")?;
        for table in self.catalog().values().filter(|table| table.ttl.is_some()) {
            removed += store::expire(&self.connection, table, now_s)?;
        }
        self.execute("COMMIT")?;
        Ok(removed)
    }
}

/// Takes what waits beside the first request, and the message after it that is none.
fn gather(first: Waiting, inbox: &Receiver<Message>) -> (Vec<Waiting>, Option<Message>) {
    let start = Instant::now();
    let mut batch = vec![first];
    while batch.len() < TRANSACTION_REQUESTS && start.elapsed() < TRANSACTION_TIME {
        match inbox.try_recv() {
            Ok(Message::Request(next)) => batch.push(*next),
            Ok(other) => return (batch, Some(other)),
            Err(_) => break,
        }
    }
    (batch, None)
}
