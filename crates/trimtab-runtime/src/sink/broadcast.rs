//! Decisions for listeners within the process.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{DecisionSink, SinkError, Tick};

/// Sends each decision to all who listen. Who falls behind by more than the capacity loses the oldest and is
/// told how many; nobody waits for anybody.
///
/// ```
/// use trimtab_runtime::BroadcastSink;
///
/// let sink = BroadcastSink::new(256);
/// let mut decisions = sink.subscribe();
/// assert!(decisions.try_recv().is_err()); // none yet
/// ```
#[derive(Clone, Debug)]
pub struct BroadcastSink {
    sender: broadcast::Sender<Arc<Tick>>,
}

impl BroadcastSink {
    /// One that keeps `capacity` decisions (at least one) for those who are slow.
    pub fn new(capacity: usize) -> Self {
        Self { sender: broadcast::Sender::new(capacity.clamp(1, 1 << 20)) }
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Tick>> {
        self.sender.subscribe()
    }
}

#[async_trait]
impl DecisionSink for BroadcastSink {
    fn name(&self) -> &str {
        "broadcast"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        // That nobody listens is no error.
        let _listeners = self.sender.send(Arc::clone(tick));
        Ok(())
    }
}
