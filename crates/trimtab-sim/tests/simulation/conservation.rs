//! What adds up, whatever arrives, wherever it is served and whoever decides: every request ends
//! once, every replica-second is in one state, and nothing is had for less than the bound.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trimtab_engine::DecisionRecord;
use trimtab_sim::cluster::{
    AvailabilitySpec, AvailabilityStep, Control, Delay, GatewaySpec, Metrics, PoolSpec, Routing,
    SpotSpec, Start, WarmPool,
};
use trimtab_sim::{
    Candidate, Cluster, ClusterSpec, Moment, Objective, Plan, Quiet, Request, ServiceProfile,
    Simulated, Simulation, Site, Watch,
};

use crate::support::{Listed, a100, cluster, policy, request};

/// Small enough that a handful of requests fills it.
fn profile() -> ServiceProfile {
    ServiceProfile { kv_tokens: 3_000, max_sequences: 8, max_batched_tokens: 512, ..a100() }
}

const POLICIES: [&str; 5] = [
    "minReplicas: 2
maxReplicas: 2
metrics:
- {type: Pods, pods: {metric: {name: requests_running}, target: {type: AverageValue, averageValue: 1}}}",
    "minReplicas: 1
maxReplicas: 6
behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
metrics:
- {type: External, external: {metric: {name: requests_in_flight}, target: {type: AverageValue, averageValue: 3}}}
hpa: {syncPeriodSeconds: 5}",
    "minReplicas: 1
maxReplicas: 4
behavior:
  scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 15}]}
  scaleDown: {stabilizationWindowSeconds: 30, policies: [{type: Percent, value: 50, periodSeconds: 15}]}
metrics:
- {type: Pods, pods: {metric: {name: kv_cache_usage_ratio}, target: {type: AverageValue, averageValue: 0.3}}}",
    "minReplicas: 1
maxReplicas: 8
behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
metrics:
- {type: External, external: {metric: {name: requests_per_second}, target: {type: AverageValue, averageValue: 0.2}}}
hpa: {syncPeriodSeconds: 10, tolerance: 0}",
    "minReplicas: 1
maxReplicas: 5
metrics:
- {type: External, external: {metric: {name: ttft_p95}, target: {type: Value, value: 500m}}}",
];

/// The objectives of every run; the first request that is served in time meets them.
fn objectives() -> Vec<Objective> {
    ["ttft<=5s@1%", "tpot<=30ms@1%", "e2e<=30s@1%"].map(|text| text.parse().unwrap()).to_vec()
}

fn fixed(seconds: f64) -> Delay {
    Delay::fixed(seconds).unwrap()
}

/// Some arrive at once, some after a silence, and some are longer than the cache.
fn requests() -> impl Strategy<Value = Vec<Request>> {
    let gap = prop_oneof![Just(0.0), 0.0_f64..2.0, 0.0_f64..2.0, 20.0_f64..150.0];
    let tokens = prop_oneof![8 => 1_u32..1_200, 1 => 2_900_u32..3_100];
    prop::collection::vec((gap, tokens, 1_u32..400), 1..120).prop_map(|rows| {
        let mut at = 0.0;
        let place = |(gap, input_tokens, output_tokens)| {
            at += gap;
            request(at, input_tokens, output_tokens)
        };
        rows.into_iter().map(place).collect()
    })
}

prop_compose! {
    fn gateway()(
        queue_capacity in prop_oneof![Just(0), 1_u32..20, Just(10_000)],
        max_requests_per_replica in prop::option::of(1_u32..12),
        round_robin: bool,
        queue_timeout_seconds in prop::option::of(0.5_f64..60.0),
    ) -> GatewaySpec {
        let routing = if round_robin { Routing::RoundRobin } else { Routing::LeastLoaded };
        GatewaySpec { queue_capacity, max_requests_per_replica, routing, queue_timeout_seconds }
    }
}

