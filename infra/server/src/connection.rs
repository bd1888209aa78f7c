//! One connection: request after request, until either side ends it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::body::{Answered, Incoming, Outgoing};
use crate::place::Place;
use crate::stream::Stream;

/// The most bytes of a request's line and headers, and of an answer that waits to be sent.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves a connection until it ends, its time is over or its place is needed; a request that has begun is finished.
pub(crate) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    place: Arc<Place>,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are small; without it they may wait for an acknowledgement of the one before.
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| answer(router.clone(), place.clone(), peer, request));
    let stream = TokioIo::new(Stream { socket, place: place.clone() });
    // The time for the head is the place's, which also knows when nothing has begun.
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(BUFFER_BYTES);
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut ended = pin!(place.ended());
    tokio::select! {
        _ = connection.as_mut() => return,
        () = ended.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    // Without a request there is nothing to finish.
    if !place.close() {
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = ended => {}
        }
    }
}

async fn answer(
    router: Router,
    place: Arc<Place>,
    peer: SocketAddr,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Outgoing<Body>>, Infallible> {
    place.serves();
    let answered = Answered(place.clone());
    let mut request = request.map(|inner| Body::new(Incoming::new(inner, place)));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await?;
    Ok(response.map(|inner| Outgoing { inner, _answered: answered }))
}
