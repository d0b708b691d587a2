//! The same seed gives the same bytes: with any number of threads, on any platform, whoever else
//! takes part, and again from the decision log.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use trimtab_engine::DecisionRecord;
use trimtab_sim::{Backtest, Candidate, Plan, Quiet, Random, Request, ServiceProfile, Site};

use crate::support::{Listed, a100, cluster, policy, request};

/// All that chance decides: starts, wakes, losses, notices, lost scrapes.
const CLUSTER: &str = "gateway: {queueCapacity: 500, routing: RoundRobin, queueTimeoutSeconds: 120}
warmPool: {size: 1}
pools:
- {name: reserved, maxNodes: 2, gpusPerNode: 2, lossesPerNodeHour: 2}
- name: spot
  gpusPerNode: 2
  idleSeconds: 60
  spot:
    availability:
      steps: [{atSeconds: 0, nodes: 3}, {atSeconds: 400, nodes: 1}, {atSeconds: 600, nodes: 4}]
      repeatSeconds: 900
metrics: {lossProbability: 0.1}";

const POLICIES: [&str; 2] = [
    "minReplicas: 1
maxReplicas: 10
behavior: {scaleDown: {stabilizationWindowSeconds: 120}}
metrics:
- {type: Pods, pods: {metric: {name: requests_running}, target: {type: AverageValue, averageValue: 12}}}
- {type: External, external: {metric: {name: ttft_p95}, target: {type: Value, value: 1500m}}}",
    "minReplicas: 2
maxReplicas: 6
metrics:
- {type: Pods, pods: {metric: {name: kv_cache_usage_ratio}, target: {type: AverageValue, averageValue: 0.5}}}",
];

/// Half an hour with waves and bursts in it.
fn requests(seed: u64) -> Vec<Request> {
    let mut random = Random::new(seed, "determinism");
    let mut at = 0.0;
    let mut requests = Vec::new();
    while at < 1_800.0 {
        let wave = 4.0 + 3.0 * libm::sin(at / 150.0);
        at += random.gamma(0.4, 1.0 / wave);
        let input_tokens = random.lognormal(6.5, 0.8) as u32 + 1;
        let output_tokens = random.lognormal(4.5, 0.9) as u32 + 1;
        requests.push(request(at, input_tokens, output_tokens));
    }
    requests
}

fn candidate(text: &str) -> Candidate {
    let (policy, bindings) = policy(text);
    let name = policy.digest().to_string();
    Candidate { name, tuning: BTreeMap::new(), policy, bindings, to_beat: None }
}

fn plan(seed: u64, policies: &[&str]) -> Plan {
    let profile = ServiceProfile { kv_tokens: 60_000, ..a100() };
    let site = |lead_time: &str| Site {
        lead_time: lead_time.to_owned(),
        cluster: cluster(&profile, &format!("{CLUSTER}\nstart: {lead_time}")),
    };
    Plan {
        objectives: vec!["ttft<=2s".parse().unwrap(), "e2e<=60s@90%".parse().unwrap()],
        seed,
        workloads: vec![Box::new(Listed(requests(1))), Box::new(Listed(requests(2)))],
        sites: vec![site("{}"), site("{leadTimeSeconds: 60}")],
        candidates: policies.iter().map(|text| candidate(text)).collect(),
        timelines: true,
        details: Vec::new(),
        profile,
    }
}

fn run(seed: u64, policies: &[&str], jobs: usize) -> Backtest {
    plan(seed, policies).run(jobs, &Quiet).unwrap()
}

/// Both policies, in two threads.
static BOTH: LazyLock<Backtest> = LazyLock::new(|| run(7, &POLICIES, 2));

