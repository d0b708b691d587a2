//! The end of stage 7: how many replicas are left when failure domains are lost.

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    Decision, ObservationRecord, Policy, PolicySpec, Rule, ScaleUpdate, State, decide_traced,
    settle,
};

const START: i64 = 1_795_514_400;

/// A policy that wants one replica per unit of load, at once.
fn policy(bounds: (i32, i32), redundancy: Value, strategy: &str) -> Policy {
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "strategy": strategy, "minReplicas": bounds.0, "maxReplicas": bounds.1,
        "behavior": {"scaleUp": {"policies": [{"type": "Percent", "value": 100_000, "periodSeconds": 1}]},
            "scaleDown": {"stabilizationWindowSeconds": 0}},
        "metrics": [{"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "1"}}}],
        "redundancy": redundancy,
    });
    Policy::new(serde_json::from_value::<PolicySpec>(spec).unwrap()).unwrap()
}

/// Where a replica is: in a zone, somewhere, or nowhere yet.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Zone(usize),
    Somewhere,
    Nowhere,
}

fn decide(policy: &Policy, state: State, places: &[Place], load: i32) -> (Decision, State) {
    let pods: Vec<Value> = places
        .iter()
        .enumerate()
        .map(|(pod, place)| match place {
            Place::Zone(zone) => json!({"name": pod.to_string(), "ready": true,
                "startTime": START - 900, "zone": format!("zone-{zone}")}),
            Place::Somewhere => {
                json!({"name": pod.to_string(), "ready": true, "startTime": START - 900})
            }
            Place::Nowhere => json!({"name": pod.to_string(), "phase": "Pending"}),
        })
        .collect();
    let record = json!({"time": START, "replicas": places.len(), "pods": pods,
        "readings": [{"metric": "load", "value": load}]});
    let record: ObservationRecord = serde_json::from_value(record).unwrap();
    let observation = record.resolve(policy).unwrap();
    let (decision, state) = decide_traced(policy, state, &observation);
    let state = settle(policy, state, &decision, ScaleUpdate::Applied);
    (decision, state)
}

fn wanted(policy: &Policy, places: &[Place], load: i32) -> i32 {
    decide(policy, State::for_policy(policy), places, load).0.desired_replicas
}

fn in_zones(counts: &[usize]) -> Vec<Place> {
    let zones = counts.iter().enumerate();
    zones.flat_map(|(zone, count)| vec![Place::Zone(zone); *count]).collect()
}

#[test]
fn the_count_is_raised_until_the_least_is_left() {
    let policy = policy((4, 20), json!({"surviveDomainLosses": 1}), "hpa");
    let places = in_zones(&[2, 2, 1]);
    let (decision, _) = decide(&policy, State::for_policy(&policy), &places, 4);
    assert_eq!(decision.desired_replicas, 6); // 2, 2, 2
    insta::assert_snapshot!(decision.explain());
    // Of nine one may go to seven and not to six, since nobody says that it is not from one zone.
    assert_eq!(wanted(&policy, &in_zones(&[2, 2, 2]), 4), 6);
    assert_eq!(wanted(&policy, &in_zones(&[3, 3, 3]), 4), 7);
    assert_eq!(wanted(&policy, &in_zones(&[3, 3, 3]), 12), 12);
}

#[test]
fn the_number_of_domains_helps_where_replicas_are_together_or_unknown() {
    let alone = policy((2, 20), json!({"surviveDomainLosses": 1}), "hpa");
    assert_eq!(wanted(&alone, &in_zones(&[2]), 2), 2); // no count would be enough
    let (decision, _) = decide(&alone, State::for_policy(&alone), &in_zones(&[2]), 2);
    insta::assert_snapshot!(decision.explain());

    let told = policy((2, 20), json!({"surviveDomainLosses": 1, "domains": 3}), "hpa");
    assert_eq!(wanted(&told, &in_zones(&[2]), 2), 4); // 2, 1, 1
    assert_eq!(wanted(&told, &vec![Place::Somewhere; 2], 2), 3); // taken to be spread
    assert_eq!(wanted(&alone, &vec![Place::Somewhere; 2], 2), 2);
}

#[test]
fn a_replica_of_an_unknown_domain_is_taken_to_be_lost() {
    let policy = policy((2, 20), json!({"surviveDomainLosses": 1, "domains": 3}), "hpa");
    let mut places = in_zones(&[1, 1]);
    places.push(Place::Somewhere);
    assert_eq!(wanted(&policy, &places, 2), 4);
    places.pop();
    places.push(Place::Nowhere); // goes where nobody is
    assert_eq!(wanted(&policy, &places, 2), 3);
}