fn steps() -> impl Strategy<Value = AvailabilitySpec> {
    prop::collection::vec((10.0_f64..200.0, 0_u32..4), 1..6).prop_map(|rows| {
        let mut at_seconds = 0.0;
        let step = |(length, nodes)| {
            let step = AvailabilityStep { at_seconds, nodes };
            at_seconds += length;
            step
        };
        let steps = rows.into_iter().map(step).collect();
        AvailabilitySpec {
            steps: Some(steps),
            repeat_seconds: Some(at_seconds),
            ..AvailabilitySpec::default()
        }
    })
}

prop_compose! {
    fn pool()(
        gpus_per_node in (1_u32..4).prop_map(Some),
        max_nodes in prop::option::of(1_u32..4),
        initial_nodes in 0_u32..2,
        idle_seconds in prop_oneof![Just(0.0), 0.0_f64..200.0],
        spot in prop::option::of((0.0_f64..60.0, steps())),
        losses_per_node_hour in prop_oneof![Just(0.0), 0.0_f64..60.0],
    ) -> PoolSpec {
        let spot = spot.map(|(notice_seconds, availability)| SpotSpec { notice_seconds, availability });
        PoolSpec { gpus_per_node, max_nodes, initial_nodes, idle_seconds, spot, losses_per_node_hour, ..PoolSpec::default() }
    }
}

prop_compose! {
    fn clusters()(
        gateway in gateway(),
        lead_time in prop_oneof![Just(0.0), 0.0_f64..300.0],
        wake in 0.0_f64..30.0,
        size in 0_u32..3,
        mut pools in prop::collection::vec(pool(), 1..3),
        (scrape_seconds, delay_seconds, loss_probability) in (1.0_f64..20.0, 0.0_f64..10.0, 0.0_f64..0.6),
        (apply_seconds, initial_replicas, drain_seconds) in
            (0.1_f64..9.9, prop::option::of(0_u32..4), prop_oneof![Just(0.0), 0.0_f64..60.0]),
    ) -> ClusterSpec {
        for (index, pool) in pools.iter_mut().enumerate() {
            pool.name = Some(format!("pool-{index}"));
        }
        ClusterSpec {
            currency: None,
            gateway,
            start: Start { lead_time_seconds: Some(fixed(lead_time)), wake: fixed(wake), ..Start::default() },
            warm_pool: WarmPool { size },
            pools,
            metrics: Metrics { scrape_seconds, delay_seconds, loss_probability, window_seconds: 60.0 },
            control: Control { apply_seconds, initial_replicas, drain_seconds },
        }
    }
}

/// One kind of node, with room for one replica, that costs nothing when nothing is on it.
fn tight(mut spec: ClusterSpec) -> ClusterSpec {
    for pool in &mut spec.pools {
        (pool.gpus_per_node, pool.initial_nodes, pool.idle_seconds) = (Some(1), 0, 0.0);
    }
    spec
}

/// Nodes whenever they are wanted, and none is lost.
fn boundless(mut spec: ClusterSpec) -> ClusterSpec {
    for pool in &mut spec.pools {
        (pool.max_nodes, pool.spot, pool.losses_per_node_hour) = (None, None, 0.0);
    }
    spec
}

/// The cluster, by way of the document that describes it.
fn written(spec: &ClusterSpec, profile: &ServiceProfile) -> Cluster {
    let text = serde_json::to_string(spec).unwrap();
    let read = cluster(profile, &text);
    assert_eq!(read, spec.check(profile).unwrap());
    read
}

/// What was asked for, when.
#[derive(Default)]
struct Asked(Vec<(f64, u32)>);

impl Watch for Asked {
    fn proceeds(&mut self, _: u64) -> bool {
        true
    }

    fn wants_records(&self) -> bool {
        true
    }

