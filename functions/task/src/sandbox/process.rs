//! One worker process, as the process sees it that started it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::{Error, priority};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, mpsc};

use super::message::{self, FromWorker, Said, ToWorker};
use super::presence::Present;
use super::resident;
use super::worker::ARGUMENT;

/// How many messages may be under way to the worker, and from it for one script.
const UNDER_WAY: usize = 64;

/// A worker process. It is killed when its end is called for, and ends by itself when this process does.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    to_worker: mpsc::Sender<Vec<u8>>,
    scripts: Mutex<Scripts>,
    last_id: AtomicU64,
    /// The memory that it had when it was ready.
    first_bytes: AtomicU64,
    changed: Notify,
    end: Notify,
}

#[derive(Debug, Default)]
struct Scripts {
    /// No further script starts here.
    is_closed: bool,
    /// The worker is gone.
    has_ended: bool,
    running: HashMap<u64, Running>,
    /// Those that did not stop, and still have their threads.
    stuck: HashSet<u64>,
}

#[derive(Debug)]
struct Running {
    said: mpsc::Sender<Said>,
    _present: Present,
}

/// What a worker has to do, and what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) running: usize,
    pub(super) stuck: usize,
    /// How much more memory it has than at its start.
    pub(super) grown_bytes: u64,
}

impl Process {
    /// Starts a worker.
    pub(super) fn start(program: &Path) -> Result<Arc<Self>, Error> {
        let mut command = Command::new(program);
        // As on Lambda; where the machine is must not show in what a script computes.
        command.env_clear().env("TZ", "UTC");
        command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // A terminal's Ctrl-C is for this process, which decides what becomes of the scripts.
        command.process_group(0);
        let starting = "start the process that runs scripts";
        let mut child = command.spawn().map_err(Error::cannot(starting))?;
        let (Some(stdin), Some(stdout), Some(pid)) = (child.stdin.take(), child.stdout.take(), child.id()) else {
            return Err(Error::new(starting, "it has ended already"));
        };
        // A script may compute for minutes, and others wait for answers meanwhile.
        priority::give_way(Some(pid));
        let (to_worker, outbox) = mpsc::channel(UNDER_WAY);
        let process = Arc::new(Self {
            pid,
            to_worker,
            scripts: Mutex::default(),
            last_id: AtomicU64::new(0),
            first_bytes: AtomicU64::new(u64::MAX),
            changed: Notify::new(),
            end: Notify::new(),
        });
        tokio::spawn(write(stdin, outbox));
        tokio::spawn(process.clone().attend(child, stdout));
        Ok(process)
    }

    /// Whether scripts may start here.
    pub(super) fn is_open(&self) -> bool {
        !self.lock().is_closed
    }

    /// Makes a script known and returns its id and what it will say; hands its place back if no script starts here.
    pub(super) fn enter(&self, present: Present) -> Result<(u64, mpsc::Receiver<Said>), Present> {
        let mut scripts = self.lock();
        if scripts.is_closed {
            return Err(present);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let (said, heard) = mpsc::channel(UNDER_WAY);
        scripts.running.insert(id, Running { said, _present: present });
        Ok((id, heard))
    }

    /// Tells the worker something; false if it is gone.
    pub(super) async fn tell(&self, message: &ToWorker) -> Result<bool, Error> {
        let frame = message::frame(message).map_err(Error::cannot("hand a script over"))?;
        Ok(self.to_worker.send(frame).await.is_ok())
    }

    /// Gives a script up that does not stop: its place is free, and its thread is lost.
    pub(super) fn give_up(&self, id: u64) {
        let mut scripts = self.lock();
        let running = scripts.running.remove(&id);
        if running.is_some() {
            scripts.stuck.insert(id);
        }
        drop(scripts);
        self.changed.notify_one();
    }

    /// Starts no further scripts here.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits until a script has ended, or the worker has.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Kills the worker.
    pub(super) fn kill(&self) {
        self.lock().is_closed = true;
        self.end.notify_one();
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills the worker when the returned guard is dropped.
    pub(super) fn killed_on_drop(self: &Arc<Self>) -> KilledOnDrop {
        KilledOnDrop(self.clone())
    }

    /// Whether the worker has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// What the worker has to do, and what it holds.
    pub(super) fn load(&self) -> Load {
        let scripts = self.lock();
        let (running, stuck) = (scripts.running.len(), scripts.stuck.len());
        drop(scripts);
        let now = resident::bytes(self.pid).unwrap_or(0);
        Load { running, stuck, grown_bytes: now.saturating_sub(self.first_bytes.load(Ordering::Relaxed)) }
    }

    /// Hears the worker out until it ends, or its end is called for.
    async fn attend(self: Arc<Self>, mut child: Child, stdout: ChildStdout) {
        let mut reader = BufReader::new(stdout);
        let ended = tokio::select! {
            ended = self.hear(&mut reader) => Some(ended),
            () = self.end.notified() => None,
        };
        if let Some(Err(error)) = &ended {
            tracing::error!(%error, "the process that runs scripts is not understood");
        }
        let status = match child.kill().await {
            Ok(()) => child.wait().await.map(|status| status.to_string()),
            Err(error) => Err(error),
        };
        // Whoever waits for a script hears that nothing more will be said.
        let lost = self.ended();
        if ended.is_some() {
            tracing::error!(?status, scripts = lost.len(), "the process that runs scripts has ended");
        }
        drop(lost);
        self.changed.notify_one();
    }

    fn ended(&self) -> HashMap<u64, Running> {
        let mut scripts = self.lock();
        (scripts.is_closed, scripts.has_ended) = (true, true);
        std::mem::take(&mut scripts.running)
    }

    async fn hear(&self, reader: &mut BufReader<ChildStdout>) -> io::Result<()> {
        while let Some(message) = message::receive(reader).await? {
            match message {
                FromWorker::Ready => {
                    self.first_bytes.store(resident::bytes(self.pid).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
                FromWorker::Script { id, said } => self.heard(id, said).await,
            }
        }
        Ok(())
    }

    async fn heard(&self, id: u64, said: Said) {
        if !matches!(said, Said::Done { .. }) {
            let listener = self.lock().running.get(&id).map(|running| running.said.clone());
            if let Some(listener) = listener {
                // Nobody listens to a script that was abandoned.
                let _ = listener.send(said).await;
            }
            return;
        }
        let running = self.leave(id);
        if let Some(Running { said: listener, _present }) = running {
            let _ = listener.send(said).await;
        }
        self.changed.notify_one();
    }

    fn leave(&self, id: u64) -> Option<Running> {
        let mut scripts = self.lock();
        scripts.stuck.remove(&id);
        scripts.running.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Scripts> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills a worker that nobody needs any more.
#[derive(Debug)]
pub(super) struct KilledOnDrop(Arc<Process>);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Writes to the worker until it is gone, or nobody has anything to tell it any more.
async fn write(mut stdin: ChildStdin, mut outbox: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = outbox.recv().await {
        if stdin.write_all(&frame).await.is_err() {
            return;
        }
    }
}
