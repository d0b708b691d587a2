//! What happens to replicas and requests, second by second, in cases small enough to work out by
//! hand.
//!
//! A prompt token takes 1 ms and a decode step 1 s, so that a request with a prompt of one token and
//! `n` tokens to generate takes `n - 1` seconds. The policy decides every 10 s, and what it decides
//! takes effect 1 s later.

use std::collections::BTreeMap;

use trimtab_engine::DecisionRecord;
use trimtab_sim::{
    Candidate, Plan, PrefillTime, Quiet, Request, ServiceProfile, Simulated, Site, Unwatched, Watch,
};

use crate::support::{
    Fleet, Listed, a_second_a_token, assert_seconds, cluster, policy, ready, request,
};

/// A policy that wants this many replicas.
fn wants(replicas: u32) -> String {
    format!(
        "minReplicas: {replicas}\nmaxReplicas: {replicas}\nhpa: {{syncPeriodSeconds: 10}}\nmetrics:\n\
         - {{type: Pods, pods: {{metric: {{name: requests_running}}, target: {{type: AverageValue, averageValue: 1}}}}}}"
    )
}

fn simulate(cluster_text: &str, policy_text: &str, requests: &[Request]) -> Simulated {
    watched(cluster_text, policy_text, requests, &mut Unwatched)
}

fn watched(
    cluster_text: &str,
    policy_text: &str,
    requests: &[Request],
    watch: &mut dyn Watch,
) -> Simulated {
    let fleet = Fleet::new(a_second_a_token(), cluster_text, policy_text);
    fleet.watched(&Listed(requests.to_vec()), watch).unwrap()
}

/// So many tokens to generate, in as many seconds but one.
fn answer(at: f64, tokens: u32) -> Request {
    request(at, 1, tokens)
}

/// Two replicas of which one is told to stop at 11 s, with a request each: one of 100 s on the older,
/// one of 30 s on the newer.
fn stopped_at_11(drain_seconds: u32, later: &[Request]) -> Simulated {
    let cluster = format!("control: {{initialReplicas: 2, drainSeconds: {drain_seconds}}}");
    let mut requests = vec![answer(0.0, 101), answer(0.5, 31)];
    requests.extend(later);
    simulate(&cluster, &wants(1), &requests)
}

#[test]
fn a_draining_replica_finishes_what_it_has() {
    let done = stopped_at_11(30, &[]);
    assert_eq!((done.requests.served, done.requests.cut, done.stops), (2, 0, 1));
    assert_seconds(done.replica_seconds.draining, 30.501 - 11.0);
    assert_seconds(ready(&done), done.ended.seconds() + 11.0);
    assert_seconds(done.replica_seconds.busy, (100.001) + (11.0 - 0.5));
}

#[test]
fn a_draining_replica_is_cut_after_its_grace_period() {
    let done = stopped_at_11(15, &[]);
    assert_eq!((done.requests.served, done.requests.cut, done.stops), (1, 1, 1));
    assert_seconds(done.replica_seconds.draining, 15.0);
}

#[test]
fn a_draining_replica_gets_nothing_new() {
    // Were the draining replica to get one of these, it would be cut at 26 s.
    let later = [answer(12.0, 61), answer(13.0, 61), answer(14.0, 61)];
    let done = stopped_at_11(15, &later);
    assert_eq!((done.requests.served, done.requests.cut), (4, 1));
}

#[test]
fn an_idle_replica_goes_at_once() {
    let done = simulate("control: {initialReplicas: 2}", &wants(1), &[answer(0.0, 101)]);
    assert_seconds(done.replica_seconds.draining, 0.0);
    assert_seconds(ready(&done), done.ended.seconds() + 11.0);
    assert_eq!(done.stops, 1);
}

#[test]
fn a_decision_takes_effect_after_the_delay() {
    let cluster = "start: {leadTimeSeconds: 0}\ncontrol: {applySeconds: 7.5, initialReplicas: 1}";
    let done = simulate(cluster, &wants(2), &[answer(0.0, 101)]);
    assert_seconds(ready(&done), done.ended.seconds() + done.ended.seconds() - 17.5);
    assert_eq!((done.starts, done.stops), (1, 0));
}

