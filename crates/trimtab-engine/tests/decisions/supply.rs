//! Stage 6 case by case: what is cut, what the plan says, which pool fails and when it is asked again.

use serde_json::{Value, json};
use trimtab_engine::{
    ConditionReason, ConditionStatus, ConditionType, Decision, ObservationRecord, Policy,
    PolicySpec, ScaleUpdate, State, decide_traced, next_deadline, settle,
};
use trimtab_metric::Timestamp;

const START: i64 = 1_795_514_400;

/// A policy that wants one replica per unit of load.
fn policy(supply: Value, more: Value) -> Policy {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 40, "behavior": {},
        "metrics": [{"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "1"}}}],
        "supply": supply,
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    Policy::new(serde_json::from_value::<PolicySpec>(spec).unwrap()).unwrap()
}

fn two_pools() -> Value {
    json!({"gpusPerReplica": 4, "maxPending": 2, "pools": [
        {"name": "reserved", "maxReplicas": 4, "gpusPerNode": 8},
        {"name": "on-demand", "gpusPerNode": 4}]})
}

/// A run of decisions, each carried out.
struct Run {
    policy: Policy,
    state: State,
    replicas: i32,
}

impl Run {
    fn new(policy: Policy, replicas: i32) -> Self {
        let state = State::for_policy(&policy);
        Self { policy, state, replicas }
    }

    fn at(&mut self, seconds: i64, load: i32, pods: Value, supply: Value) -> Decision {
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": START + seconds, "replicas": self.replicas, "pods": pods, "supply": supply,
            "readings": [{"metric": "load", "value": load}],
        }))
        .unwrap();
        let observation = record.resolve(&self.policy).unwrap();
        let (decision, state) = decide_traced(&self.policy, self.state.clone(), &observation);
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        self.replicas = decision.desired_replicas;
        decision
    }

    fn deadline(&self, seconds: i64) -> Option<i64> {
        let scale = trimtab_engine::Scale::steady(self.replicas);
        let observation =
            trimtab_engine::Observation::new(Timestamp::from_secs(START + seconds), scale);
        let at = next_deadline(&self.policy, &self.state, &observation)?;
        Some(at.since(Timestamp::from_secs(START)).as_millis() / 1000)
    }
}

/// So many pods on nodes of a pool, and so many that wait, asked for at these seconds.
fn pods(placed: &[(&str, usize)], waiting: &[i64]) -> Value {
    let mut list = Vec::new();
    for (pool, count) in placed {
        for pod in 0..*count {
            list.push(json!({"name": format!("{pool}-{pod}"), "ready": true, "pool": pool,
                "startTime": START - 5_000, "nodeName": format!("{pool}-{}", pod / 2)}));
        }
    }
    for (index, at) in waiting.iter().enumerate() {
        list.push(json!({"name": format!("waiting-{index}"), "phase": "Pending",
            "creationTimestamp": START + at}));
    }
    Value::Array(list)
}

fn pool(name: &str, free: u32, coming: u32) -> Value {
    json!({"pool": name, "allocatableGpus": 16, "freeGpus": free, "comingGpus": coming})
}

fn limited(decision: &Decision) -> (ConditionStatus, ConditionReason) {
    // One that has never held does not come up by not holding.
    let condition = decision.conditions.get(ConditionType::SupplyLimited);
    let absent = (ConditionStatus::False, ConditionReason::NodesAvailable);
    condition.map_or(absent, |condition| (condition.status, condition.reason))
}

/// Name, starts, missing GPUs, missing nodes, backing off.
type Row = (String, i32, Option<u32>, Option<u32>, bool);

fn plan(decision: &Decision) -> Vec<Row> {
    let plan = decision.supply.as_ref().unwrap();
    plan.pools
        .iter()
        .map(|pool| {
            let off = pool.backing_off_until.is_some();
            (pool.pool.clone(), pool.starts, pool.shortfall_gpus, pool.shortfall_nodes, off)
        })
        .collect()
}

fn row(name: &str, starts: i32, gpus: u32, nodes: u32, off: bool) -> Row {
    (name.to_owned(), starts, Some(gpus), Some(nodes), off)
}

