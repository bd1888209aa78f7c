//! Waiting without sleeping.

use std::time::{Duration, Instant};

/// How long anything may take on a slow machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something to see, and returns it; `what` names it when it never comes.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::task::yield_now().await;
    }
}
