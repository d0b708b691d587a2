//! Which steps get through KEDA and its HPA, by the HPA reproduced: every step from 1..=1000 to 1..=1000.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use serde_json::json;
use trimtab_engine::{MetricReading, Observation, Policy, PolicySpec, Scale, State, decide};
use trimtab_keda::{Reporting, Within};
use trimtab_metric::Timestamp;

const MOST: i32 = 1000;

/// What KEDA makes of a value, in thousandths: it cut off until 2.19, and rounds since.
const KEDAS: [fn(f64) -> i64; 2] = [
    |value| (value * 1000.0) as i64,
    |value| (format!("{value:.3}").parse::<f64>().unwrap() * 1000.0).round() as i64,
];

/// The HPA of the recommended ScaledObject, with another tolerance.
fn hpa(tolerance: &str) -> Policy {
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "minReplicas": 1,
        "maxReplicas": 5000,
        "metrics": [{"type": "External", "external": {"metric": {"name": "s0-trimtab-replicas"},
            "target": {"type": "AverageValue", "averageValue": "1"}}}],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0, "tolerance": tolerance,
                "policies": [{"type": "Pods", "value": 10_000, "periodSeconds": 15}]},
            "scaleDown": {"stabilizationWindowSeconds": 0, "tolerance": tolerance,
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
        },
    });
    Policy::new(serde_json::from_value::<PolicySpec>(spec).unwrap()).unwrap()
}

/// The count that the HPA sets, of `spec` that are there to be and `counted` that are there.
fn count_after(policy: &Policy, spec: i32, counted: i32, milli: i64) -> i32 {
    let observation = Observation {
        readings: vec![MetricReading::Totals(vec![milli])],
        ..Observation::new(
            Timestamp::from_secs(1_795_514_400),
            Scale { spec_replicas: spec, status_replicas: counted },
        )
    };
    let (decision, _) = decide(policy, State::default(), &observation);
    decision.scale_to.unwrap_or(spec)
}

/// All steps, with what becomes of each.
fn all(tolerance: &str, reporting: Reporting, mut check: impl FnMut(i32, i32, i32)) {
    let policy = hpa(tolerance);
    for current in 1..=MOST {
        for wanted in 1..=MOST {
            let report = reporting.of(wanted, current);
            for keda in KEDAS {
                let count = count_after(&policy, current, current, keda(report.value));
                assert_eq!(count, report.becomes, "{current} to {wanted} by {}", report.value);
            }
            check(current, wanted, report.becomes);
        }
    }
}

#[test]
fn without_a_tolerance_every_step_gets_through() {
    all("0", Reporting::default(), |_, wanted, becomes| assert_eq!(becomes, wanted));
}

#[test]
fn without_a_tolerance_the_wanted_count_comes_whatever_a_rollout_does_to_status() {
    let policy = hpa("0");
    for spec in (1..=MOST).step_by(7) {
        for counted in (0..=MOST).step_by(11) {
            for wanted in (1..=MOST).step_by(13) {
                let report = Reporting::default().of(wanted, counted);
                let count = count_after(&policy, spec, counted, KEDAS[0](report.value));
                assert_eq!(count, wanted, "{spec} with {counted} to {wanted}");
            }
        }
    }
}

#[test]
fn within_the_tolerance_what_can_get_through_does() {
    let reporting = Reporting { tolerance: 0.1, within: Within::Wait };
    let (mut up, mut down) = (0, 0);
    let policy = hpa("0.1");
    all("0.1", reporting, |current, wanted, becomes| {
        if becomes == wanted {
            return;
        }
        assert_eq!(becomes, current, "{current} to {wanted}: all or nothing");
        // Nothing that could be reported would do it: what lies between two values that are tolerated is, too.
        for milli in [wanted * 1000 - 999, wanted * 1000 - 998, wanted * 1000 - 500, wanted * 1000]
        {
            let count = count_after(&policy, current, current, i64::from(milli));
            // A thousandth above the count below may do where two do not; no KEDA can be relied on to hand it on.
            if milli != wanted * 1000 - 999 {
                assert_eq!(count, current, "{current} to {wanted} by {milli}m");
            }
        }
        if wanted > current {
            up += 1;
            assert!(10 * (wanted - current) <= current, "{current} to {wanted}");
        } else {
            down += 1;
            assert!(10 * (current - wanted + 1) <= current, "{current} to {wanted}");
        }
    });
    // Of the 499,500 steps in each direction.
    assert_eq!((up, down), (45_045, 48_609));
}

/// What a plain count would do under the HPA's own tolerance: as many steps down are lost as up.
#[test]
fn a_plain_count_loses_a_tenth_in_both_directions() {
    let policy = hpa("0.1");
    let (mut up, mut down) = (0, 0);
    for current in 1..=MOST {
        for wanted in 1..=MOST {
            let count = count_after(&policy, current, current, i64::from(wanted) * 1000);
            match (count == wanted, wanted > current) {
                (true, _) => {}
                (false, true) => up += 1,
                (false, false) => down += 1,
            }
        }
    }
    assert_eq!((up, down), (45_045, 49_600));
    // The smallest of them.
    assert_eq!(count_after(&policy, 9, 9, 10_000), 10);
    assert_eq!(count_after(&policy, 10, 10, 11_000), 10);
    assert_eq!(count_after(&policy, 20, 20, 21_000), 20);
    assert_eq!(count_after(&policy, 10, 10, 9_000), 10);
    assert_eq!(count_after(&policy, 9, 9, 8_000), 8);
}

#[test]
fn who_exceeds_is_never_short_and_at_most_a_ninth_over() {
    let reporting = Reporting { tolerance: 0.1, within: Within::Exceed };
    all("0.1", reporting, |current, wanted, becomes| {
        if wanted > current {
            assert!(becomes >= wanted, "{current} to {wanted}");
        }
        if becomes != wanted {
            // Up it is the first above 1.1 of the count before, down what is 0.9 of that.
            let most = if wanted > current { wanted + wanted / 10 + 1 } else { wanted * 10 / 9 };
            assert!((wanted..=most).contains(&becomes), "{current} to {wanted}: {becomes}");
            // And it stays there.
            assert_eq!(reporting.of(wanted, becomes).becomes, becomes, "{current} to {wanted}");
        }
    });
}

/// The trigger's `metricType: Value` multiplies by the ready pods: the count of the count.
#[test]
fn as_a_value_the_count_would_be_multiplied() {
    let mut spec = hpa("0").spec().clone();
    let metric = spec.metrics.as_mut().unwrap().first_mut().unwrap();
    let target = &mut metric.external.as_mut().unwrap().target;
    target.type_ = String::from("Value");
    target.value = target.average_value.take();
    let policy = Policy::new(spec).unwrap();
    let record: trimtab_engine::ObservationRecord = serde_json::from_value(json!({
        "time": "2026-11-24T10:00:00Z", "replicas": 5,
        "pods": (0..5).map(|pod| json!({"name": format!("llm-{pod}"), "ready": true})).collect::<Vec<_>>(),
        "readings": [{"metric": "s0-trimtab-replicas", "values": ["6"]}],
    }))
    .unwrap();
    let observation = record.resolve(&policy).unwrap();
    assert_eq!(decide(&policy, State::default(), &observation).0.scale_to, Some(30));
}
