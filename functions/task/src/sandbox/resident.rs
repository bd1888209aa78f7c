//! How much memory another process holds.

/// The resident memory of a process without the pages that it shares with others; `None` where that is not known.
pub(super) fn bytes(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = statm.split_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
    Some(resident.saturating_sub(shared) * page_bytes)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_is_counted() {
        let before = bytes(std::process::id()).unwrap();
        let used = vec![1_u8; 64 * 1024 * 1024];
        let with = bytes(std::process::id()).unwrap();
        assert!(with - before > 60 * 1024 * 1024, "{before} {with} {}", used.len());
        assert_eq!(bytes(u32::MAX), None);
    }
}
