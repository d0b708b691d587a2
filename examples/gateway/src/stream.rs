//! An answer's body, passed on chunk by chunk. It holds the slot until the last one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::warn;

use crate::gateway::Gateway;
use crate::lease::{Lease, Outcome};

/// What a stream of events ends with when its replica does not end it. The blank line ends what may have been cut.
const BROKEN: &str = "\n\ndata: {\"error\":{\"message\":\"the replica ended before its answer did\",\
                      \"type\":\"gateway_error\",\"code\":\"replica_lost\"}}\n\n";

/// The body of an answer on its way to the client.
///
/// Nothing is kept here: the next chunk is asked for when the client has taken the last, so that a slow client slows
/// its replica down and nothing else. A client that leaves drops it, and with it the connection to the replica.
pub struct Answer {
    gateway: Arc<Gateway>,
    body: Incoming,
    /// `None` once the answer is over.
    lease: Option<Lease>,
    arrived: Instant,
    /// It is a stream of events, to which one may be added.
    is_events: bool,
    is_success: bool,
    has_begun: bool,
}

impl Answer {
    /// The body that comes from a replica.
    pub fn new(
        gateway: &Arc<Gateway>,
        body: Incoming,
        lease: Lease,
        arrived: Instant,
        is_events: bool,
        is_success: bool,
    ) -> Self {
        let gateway = Arc::clone(gateway);
        Self { gateway, body, lease: Some(lease), arrived, is_events, is_success, has_begun: false }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) && self.is_success {
            let now = Instant::now();
            let took = now.saturating_duration_since(self.arrived);
            self.gateway.metrics.first_token(took);
            self.gateway.fleet.lock().signals.ttft.push(now, took);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(lease) = self.lease.take() else { return };
        if outcome == Outcome::Completed {
            let now = Instant::now();
            let took = now.saturating_duration_since(self.arrived);
            self.gateway.metrics.completed();
            self.gateway.fleet.lock().signals.e2e.push(now, took);
        } else {
            self.gateway.metrics.broken();
        }
        lease.end(outcome);
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.lease.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.end(Outcome::Completed);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if frame.is_data() {
                    self.begin();
                }
                if self.body.is_end_stream() {
                    self.end(Outcome::Completed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let replica = self.lease.as_ref().map_or("", Lease::replica);
                warn!(replica, %error, "lost while it answered");
                self.end(Outcome::Broken);
                if self.is_events {
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(BROKEN.as_bytes())))))
                } else {
                    // The length or the last chunk is missing: the client sees that this is not all.
                    Poll::Ready(Some(Err(error)))
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.lease.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_events { SizeHint::default() } else { self.body.size_hint() }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let outcome = if self.body.is_end_stream() { Outcome::Completed } else { Outcome::Broken };
        self.end(outcome);
    }
}
