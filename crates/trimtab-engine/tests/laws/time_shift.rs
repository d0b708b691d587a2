//! Law 10, time: adding a constant to all times changes nothing but times.

use proptest::prelude::*;
use trimtab_engine::{State, decide};
use trimtab_metric::{Span, Timestamp};

use crate::generate::situation;
use crate::generate::workload::{ALL, Run, START, plans, ticks};
use crate::{cases, resolved, valid};

proptest! {
    #![proptest_config(cases())]

    /// Knative counts in slots of two seconds.
    #[test]
    fn time_shift(plan in plans(&ALL), ticks in ticks(), shift in -100_000_000_i64..100_000_000) {
        let policy = plan.policy(1);
        let later = START.saturating_add(Span::from_secs(shift * 2));
        let (mut run, mut shifted) = (Run::new(&policy), Run::at(&policy, later, 1));
        for tick in &ticks {
            let (decision, other) = (run.next(tick), shifted.next(tick));
            prop_assert_eq!(other.scale_to, decision.scale_to);
            prop_assert_eq!((other.outcome, other.reason), (decision.outcome, decision.reason));
            prop_assert_eq!(other.metric, decision.metric);
        }
    }

    #[test]
    fn time_shift_of_situations(
        (spec, state, record) in situation(), shift in -1_000_000_000_i64..1_000_000_000,
    ) {
        let policy = valid(spec);
        let shift = |at: &mut Timestamp| *at = at.saturating_add(Span::from_secs(shift));
        let (decision, after) = decide(&policy, state.clone(), &resolved(&record, &policy));

        let mut later = record;
        shift(&mut later.time);
        for pod in &mut later.pods {
            pod.start_time.iter_mut().for_each(shift);
            pod.ready.iter_mut().flat_map(|ready| &mut ready.last_transition_time).for_each(shift);
        }
        for reading in &mut later.readings {
            let samples = reading.pods.iter_mut().flat_map(|pods| pods.values_mut());
            samples.flat_map(|sample| &mut sample.timestamp).for_each(shift);
        }
        let mut state_later = state;
        shift_state(&mut state_later, shift);
        let (other, other_after) = decide(&policy, state_later, &resolved(&later, &policy));

        let mut after_later = after;
        shift_state(&mut after_later, shift);
        prop_assert_eq!(other.desired_replicas, decision.desired_replicas);
        prop_assert_eq!((other.outcome, other.reason), (decision.outcome, decision.reason));
        prop_assert_eq!(other_after, after_later);
    }
}

fn shift_state(state: &mut State, shift: impl Fn(&mut Timestamp) + Copy) {
    state.recommendations.iter_mut().flatten().for_each(|entry| shift(&mut entry.at));
    state.scale_ups.iter_mut().for_each(|entry| shift(&mut entry.at));
    state.scale_downs.iter_mut().for_each(|entry| shift(&mut entry.at));
    state.status.last_scale_time.iter_mut().for_each(shift);
    let mut conditions = serde_json::to_value(state.status.conditions).expect("it serializes");
    for condition in conditions.as_array_mut().expect("it is a list") {
        let at = condition.get_mut("lastTransitionTime").expect("each has one");
        let mut time: Timestamp = serde_json::from_value(at.clone()).expect("it is a time");
        shift(&mut time);
        *at = serde_json::to_value(time).expect("it serializes");
    }
    state.status.conditions = serde_json::from_value(conditions).expect("they are conditions");
}
