//! The worker that scripts run in, and when another one takes its place.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use shared::Error;

use super::process::{Load, Process};

/// How long after the end of a script the worker is looked at: until then, others may have ended too.
const REST: Duration = Duration::from_millis(50);
/// How much more memory than at its start a worker may hold between two scripts, so that bursts find it warm.
const PAUSE_BYTES: u64 = 64 * 1024 * 1024;
/// After how long without a script a worker has nothing to do, and how much more memory it may hold then.
const IDLE: Duration = Duration::from_secs(3);
const IDLE_BYTES: u64 = 12 * 1024 * 1024;
/// How much more memory than at its start a worker may hold before no further scripts start in it.
const BUSY_BYTES: u64 = 1024 * 1024 * 1024;

/// The workers: one that takes scripts, and former ones that finish theirs.
#[derive(Debug)]
pub(super) struct Pool {
    program: PathBuf,
    /// How many threads of a worker may be lost before another one takes its place.
    spare_threads: usize,
    current: Mutex<Option<Arc<Process>>>,
}

impl Pool {
    /// Starts workers of this program when they are needed; each may lose so many threads.
    pub(super) fn new(program: PathBuf, spare_threads: usize) -> Arc<Self> {
        Arc::new(Self { program, spare_threads, current: Mutex::new(None) })
    }

    /// The worker that takes scripts.
    pub(super) fn worker(self: &Arc<Self>) -> Result<Arc<Process>, Error> {
        let mut current = self.lock();
        if let Some(process) = current.as_ref().filter(|process| process.is_open()) {
            return Ok(process.clone());
        }
        let process = Process::start(&self.program)?;
        *current = Some(process.clone());
        tokio::spawn(watch(Arc::downgrade(self), process.clone()));
        Ok(process)
    }

    /// The process id of the worker that takes scripts.
    pub(super) fn worker_id(&self) -> Option<u32> {
        self.lock().as_ref().filter(|process| process.is_open()).map(|process| process.pid())
    }

    /// A worker for one script that nobody else's is in.
    pub(super) fn lone_worker(&self) -> Result<Arc<Process>, Error> {
        Process::start(&self.program)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Process>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another worker is to take the place of one.
    fn is_worn(&self, load: Load, is_idle: bool) -> bool {
        match load.running {
            0 => load.stuck > 0 || load.grown_bytes > if is_idle { IDLE_BYTES } else { PAUSE_BYTES },
            _ => load.stuck >= self.spare_threads || load.grown_bytes > BUSY_BYTES,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(process) = self.lock().take() {
            process.kill();
        }
    }
}

/// Replaces a worker when it is worn or gone, and ends it once its scripts have ended.
async fn watch(pool: Weak<Pool>, process: Arc<Process>) {
    let mut pauses = false;
    loop {
        let is_idle = match pauses {
            true => tokio::time::timeout(IDLE, process.changed()).await.is_err(),
            false => {
                process.changed().await;
                false
            }
        };
        if !is_idle {
            tokio::time::sleep(REST).await;
        }
        let Some(pool) = pool.upgrade() else { return process.kill() };
        let load = process.load();
        if process.is_open() && !pool.is_worn(load, is_idle) {
            pauses = load.running == 0 && !is_idle;
            continue;
        }
        process.close();
        if let Err(error) = pool.worker() {
            tracing::error!(error = error.chain(), "another worker cannot be started");
        }
        if process.has_ended() {
            return;
        }
        // Nothing starts in a closed worker, so that nothing is running any more.
        if process.load().running == 0 {
            return process.kill();
        }
    }
}
