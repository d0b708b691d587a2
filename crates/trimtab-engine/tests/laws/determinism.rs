//! Law 1: the same inputs give the same answer, bit for bit, also after they have been written down and
//! read again; tracing changes nothing.

use proptest::prelude::*;
use trimtab_engine::{Decision, DecisionRecord, LogEntry, ScaleUpdate, decide, decide_traced};

use crate::generate::situation;
use crate::generate::workload::{ALL, Run, plans, ticks};
use crate::{cases, resolved, through_json, valid};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn determinism(plan in plans(&ALL), ticks in ticks()) {
        let policy = plan.policy(1);
        let policy_again = through_json(&policy);
        prop_assert_eq!(&policy_again, &policy);
        prop_assert_eq!(policy_again.digest(), policy.digest());
        let mut run = Run::new(&policy);
        for (index, tick) in ticks.iter().enumerate() {
            let observation = run.observe(tick);
            let before = run.state.clone();
            let (decision, after) = decide_traced(&policy, before.clone(), &observation);
            // A restart in between, now and then: writing and reading is what takes the time.
            let restarts = index % 4 == ticks.len() % 4;
            let before = if restarts { through_json(&before) } else { before };
            let (other, other_after) = decide(&policy_again, before, &observation);
            prop_assert_eq!(&other, &Decision { trace: None, ..decision.clone() });
            prop_assert_eq!(&other_after, &after);
            prop_assert_eq!(other_after.digest(), after.digest());
            prop_assert_eq!(run.decide(&observation), decision);
        }
        prop_assert_eq!(through_json(&run.state).digest(), run.state.digest());
    }

    #[test]
    fn determinism_of_situations((spec, state, record) in situation()) {
        let policy = valid(spec);
        let observation = resolved(&record, &policy);
        let (decision, after) = decide_traced(&policy, state.clone(), &observation);
        let again = decide_traced(&policy, state.clone(), &observation);
        prop_assert_eq!(&again, &(decision.clone(), after.clone()));

        let policy_again = through_json(&policy);
        prop_assert_eq!(&policy_again, &policy);
        prop_assert_eq!(policy_again.digest(), policy.digest());
        let observation_again = resolved(&through_json(&record), &policy_again);
        let state_again = through_json(&state);
        prop_assert_eq!(state_again.digest(), state.digest());
        let (other, other_after) = decide_traced(&policy_again, state_again, &observation_again);
        prop_assert_eq!(&other, &decision);
        prop_assert_eq!(&other_after, &after);
        prop_assert_eq!(through_json(&decision), decision.clone());
        prop_assert_eq!(through_json(&after), after.clone());

        let (untraced, untraced_after) = decide(&policy, state, &observation);
        prop_assert_eq!(untraced, Decision { trace: None, ..decision });
        prop_assert_eq!(untraced_after, after);
    }

    /// A record that was written down replays.
    #[test]
    fn logs_replay((spec, state, record) in situation(), update in prop_oneof![
        Just(None), Just(Some(ScaleUpdate::Applied)), Just(Some(ScaleUpdate::Rejected))
    ]) {
        let policy = valid(spec);
        let (mut record, mut after) = DecisionRecord::decide(&policy, state, record)
            .expect("the generator makes fitting observations");
        if let Some(update) = update {
            after = record.settle(&policy, after, update);
        }
        let LogEntry::Decision(read) = through_json(&LogEntry::Decision(record.clone())) else {
            panic!("another kind of entry came back")
        };
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(read.after, after.digest());
        prop_assert_eq!(read.again(&policy).expect("it fitted before"), record);
    }
}
