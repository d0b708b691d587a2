//! Beside an autoscaler that decides by the same policy, a shadow wants the same at every step.

#[cfg(test)]
mod ports;

use std::sync::Arc;

use ports::{Bench, Pool, Shelf, TokioClock, pass, policy_of};
use trimtab_runtime::Mode;

/// The counts that were wanted, without repetitions.
fn wanted(bench: &Bench) -> Vec<i32> {
    let ticks = bench.ticks.all();
    let mut counts: Vec<i32> =
        ticks.iter().map(|tick| tick.record.decision.desired_replicas).collect();
    counts.dedup();
    counts
}

#[tokio::test(start_paused = true)]
async fn a_shadow_counts_what_the_other_did_by_its_rate_limits() {
    let limits = r#""behavior": {
        "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
        "scaleDown": {"stabilizationWindowSeconds": 45,
            "policies": [{"type": "Percent", "value": 50, "periodSeconds": 90}]}},"#;
    // The other one looks at whatever moment between two looks of the shadow.
    for lead in [0, 4, 11] {
        let (pool, clock) = (Pool::of(1), TokioClock::new());
        let bench = || {
            let (shelf, pool, clock) = (Arc::<Shelf>::default(), Arc::clone(&pool), clock.clone());
            Bench::with(shelf, pool, 8, clock, |builder| builder)
        };
        let scaler = bench();
        scaler.controller.set(scaler.workload(policy_of(limits)));
        pass(lead).await;
        let shadow = bench();
        shadow.controller.set(shadow.workload(policy_of(limits)).with_mode(Mode::Shadow));
        for (waiting, time) in [(8, 120), (72, 400), (16, 400), (40, 130), (8, 600)] {
            scaler.queue.set(waiting);
            shadow.queue.set(waiting);
            pass(time).await;
        }
        let steps = wanted(&scaler);
        assert!(steps.starts_with(&[1, 3, 5, 7, 9]) && steps.len() > 8, "{steps:?}");
        assert_eq!(wanted(&shadow), steps, "{lead} s after it");
        assert_eq!(shadow.pool.writes.lock().unwrap().len(), steps.len() - 1, "by one alone");
        assert!(shadow.ticks.all().iter().skip(1).all(|tick| tick.record.update.is_none()));
    }
}