#[test]
fn nodes_are_domains_too() {
    let redundancy = json!({"surviveDomainLosses": 1, "domain": "node", "domains": 4});
    let policy = policy((3, 20), redundancy, "hpa");
    assert_eq!(wanted(&policy, &vec![Place::Nowhere; 3], 3), 4);
}

#[test]
fn for_the_load_what_it_needs_is_left_and_the_count_does_not_climb() {
    for strategy in ["hpa", "slo"] {
        let redundancy = json!({"surviveDomainLosses": 1, "of": "load"});
        let policy = policy((1, 60), redundancy, strategy);
        let mut state = State::for_policy(&policy);
        let mut counts = vec![3, 3, 2];
        let mut last = 0;
        for _ in 0..40 {
            let places = in_zones(&counts);
            let (decision, after) = decide(&policy, state, &places, 10);
            state = after;
            last = decision.desired_replicas;
            // New ones go where the fewest are, and the last to come go first.
            while counts.iter().sum::<usize>() < usize::try_from(last).unwrap() {
                *counts.iter_mut().min().unwrap() += 1;
            }
        }
        // 5, 5, 5; slo keeps a replica for the granularity of what it serves.
        assert!((15..=18).contains(&last), "{strategy}: {last}");
    }
}

#[test]
fn nothing_is_raised_from_zero_or_over_the_most() {
    let policy = policy((0, 5), json!({"surviveDomainLosses": 1, "of": "load"}), "knative");
    assert_eq!(wanted(&policy, &in_zones(&[2, 2]), 5), 5);
    let mut state = State::for_policy(&policy);
    state.status.current_replicas = 0;
    let (decision, _) = decide(&policy, state, &[], 0);
    assert_eq!(decision.desired_replicas, 0);
}

/// The replicas left once these domains are lost, new ones having gone where the fewest are.
fn left(counts: &[usize], lost: &[usize]) -> usize {
    let kept = counts.iter().enumerate().filter(|(zone, _)| !lost.contains(zone));
    kept.map(|(_, count)| count).sum()
}

fn subsets(of: usize, size: usize) -> Vec<Vec<usize>> {
    (0_u32..1 << of)
        .filter(|set| set.count_ones() as usize == size)
        .map(|set| (0..of).filter(|zone| set & (1 << zone) != 0).collect())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whichever domains are lost, at least the least count is left, unless `maxReplicas` is in the way;
    /// and one replica fewer would not have done, or the load wants as many.
    #[test]
    fn enough_survives(
        mut counts in prop::collection::vec(1_usize..6, 1..5),
        losses in 1_usize..3,
        min in 1_i32..8,
        room in 0_i32..30,
        load in 0_i32..30,
        leaving in any::<prop::sample::Index>(),
    ) {
        let current = i32::try_from(counts.iter().sum::<usize>()).expect("small");
        let bounds = (min.min(current), current.max(min) + room);
        let policy = policy(bounds, json!({"surviveDomainLosses": losses}), "hpa");
        let places = in_zones(&counts);
        let (decision, _) = decide(&policy, State::for_policy(&policy), &places, load);
        let wanted = decision.desired_replicas;
        prop_assert!(bounds.0 <= wanted && wanted <= bounds.1);
        let step = decision.trace.iter().flatten().find_map(|step| match step.rule {
            Rule::Redundancy(redundancy) => Some((step.from, step.to, redundancy)),
            _ => None,
        });
        let (from, to, step) = step.expect("the stage is on");
        prop_assert_eq!(to, wanted);
        prop_assert!(to >= from);
        if losses >= counts.len() {
            prop_assert_eq!(to, from);
            return Ok(());
        }
        for _ in current..wanted {
            *counts.iter_mut().min().expect("there is one") += 1;
        }
        for _ in wanted..current {
            // Anybody may go.
            let there: Vec<usize> = (0..counts.len()).filter(|zone| counts[*zone] > 0).collect();
            counts[there[leaving.index(there.len())]] -= 1;
        }
        let least = subsets(counts.len(), losses).iter().map(|lost| left(&counts, lost)).min();
        let least = i32::try_from(least.expect("there is one")).expect("small");
        if wanted < bounds.1 {
            prop_assert!(least >= bounds.0, "{counts:?} lose {losses} of {wanted}");
        }
        if wanted >= current {
            prop_assert_eq!(step.left, least);
        }
        if to > from && to > current {
            prop_assert!(step.left <= step.need, "{step:?} of {to}");
        }
    }
}
