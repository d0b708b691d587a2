//! From an observation with names to one without: what is missing, what is wrong, what is extra.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    MetricReading, Observation, ObservationError, ObservationRecord, PodReadings, Policy,
    PolicySpec, Unavailable,
};
use trimtab_metric::{Reading, Sample, Span, Timestamp};

fn policy() -> Policy {
    let average = json!({"type": "AverageValue", "averageValue": "4"});
    let spec: PolicySpec = serde_json::from_value(json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 20,
        "metrics": [
            {"type": "Pods", "pods": {"metric": {"name": "waiting"}, "target": average}},
            {"type": "External", "external": {"metric": {"name": "queue"}, "target": average}},
            {"type": "Object", "object": {
                "metric": {"name": "rate"}, "target": average,
                "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "gateway"}}},
            {"type": "Resource", "resource": {"name": "cpu", "target": average}},
        ],
    }))
    .expect("a policy");
    Policy::new(spec).expect("a valid policy")
}

fn resolve(fields: Value) -> Result<Observation, ObservationError> {
    let mut record = json!({
        "time": 0, "replicas": 2, "pods": [{"name": "a", "ready": true}, {"name": "b"}]});
    for (field, value) in fields.as_object().expect("an object") {
        record[field] = value.clone();
    }
    let record: ObservationRecord = serde_json::from_value(record).expect("a record");
    record.resolve(&policy())
}

fn readings(readings: Value) -> Vec<MetricReading> {
    resolve(json!({"readings": readings})).expect("it fits").readings
}

const MISSING: MetricReading = MetricReading::Unavailable(Unavailable::Missing);
const INVALID: MetricReading = MetricReading::Unavailable(Unavailable::Invalid);

#[test]
fn what_is_not_there_is_missing() {
    assert_eq!(readings(json!([])), [MISSING, MISSING, MISSING, MISSING]);
    let empty =
        readings(json!([{"metric": "waiting", "pods": {}}, {"metric": "queue", "values": []}]));
    assert_eq!(empty[..2], [MISSING, MISSING]);
}

#[test]
fn one_series_may_be_written_as_one_value() {
    let one =
        readings(json!([{"metric": "queue", "value": "3500m"}, {"metric": "rate", "value": 2}]));
    assert_eq!(one[1..3], [MetricReading::Totals(vec![3_500]), MetricReading::Total(2_000)]);
}

#[test]
fn what_fits_no_integer_is_invalid() {
    let large = readings(json!([
        {"metric": "waiting", "pods": {"a": "1E", "b": "2"}},
        {"metric": "queue", "values": ["1", "10E"]},
        {"metric": "rate", "value": "-9e30"},
    ]));
    let MetricReading::PerPod(waiting) = &large[0] else { panic!("{large:?}") };
    assert_eq!(waiting.reported(), 1);
    assert_eq!(large[1..3], [INVALID, INVALID]);
}

#[test]
fn a_source_may_say_why_it_has_nothing() {
    let stale = readings(json!([{"metric": "queue", "unavailable": "stale"}]));
    assert_eq!(stale[1], MetricReading::Unavailable(Unavailable::Stale));
}

#[test]
fn a_form_that_the_type_does_not_have_is_refused() {
    for (metric, wrong) in [
        ("waiting", json!({"value": 1})),
        ("queue", json!({"pods": {"a": 1}})),
        ("queue", json!({"value": 1, "values": [1]})),
        ("rate", json!({"values": [1]})),
        ("cpu", json!({"value": 1})),
        ("rate", json!({})),
    ] {
        let mut reading = wrong;
        reading["metric"] = json!(metric);
        let error = resolve(json!({"readings": [reading]})).expect_err("it does not fit");
        assert!(matches!(error, ObservationError::WrongForm { .. }), "{error}");
    }
}

#[test]
fn each_metric_takes_one_reading() {
    let twice = json!([{"metric": "queue", "value": 1}, {"metric": "queue", "value": 2}]);
    let error = resolve(json!({"readings": twice})).expect_err("one is left over");
    assert_eq!(
        error.to_string(),
        "no metric is left to take the reading of `queue`: the policy has `waiting`, `queue`, \
         `rate`, `cpu`, one reading each"
    );
}