fn bytes(backtest: &Backtest) -> String {
    serde_json::to_string(backtest).unwrap()
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn threads_change_nothing() {
    assert_eq!(bytes(&run(7, &POLICIES, 1)), bytes(&BOTH));
}

/// Whoever has something to beat runs to the end, as without it, or costs more or misses an objective.
#[test]
fn what_ends_early_could_not_win() {
    let (mut early, mut dear) = (0, 0);
    for (text, objective) in
        POLICIES.iter().flat_map(|text| [(text, "ttft<=2s@50%"), (text, "ttft<=2s@99.9%")])
    {
        let mut plan = plan(7, &[text]);
        plan.workloads.truncate(1);
        plan.sites.truncate(1);
        plan.objectives = vec![objective.parse().unwrap()];
        let to_the_end = plan.run(1, &Quiet).unwrap().comparisons[0].runs[0].clone();
        let (cost, met) = (to_the_end.cost, to_the_end.attainment[0].met);
        for to_beat in [0.5, 0.99, 2.0].map(|share| share * cost) {
            plan.candidates[0].to_beat = Some(to_beat);
            let run = plan.run(1, &Quiet).unwrap().comparisons[0].runs[0].clone();
            if run.ended_early {
                assert!(cost > to_beat || !met);
                assert!(run.cost > to_beat || !run.attainment[0].met);
                assert!(run.requests.arrived <= to_the_end.requests.arrived);
                early += 1;
                dear += u32::from(run.cost > to_beat);
            } else {
                assert_eq!(run, to_the_end);
            }
        }
    }
    assert!(early > dear && dear > 1, "{early} ended early, {dear} for what they cost");
}

/// Debug, release and every platform agree. What this is was never worked out by hand: a change of
/// it is a change of results, and belongs in the changelog.
#[test]
fn the_results_are_pinned() {
    let mut backtest = BOTH.clone();
    // A new version alone changes nothing.
    backtest.settings.trimtab = String::new();
    assert_eq!(format!("{:016x}", hash(&bytes(&backtest))), "2f7112f5e5c4a296");
}

#[test]
fn another_seed_gives_other_results() {
    let policies = POLICIES.get(..1).unwrap();
    for (one, two) in BOTH.comparisons.iter().zip(run(8, policies, 2).comparisons) {
        assert_eq!(one.workload, two.workload);
        assert_ne!(one.runs.first(), two.runs.first());
    }
}

#[test]
fn who_else_takes_part_changes_nothing() {
    let alone = run(7, POLICIES.get(..1).unwrap(), 2);
    for (alone, both) in alone.comparisons.into_iter().zip(BOTH.comparisons.clone()) {
        assert_eq!(alone.bound, both.bound);
        let (mut alone, mut both) = (alone.runs.into_iter(), both.runs.into_iter());
        let (mut alone, mut both) = (alone.next().unwrap(), both.next().unwrap());
        // All but how it compares.
        (alone.on_front, both.on_front) = (true, true);
        assert_eq!(alone, both);
    }
}

/// A run ends with its last request, not with whatever its policy does next: some decide every two seconds, others every
/// fifteen.
#[test]
fn a_fleet_that_stays_costs_the_same_whoever_decides() {
    const METRICS: &str = "minReplicas: 4
maxReplicas: 4
metrics:
- {type: External, external: {metric: {name: ongoing_requests}, target: {type: AverageValue, averageValue: 8}}}";
    let strategies = ["hpa", "keda", "knative", "rayServe", "slo", "slo\nslo: {sampling: {}}"];
    let policies = strategies.map(|strategy| format!("{METRICS}\nstrategy: {strategy}"));
    let mut plan = plan(7, &policies.each_ref().map(String::as_str));
    for (site, last) in plan.sites.iter_mut().zip([1_799.0, 1_804.5]) {
        site.cluster = cluster(&plan.profile, "start: {leadTimeSeconds: 60}");
        plan.workloads.push(Box::new(Listed(vec![request(0.0, 100, 10), request(last, 100, 10)])));
    }
    for comparison in plan.run(2, &Quiet).unwrap().comparisons {
        let (first, others) = comparison.runs.split_first().unwrap();
        assert_eq!(others.len(), 5);
        for run in others {
            let name = (&comparison.workload.name, &run.policy);
            assert_eq!(run.cost, first.cost, "{name:?}");
            assert_eq!(run.replica_seconds, first.replica_seconds, "{name:?}");
            assert_eq!(run.attainment, first.attainment, "{name:?}");
        }
    }
}

#[test]
fn the_decision_log_replays() {
    let plan = plan(7, &POLICIES);
    let runs = BOTH.comparisons.first().map(|first| &first.runs).unwrap();
    let mut changes = 0;
    for (candidate, run) in plan.candidates.iter().zip(runs) {
        let mut log = Vec::new();
        let mut write = |record: &DecisionRecord| {
            log.push(serde_json::to_string(record)?);
            Ok(())
        };
        plan.record(candidate, &mut write).unwrap();
        for line in &log {
            let record: DecisionRecord = serde_json::from_str(line).unwrap();
            assert_eq!(record.again(&candidate.policy).unwrap(), record);
        }
        assert_eq!(run.decisions, log.len() as u64);
        changes += log.iter().filter(|line| line.contains("\"scaleTo\":")).count();
    }
    assert!(changes > 10, "{changes}");
}

/// Ray Serve is asked ten times a second, of samples that are reported every ten.
#[test]
fn so_does_that_of_a_strategy_with_samples_of_its_own() {
    let ray = "strategy: rayServe
minReplicas: 1
maxReplicas: 10
metrics:
- {type: External, external: {metric: {name: ongoing_requests}, target: {type: AverageValue, averageValue: 8}}}
rayServe: {initialReplicas: 2, upscaleDelaySeconds: 5, downscaleDelaySeconds: 120}";
    let plan = plan(7, &[ray]);
    let candidate = plan.candidates.first().unwrap();
    let (mut ticks, mut ups, mut downs) = (0, 0, 0);
    let mut again = |record: &DecisionRecord| {
        let text = serde_json::to_string(record)?;
        let read: DecisionRecord = serde_json::from_str(&text)?;
        assert_eq!(read.again(&candidate.policy).unwrap(), *record);
        let decision = &record.decision;
        ticks += 1;
        ups += u32::from(decision.scale_to > Some(decision.current_replicas));
        downs += u32::from(decision.scale_to.is_some_and(|to| to < decision.current_replicas));
        Ok(())
    };
    plan.record(candidate, &mut again).unwrap();
    assert!(ticks > 18_000 && ups > 2 && downs > 2, "{ticks} ticks, {ups} up, {downs} down");
}
