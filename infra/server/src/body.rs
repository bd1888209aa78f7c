//! Bodies that tell their place how far they have come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::place::Place;

/// The body of a request.
pub(crate) struct Incoming<B> {
    pub(crate) inner: B,
    pub(crate) place: Arc<Place>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Incoming<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Pending => self.place.awaits_body(),
            Poll::Ready(Some(Ok(frame))) => self.place.body_came(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(_) => self.place.body_came(0),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Nobody waits for the rest of a body that is dropped.
impl<B> Drop for Incoming<B> {
    fn drop(&mut self) {
        self.place.body_came(0);
    }
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
