//! Who asks the same at the same time gets the same answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use trimtab_metric::Timestamp;
use trimtab_runtime::SourceError;

use super::Answer;

type Outcome = Result<Arc<Answer>, SourceError>;
type Flight = BoxFuture<'static, Outcome>;

/// A query at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) at: Timestamp,
    pub(super) query: String,
}

/// Questions that are under way, and answers that are kept for who asks the same a little later.
///
/// A question is driven by those who wait for it: when the last of them gives up, it ends, and nothing of it is left.
#[derive(Clone, Default)]
pub(super) struct Flights {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    newest: Option<Timestamp>,
    under_way: HashMap<Key, WeakShared<Flight>>,
    landed: HashMap<Key, Outcome>,
    /// Bytes of the answers that are kept.
    bytes: usize,
}

/// Answers beyond this are not kept.
const MOST_BYTES: usize = 64 << 20;

impl Flights {
    /// The answer: one that is kept, that of a question under way, or that of a new one.
    pub(super) async fn join<F>(&self, key: Key, fetch: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let flight = match self.find(&key) {
            Ok(outcome) => return outcome,
            Err(Some(flight)) => flight,
            Err(None) => self.begin(key, fetch()),
        };
        flight.await
    }

    fn find(&self, key: &Key) -> Result<Outcome, Option<Shared<Flight>>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.landed.get(key) {
            Some(outcome) => Ok(outcome.clone()),
            None => Err(state.under_way.get(key).and_then(WeakShared::upgrade)),
        }
    }

    fn begin(
        &self,
        key: Key,
        fetch: impl Future<Output = Outcome> + Send + 'static,
    ) -> Shared<Flight> {
        let (state, own) = (Arc::clone(&self.state), key.clone());
        let flight = async move {
            let outcome = fetch.await;
            state.lock().unwrap_or_else(PoisonError::into_inner).land(own, outcome.clone());
            outcome
        };
        let flight = flight.boxed().shared();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have begun the same in between.
        if let Some(other) = state.under_way.get(&key).and_then(WeakShared::upgrade) {
            return other;
        }
        state.forget_before(key.at);
        if let Some(weak) = flight.downgrade() {
            state.under_way.insert(key, weak);
        }
        flight
    }
}

impl State {
    fn land(&mut self, key: Key, outcome: Outcome) {
        self.under_way.remove(&key);
        let size = outcome.as_ref().map_or(0, |answer| answer.bytes);
        let is_new = self.newest.is_none_or(|newest| key.at >= newest);
        if is_new && self.bytes.saturating_add(size) <= MOST_BYTES {
            self.bytes = self.bytes.saturating_add(size);
            self.landed.insert(key, outcome);
        }
    }

    /// A new time makes the answers of those before it old.
    fn forget_before(&mut self, at: Timestamp) {
        if self.newest.is_none_or(|newest| at > newest) {
            self.newest = Some(at);
            self.bytes = 0;
            self.landed.clear();
            self.under_way.retain(|_, flight| flight.upgrade().is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn key(second: i64) -> Key {
        Key { at: Timestamp::from_secs(second), query: String::from("up") }
    }

    fn slow(count: &Arc<AtomicUsize>) -> impl Future<Output = Outcome> + Send + use<> {
        let count = Arc::clone(count);
        async move {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            count.fetch_add(100, Ordering::Relaxed);
            Err(SourceError::Empty(String::from("x")))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_the_same_are_one() {
        let (flights, count) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let asking = (0..1000).map(|_| flights.join(key(0), || slow(&count)));
        futures_util::future::join_all(asking).await;
        let _later = flights.join(key(0), || slow(&count)).await;
        assert_eq!(count.load(Ordering::Relaxed), 101);
        let _next = flights.join(key(5), || slow(&count)).await;
        assert_eq!(count.load(Ordering::Relaxed), 202);
        assert_eq!(flights.state.lock().unwrap().landed.len(), 1, "old answers are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_does_not_end_it_for_others_and_the_last_one_does() {
        let (flights, count) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let hasty =
            tokio::time::timeout(Duration::from_millis(10), flights.join(key(0), || slow(&count)));
        let (hasty, patient) = tokio::join!(hasty, flights.join(key(0), || slow(&count)));
        assert!(hasty.is_err() && patient.is_err());
        assert_eq!(count.load(Ordering::Relaxed), 101);

        let alone = flights.join(key(1), || slow(&count));
        assert!(tokio::time::timeout(Duration::from_millis(10), alone).await.is_err());
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(count.load(Ordering::Relaxed), 102, "nobody drives it");
        let _again = flights.join(key(1), || slow(&count)).await;
        assert_eq!(count.load(Ordering::Relaxed), 203, "and it is asked anew");
    }
}