#[test]
fn counts_and_names_are_checked() {
    let error = resolve(json!({"replicas": -1})).expect_err("a negative count");
    assert_eq!(error.to_string(), "`replicas` is -1: a count is 0 or more");
    let error = resolve(json!({"pods": [{"name": "a"}, {"name": "a"}]})).expect_err("a twin");
    assert!(matches!(error, ObservationError::DuplicatePod { .. }));
}

#[test]
fn a_resource_comes_from_the_resource_metrics_unless_it_has_a_reading() {
    let metrics = json!([
        {"pod": "a", "containers": [
            {"name": "server", "usage": {"cpu": "1"}}, {"name": "proxy", "usage": {"cpu": "500m"}}]},
        {"pod": "b", "containers": []},
        {"pod": "gone", "containers": [{"name": "server", "usage": {"cpu": "3"}}]},
    ]);
    let observation = resolve(json!({"podMetrics": metrics.clone()})).expect("it fits");
    let MetricReading::PerPod(cpu) = &observation.readings[3] else { panic!("no reading") };
    assert_eq!(cpu.reported(), 1);
    let own = json!([{"metric": "cpu", "pods": {"a": "2", "b": "2"}}]);
    let observation = resolve(json!({"podMetrics": metrics, "readings": own})).expect("it fits");
    let MetricReading::PerPod(cpu) = &observation.readings[3] else { panic!("no reading") };
    assert_eq!(cpu.reported(), 2);
}

/// Kubernetes' own milli-units of such a quantity depend on how it is written; a reading's do not,
/// or a logged decision would replay differently.
#[test]
fn a_large_negative_reading_survives_being_written_down() {
    let milli = -1_000_000_000_000_000_001;
    let value = trimtab_metric::Quantity::from_milli(milli);
    let read = readings(json!([{"metric": "rate", "value": value.to_string()}]));
    assert_eq!(read[2], MetricReading::Total(milli));
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let distinct = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>();
    proptest::collection::btree_set("[ab]{1,3}", 0..8).prop_map(distinct).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// In whatever order pods and samples come: each pod has the last sample of its name, and those of
    /// others stand beside the pods.
    #[test]
    fn samples_find_their_pods(
        pods in names(),
        samples in proptest::collection::vec(("[ab]{1,3}", 0_i64..9), 0..10),
    ) {
        let last: BTreeMap<&str, i64> =
            samples.iter().map(|(pod, units)| (pod.as_str(), units * 1_000)).collect();
        let mut expected = PodReadings::default();
        for (_, milli) in last.iter().filter(|(pod, _)| !pods.iter().any(|name| name == **pod)) {
            expected.push_unlisted(*milli);
        }
        let (at, window) = (Timestamp::from_secs(0), Span::from_secs(60));
        for pod in &pods {
            let milli = last.get(pod.as_str());
            let value = |milli: &i64| Reading::Value(Sample { milli: *milli, at, window });
            expected.push(milli.map_or(Reading::Missing, value));
        }
        let expected = if samples.is_empty() { MISSING } else { MetricReading::PerPod(expected) };

        let entry = |(pod, units): &(String, i64)| {
            let usage = json!({"cpu": units.to_string()});
            json!({"pod": pod, "containers": [{"name": "server", "usage": usage}]})
        };
        let metrics: Vec<Value> = samples.iter().map(entry).collect();
        let by_name: BTreeMap<&str, String> =
            last.iter().map(|(pod, milli)| (*pod, (milli / 1_000).to_string())).collect();
        let pods: Vec<Value> = pods.iter().map(|name| json!({"name": name})).collect();
        let own = json!([{"metric": "waiting", "pods": by_name}]);
        let seen = resolve(json!({"pods": pods, "podMetrics": metrics, "readings": own})).unwrap();
        prop_assert_eq!(&seen.readings[0], &expected);
        prop_assert_eq!(&seen.readings[3], &expected);
    }

    /// A name that is there twice is found, wherever it is.
    #[test]
    fn twins_are_found(pods in names(), at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        prop_assume!(!pods.is_empty());
        let twin = at.get(&pods).clone();
        let mut twice = pods.clone();
        twice.insert(to.index(pods.len() + 1), twin.clone());
        let listed = |pods: &[String]| {
            let pods: Vec<Value> = pods.iter().map(|name| json!({"name": name})).collect();
            resolve(json!({"pods": pods}))
        };
        prop_assert!(listed(&pods).is_ok());
        prop_assert_eq!(listed(&twice), Err(ObservationError::DuplicatePod { name: twin }));
    }
}
