//! Until the next deadline, the same observation has the same answer.

use proptest::prelude::*;
use trimtab_engine::{decide, next_deadline};
use trimtab_metric::{Span, Timestamp};

use crate::generate::{NOW, situation};
use crate::{cases, resolved, valid};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nothing_changes_before_the_deadline(
        (spec, state, record) in situation(), part in 0.0..1.0_f64,
    ) {
        let policy = valid(spec);
        let mut observation = resolved(&record, &policy);
        let (decision, after) = decide(&policy, state, &observation);
        let deadline = next_deadline(&policy, &after, &observation);
        let until = deadline.unwrap_or(Timestamp::from_secs(NOW + 100_000));
        prop_assert!(until > observation.now);
        let wait = until.since(observation.now).as_millis() - 1;
        let wait = (wait as f64 * part) as i64;
        observation.now = observation.now.saturating_add(Span::from_millis(wait));
        let (later, _) = decide(&policy, after, &observation);
        prop_assert_eq!(later.desired_replicas, decision.desired_replicas);
    }
}