    fn decided(&mut self, record: &DecisionRecord) -> std::io::Result<()> {
        if let Some(replicas) = record.decision.scale_to {
            let at = record.decision.at.since(trimtab_sim::metrics::timestamp(Moment::START));
            self.0.push((at.as_millis() as f64 / 1e3, u32::try_from(replicas).unwrap()));
        }
        Ok(())
    }
}

const STEP_SECONDS: f64 = 7.0;

fn simulate(
    spec: &ClusterSpec,
    requests: &[Request],
    decider: usize,
    seed: u64,
) -> (Simulated, Vec<(f64, u32)>) {
    let profile = profile();
    let (policy, bindings) = policy(POLICIES[decider]);
    let cluster = written(spec, &profile);
    let simulation = Simulation {
        profile: &profile,
        cluster: &cluster,
        objectives: &objectives(),
        initial_replicas: cluster.initial_replicas(&policy, 0.0),
        seed,
        step_seconds: Some(STEP_SECONDS),
    };
    let mut asked = Asked::default();
    let done = simulation.run(&Listed(requests.to_vec()), &policy, &bindings, &mut asked).unwrap();
    (done, asked.0)
}

/// The sum over a column of the timeline times the length of its steps, the last of which is cut
/// short by the end.
fn integral(done: &Simulated, column: &[f64]) -> f64 {
    let steps = column.len() as f64;
    let last = done.ended.seconds() - (steps - 1.0) * STEP_SECONDS;
    assert!((0.0..=STEP_SECONDS + 1e-6).contains(&last), "{last}");
    column.iter().sum::<f64>() * STEP_SECONDS - column.last().unwrap() * (STEP_SECONDS - last)
}

