//! HTTP connections from anybody: how long one may stay silent, and how many there may be.
//!
//! In: sockets and a router. Out: the router's answers, for as long as the other side keeps up.
//!
//! A connection costs a file descriptor and some memory for as long as the other side likes, so the other side has to
//! make progress: [`Limits`] says how much. When there are too many connections, the one that has waited longest for a
//! request makes room.

mod body;
mod connection;
mod limits;
mod place;
mod pool;
mod stream;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use limits::Limits;
pub use pool::Connections;

/// How long the listener rests after the system had no descriptor or no memory for a connection.
const EXHAUSTED: Duration = Duration::from_millis(10);
/// How often that is said at most.
const WARNING: Duration = Duration::from_secs(60);

/// Serves until `stopped` is true, then lets open requests finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Connections,
    mut stopped: watch::Receiver<bool>,
) {
    let open = TaskTracker::new();
    let mut warned = None;
    while let Some((stream, peer)) = unless(&mut stopped, accept(&listener, &connections, &mut warned)).await {
        // Until there is a place, further connections wait in the system's queue.
        let Some(place) = unless(&mut stopped, connections.place()).await else { break };
        open.spawn(connection::serve(stream, peer, router.clone(), place, stopped.clone()));
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// Waits for the next connection, whatever is wrong with those before it.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    warned: &mut Option<Instant>,
) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                if warned.is_none_or(|warned| warned.elapsed() >= WARNING) {
                    tracing::warn!(%error, "no connection can be accepted now; idle ones are closed to make room");
                    *warned = Some(Instant::now());
                }
                connections.make_room();
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Tells whether an error is that of a connection which ended before it was accepted.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Waits for something, `None` once everything stops.
async fn unless<T>(stopped: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        // Whoever could say so is gone as well.
        _ = stopped.wait_for(|stopped| *stopped) => None,
        value = work => Some(value),
    }
}
