//! WVA's V1, "saturation percentage": how much KV cache and queue is spare on the replicas that are
//! not full?
//!
//! A replica is saturated when its KV cache or its queue reaches its threshold. Over the others,
//! the spare is the mean distance to the thresholds. Too little of either adds a replica. One goes
//! if the spare would still do once the load of N replicas is spread over N-1.

use serde::{Deserialize, Serialize};

use super::Counts;

/// What one replica reports. WVA takes the peaks of the last minute.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Replica {
    /// The used share of the KV cache, 0 to 1.
    pub kv_cache_usage: f64,
    /// Requests that wait.
    pub requests_waiting: i64,
}

/// When a replica is full, and how much has to be spare.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// A replica whose KV cache is used this much is saturated, 0 to 1.
    pub kv_cache: f64,
    /// A replica with this many waiting requests is saturated.
    pub queue_length: f64,
    /// Less spare KV cache than this, 0 to 1, asks for a replica.
    pub kv_spare: f64,
    /// Less spare queue than this, in requests, asks for a replica.
    pub queue_spare: f64,
}

impl Default for Thresholds {
    /// 0.8 and 5 requests; 0.1 and 3 requests.
    fn default() -> Self {
        Self { kv_cache: 0.8, queue_length: 5.0, kv_spare: 0.1, queue_spare: 3.0 }
    }
}

/// What the replicas come to.
///
/// ```
/// use trimtab_engine::strategy::wva::percentage::{Replica, Thresholds, analyze};
///
/// let full = Replica { kv_cache_usage: 0.9, requests_waiting: 0 };
/// let half = Replica { kv_cache_usage: 0.4, requests_waiting: 1 };
/// let spare = analyze([full, half], Thresholds::default());
/// assert_eq!((spare.reporting, spare.non_saturated), (2, 1));
/// assert_eq!((spare.kv_cache, spare.queue), (0.4, 4.0)); // of the second alone
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Spare {
    /// Replicas that reported.
    pub reporting: i32,
    /// Those that are not saturated.
    pub non_saturated: i32,
    /// Their mean spare KV cache; 0 if there are none.
    pub kv_cache: f64,
    /// Their mean spare queue; 0 if there are none.
    pub queue: f64,
}

/// What follows.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Some replica is on its way, or does not report: nothing new is decided.
    InTransition,
    /// The spare is below a trigger.
    ScaleUp,
    /// The spare is below a trigger, and a replica that already reports is not ready yet.
    AwaitsPending,
    /// One replica less will do.
    ScaleDown,
    /// Neither.
    Enough,
}

/// The spare of the replicas that are not saturated.
pub fn analyze(replicas: impl IntoIterator<Item = Replica>, at: Thresholds) -> Spare {
    let mut spare = Spare::default();
    let (mut kv_cache, mut queue) = (0.0, 0.0);
    for replica in replicas {
        spare.reporting = spare.reporting.saturating_add(1);
        let waiting = crate::float::from_i64(replica.requests_waiting);
        if replica.kv_cache_usage >= at.kv_cache || waiting >= at.queue_length {
            continue;
        }
        kv_cache += at.kv_cache - replica.kv_cache_usage;
        queue += at.queue_length - waiting;
        spare.non_saturated = spare.non_saturated.saturating_add(1);
    }
    if spare.non_saturated > 0 {
        let count = f64::from(spare.non_saturated);
        // A mean per variant, and from it the mean of all variants: of one, twice the rounding.
        spare.kv_cache = kv_cache / count * count / count;
        spare.queue = queue / count * count / count;
    }
    spare
}

impl Spare {
    /// Whether too little is spare. It always is if every replica is saturated.
    pub fn asks_for_more(&self, at: Thresholds) -> bool {
        self.kv_cache < at.kv_spare || self.queue < at.queue_spare
    }

    /// What would be spare, of the KV cache and of the queue, with one replica less; nothing if
    /// fewer than two replicas are not saturated.
    pub fn without_one(&self, at: Thresholds) -> Option<(f64, f64)> {
        if self.non_saturated < 2 {
            return None;
        }
        let spread = f64::from(self.non_saturated) / f64::from(self.non_saturated - 1);
        let kv_cache = (at.kv_cache - self.kv_cache) * spread;
        let queue = (at.queue_length - self.queue) * spread;
        Some((at.kv_cache - kv_cache, at.queue_length - queue))
    }

