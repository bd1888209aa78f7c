//! Waiting without sleeping.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long anything may take on a slow machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it sees what it waits for, and returns it; an error is what it sees instead.
pub async fn until<T, E: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) => assert!(Instant::now() < deadline, "{what} never came, but {instead:#?}"),
        }
        tokio::task::yield_now().await;
    }
}
