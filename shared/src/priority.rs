//! How much of the processors something gets while others want them.

/// How many steps of niceness what gives way is below the rest. Linux shares a processor between two threads that both
/// want it by weights, which are two to one for three steps (`sched_prio_to_weight`).
#[cfg(target_os = "linux")]
const STEPS: i32 = 3;
/// The niceness of what gets only what nobody else wants.
#[cfg(target_os = "linux")]
pub const LOWEST: i32 = 19;

/// Lets a thread of this process, or a process that it has started, give way to this process's first thread.
///
/// `id` is that of the thread or process; none stands for the thread that calls. What it starts from then on gives way as
/// well. It stays as it is where the system refuses, and where a thread has no priority of its own.
#[cfg(target_os = "linux")]
pub fn give_way(id: Option<u32>) {
    use rustix::process::{Pid, getpid, getpriority_process, setpriority_process};
    use rustix::thread::gettid;

    let id = match id {
        Some(id) => i32::try_from(id).ok().and_then(Pid::from_raw),
        None => Some(gettid()),
    };
    let Some(id) = id else { return };
    let lowered = getpriority_process(Some(getpid()))
        .and_then(|first| setpriority_process(Some(id), (first + STEPS).min(LOWEST)));
    if let Err(error) = lowered {
        tracing::debug!(%error, "a priority stays as it is");
    }
}

/// Elsewhere a priority is not that of a thread.
#[cfg(not(target_os = "linux"))]
pub fn give_way(_id: Option<u32>) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;
    use std::thread;

    use rustix::process::{getpid, getpriority_process};
    use rustix::thread::gettid;

    use super::*;

    #[test]
    fn a_thread_that_gives_way_and_what_it_starts_are_below_the_first_thread() {
        let first = getpriority_process(Some(getpid())).unwrap();
        let expected = (first + STEPS).min(LOWEST);
        let (own, started) = thread::spawn(|| {
            give_way(None);
            let started = thread::spawn(|| getpriority_process(Some(gettid())).unwrap());
            (getpriority_process(Some(gettid())).unwrap(), started.join().unwrap())
        })
        .join()
        .unwrap();
        assert_eq!((own, started), (expected, expected));
        assert_eq!(getpriority_process(Some(getpid())).unwrap(), first);
    }

    #[test]
    fn a_process_gives_way_no_more_than_once() {
        let first = getpriority_process(Some(getpid())).unwrap();
        let started = thread::spawn(|| {
            give_way(None);
            Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap()
        });
        let mut child = started.join().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        for _ in 0..2 {
            give_way(Some(child.id()));
            assert_eq!(getpriority_process(Some(pid)).unwrap(), (first + STEPS).min(LOWEST));
        }
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        let first = getpriority_process(Some(gettid())).unwrap();
        for id in [0, u32::MAX] {
            give_way(Some(id));
        }
        assert_eq!(getpriority_process(Some(gettid())).unwrap(), first);
    }
}
