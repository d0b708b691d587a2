//! The largest count of the last while: what delays going down.

use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

/// The running maximum over a span, in slots of 2 s: Knative's time window of maxima.
///
/// The span is rounded up to whole slots. A count stays for as many slots, its own included, so up
/// to 2 s less than the span. The span is fixed when the window is made.
///
/// ```
/// use trimtab_engine::strategy::knative::DelayWindow;
/// use trimtab_metric::{Span, Timestamp};
///
/// let mut window = DelayWindow::new(Span::from_secs(10));
/// assert_eq!(window.record(Timestamp::from_secs(0), 5), 5);
/// assert_eq!(window.record(Timestamp::from_secs(9), 2), 5);
/// assert_eq!(window.record(Timestamp::from_secs(10), 1), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelayWindow {
    /// How many slots there are.
    slots: i64,
    /// Counts that are or can become the largest: in order of time, each below the one before.
    maxima: VecDeque<Maximum>,
}

/// The largest count of a slot.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Maximum {
    slot: i64,
    replicas: i32,
}

impl DelayWindow {
    /// The length of a slot.
    pub const SLOT: Span = Span::from_secs(2);

    /// An empty window of this span, at least one slot.
    pub fn new(span: Span) -> Self {
        let (millis, slot) = (span.as_millis().max(1), Self::SLOT.as_millis());
        let slots = (millis - 1) / slot + 1;
        Self { slots, maxima: VecDeque::new() }
    }

    /// Takes in a count and returns the largest of the window. Time that goes back counts as
    /// standing still.
    pub fn record(&mut self, now: Timestamp, replicas: i32) -> i32 {
        let slot = now.as_millis().div_euclid(Self::SLOT.as_millis());
        let slot = self.maxima.back().map_or(slot, |latest| latest.slot.max(slot));
        while self.maxima.back().is_some_and(|latest| latest.replicas <= replicas) {
            self.maxima.pop_back();
        }
        while self
            .maxima
            .front()
            .is_some_and(|oldest| slot.saturating_sub(oldest.slot) >= self.slots)
        {
            self.maxima.pop_front();
        }
        if self.maxima.back().is_none_or(|latest| latest.slot != slot) {
            self.maxima.push_back(Maximum { slot, replicas });
        }
        self.maxima.front().map_or(replicas, |largest| largest.replicas.max(replicas))
    }

    /// When the largest count leaves the window.
    pub(super) fn until(&self) -> Option<Timestamp> {
        let largest = self.maxima.front()?;
        let slot = largest.slot.saturating_add(self.slots);
        Some(Timestamp::from_millis(slot.saturating_mul(Self::SLOT.as_millis())))
    }

    /// How many bytes the counts take beside the struct itself.
    pub(super) fn heap_bytes(&self) -> usize {
        self.maxima.capacity() * size_of::<Maximum>()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The window is a running maximum over its slots, also after it was written down and read.
        #[test]
        fn it_is_a_running_maximum(
            steps in prop::collection::vec((0_i64..9_000, 0_i32..40), 1..120),
            seconds in 1_i64..60,
        ) {
            let mut window = DelayWindow::new(Span::from_secs(seconds));
            let slots = (seconds + 1) / 2;
            let mut recorded: Vec<(i64, i32)> = Vec::new();
            let mut now = 0;
            for (step, replicas) in steps {
                now += step;
                recorded.push((now / 2000, replicas));
                let largest = window.record(Timestamp::from_millis(now), replicas);
                let naive = recorded.iter().filter(|(slot, _)| now / 2000 - slot < slots);
                prop_assert_eq!(Some(largest), naive.map(|(_, replicas)| *replicas).max());
                prop_assert!(i64::try_from(window.maxima.len()).unwrap() <= slots);
                let text = serde_json::to_string(&window).unwrap();
                window = serde_json::from_str(&text).unwrap();
            }
        }
    }

    #[test]
    fn time_that_goes_back_adds_nothing() {
        let mut window = DelayWindow::new(Span::from_secs(4));
        for second in (0..1000).rev() {
            let replicas = i32::try_from(second).unwrap();
            assert_eq!(window.record(Timestamp::from_secs(second), replicas), 999);
        }
        assert_eq!(window.maxima.len(), 1);
    }
}
