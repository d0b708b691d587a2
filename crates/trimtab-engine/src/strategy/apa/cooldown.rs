//! The recommendations of the last minutes, and which of them counts.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::state::{Recommendation, State};

/// Past recommendations, at most [`State::MOST_ENTRIES`].
///
/// On the way up the largest within the window of that direction counts, on the way down the
/// smallest. So it holds nothing back, in spite of its name: after a rise and a fall, the way down
/// ends where the lowest recommendation of the last minutes was, not where this one is.
///
/// ```
/// use trimtab_engine::strategy::apa::Cooldown;
/// use trimtab_metric::{Span, Timestamp};
///
/// let mut cooldown = Cooldown::default();
/// let mut stabilize = |second, wanted, current| {
///     cooldown.stabilize(wanted, current, Timestamp::from_secs(second), Span::ZERO, Span::from_secs(300))
/// };
/// assert_eq!(stabilize(0, 3, 6), 3);
/// assert_eq!(stabilize(10, 9, 6), 9);
/// assert_eq!(stabilize(20, 8, 9), 3); // the 3 of 20 s ago
/// assert_eq!(stabilize(310, 8, 9), 8);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cooldown {
    recommendations: Vec<Recommendation>,
}

impl Cooldown {
    /// Records `wanted` and says which recommendation counts. One that is exactly as old as its
    /// window no longer does; a window of 0 leaves `wanted` itself.
    pub fn stabilize(
        &mut self,
        wanted: i32,
        current: i32,
        now: Timestamp,
        up: Span,
        down: Span,
    ) -> i32 {
        let kept_since = now.saturating_sub(up.max(down));
        self.recommendations.retain(|past| past.at > kept_since);
        if now > kept_since {
            let surplus = (self.recommendations.len() + 1).saturating_sub(State::MOST_ENTRIES);
            self.recommendations.drain(..surplus.min(self.recommendations.len()));
            self.recommendations.push(Recommendation { replicas: wanted, at: now });
        }
        let within = |window: Span| {
            let since = now.saturating_sub(window);
            self.recommendations.iter().filter(move |past| past.at > since)
        };
        let counts = match wanted.cmp(&current) {
            core::cmp::Ordering::Greater => within(up).map(|past| past.replicas).max(),
            core::cmp::Ordering::Less => within(down).map(|past| past.replicas).min(),
            core::cmp::Ordering::Equal => None,
        };
        counts.unwrap_or(wanted)
    }

    /// How many recommendations there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.recommendations.capacity()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_up_remembers_the_largest() {
        let mut cooldown = Cooldown::default();
        let mut stabilize = |second, wanted, current| {
            let window = Span::from_secs(60);
            cooldown.stabilize(wanted, current, Timestamp::from_secs(second), window, window)
        };
        assert_eq!(stabilize(0, 8, 4), 8);
        assert_eq!(stabilize(30, 6, 5), 8);
        assert_eq!(stabilize(59, 5, 5), 5);
        assert_eq!(stabilize(60, 6, 5), 6);
    }

    #[test]
    fn without_windows_nothing_is_kept() {
        let mut cooldown = Cooldown::default();
        for (wanted, current) in [(9, 3), (1, 9)] {
            let now = Timestamp::from_secs(0);
            assert_eq!(cooldown.stabilize(wanted, current, now, Span::ZERO, Span::ZERO), wanted);
        }
        assert_eq!(cooldown, Cooldown::default());
    }

    proptest! {
        #[test]
        fn it_never_turns_the_direction_nor_holds_back(
            ticks in vec((0_i64..120, 0_i32..20, 0_i32..20), 1..40),
        ) {
            let mut cooldown = Cooldown::default();
            let mut second = 0;
            for (later, wanted, current) in ticks {
                second += later;
                let now = Timestamp::from_secs(second);
                let (up, down) = (Span::from_secs(60), Span::from_secs(300));
                let counts = cooldown.stabilize(wanted, current, now, up, down);
                prop_assert_eq!((counts - current).signum(), (wanted - current).signum());
                prop_assert!((counts - current).abs() >= (wanted - current).abs());
            }
        }
    }
}
