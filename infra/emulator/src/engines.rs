//! The engines together: opened, shared by all requests, closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::bus::Bus;
use crate::clock::Clock;
use crate::delivery::row::Delivery;
use crate::delivery::{self, Deliveries, RetryPolicy, Terms};
use crate::dynamodb::Tables;
use crate::error::EmulatorError;
use crate::fault::Faults;
use crate::folder::Folder;
use crate::journal::Journal;
use crate::mail::Mails;
use crate::options::Options;
use crate::scheduler::{self, Scheduler};
use crate::secret::Secrets;
use crate::template::{Stack, Template};

/// The most events that one function handles at once of those that reach it past a queue: one may wait for minutes, and
/// must not stop the others.
const AT_ONCE: usize = 512;

/// What the connector's requests reach.
pub(crate) struct Engines {
    pub(crate) stack: Arc<Stack>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) tables: Tables,
    pub(crate) bus: Arc<Bus>,
    pub(crate) deliveries: Deliveries,
    pub(crate) scheduler: Scheduler,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) mails: Mails,
    pub(crate) faults: Arc<Faults>,
    pub(crate) clock: Clock,
    /// Whether the engines have stopped answering.
    pub(crate) closed: watch::Sender<bool>,
    tasks: Mutex<Vec<AbortHandle>>,
    folder: Mutex<Option<Folder>>,
}

impl Engines {
    /// Opens everything that a template and a data directory describe.
    pub(crate) async fn open(template: Template, options: Options) -> Result<Self, EmulatorError> {
        let (clock, smtp) = (options.clock.clone(), options.smtp.clone());
        let runtime = options.deliveries.clone().unwrap_or_else(Handle::current);
        let opened = tokio::task::spawn_blocking(move || Opened::new(&template, &options)).await;
        let opened = opened.map_err(|cause| EmulatorError::engine("open the data", cause))??;
        let Opened { stack, journal, tables, secrets, folder } = opened;
        let due = scheduler::register(&stack, &journal, clock.now()).await?;
        let faults = Arc::new(Faults::default());
        let shared = (clock.clone(), faults.clone());
        let (deliveries, delivering) = delivery::open(lanes(&stack), journal.clone(), shared, &runtime);
        let sweeping = tables.sweep(clock.clone());
        let bus = Bus::new(stack.clone(), clock.clone(), journal.clone(), deliveries.clone(), faults.clone());
        let bus = Arc::new(bus);
        let mails = Mails::new(stack.clone(), clock.clone(), journal.clone(), bus.clone(), smtp);
        let scheduler = Scheduler::new(stack.clone(), clock.clone(), journal.clone(), deliveries.clone(), due);
        Ok(Self {
            stack,
            journal,
            tables,
            bus,
            deliveries,
            scheduler,
            secrets,
            mails,
            faults,
            clock,
            closed: watch::Sender::new(false),
            tasks: Mutex::new(vec![sweeping, delivering]),
            folder: Mutex::new(folder),
        })
    }

    /// Moves dead letters of a queue with ids above the first up to the second one back to it, and returns how many.
    pub(crate) async fn redrive(&self, queue: &str, retry: RetryPolicy, (mut after, last): (i64, i64)) -> u64 {
        let queue: Arc<str> = queue.into();
        let mut moved = 0;
        loop {
            let (queue, steady, deliveries) = (queue.clone(), self.clock.steady(), self.deliveries.clone());
            let work = move |c: &Connection| delivery::row::redrive((&queue, retry), (after, last), steady, c);
            let hand_over = move |(rows, next): (Vec<Delivery>, _)| {
                let count = rows.len() as u64;
                deliveries.committed(rows);
                (count, next)
            };
            // What a closed or broken journal cannot move stays a dead letter.
            let Ok((count, next)) = self.journal.write_then(work, hand_over).await else {
                return moved;
            };
            moved += count;
            match next {
                Some(next) => after = next,
                None => return moved,
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(crate) fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        self.tasks().drain(..).for_each(|task| task.abort());
    }

    /// Finishes what was asked, closes the files, and releases the data directory; blocks until that is done.
    pub(crate) fn release(&self) {
        self.journal.close();
        self.tables.close();
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.close();
        self.release();
    }
}

/// What is opened by blocking calls.
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
        let secrets = match &folder {
            Some(folder) => Secrets::open(folder, &stack.secrets, clock.clone())?,
            None => Secrets::in_memory(&stack.secrets, clock.clone())?,
        };
        let journal = Journal::open(file("bus.db").as_deref(), durability)?;
        warn_of_orphans(&journal, &stack);
        let path = file("dynamodb.db");
        let tables = Tables::open(path.as_deref(), durability, clock, &stack.tables)?;
        if let Some(folder) = &folder {
            folder.complete(secrets.marks())?;
        }
        Ok(Self { stack: Arc::new(stack), journal: Arc::new(journal), tables, secrets: Arc::new(secrets), folder })
    }
}

/// Every queue that feeds a function, and every function for what reaches it past a queue.
fn lanes(stack: &Stack) -> impl Iterator<Item = (Arc<str>, Terms)> {
    let fed = stack.feeds.iter().map(|(queue, feed)| {
        let visibility_timeout = Some(feed.visibility_timeout());
        let terms = Terms { function: feed.function.clone(), at_once: feed.at_once(), visibility_timeout };
        (queue.as_str().into(), terms)
    });
    let straight = stack.functions.keys().map(|function| {
        let function: Arc<str> = function.as_str().into();
        (function.clone(), Terms { function, at_once: AT_ONCE, visibility_timeout: None })
    });
    fed.chain(straight)
}

/// Warns about deliveries whose queue or function is gone from the template.
fn warn_of_orphans(journal: &Journal, stack: &Stack) {
    // A journal that cannot be read fails its first user.
    for (target, deliveries) in journal.read(delivery::row::waiting).unwrap_or_default() {
        if !stack.functions.contains_key(&target) && !stack.feeds.contains_key(&target) {
            tracing::warn!(
                target,
                deliveries,
                "deliveries wait for a queue or function that the template does not have"
            );
        }
    }
}