#[test]
fn the_count_exceeds_what_the_nodes_carry_by_what_may_wait() {
    let mut run = Run::new(policy(two_pools(), json!({})), 5);
    let on_nodes = pods(&[("reserved", 4), ("on-demand", 1)], &[]);
    // 5 run, one could start at once, one more soon, and two may wait.
    let supply = json!([pool("reserved", 8, 0), pool("on-demand", 4, 4)]);
    let decision = run.at(0, 20, on_nodes, supply);
    assert_eq!(decision.desired_replicas, 9);
    let expected = (ConditionStatus::True, ConditionReason::NodesPending);
    assert_eq!(limited(&decision), expected);
    // The rate limit let through 10 of the 20; nodes for those are missing: one of four GPUs.
    let supply = decision.supply.as_ref().unwrap();
    assert_eq!((supply.wanted, supply.unplaced), (10, 0));
    let expected = [row("reserved", 0, 0, 0, false), row("on-demand", 4, 12, 3, false)];
    assert_eq!(plan(&decision), expected);
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn what_waits_already_is_part_of_what_may_wait() {
    let mut run = Run::new(policy(two_pools(), json!({})), 7);
    let supply = || json!([pool("reserved", 0, 0), pool("on-demand", 0, 0)]);
    let decision = run.at(0, 20, pods(&[("reserved", 4), ("on-demand", 1)], &[-20, -10]), supply());
    assert_eq!(decision.scale_to, None);
    // A node came for one of them.
    let decision = run.at(15, 20, pods(&[("reserved", 4), ("on-demand", 2)], &[-10]), supply());
    assert_eq!(decision.scale_to, Some(8));
}

#[test]
fn replicas_that_were_never_created_wait_too() {
    let mut run = Run::new(policy(two_pools(), json!({})), 7);
    let supply = json!([pool("reserved", 0, 0), pool("on-demand", 0, 0)]);
    let decision = run.at(0, 20, pods(&[("reserved", 4), ("on-demand", 1)], &[]), supply);
    assert_eq!(decision.scale_to, None);
}

#[test]
fn supply_never_scales_down() {
    let mut run = Run::new(policy(two_pools(), json!({})), 12);
    let supply = json!([pool("reserved", 0, 0), pool("on-demand", 0, 0)]);
    let waiting: Vec<i64> = (0..7).map(|pod| -30 - pod).collect();
    let decision = run.at(0, 20, pods(&[("reserved", 4), ("on-demand", 1)], &waiting), supply);
    assert_eq!(decision.scale_to, None);
}

#[test]
fn what_is_unknown_is_not_zero() {
    let on_nodes = || pods(&[("reserved", 4), ("on-demand", 1)], &[]);
    for (supply, reason) in [
        (Value::Null, ConditionReason::SupplyUnknown),
        (json!([]), ConditionReason::SupplyUnknown),
        (json!([{"pool": "reserved", "freeGpus": 0}]), ConditionReason::SupplyUnknown),
        (json!([pool("reserved", 0, 0), {"pool": "on-demand"}]), ConditionReason::SupplyUnknown),
    ] {
        let mut run = Run::new(policy(two_pools(), json!({})), 5);
        let decision = run.at(0, 20, on_nodes(), supply);
        assert_eq!(decision.desired_replicas, 10); // the rate limit's
        assert_eq!(limited(&decision), (ConditionStatus::Unknown, reason));
        assert_eq!(plan(&decision)[1].2, None); // what is missing is not known
    }
}

#[test]
fn of_an_unknown_pool_its_limit_counts() {
    // The unknown one takes up to 4, and none of the other.
    let mut run = Run::new(policy(two_pools(), json!({})), 5);
    let supply = json!([pool("on-demand", 0, 0)]);
    let decision = run.at(0, 20, pods(&[("reserved", 2), ("on-demand", 3)], &[]), supply);
    assert_eq!(decision.desired_replicas, 5 + 2 + 2);
}

#[test]
fn a_full_pool_spills_over_and_full_pools_are_no_room() {
    let supply = json!({"maxPending": 9, "pools": [
        {"name": "reserved", "maxReplicas": 4}, {"name": "on-demand", "maxGpus": 6}]});
    let fast = json!({"behavior": {"scaleUp": {"policies": [
        {"type": "Percent", "value": 900, "periodSeconds": 60}]}}});
    let mut run = Run::new(policy(supply, fast), 3);
    let seen = json!([{"pool": "reserved", "freeGpus": 0},
        {"pool": "on-demand", "allocatableGpus": 4, "freeGpus": 1, "comingGpus": 1}]);
    let decision = run.at(0, 20, pods(&[("reserved", 3)], &[]), seen);
    // One more on the first; on the second one at once, one soon, and one that its limit leaves.
    assert_eq!(decision.desired_replicas, 3 + 1 + 3);
    assert_eq!(limited(&decision), (ConditionStatus::True, ConditionReason::NoRoom));
    let plan = decision.supply.as_ref().unwrap();
    let starts: Vec<_> = plan.pools.iter().map(|pool| (pool.starts, pool.shortfall_gpus)).collect();
    assert_eq!(starts, [(1, Some(1)), (3, Some(1))]);
    assert_eq!((plan.wanted, plan.unplaced), (20, 13));
}

/// Nothing ever comes to the first pool.
#[test]
fn a_pool_that_fails_backs_off_longer_each_time_and_the_next_one_is_asked() {
    let supply = json!({"maxPending": 2, "pendingAfterSeconds": 60, "backoffSeconds": 100,
        "maxBackoffSeconds": 150, "pools": [{"name": "spot"}, {"name": "on-demand"}]});
    let mut run = Run::new(policy(supply, json!({})), 2);
    let none = || json!([pool("spot", 0, 0), pool("on-demand", 0, 0)]);
    let on_nodes = [("spot", 2)];

    let decision = run.at(0, 9, pods(&on_nodes, &[]), none());
    assert_eq!(decision.desired_replicas, 4);
    assert_eq!(plan(&decision)[0].1, 2);
    let waiting = [1, 1];
    run.at(15, 9, pods(&on_nodes, &waiting), none());
    assert_eq!(run.deadline(15), Some(75)); // waiting was first seen at 15
    let decision = run.at(74, 9, pods(&on_nodes, &waiting), none());
    assert_eq!(plan(&decision).iter().map(|pool| pool.4).collect::<Vec<_>>(), [false, false]);
    let decision = run.at(75, 9, pods(&on_nodes, &waiting), none());
    let starts = |decision: &Decision| -> Vec<(i32, bool)> {
        plan(decision).into_iter().map(|pool| (pool.1, pool.4)).collect()
    };
    assert_eq!(starts(&decision), [(0, true), (2, false)]); // spilled over
    assert_eq!(run.deadline(75), Some(175));
    assert_eq!(decision.scale_to, None);

    // The second one is tried from now on, and fails, too.
    run.at(90, 9, pods(&on_nodes, &waiting), none());
    let decision = run.at(150, 9, pods(&on_nodes, &waiting), none());
    assert_eq!(starts(&decision), [(0, true), (0, true)]);
    assert_eq!(limited(&decision), (ConditionStatus::True, ConditionReason::PoolBackingOff));
    assert_eq!(decision.supply.as_ref().unwrap().unplaced, 6); // of 8 that the rate limit lets through
    insta::assert_snapshot!(decision.explain());

    // The first one is asked again, and this time for longer.
    let decision = run.at(175, 9, pods(&on_nodes, &waiting), none());
    assert_eq!(starts(&decision), [(2, false), (0, true)]);
    let decision = run.at(235, 9, pods(&on_nodes, &waiting), none());
    assert_eq!(starts(&decision), [(0, true), (0, true)]);
    let until = decision.supply.as_ref().unwrap().pools[0].backing_off_until;
    assert_eq!(until, Some(Timestamp::from_secs(START + 235 + 150))); // at most
    assert_eq!(run.state.envelope.as_ref().unwrap().supply.as_ref().unwrap().pools.len(), 2);

    // A node came for one of them, and the pool is as good as new.
    let decision = run.at(245, 9, pods(&[("spot", 3)], &waiting[..1]), none());
    assert_eq!(starts(&decision), [(2, false), (0, true)]);
    assert_eq!(decision.scale_to, Some(5));
}

#[test]
fn nodes_on_their_way_are_no_failure_and_free_ones_end_it() {
    let supply = json!({"maxPending": 2, "pendingAfterSeconds": 60, "backoffSeconds": 1000,
        "pools": [{"name": "spot"}]});
    let mut run = Run::new(policy(supply, json!({})), 4);
    let (on_nodes, waiting) = ([("spot", 2)], [-100, -100]);
    let off = |decision: &Decision| plan(decision)[0].4;
    // With one pool, they have waited for it since they were asked for.
    assert!(!off(&run.at(0, 9, pods(&on_nodes, &waiting), json!([pool("spot", 0, 2)]))));
    assert!(off(&run.at(15, 9, pods(&on_nodes, &waiting), json!([pool("spot", 0, 0)]))));
    assert!(off(&run.at(30, 9, pods(&on_nodes, &waiting), json!([pool("spot", 0, 1)]))));
    assert!(!off(&run.at(45, 9, pods(&on_nodes, &waiting), json!([pool("spot", 1, 0)]))));
    // What still waits then has waited since then.
    assert!(!off(&run.at(60, 9, pods(&on_nodes, &waiting), json!([pool("spot", 0, 0)]))));
    assert!(off(&run.at(105, 9, pods(&on_nodes, &waiting), json!([pool("spot", 0, 0)]))));
}

#[test]
fn a_failure_is_forgiven_when_nobody_waits_for_long() {
    let supply = json!({"pendingAfterSeconds": 60, "backoffSeconds": 100, "maxBackoffSeconds": 200,
        "pools": [{"name": "spot"}]});
    let mut run = Run::new(policy(supply, json!({})), 3);
    let none = || json!([pool("spot", 0, 0)]);
    run.at(0, 3, pods(&[("spot", 2)], &[-100]), none());
    let failures = |run: &Run| {
        let supply = run.state.envelope.as_ref()?.supply.as_ref()?;
        supply.pools.first().map(|pool| pool.failures)
    };
    run.replicas = 2;
    for (seconds, expected) in [(60, Some(1)), (299, Some(1)), (300, None)] {
        run.at(seconds, 2, pods(&[("spot", 2)], &[]), none());
        assert_eq!(failures(&run), expected, "at {seconds} s");
    }
}

#[test]
fn a_workload_that_sleeps_has_one_replica_wait() {
    let more = json!({"minReplicas": 0, "strategy": "knative", "behavior": null});
    let supply = json!({"maxPending": 0, "pools": [{"name": "spot"}]});
    let mut run = Run::new(policy(supply, more), 0);
    let decision = run.at(0, 9, json!([]), json!([pool("spot", 0, 0)]));
    assert_eq!(decision.desired_replicas, 1);
}

#[test]
fn a_count_by_hand_is_planned_and_not_cut() {
    let until = Timestamp::from_secs(START + 1_000).to_string();
    let more = json!({"override": {"replicas": 30, "until": until}});
    let mut run = Run::new(policy(two_pools(), more), 5);
    let supply = json!([pool("reserved", 0, 0), pool("on-demand", 0, 0)]);
    let decision = run.at(0, 20, pods(&[("reserved", 4), ("on-demand", 1)], &[]), supply);
    assert_eq!(decision.desired_replicas, 30);
    assert_eq!(limited(&decision).0, ConditionStatus::False);
    assert_eq!(plan(&decision)[1], row("on-demand", 25, 100, 25, false));
}

#[test]
fn pods_of_other_pools_count_and_take_no_room() {
    let supply = json!({"maxPending": 1, "pools": [{"name": "spot", "maxReplicas": 3}]});
    let mut run = Run::new(policy(supply, json!({})), 4);
    let supply = json!([pool("spot", 1, 0)]);
    let decision = run.at(0, 20, pods(&[("legacy", 3), ("spot", 1)], &[]), supply);
    assert_eq!(decision.desired_replicas, 4 + 2);
}

#[test]
fn records_that_do_not_fit_say_what_would_be_right() {
    let supply = json!({"pools": [{"name": "spot"}, {"name": "big", "gpusPerNode": 8}]});
    let policy = policy(supply, json!({}));
    let resolve = |supply: Value| {
        let record = json!({"time": START, "replicas": 1, "supply": supply});
        let record: ObservationRecord = serde_json::from_value(record).unwrap();
        record.resolve(&policy).map_err(|error| error.to_string())
    };
    let error = |supply: Value| resolve(supply).unwrap_err();
    insta::assert_snapshot!(error(json!([{"pool": "sport"}])), @"the policy has no pool `sport`: its `supply.pools` are `spot`, `big`");
    insta::assert_snapshot!(error(json!([{"pool": "spot"}, {"pool": "spot"}])), @"pool `spot` is listed twice in `supply`: give all of it in one entry");
    insta::assert_snapshot!(error(json!([{"pool": "spot", "freeGpus": 1, "comingNodes": 2}])), @"pool `spot` has `comingNodes`, and the policy does not say how many GPUs those have: give `comingGpus`, or set `gpusPerNode` in the policy");
    let seen = resolve(json!([{"pool": "big", "freeGpus": 1, "comingNodes": 2}])).unwrap();
    let pools = seen.supply.unwrap().pools;
    assert_eq!((pools[0], pools[1].map(|pool| pool.coming_gpus)), (None, Some(16)));
}

#[test]
fn policies_that_break_a_rule_are_refused() {
    let errors = |supply: Value, redundancy: Value| {
        let spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "maxReplicas": 4, "supply": supply, "redundancy": redundancy});
        let refused = Policy::new(serde_json::from_value(spec).unwrap()).unwrap_err();
        refused.errors().iter().map(|error| format!("{error}\n")).collect::<String>()
    };
    insta::assert_snapshot!(errors(
        json!({"gpusPerReplica": 4, "maxPending": -1, "backoffSeconds": 60, "maxBackoffSeconds": 30,
            "pendingAfterSeconds": 0, "pools": [{"name": "a", "gpusPerNode": 2}, {"name": "a"},
            {"maxReplicas": 0, "maxGpus": 3}]}),
        json!({"domains": 0}),
    ));
    insta::assert_snapshot!(errors(json!({}), json!({"surviveDomainLosses": 2, "domains": 2})));
}
