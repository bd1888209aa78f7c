//! The threads that scripts run on.
//!
//! They are not Tokio's, as a script may occupy one for ever: it cannot be stopped inside a call of the engine. Such a
//! thread is abandoned, and delays neither other work nor the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use shared::Error;
use tokio::sync::oneshot;

/// The stack of a thread: the script's own, and what the engine needs around it.
const STACK_BYTES: usize = 4 * 1024 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are kept for the next job. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Workers {
    idle: Arc<Mutex<Vec<Sender<Job>>>>,
}

impl Workers {
    /// Runs a job on a thread of its own. The receiver fails if the job panics.
    ///
    /// # Errors
    ///
    /// When the system cannot start another thread.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Error> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whatever state a panic leaves behind belongs to the job alone.
            if let Ok(value) = catch_unwind(AssertUnwindSafe(job)) {
                let _ = done.send(value);
            }
        });
        let idle = self.idle().pop();
        let unsent = match idle {
            Some(worker) => worker.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = unsent {
            self.start(job)?;
        }
        Ok(result)
    }

    fn start(&self, first: Job) -> Result<(), Error> {
        let workers = Arc::downgrade(&self.idle);
        let work = move || {
            let mut job = Some(first);
            while let Some(next) = job.take() {
                next();
                let Some(idle) = workers.upgrade() else { return };
                let (jobs, inbox) = channel();
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(jobs);
                drop(idle);
                // Fails when the last handle is dropped, and the senders with it.
                job = inbox.recv().ok();
            }
        };
        let thread = thread::Builder::new().name("script".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(work).map(|_| ()).map_err(Error::cannot("start a thread for a script"))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Sender<Job>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_is_used_again_after_a_panic_too() {
        let workers = Workers::default();
        let first = workers.run(|| thread::current().id()).unwrap().await.unwrap();
        while workers.idle().is_empty() {
            thread::yield_now();
        }
        workers.run(|| panic!("on purpose")).unwrap().await.unwrap_err();
        while workers.idle().is_empty() {
            thread::yield_now();
        }
        assert_eq!(workers.run(|| thread::current().id()).unwrap().await.unwrap(), first);
    }

    #[tokio::test]
    async fn jobs_run_side_by_side() {
        let workers = Workers::default();
        let barrier = Arc::new(std::sync::Barrier::new(8));
        let waiting = (0..8).map(|_| {
            let barrier = barrier.clone();
            workers.run(move || barrier.wait().is_leader()).unwrap()
        });
        let waiting: Vec<_> = waiting.collect();
        let mut leaders = 0;
        for result in waiting {
            leaders += usize::from(result.await.unwrap());
        }
        assert_eq!(leaders, 1);
    }
}