#[test]
fn promotion_is_faster_than_a_start() {
    let run = |size: u32| {
        let cluster = format!(
            "start: {{leadTimeSeconds: 100, wake: 5}}\nwarmPool: {{size: {size}}}\ncontrol: {{initialReplicas: 1}}"
        );
        simulate(&cluster, &wants(2), &[answer(0.0, 201)])
    };
    let cold = run(0);
    assert_seconds(ready(&cold), cold.ended.seconds() + cold.ended.seconds() - 111.0);
    assert_seconds(cold.replica_seconds.starting, 100.0);
    assert_seconds(cold.replica_seconds.warm, 0.0);

    let warm = run(1);
    assert_seconds(ready(&warm), warm.ended.seconds() + warm.ended.seconds() - 16.0);
    // Another one takes its place in the pool.
    assert_eq!(warm.starts, 1);
    assert_seconds(warm.replica_seconds.starting, 100.0);
    assert_seconds(warm.replica_seconds.warm, 16.0 + warm.ended.seconds() - 111.0);
}

#[test]
fn a_full_pool_leaves_replicas_pending() {
    let cluster = "start: {leadTimeSeconds: 20}\npools: [{maxNodes: 1, gpusPerNode: 2}]\ncontrol: {initialReplicas: 1}";
    let done = simulate(cluster, &wants(4), &[answer(0.0, 101)]);
    assert_seconds(done.replica_seconds.starting, 20.0);
    assert_seconds(ready(&done), done.ended.seconds() + done.ended.seconds() - 31.0);
    assert_seconds(done.replica_seconds.pending, 2.0 * (done.ended.seconds() - 11.0));
    assert_eq!((done.starts, done.stops), (1, 0));
}

#[test]
fn replicas_that_find_no_room_at_the_start_are_pending() {
    let cluster = "start: {leadTimeSeconds: 20}\n\
        pools: [{gpusPerNode: 1, spot: {availability: {steps: [{atSeconds: 0, nodes: 0}, {atSeconds: 50, nodes: 1}]}}}]\n\
        control: {initialReplicas: 1}";
    let done = simulate(cluster, &wants(1), &[answer(0.0, 11)]);
    assert_seconds(done.replica_seconds.pending, 50.0);
    assert_seconds(done.replica_seconds.starting, 20.0);
    assert_seconds(done.latency.ttft.mean, 70.001);
}

/// One node that can be had until 50 s and from 200 s on, with 30 s of notice.
const SPOT: &str = "start: {leadTimeSeconds: 20}\n\
    pools: [{gpusPerNode: 1, spot: {noticeSeconds: 30, availability: {steps: \
    [{atSeconds: 0, nodes: 1}, {atSeconds: 50, nodes: 0}, {atSeconds: 200, nodes: 1}]}}}]\n\
    control: {initialReplicas: 1}";

#[test]
fn a_notice_drains() {
    let done = simulate(SPOT, &wants(1), &[answer(0.0, 61), answer(60.0, 1)]);
    assert_eq!((done.requests.served, done.requests.cut), (2, 0));
    assert_eq!((done.losses, done.stops, done.starts), (1, 0, 1));
    assert_seconds(done.replica_seconds.draining, 10.001);
    // The second waits for the next replica, which is ready at 220 s.
    assert_seconds(done.latency.ttft.mean, (0.001 + 160.001) / 2.0);
    assert_seconds(done.replica_seconds.pending, 150.0);
}

#[test]
fn a_loss_cuts() {
    let done = simulate(SPOT, &wants(1), &[answer(0.0, 101), answer(60.0, 1)]);
    assert_eq!((done.requests.served, done.requests.cut), (1, 1));
    assert_eq!((done.losses, done.stops, done.starts), (1, 0, 1));
    assert_seconds(done.replica_seconds.draining, 30.0);
}

#[test]
fn the_workload_comes_before_the_warm_pool() {
    // There is room for two. The warm replica waits for a node when one that serves is lost; the node
    // that comes at 100 s goes to the one that replaces it.
    let cluster = "start: {leadTimeSeconds: 20}\nwarmPool: {size: 1}\n\
        pools: [{name: a, gpusPerNode: 1, maxNodes: 1}, {name: b, gpusPerNode: 1, spot: {availability: {steps: \
        [{atSeconds: 0, nodes: 1}, {atSeconds: 50, nodes: 0}, {atSeconds: 100, nodes: 1}]}}}]\n\
        control: {initialReplicas: 2}";
    let done = simulate(cluster, &wants(2), &[answer(0.0, 201)]);
    assert_seconds(ready(&done), done.ended.seconds() + 50.0 + done.ended.seconds() - 120.0);
    assert_seconds(done.replica_seconds.warm, 0.0);
}

#[test]
fn without_a_queue_what_finds_no_room_is_rejected_at_once() {
    let cluster = "gateway: {queueCapacity: 0, maxRequestsPerReplica: 1}";
    let done = simulate(cluster, &wants(1), &[answer(0.0, 11), answer(1.0, 1), answer(11.0, 1)]);
    assert_eq!((done.requests.served, done.requests.rejected), (2, 1));
}

