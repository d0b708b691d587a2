//! Pools that bring no more nodes: what an HPA asks for all the same, and what a policy with `supply`
//! makes of it.

use trimtab_engine::{CapacityType, ConditionReason, ConditionType, DecisionRecord, PodPhase};
use trimtab_sim::{Candidate, Plan, Quiet, Request, Simulated, SimulationError, Site};

use crate::support::{Fleet, Kept, Listed, a100, cluster, policy, request};

/// Room for two replicas on reserved nodes and for three on spot nodes, and never for more.
const SCARCE: &str = "\
start: {leadTimeSeconds: 30}
control: {initialReplicas: 1}
pools:
- {name: reserved, maxNodes: 2, zone: a}
- {name: spot, maxNodes: 3, zone: b, spot: {availability: {steps: [{atSeconds: 0, nodes: 3}]}}}
";

/// One replica for each request in flight, at once.
const HPA: &str = "\
maxReplicas: 40
behavior:
  scaleUp: {policies: [{type: Percent, value: 900, periodSeconds: 15}]}
  scaleDown: {stabilizationWindowSeconds: 3600}
metrics:
- {type: Pods, pods: {metric: {name: requests_running}, target: {type: AverageValue, averageValue: 1}}}
";

const SUPPLY: &str = "supply:
  maxPending: 2
  pendingAfterSeconds: 60
  pools: [{name: reserved}, {name: spot}]
";

/// Long answers, about 20 of them at a time.
fn watched(policy_text: &str) -> Result<(Simulated, Vec<DecisionRecord>), SimulationError> {
    let requests = (0..1200).map(|number| request(f64::from(number) * 0.5, 500, 800));
    on_requests(policy_text, requests.collect())
}

fn on_requests(
    policy_text: &str,
    requests: Vec<Request>,
) -> Result<(Simulated, Vec<DecisionRecord>), SimulationError> {
    let mut kept = Kept::default();
    let done = Fleet::new(a100(), SCARCE, policy_text).watched(&Listed(requests), &mut kept)?;
    Ok((done, kept.0))
}

fn pending(record: &DecisionRecord) -> usize {
    let pods = record.observation.pods.iter();
    pods.filter(|pod| pod.phase == PodPhase::Pending).count()
}

fn most_pending(records: &[DecisionRecord]) -> usize {
    records.iter().map(pending).max().unwrap_or(0)
}

/// kubernetes#79158, #76187, llm-d-autoscaling#1331: an HPA that goes by its metrics asks for pods for which no
/// node ever comes, and they pile up.
#[test]
fn pods_waiting_for_nodes_that_never_come() {
    let (_, records) = watched(HPA).unwrap();
    assert!(most_pending(&records) >= 15, "{}", most_pending(&records));
    // A policy that does not ask is told nothing of nodes.
    let told = |record: &DecisionRecord| {
        let observation = &record.observation;
        observation.supply.is_some()
            || observation.pods.iter().any(|pod| {
                pod.pool.is_some() || pod.node_name.is_some() || pod.creation_timestamp.is_some()
            })
    };
    assert!(!records.iter().any(told));

    let (_, records) = watched(&format!("{HPA}{SUPPLY}")).unwrap();
    assert_eq!(most_pending(&records), 2);
}

#[test]
fn with_supply_at_most_max_pending_wait_and_the_second_pool_takes_what_the_first_does_not() {
    let (_, records) = watched(&format!("{HPA}{SUPPLY}")).unwrap();
    let last = records.last().unwrap();
    assert_eq!(last.decision.desired_replicas, 5 + 2);
    let limited = |record: &&DecisionRecord| {
        let condition = record.decision.conditions.get(ConditionType::SupplyLimited);
        condition.is_some_and(|it| it.reason == ConditionReason::NodesPending)
    };
    assert!(records.iter().filter(limited).count() > 1);
    assert!(last.decision.conditions.is_true(ConditionType::SupplyLimited));

    // The first pool is full and brings nothing: it backs off, and the second is asked for nodes.
    let spilled = records.iter().find_map(|record| {
        let plan = record.decision.supply.as_ref()?;
        let [reserved, spot] = plan.pools.as_slice() else { return None };
        let off = reserved.backing_off_until?;
        (spot.starts > 0).then_some((reserved.clone(), spot.clone(), off))
    });
    let (reserved, spot, _) = spilled.unwrap();
    assert_eq!((reserved.placed, reserved.starts, reserved.shortfall_gpus), (2, 0, Some(0)));
    assert_eq!((spot.placed, spot.starts), (3, 2));
    assert!(spot.shortfall_gpus > Some(2)); // the nodes that the load would need
}