    /// What follows, and the count that is published.
    ///
    /// Any replica on its way blocks both directions: what was published stays, or the current
    /// count. Otherwise the count moves by one at most, and never below 1.
    ///
    /// ```
    /// use trimtab_engine::strategy::wva::Counts;
    /// use trimtab_engine::strategy::wva::percentage::{Replica, Thresholds, Verdict, analyze};
    ///
    /// let busy = Replica { kv_cache_usage: 0.75, requests_waiting: 0 };
    /// let spare = analyze([busy; 3], Thresholds::default());
    /// let settled = Counts { current: 3, pending: 0, desired: Some(3) };
    /// assert_eq!(spare.target(settled, Thresholds::default()), (Verdict::ScaleUp, 4));
    ///
    /// let starting = Counts { current: 4, pending: 1, desired: Some(4) };
    /// assert_eq!(spare.target(starting, Thresholds::default()), (Verdict::InTransition, 4));
    /// ```
    pub fn target(&self, counts: Counts, at: Thresholds) -> (Verdict, i32) {
        let outstanding = counts.outstanding();
        if outstanding.is_some() || self.reporting != counts.current {
            return (Verdict::InTransition, outstanding.unwrap_or(counts.current));
        }
        let current = self.reporting;
        if self.asks_for_more(at) {
            return if counts.pending > 0 {
                (Verdict::AwaitsPending, current)
            } else {
                (Verdict::ScaleUp, current.saturating_add(1))
            };
        }
        let will_do =
            |(kv_cache, queue)| kv_cache >= at.kv_spare && queue >= at.queue_spare && current > 1;
        if self.without_one(at).is_some_and(will_do) {
            (Verdict::ScaleDown, current - 1)
        } else {
            (Verdict::Enough, current)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const AT: Thresholds =
        Thresholds { kv_cache: 0.8, queue_length: 5.0, kv_spare: 0.1, queue_spare: 3.0 };

    fn replica(kv_cache_usage: f64, requests_waiting: i64) -> Replica {
        Replica { kv_cache_usage, requests_waiting }
    }

    fn settled(current: i32) -> Counts {
        Counts { current, pending: 0, desired: Some(current) }
    }

    fn decided(replicas: &[Replica]) -> (Verdict, i32) {
        let counts = settled(i32::try_from(replicas.len()).unwrap());
        analyze(replicas.iter().copied(), AT).target(counts, AT)
    }

    #[test]
    fn thresholds_are_saturated_and_triggers_are_enough() {
        assert_eq!(analyze([replica(0.8, 0), replica(0.0, 5)], AT).non_saturated, 0);
        // Spare 0.1 exactly, as floats have it, and 3 requests.
        let exact = Thresholds { kv_spare: 0.25, kv_cache: 0.75, ..AT };
        assert!(!analyze([replica(0.5, 2)], exact).asks_for_more(exact));
        assert!(analyze([replica(0.51, 2)], exact).asks_for_more(exact));
        assert!(analyze([replica(0.5, 3)], exact).asks_for_more(exact));
    }

    #[test]
    fn saturated_replicas_do_not_count_in_the_spare() {
        // Stuck queues on two of three: the third is idle and alone, so nothing goes.
        assert_eq!(
            decided(&[replica(0.2, 9), replica(0.2, 9), replica(0.1, 0)]),
            (Verdict::Enough, 3)
        );
        assert_eq!(decided(&[replica(0.9, 0), replica(0.9, 9)]), (Verdict::ScaleUp, 3));
    }

    #[test]
    fn a_replica_goes_if_the_others_can_take_its_load() {
        // 0.4 on each of 3 is 0.6 on each of 2: 0.2 is spare.
        assert_eq!(decided(&[replica(0.4, 0); 3]), (Verdict::ScaleDown, 2));
        // 0.5 would be 0.75: 0.05 is spare.
        assert_eq!(decided(&[replica(0.5, 0); 3]), (Verdict::Enough, 3));
        // 2 waiting on each of 3 would be 3 on each of 2: 2 are spare.
        assert_eq!(decided(&[replica(0.1, 2); 3]), (Verdict::Enough, 3));
        assert_eq!(decided(&[replica(0.0, 0)]), (Verdict::Enough, 1));
    }

    #[test]
    fn whatever_is_on_its_way_blocks_both_directions() {
        let spare = analyze([replica(0.79, 4); 3], AT);
        let at = |current, pending, desired| spare.target(Counts { current, pending, desired }, AT);
        assert_eq!(at(3, 0, Some(5)), (Verdict::InTransition, 5));
        assert_eq!(at(4, 1, Some(4)), (Verdict::InTransition, 4));
        assert_eq!(at(2, 0, None), (Verdict::InTransition, 2));
        assert_eq!(at(3, 1, Some(3)), (Verdict::AwaitsPending, 3));
        assert_eq!(at(3, 0, None), (Verdict::ScaleUp, 4));
        assert_eq!(at(3, 0, Some(0)), (Verdict::ScaleUp, 4));
    }

    fn replicas() -> impl Strategy<Value = Vec<Replica>> {
        vec((0.0..1.2_f64, 0_i64..12).prop_map(|(kv, waiting)| replica(kv, waiting)), 1..12)
    }

    proptest! {
        #[test]
        fn it_moves_by_one_at_most_and_never_below_one(replicas in replicas()) {
            let current = i32::try_from(replicas.len()).unwrap();
            let (_, target) = decided(&replicas);
            prop_assert!((target - current).abs() <= 1);
            prop_assert!(target >= 1);
        }

        #[test]
        fn it_shrinks_only_with_both_spares_above_their_triggers(replicas in replicas()) {
            let spare = analyze(replicas.iter().copied(), AT);
            if decided(&replicas).0 == Verdict::ScaleDown {
                let (kv_cache, queue) = spare.without_one(AT).unwrap();
                prop_assert!(kv_cache >= AT.kv_spare && queue >= AT.queue_spare);
                prop_assert!(!spare.asks_for_more(AT));
            }
        }

        // Only of replicas that are alike: when one of many becomes saturated, its load no longer
        // counts, and more load can ask for less.
        #[test]
        fn of_equal_replicas_more_load_never_asks_for_less(
            count in 1_usize..12, kv in 0.0..1.2_f64, more in 0.0..0.5_f64,
            waiting in 0_i64..12, more_waiting in 0_i64..5,
        ) {
            let calm = decided(&alloc::vec![replica(kv, waiting); count]).1;
            let busy = decided(&alloc::vec![replica(kv + more, waiting + more_waiting); count]).1;
            prop_assert!(busy >= calm);
        }
    }
}
