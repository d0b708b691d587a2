//! Without a trace, a decision allocates nothing once the windows have filled.

use trimtab_benches::strategies::cases;
use trimtab_benches::{MIXED, NOW, SIMPLE, mixed_observation, policy, simple_observation};
use trimtab_engine::{Autoscaler, MetricReading, Scale, ScaleUpdate};
use trimtab_metric::Timestamp;

#[test]
fn a_steady_decision_allocates_nothing() {
    let mut autoscaler = Autoscaler::new(policy(MIXED));
    let mut observation = mixed_observation(100);
    let mut replicas = 100;
    let mut allocated = |ticks: std::ops::Range<i64>| {
        let mut total = 0;
        for tick in ticks {
            observation.now = Timestamp::from_secs(NOW + 15 * tick);
            observation.scale = Some(Scale::steady(replicas));
            if let Some(MetricReading::PerPod(waiting)) = observation.readings.get_mut(1) {
                waiting.clear();
                (0..100).for_each(|_| waiting.push_milli(500 + (tick % 200) * 40));
            }
            let info = allocation_counter::measure(|| {
                let decision = autoscaler.decide(&observation);
                autoscaler.settle(&decision, ScaleUpdate::Applied);
                replicas = decision.desired_replicas;
            });
            total += info.count_total;
        }
        total
    };
    assert!(allocated(0..1) > 0, "the counter counts: a first decision makes the window");
    allocated(1..200);
    assert_eq!(allocated(200..2_000), 0);
}

#[test]
fn a_simple_workload_allocates_once() {
    let mut autoscaler = Autoscaler::new(policy(SIMPLE));
    let mut allocations = Vec::with_capacity(1_000);
    for tick in 0..1_000 {
        let observation = simple_observation(NOW + 15 * tick, 5, 30 + tick % 17);
        let info = allocation_counter::measure(|| {
            autoscaler.decide(&observation);
        });
        allocations.push(info.count_total);
    }
    assert_eq!(allocations.iter().sum::<u64>(), 1, "the window, at the first decision");
}

/// KEDA's metrics server makes a list of answers, and one of values for the formula.
#[test]
fn every_strategy_but_keda_allocates_nothing() {
    for case in cases() {
        let mut autoscaler = Autoscaler::new(case.policy.clone());
        let mut allocated = 0;
        for tick in 0..4_000 {
            let observation = case.observation(tick);
            let info = allocation_counter::measure(|| {
                let decision = autoscaler.decide(&observation);
                autoscaler.settle(&decision, ScaleUpdate::Applied);
            });
            allocated = if tick < 2_000 { 0 } else { allocated + info.count_total };
        }
        let is_keda = case.name.starts_with("keda");
        assert_eq!(allocated > 0, is_keda, "{}: {allocated}", case.name);
    }
}
