//! Bodies that tell their place how far they have come.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::runtime::Handle;

use crate::place::Place;

/// How much of a body that nobody reads is still taken, so that the other side comes to read the answer.
///
/// One that is in the middle of sending does not look for an answer, and finds the connection reset if it is closed.
const DISCARDED_BYTES: usize = 8 * 1024 * 1024;

/// The body of a request.
pub(crate) struct Incoming {
    inner: Option<hyper::body::Incoming>,
    place: Arc<Place>,
}

impl Incoming {
    pub(crate) fn new(inner: hyper::body::Incoming, place: Arc<Place>) -> Self {
        Self { inner: Some(inner), place }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(inner).poll_frame(cx);
        match &polled {
            Poll::Pending => self.place.awaits_body(),
            Poll::Ready(Some(Ok(frame))) => self.place.body_came(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(_) => self.place.body_came(0),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

/// Nobody waits for the rest of a body that is dropped.
impl Drop for Incoming {
    fn drop(&mut self) {
        self.place.body_came(0);
        let rest = self.inner.take().filter(|inner| !inner.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(discard(rest, self.place.clone()));
        }
    }
}

async fn discard(rest: hyper::body::Incoming, place: Arc<Place>) {
    let mut rest = Incoming::new(rest, place);
    let mut left = DISCARDED_BYTES;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(fewer) => left = fewer,
            None => break,
        }
    }
    rest.inner = None;
}

/// The body of an answer.
pub(crate) struct Outgoing<B> {
    pub(crate) inner: B,
    pub(crate) _answered: Answered,
}

/// Tells the place that the answer is over when it is dropped, complete or not.
pub(crate) struct Answered(pub(crate) Arc<Place>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl<B: Body + Unpin> Body for Outgoing<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
