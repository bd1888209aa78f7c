//! The threads that scripts run on, each kept for the next script.

use std::fmt;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::priority;

/// The stack of a thread: the script's own, and what the engine needs around it.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// What a thread does; it must not panic.
pub(super) struct Job(Box<dyn FnOnce() + Send>);

impl Job {
    pub(super) fn new(job: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(job))
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Job")
    }
}

/// Threads that are kept for the next job.
#[derive(Debug, Default)]
pub(super) struct Threads {
    idle: Arc<Mutex<Vec<Sender<Job>>>>,
}

impl Threads {
    /// Runs a job on a thread of its own, the one that was used last.
    ///
    /// # Errors
    ///
    /// Gives the job back when the system cannot start another thread.
    pub(super) fn run(&self, job: Job) -> Result<(), (Job, io::Error)> {
        let idle = lock(&self.idle).pop();
        match idle {
            Some(thread) => thread.send(job).or_else(|unsent| self.start(unsent.0)),
            None => self.start(job),
        }
    }

    fn start(&self, first: Job) -> Result<(), (Job, io::Error)> {
        let threads = Arc::downgrade(&self.idle);
        let (jobs, inbox) = channel::<Job>();
        let work = move || {
            let mut job = inbox.recv().ok();
            while let Some(Job(next)) = job.take() {
                next();
                if priority::is_lowest() {
                    return;
                }
                let Some(idle) = threads.upgrade() else { return };
                let (jobs, inbox) = channel();
                lock(&idle).push(jobs);
                drop(idle);
                // Fails when the threads are dropped, and the senders with them.
                job = inbox.recv().ok();
            }
        };
        match thread::Builder::new().name("script".to_owned()).stack_size(STACK_BYTES).spawn(work) {
            Ok(_) => jobs.send(first).map_err(|unsent| (unsent.0, io::ErrorKind::BrokenPipe.into())),
            Err(error) => Err((first, error)),
        }
    }
}

fn lock(idle: &Mutex<Vec<Sender<Job>>>) -> MutexGuard<'_, Vec<Sender<Job>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_used_again() {
        let (threads, (said, heard)) = (Threads::default(), channel());
        let mut ids = Vec::new();
        for _ in 0..3 {
            let said = said.clone();
            threads.run(Job::new(move || said.send(thread::current().id()).unwrap())).unwrap();
            ids.push(heard.recv().unwrap());
            while lock(&threads.idle).is_empty() {
                thread::yield_now();
            }
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn jobs_run_side_by_side() {
        let (threads, (said, heard)) = (Threads::default(), channel());
        let barrier = Arc::new(std::sync::Barrier::new(8));
        for _ in 0..8 {
            let (barrier, said) = (barrier.clone(), said.clone());
            threads.run(Job::new(move || said.send(barrier.wait().is_leader()).unwrap())).unwrap();
        }
        assert_eq!(heard.iter().take(8).filter(|is_leader| *is_leader).count(), 1);
    }
}
