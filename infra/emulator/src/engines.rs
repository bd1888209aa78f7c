//! The engines together: opened, shared by all requests, closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::delivery::{self, Deliveries};
use crate::dynamodb::Tables;
use crate::fault::Faults;
use crate::folder::Folder;
use crate::journal::Journal;
use crate::scheduler::Scheduler;
use crate::secret::Secrets;
use crate::template::Stack;
use crate::{EmulatorError, Options, Template};

/// Is told of accepted events.
type Observer = Box<dyn Fn(&str) + Send + Sync>;

/// What the connector's requests reach.
pub(crate) struct Engines {
    pub(crate) clock: Clock,
    pub(crate) stack: Arc<Stack>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) tables: Tables,
    pub(crate) deliveries: Deliveries,
    pub(crate) scheduler: Scheduler,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) faults: Arc<Faults>,
    /// Whether the engines answer no more.
    pub(crate) closed: watch::Sender<bool>,
    pub(crate) unmatched: AtomicU64,
    pub(crate) observer: OnceLock<Observer>,
    tasks: Mutex<Vec<AbortHandle>>,
    folder: Mutex<Option<Folder>>,
}

impl Engines {
    /// Opens everything that a template and a data directory describe.
    pub(crate) async fn open(template: Template, options: Options) -> Result<Self, EmulatorError> {
        let clock = options.clock.clone();
        let opened = tokio::task::spawn_blocking(move || Opened::new(&template, &options)).await;
        let opened = opened.map_err(|cause| EmulatorError::engine("open the data", cause))??;
        let Opened { stack, journal, tables, secrets, folder } = opened;
        let scheduler = Scheduler::open(&stack, &journal, clock.now()).await?;
        let faults = Arc::new(Faults::default());
        let functions = stack.functions.keys().cloned();
        let (deliveries, delivering) = Deliveries::open(functions, journal.clone(), clock.clone(), faults.clone());
        let sweeping = tables.sweep(clock.clone(), folder.is_some());
        Ok(Self {
            clock,
            stack,
            journal,
            tables,
            deliveries,
            scheduler,
            secrets,
            faults,
            closed: watch::Sender::new(false),
            unmatched: AtomicU64::new(0),
            observer: OnceLock::new(),
            tasks: Mutex::new(sweeping.into_iter().chain([delivering]).collect()),
            folder: Mutex::new(folder),
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(crate) fn count_unmatched(&self) {
        self.unmatched.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        self.tasks().drain(..).for_each(|task| task.abort());
    }

    /// Gives the data directory free.
    pub(crate) fn release(&self) {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.close();
        self.journal.close();
    }
}

/// What takes blocking to open.
struct Opened {
    stack: Arc<Stack>,
    journal: Arc<Journal>,
    tables: Tables,
    secrets: Arc<Secrets>,
    folder: Option<Folder>,
}

impl Opened {
    fn new(template: &Template, options: &Options) -> Result<Self, EmulatorError> {
        let stack = Stack::new(template, &options.parameters)?;
        let folder = options.data.as_deref().map(Folder::open).transpose()?;
        let file = |name: &str| folder.as_ref().map(|folder| folder.file(name));
        let (clock, durability) = (&options.clock, options.durability);
        let secrets = Secrets::open(file("secrets.json"), &stack, clock)?;
        let journal = Journal::open(file("bus.db").as_deref(), durability)?;
        warn_of_orphans(&journal, &stack);
        let path = file("dynamodb.db");
        let tables = Tables::open(path.as_deref(), durability, clock, &stack.tables)?;
        Ok(Self { stack: Arc::new(stack), journal: Arc::new(journal), tables, secrets: Arc::new(secrets), folder })
    }
}

/// Tells of deliveries that nobody will take, because their function is gone from the template.
fn warn_of_orphans(journal: &Journal, stack: &Stack) {
    // A journal that cannot be read is found out by its first user.
    for (function, deliveries) in journal.read(delivery::row::waiting).unwrap_or_default() {
        if !stack.functions.contains_key(&function) {
            tracing::warn!(function, deliveries, "deliveries wait for a function that the template does not have");
        }
    }
}
