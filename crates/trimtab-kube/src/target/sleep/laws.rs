//! Who stands by and who serves, for any pods and any change.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use trimtab_engine::WarmPlan;
use trimtab_runtime::Change;

use super::change::Steps;
use super::pool::{Owed, Pool, small};
use crate::cluster::Pod;

/// A pod as far as it matters: its label, whether it is released, ready, on its way out.
type Plain = (Option<&'static str>, bool, bool, bool);

fn plain() -> impl Strategy<Value = Plain> {
    let labels = [None, None, Some("claimed"), Some("idle"), Some("asleep"), Some("waking")];
    (
        prop::sample::select(labels.to_vec()),
        prop::bool::weighted(0.2),
        any::<bool>(),
        prop::bool::weighted(0.1),
    )
}

fn pod(number: usize, (standby, released, ready, leaves): Plain) -> Pod {
    let mut labels = json!({"app": "llm"});
    let mut annotations = json!({});
    if let Some(standby) = standby {
        labels["trimtab.dev/standby"] = standby.into();
        labels["trimtab.dev/draining"] = "true".into();
        annotations["trimtab.dev/draining-since"] = "2026-11-24T10:00:00Z".into();
        if released {
            annotations["controller.kubernetes.io/pod-deletion-cost"] = "-2147483648".into();
        }
    }
    let status = if ready { "True" } else { "False" };
    Pod::of_json(json!({
        "metadata": {
            "name": format!("p{number}"), "namespace": "a", "labels": labels, "annotations": annotations,
            "creationTimestamp": "2026-11-24T09:00:00Z",
            "deletionTimestamp": leaves.then_some("2026-11-24T10:00:00Z"),
        },
        "spec": {"containers": []},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]},
    }))
}

fn pods(plain: &[Plain]) -> Vec<Pod> {
    plain.iter().enumerate().map(|(number, plain)| pod(number, *plain)).collect()
}

proptest! {
    /// Those that serve and those that stand by are all that were asked for, whoever is there.
    #[test]
    fn the_books_balance(
        plain in prop::collection::vec(plain(), 0..12),
        total in 0..16_i32,
        owed in 0..4_usize,
        known in prop::collection::btree_set(0..12_usize, 0..12),
    ) {
        let before: BTreeSet<String> = known.iter().map(|number| format!("p{number}")).collect();
        let pool = Pool::of(pods(&plain), total, &Owed { count: owed, before: before.clone() });
        prop_assert_eq!(pool.replicas() + pool.size(), total);
        prop_assert!(pool.owed <= owed);
        prop_assert!(pool.claimable.iter().all(|pod| !before.contains(pod.name())));
        // Nobody is named twice, and nobody who is to serve is kept apart.
        let apart = pool.apart();
        let names: BTreeSet<&String> = apart.iter().collect();
        prop_assert_eq!(names.len(), apart.len());
        prop_assert!(pool.waking.iter().all(|pod| !names.contains(&String::from(pod.name()))));
        // What nobody was asked for is nobody's: without a memory all that is not marked serves.
        let forgotten = Pool::of(pods(&plain), total, &Owed::default());
        let marked = plain.iter().filter(|(label, .., leaves)| {
            !leaves && label.is_some_and(|label| label != "waking")
        });
        prop_assert!(forgotten.size() <= small(marked.count()));
    }

    /// Where all wake up, there are as many as was decided: in all, and standing by. What is repeated after
    /// it was done does nothing.
    #[test]
    fn a_change_comes_out_as_decided(
        serving in 0..6_usize,
        asleep in 0..6_usize,
        to in 0..10_i32,
        size in 0..6_i32,
        returns in any::<bool>(),
    ) {
        let plain = |serving, asleep| {
            let serves = std::iter::repeat_n((None, false, true, false), serving);
            serves.chain(std::iter::repeat_n((Some("asleep"), false, true, false), asleep))
        };
        let (from, there) = (small(serving), small(asleep));
        let pool = Pool::of(
            pods(&plain(serving, asleep).collect::<Vec<_>>()), from + there, &Owed::default(),
        );
        prop_assert_eq!((pool.replicas(), pool.size()), (from, there));
        // As the engine plans it.
        let (comes, leaves) = ((to - from).max(0), (from - to).max(0));
        let promote = comes.min(there);
        let rest = there - promote;
        let room = (size - rest).max(0);
        let demote = if returns { leaves.min(room) } else { 0 };
        let plan = WarmPlan {
            size, promote, start: comes - promote, demote, refill: room - demote,
            release: (rest - size).max(0),
        };
        let mut change = Change::of(from, to);
        change.retire = (0..leaves).map(|number| format!("p{number}")).collect();
        change.warm = Some(plan);
        let steps = Steps::of(&pool, &change);
        prop_assert_eq!(small(steps.promote), promote);
        // Those that stand by afterwards: who did before, and what comes and goes.
        let after = there - small(steps.promote) - small(steps.release)
            + small(steps.demote) + small(steps.refill);
        prop_assert_eq!(after, steps.size);
        // Only where some go, those that are asked for wait for the next decision.
        prop_assert!(steps.size == size || leaves > 0 && steps.size < size);
        let done = Pool::of(
            pods(&plain(usize::try_from(to).unwrap(), usize::try_from(after).unwrap()).collect::<Vec<_>>()),
            to + after,
            &Owed::default(),
        );
        prop_assert_eq!(Steps::of(&done, &change).promote, 0);
    }
}