/// Columns are rounded to a thousandth.
fn resolution(done: &Simulated) -> f64 {
    0.000_51 * (done.ended.seconds() + STEP_SECONDS)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_request_ends_once(
        spec in clusters(), requests in requests(), decider in 0..POLICIES.len(), seed: u64,
    ) {
        let (done, _) = simulate(&spec, &requests, decider, seed);
        let counts = done.requests;
        prop_assert_eq!(counts.arrived, requests.len() as u64);
        prop_assert_eq!(counts.served + counts.rejected + counts.cut, counts.arrived);
        let too_long = requests.iter().filter(|r| r.input_tokens + r.output_tokens > 3_000).count();
        prop_assert!(counts.rejected >= too_long as u64);
        prop_assert_eq!(done.attainment.len(), 3);
        for attained in &done.attainment {
            let within = attained.share * counts.arrived as f64;
            prop_assert!((within - within.round()).abs() < 1e-6, "{within}");
            prop_assert!((0.0..=counts.served as f64).contains(&within.round()));
            prop_assert_eq!(attained.met, attained.share >= 0.01);
        }
    }

    #[test]
    fn every_replica_second_is_in_one_state(
        spec in clusters(), requests in requests(), decider in 0..POLICIES.len(), seed: u64,
    ) {
        let (done, _) = simulate(&spec, &requests, decider, seed);
        let spent = done.replica_seconds;
        let ready = spent.busy + spent.idle;
        let by_minute: f64 = done.ready_minutes.iter().sum();
        prop_assert!((by_minute - ready).abs() < 1e-6 * (1.0 + ready), "{by_minute} {ready}");

        let course = &done.timeline;
        for (name, column, seconds) in [
            ("pending", &course.pending, spent.pending),
            ("starting", &course.starting, spent.starting),
            ("ready", &course.ready, ready),
            ("warm", &course.warm, spent.warm),
            ("draining", &course.draining, spent.draining),
        ] {
            let sum = integral(&done, column);
            prop_assert!((sum - seconds).abs() <= resolution(&done), "{name}: {sum} {seconds}");
        }
        let arrived = integral(&done, &course.arrivals_per_second);
        prop_assert!((arrived - requests.len() as f64).abs() <= resolution(&done), "{arrived}");
        let lengths = [
            course.wanted.len(), course.pending.len(), course.starting.len(), course.ready.len(),
            course.warm.len(), course.draining.len(), course.queue.len(), course.ttft_p50.len(),
            course.ttft_p95.len(), course.ttft_p99.len(), course.decision.len(),
        ];
        prop_assert_eq!(lengths, [course.arrivals_per_second.len(); 11]);
        let shown = course.decision.iter().flatten().copied();
        prop_assert!(shown.eq(0..u32::try_from(course.decisions.len()).unwrap()));
    }

    #[test]
    fn nodes_pay_for_their_replicas(
        spec in clusters(), requests in requests(), decider in 0..POLICIES.len(), seed: u64,
    ) {
        let (done, _) = simulate(&spec, &requests, decider, seed);
        let paid: f64 = done.pools.iter().map(|pool| pool.gpu_seconds).sum();
        let spent = done.replica_seconds.spent();
        prop_assert!(paid >= spent - 1e-6, "{paid} {spent}");

        let (done, _) = simulate(&tight(spec), &requests, decider, seed);
        let paid: f64 = done.pools.iter().map(|pool| pool.gpu_seconds).sum();
        let spent = done.replica_seconds.spent();
        prop_assert!((paid - spent).abs() <= 1e-6 * (1.0 + spent), "{paid} {spent}");
    }

    #[test]
    fn starts_less_stops_are_what_was_asked_for(
        spec in clusters(), requests in requests(), decider in 0..POLICIES.len(), seed: u64,
    ) {
        let spec = boundless(spec);
        let (done, asked) = simulate(&spec, &requests, decider, seed);
        let applied = asked.iter().rev().find(|(at, _)| {
            Moment::from_seconds(*at).after_seconds(spec.control.apply_seconds) <= done.ended
        });
        let initial = written(&spec, &profile()).initial_replicas(&policy(POLICIES[decider]).0, 0.0);
        let wanted = applied.map_or(initial, |(_, replicas)| *replicas);
        let changed = i64::try_from(done.starts).unwrap() - i64::try_from(done.stops).unwrap();
        // The warm pool is filled up again after every promotion.
        prop_assert_eq!(i64::from(initial) + changed, i64::from(wanted));
        prop_assert_eq!(done.losses, 0);
        prop_assert_eq!(done.replica_seconds.pending, 0.0);
    }

}

proptest! {
    // Each case simulates all policies.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nothing_is_had_for_less_than_the_bound(
        spec in clusters(), requests in requests(), seed: u64,
    ) {
        let profile = profile();
        let candidates = POLICIES.iter().map(|text| {
            let (policy, bindings) = policy(text);
            Candidate { name: policy.digest().to_string(), tuning: BTreeMap::new(), policy, bindings, to_beat: None }
        });
        let site = Site { lead_time: String::from("fixed"), cluster: written(&spec, &profile) };
        let fits: Vec<Request> =
            requests.into_iter().filter(|r| r.input_tokens + r.output_tokens <= 3_000).collect();
        prop_assume!(!fits.is_empty());
        let plan = Plan {
            profile,
            objectives: objectives(),
            seed,
            workloads: vec![Box::new(Listed(fits))],
            sites: vec![site],
            candidates: candidates.collect(),
            timelines: true,
            details: Vec::new(),
        };
        let backtest = plan.run(1, &Quiet).unwrap();
        for run in &backtest.comparisons[0].runs {
            let spent = run.replica_seconds.spent();
            prop_assert!(run.bound_replica_seconds <= spent * (1.0 + 1e-9) + 1e-6, "{run:?}");
            prop_assert!((0.0..=1.0 + 1e-9).contains(&run.efficiency), "{}", run.efficiency);
            prop_assert_eq!(run.timeline.need.len(), run.timeline.ready.len());
            prop_assert_eq!(run.cost, run.pools.iter().map(|pool| pool.cost).sum::<f64>());
        }
    }
}