#[test]
fn who_waits_too_long_is_rejected() {
    // Between two scrapes: the replica has room again at 10.001 s, two seconds too late for one and
    // in time for the other.
    let cluster = "gateway: {maxRequestsPerReplica: 1, queueTimeoutSeconds: 5}";
    let done = simulate(cluster, &wants(1), &[answer(0.0, 11), answer(3.0, 1), answer(6.0, 1)]);
    assert_eq!((done.requests.served, done.requests.rejected), (2, 1));
    assert_seconds(done.latency.ttft.mean, (0.001 + 4.002) / 2.0);
}

#[test]
fn who_waits_too_long_takes_no_place_in_the_queue() {
    let cluster = "gateway: {maxRequestsPerReplica: 1, queueCapacity: 1, queueTimeoutSeconds: 5}";
    let done = simulate(cluster, &wants(1), &[answer(0.0, 11), answer(1.0, 1), answer(7.0, 1)]);
    assert_eq!((done.requests.served, done.requests.rejected), (2, 1));
    assert_seconds(done.latency.ttft.mean, (0.001 + 3.002) / 2.0);
}

#[test]
fn the_least_loaded_gets_the_request_or_each_in_turn() {
    // The first keeps the first replica busy, the second leaves the second one idle. A third finds
    // the idle one, or waits for the decode step under way at the busy one and decodes along.
    let requests = [answer(0.0, 21), answer(0.5, 1), request(2.0, 1000, 1)];
    let run = |routing: &str| {
        let cluster = format!("gateway: {{routing: {routing}}}\ncontrol: {{initialReplicas: 2}}");
        simulate(&cluster, &wants(2), &requests).latency.ttft.mean
    };
    assert_seconds(run("LeastLoaded"), (0.001 + 0.001 + 1.0) / 3.0);
    assert_seconds(run("RoundRobin"), (0.001 + 0.001 + 2.001) / 3.0);
}

#[test]
fn pending_replicas_stop_first_then_starting_ones_then_the_newest() {
    // At 11 s three replicas are ready, one has been starting since 5 s and one is pending.
    let cluster = "start: {leadTimeSeconds: 1000}\n\
        pools: [{name: a, gpusPerNode: 3, maxNodes: 1}, {name: b, gpusPerNode: 1, spot: {availability: {steps: \
        [{atSeconds: 0, nodes: 0}, {atSeconds: 5, nodes: 1}]}}}]\n\
        control: {initialReplicas: 5, drainSeconds: 15}";
    let requests = [answer(0.0, 101), answer(0.1, 101), answer(0.2, 21)];
    let run = |replicas: u32| simulate(cluster, &wants(replicas), &requests);

    let four = run(4);
    assert_seconds(four.replica_seconds.pending, 2.0 * 5.0 + 6.0);
    assert_seconds(four.replica_seconds.starting, four.ended.seconds() - 5.0);
    assert_eq!(four.stops, 0); // it never started

    let three = run(3);
    assert_seconds(three.replica_seconds.pending, 2.0 * 5.0 + 6.0);
    assert_seconds(three.replica_seconds.starting, 6.0);
    assert_seconds(ready(&three), 3.0 * three.ended.seconds());
    assert_eq!(three.stops, 1);

    let two = run(2);
    assert_seconds(ready(&two), 2.0 * two.ended.seconds() + 11.0);
    // The third request is on the newest, and has the time to finish.
    assert_seconds(two.replica_seconds.draining, 20.201 - 11.0);
    assert_eq!((two.stops, two.requests.cut), (2, 0));
}

#[test]
fn a_request_that_no_cache_holds_is_rejected() {
    let requests = [request(0.0, 99_998, 2), request(200.0, 99_999, 2)];
    let done = simulate("{}", &wants(1), &requests);
    assert_eq!((done.requests.served, done.requests.rejected), (1, 1));
}

/// What the policy read of its metric, decision by decision; `None` where it could not.
#[derive(Default)]
struct Read(Vec<Option<u32>>);

impl Watch for Read {
    fn proceeds(&mut self, _: u64) -> bool {
        true
    }

    fn wants_records(&self) -> bool {
        true
    }

    fn decided(&mut self, record: &DecisionRecord) -> std::io::Result<()> {
        let readings = serde_json::to_value(&record.observation.readings)?;
        let value = readings.pointer("/0/value").and_then(|value| value.as_str());
        self.0.push(value.map(|value| value.parse().unwrap()));
        Ok(())
    }
}

