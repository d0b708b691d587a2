//! Whether a watch lives: when anything was last heard on it.
//!
//! kube's watcher keeps bookmarks and the quiet renewal of a watch to itself, and where nothing
//! changes these are all there is. So it is listened on the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::service_fn;

/// When a watch was last heard of.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds since then, and one more; 0: never.
    heard: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), heard: Arc::default() }
    }

    pub(super) fn beat(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.heard.fetch_max(millis + 1, Ordering::Relaxed);
    }

    /// How long nothing was heard; `None`: nothing ever was.
    pub(super) fn age(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.start.elapsed().saturating_sub(Duration::from_millis(heard)))
    }

    /// A client through which this listens on watches.
    pub(super) fn listen(&self, client: &Client) -> Client {
        let (pulse, inner) = (self.clone(), client.clone());
        let service = service_fn(move |request: Request<Body>| {
            let (pulse, inner) = (pulse.clone(), inner.clone());
            async move {
                let watch = is_watch(&request);
                let response = inner.send(request).await?;
                let pulse = (watch && response.status().is_success()).then_some(pulse);
                let listen = |body| Listened { body, pulse, failed: false };
                Ok::<Response<Listened>, kube::Error>(response.map(listen))
            }
        });
        Client::new(service, client.default_namespace())
    }
}

fn is_watch(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1")
}

/// A response whose parts are heard. Errors that are sent as events tell nothing of the objects,
/// and a watch that ends after one did not end by itself.
struct Listened {
    body: Body,
    pulse: Option<Pulse>,
    failed: bool,
}

impl http_body::Body for Listened {
    type Data = Bytes;
    type Error = kube::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, kube::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(pulse) = self.pulse.clone() {
            let failed = match &frame {
                None => self.failed,
                Some(Ok(frame)) => frame.data_ref().is_some_and(is_error),
                Some(Err(_)) => true,
            };
            self.failed |= failed;
            if !failed {
                pulse.beat();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a part begins with an event that says that the watch failed.
fn is_error(data: &Bytes) -> bool {
    data.starts_with(br#"{"type":"ERROR""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pulse_ages_from_its_last_beat() {
        let pulse = Pulse::new();
        assert_eq!(pulse.age(), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        pulse.beat();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(pulse.age(), Some(Duration::from_secs(7)));
    }
}
