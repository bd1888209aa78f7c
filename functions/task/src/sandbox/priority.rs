//! How much of the processors the threads of a worker get while others want them.

#[cfg(target_os = "linux")]
pub(super) use of_linux::{ThreadId, computed, is_lowest, lower_thread, thread_id};

#[cfg(target_os = "linux")]
mod of_linux {
    use std::fs;
    use std::time::Duration;

    use rustix::process::{Pid, getpriority_process, setpriority_process};
    use rustix::thread::gettid;
    use shared::priority::LOWEST;

    /// Names a thread to the system.
    pub(in super::super) type ThreadId = Pid;

    pub(in super::super) fn thread_id() -> ThreadId {
        gettid()
    }

    /// Lowers the priority of a thread for good, as only the privileged may raise it again.
    pub(in super::super) fn lower_thread(thread: ThreadId) {
        if let Err(error) = setpriority_process(Some(thread), LOWEST) {
            tracing::debug!(%error, "the priority of a thread stays as it is");
        }
    }

    /// How long a thread of this process has computed, if the system tells.
    pub(in super::super) fn computed(thread: ThreadId) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/self/task/{}/schedstat", thread.as_raw_nonzero())).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }

    /// Whether the priority of this thread was lowered.
    pub(in super::super) fn is_lowest() -> bool {
        getpriority_process(Some(gettid())).is_ok_and(|niceness| niceness >= LOWEST)
    }
}

/// Elsewhere a priority is not that of a thread.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    pub(in super::super) type ThreadId = ();

    pub(in super::super) fn thread_id() -> ThreadId {}

    pub(in super::super) fn lower_thread(_thread: ThreadId) {}

    pub(in super::super) fn computed(_thread: ThreadId) -> Option<std::time::Duration> {
        None
    }

    pub(in super::super) fn is_lowest() -> bool {
        false
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{ThreadId, computed, is_lowest, lower_thread, thread_id};