#[test]
fn lost_scrapes_leave_what_was_read_before() {
    // One more request is in flight at every scrape, which the policy reads at once.
    let policy = "minReplicas: 1
maxReplicas: 1
hpa: {syncPeriodSeconds: 10}
metrics:
- type: External
  external: {metric: {name: requests_in_flight}, target: {type: AverageValue, averageValue: 1}}";
    let requests: Vec<Request> = (0..16).map(|n| answer(5.0 + 10.0 * f64::from(n), 900)).collect();
    let read = |loss: f64| {
        let cluster = format!(
            "metrics: {{scrapeSeconds: 10, delaySeconds: 0, lossProbability: {loss}, windowSeconds: 300}}"
        );
        let mut read = Read::default();
        watched(&cluster, policy, &requests, &mut read);
        read.0.truncate(requests.len());
        read.0
    };
    assert_eq!(read(0.0), (1..=16).map(Some).collect::<Vec<_>>());

    let (mut before, mut lost) = (None, 0);
    for (value, present) in read(0.4).into_iter().zip(1..) {
        assert!(value == Some(present) || value == before, "{value:?} after {before:?}");
        lost += u32::from(value != Some(present));
        before = value;
    }
    assert!((1..16).contains(&lost), "{lost}");
}

#[test]
fn a_prompt_that_costs_nothing_is_read() {
    let prefill = PrefillTime { c0_ms: 0.0, c1_ms: 0.0, c2_ms: 0.0 };
    let profile = ServiceProfile { prefill, ..a_second_a_token() };
    let requests = Listed(vec![answer(1.0, 3), answer(1.5, 1)]);
    let done = Fleet::new(profile, "{}", &wants(1)).run(&requests).unwrap();
    assert_eq!(done.requests.served, 2);
    // The second is read with the second step of the first.
    assert_seconds(done.latency.e2e.mean, (2.0 + 1.5) / 2.0);
}

#[test]
fn the_loads_of_others_stay_when_a_replica_goes() {
    // The older of two replicas is taken back while it is idle; the other one has no room.
    let cluster = "gateway: {queueCapacity: 0, maxRequestsPerReplica: 1}\nstart: {leadTimeSeconds: 1000}\n\
        pools: [{name: a, gpusPerNode: 1, spot: {availability: {steps: [{atSeconds: 0, nodes: 1}, {atSeconds: 50, nodes: 0}]}}}, \
        {name: b, gpusPerNode: 1}]\n\
        control: {initialReplicas: 2}";
    let requests = [answer(0.0, 1), answer(0.0005, 101), answer(60.0, 1)];
    let done = simulate(cluster, &wants(2), &requests);
    assert_eq!((done.requests.served, done.requests.rejected), (2, 1));
}

/// What a run is rated by.
fn efficiency(replicas: u32, cluster_text: &str, objective: &str, requests: Vec<Request>) -> f64 {
    let profile = a_second_a_token();
    let (policy, bindings) = policy(&wants(replicas));
    let cluster = cluster(&profile, cluster_text);
    let candidate =
        Candidate { name: String::new(), tuning: BTreeMap::new(), policy, bindings, to_beat: None };
    let plan = Plan {
        profile,
        objectives: vec![objective.parse().unwrap()],
        seed: 1,
        workloads: vec![Box::new(Listed(requests))],
        sites: vec![Site { lead_time: String::new(), cluster }],
        candidates: vec![candidate],
        timelines: false,
        details: Vec::new(),
    };
    let mut backtest = plan.run(1, &Quiet).unwrap();
    let run = backtest.comparisons.remove(0).runs.remove(0);
    assert_eq!(run.requests.served, run.requests.arrived);
    assert!(run.attainment.iter().all(|attained| attained.met));
    run.efficiency
}

#[test]
fn the_warm_pool_is_no_way_below_the_bound() {
    // 80 s of work within 25 s: four replicas, three of which were warm from the beginning.
    let cluster = "gateway: {maxRequestsPerReplica: 20}\nstart: {leadTimeSeconds: 300, wake: 1}\n\
        warmPool: {size: 3}\ncontrol: {initialReplicas: 1}";
    let found = efficiency(4, cluster, "ttft<=25s", vec![request(15.0, 1000, 1); 80]);
    assert!(found <= 1.0, "{found}");
}

#[test]
fn a_fleet_that_is_there_just_in_time_is_close_to_the_bound() {
    // 400 s of work within 20 s, the moment that 19 replicas become ready besides the first.
    let cluster = "gateway: {maxRequestsPerReplica: 20}\nstart: {leadTimeSeconds: 49}\ncontrol: {initialReplicas: 1}";
    let found = efficiency(20, cluster, "ttft<=20s", vec![request(60.0, 1000, 1); 400]);
    assert!((0.8..=1.0).contains(&found), "{found}");
}