#[test]
fn pods_say_where_they_run() {
    let (_, records) = watched(&format!("{HPA}{SUPPLY}")).unwrap();
    let observation = &records.last().unwrap().observation;
    let on = |pool: &str| {
        let pods = observation.pods.iter();
        let pods = pods.filter(move |pod| pod.pool.as_deref() == Some(pool));
        pods.map(|pod| (pod.zone.as_deref(), pod.capacity_type, pod.node_name.is_some()))
            .collect::<Vec<_>>()
    };
    assert_eq!(on("reserved"), [(Some("a"), CapacityType::OnDemand, true); 2]);
    assert_eq!(on("spot"), [(Some("b"), CapacityType::Spot, true); 3]);
    assert!(observation.pods.iter().all(|pod| pod.creation_timestamp.is_some()));
    let supply = observation.supply.as_ref().unwrap();
    let gpus: Vec<_> = supply.iter().map(|pool| (pool.allocatable_gpus, pool.free_gpus)).collect();
    assert_eq!(gpus, [(Some(2), Some(0)), (Some(3), Some(0))]);
}

#[test]
fn decisions_with_supply_are_made_again_from_the_log() {
    let (policy, _) = policy(&format!("{HPA}{SUPPLY}"));
    let (_, records) = watched(&format!("{HPA}{SUPPLY}")).unwrap();
    for record in &records {
        let text = serde_json::to_string(record).unwrap();
        let read: DecisionRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(&read.again(&policy).unwrap(), record);
    }
}

/// New replicas are taken to go where the fewest are, and here they go to the first pool. So the next
/// decision asks for more, until enough are in the other zone.
#[test]
fn enough_replicas_come_to_be_outside_of_any_zone() {
    let text = format!("{HPA}minReplicas: 2\nredundancy: {{surviveDomainLosses: 1, domains: 2}}\n");
    let requests = (0..60).map(|number| request(f64::from(number) * 10.0, 50, 2)).collect();
    let (_, records) = on_requests(&text, requests).unwrap();
    let last = records.last().unwrap();
    assert_eq!(last.decision.desired_replicas, 4);
    for zone in ["a", "b"] {
        let pods = last.observation.pods.iter();
        assert_eq!(pods.filter(|pod| pod.zone.as_deref() == Some(zone)).count(), 2, "{zone}");
    }
    assert!(last.observation.supply.is_none()); // that is for those who ask
}

#[test]
fn a_policy_that_speaks_of_other_pools_or_replicas_is_refused() {
    let error =
        |supply: &str| watched(&format!("{HPA}supply: {supply}\n")).unwrap_err().to_string();
    insta::assert_snapshot!(error("{pools: [{name: on-demand}]}"), @"the policy's `supply.pools` has `on-demand`, and the cluster's pools are `reserved`, `spot`: give them the same names");
    insta::assert_snapshot!(error("{gpusPerReplica: 2, pools: [{name: spot}]}"), @"the policy's `supply.gpusPerReplica` is 2, and a replica of `llama-3.1-8b-a100` has 1 GPUs");
}

#[test]
fn a_backtest_takes_policies_with_and_without_supply() {
    let profile = a100();
    let candidate = |name: &str, text: &str| {
        let (policy, bindings) = policy(text);
        Candidate {
            name: name.to_owned(),
            tuning: Default::default(),
            policy,
            bindings,
            to_beat: None,
        }
    };
    let requests = (0..600).map(|number| request(f64::from(number) * 0.5, 500, 800)).collect();
    let cluster = cluster(&profile, SCARCE);
    let plan = Plan {
        profile,
        objectives: vec!["ttft<=60s".parse().unwrap()],
        seed: 1,
        workloads: vec![Box::new(Listed(requests))],
        sites: vec![Site { lead_time: String::new(), cluster }],
        candidates: vec![
            candidate("hpa", HPA),
            candidate("with supply", &format!("{HPA}{SUPPLY}")),
        ],
        timelines: true,
        details: Vec::new(),
    };
    let mut backtest = plan.run(1, &Quiet).unwrap();
    let runs = backtest.comparisons.remove(0).runs;
    let [hpa, with_supply] = runs.as_slice() else { panic!("two took part") };
    // No more nodes come for asking more; what is asked for in vain is not there to go when load falls.
    assert_eq!(hpa.requests, with_supply.requests);
    assert_eq!(hpa.starts, with_supply.starts);
}
