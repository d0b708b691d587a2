//! What a policy with `retire` or `warmPool` says is carried out: in cases small enough to work out by
//! hand, and in a whole run.
//!
//! As in `lifecycle.rs`: a request with `n` tokens to generate takes `n - 1` seconds, the policy decides
//! every 10 s, and what it decides takes effect 1 s later.

use trimtab_engine::DecisionRecord;
use trimtab_sim::{Request, Simulated};

use crate::support::{Fleet, Kept, Listed, a_second_a_token, assert_seconds, ready, request};

/// Two requests in flight for each replica, without windows.
fn two_each(more: &str) -> String {
    format!(
        "minReplicas: 1\nmaxReplicas: 8\nhpa: {{syncPeriodSeconds: 10, downscaleStabilizationSeconds: 0}}\n\
         metrics:\n- {{type: External, external: {{metric: {{name: requests_in_flight}}, \
         target: {{type: AverageValue, averageValue: 2}}}}}}\n{more}"
    )
}

/// With every decision, which is made again.
fn simulate(
    cluster_text: &str,
    more: &str,
    requests: &[Request],
) -> (Simulated, Vec<DecisionRecord>) {
    let fleet = Fleet::new(a_second_a_token(), cluster_text, &two_each(more));
    let mut kept = Kept::default();
    let done = fleet.watched(&Listed(requests.to_vec()), &mut kept).unwrap();
    for record in &mut kept.0 {
        *record = serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap();
        assert_eq!(record.again(fleet.policy()).unwrap(), *record);
    }
    (done, kept.0)
}

fn answer(at: f64, tokens: u32) -> Request {
    request(at, 1, tokens)
}

/// Eight at once: each of four replicas gets one of 300 s and one of 50 s.
fn long_and_short() -> Vec<Request> {
    let long = (0..4_u32).map(|one| answer(f64::from(one) / 100.0, 301));
    let short = (0..4_u32).map(|one| answer(1.0 + f64::from(one) / 100.0, 51));
    long.chain(short).collect()
}

const FOUR: &str = "control: {initialReplicas: 4, drainSeconds: 30}";

/// kubernetes#45509, #107598, #124821, keda#3680, ray#43034: what goes is not asked whether it is busy.
#[test]
fn scale_down_of_busy_replicas() {
    let requests = [long_and_short(), vec![answer(350.0, 31)]].concat();
    let (cut, _) = simulate(FOUR, "", &requests);
    // Two of the long ones go with their replicas, and one more once that is less load.
    assert_eq!((cut.requests.served, cut.requests.cut, cut.stops), (6, 3, 3));
    let (kept, decisions) = simulate(FOUR, "retire: {maxSessionSeconds: 600}", &requests);
    assert_eq!((kept.requests.served, kept.requests.cut), (9, 0));
    assert!(kept.replica_seconds.draining > 200.0, "{:?}", kept.replica_seconds);
    // They went while they had nothing to do.
    let gone: Vec<_> = decisions.iter().filter(|it| it.decision.scale_to.is_some()).collect();
    assert!(!gone.is_empty());
    for record in gone {
        for row in &record.decision.retire.as_ref().unwrap().retire {
            assert_eq!(record.observation.pods[*row as usize].in_flight, Some(0));
        }
    }
}

#[test]
fn a_session_that_is_too_long_is_cut_after_its_time_and_the_grace_period() {
    let (done, decisions) = simulate(FOUR, "retire: {maxSessionSeconds: 60}", &long_and_short());
    assert_eq!((done.requests.served, done.requests.cut), (5, 3));
    let drains = |it: &DecisionRecord| {
        it.decision.retire.as_ref().is_some_and(|plan| !plan.drain.is_empty())
    };
    let begin = decisions.iter().find(|it| drains(it));
    let end = decisions.iter().find(|it| it.decision.scale_to == Some(2));
    let between = end.unwrap().decision.at.since(begin.unwrap().decision.at);
    // It takes effect a second later, so that 60 s are over at the seventh decision behind it.
    assert_eq!(between.to_string(), "1m10s");
    assert_seconds(done.replica_seconds.draining, 3.0 * (70.0 + 30.0)); // the third once that is less load
}

#[test]
fn demand_that_returns_is_served_by_those_that_drain() {
    let mut requests = long_and_short();
    requests.extend((0..4_u32).map(|one| answer(100.0 + f64::from(one) / 100.0, 51)));
    let run = |more: &str| {
        simulate("start: {leadTimeSeconds: 500}\ncontrol: {initialReplicas: 4}", more, &requests).0
    };
    let (plain, retires) = (run(""), run("retire: {maxSessionSeconds: 600}"));
    assert!(plain.starts > 0 && plain.requests.cut > 0);
    assert_eq!((retires.starts, retires.requests.cut), (0, 0));
    assert_eq!(retires.requests.served, 12);
    // All that was busy while ready is counted once.
    assert!(retires.replica_seconds.idle >= 0.0);
    let total = ready(&retires) + retires.replica_seconds.draining;
    assert!(total <= 4.0 * retires.ended.seconds() + 1e-6, "{total}");
}

#[test]
fn a_promotion_serves_sooner_than_a_start() {
    let requests: Vec<Request> =
        (0..4_u32).map(|one| answer(f64::from(one) / 100.0, 201)).collect();
    let cluster = "gateway: {maxRequestsPerReplica: 2}\nstart: {leadTimeSeconds: 100, wake: 5}\n\
        warmPool: {size: 1}\ncontrol: {initialReplicas: 1}";
    let cold = simulate(&cluster.replace("size: 1", "size: 0"), "", &requests).0;
    let pool = "warmPool: {size: {fixed: 1}, promoteSeconds: 5, leadTimeSeconds: 100}";
    let (warm, decisions) = simulate(cluster, pool, &requests);
    // Two of the four wait for the second replica.
    assert_seconds(cold.latency.ttft.mean - warm.latency.ttft.mean, 2.0 * 95.0 / 4.0);
    let first = decisions.iter().find(|it| it.decision.scale_to == Some(2)).unwrap();
    let plan = first.decision.warm.unwrap();
    assert_eq!((plan.promote, plan.start, plan.refill), (1, 0, 1));
    // Another one takes its place in the pool.
    assert_eq!(warm.starts, 1);
    assert_seconds(warm.replica_seconds.starting, 100.0);
}

#[test]
fn the_pool_is_what_the_policy_makes_of_it() {
    // It begins empty and is filled by the first decision that knows the load, at 20 s.
    let cluster = "start: {leadTimeSeconds: 20, wake: 5}\ncontrol: {initialReplicas: 4}";
    let pool = "retire: {maxSessionSeconds: 600}\n\
        warmPool: {size: {fixed: 2}, returnOnScaleIn: true, promoteSeconds: 5, leadTimeSeconds: 20}";
    let (done, decisions) = simulate(cluster, pool, &long_and_short());
    let warm = |record: &DecisionRecord| record.observation.warm.map(|it| (it.ready, it.starting));
    assert_eq!(warm(&decisions[1]), Some((0, 0)));
    assert_eq!(warm(&decisions[2]), Some((0, 2)));
    assert_eq!(warm(&decisions[4]), Some((2, 0)));
    assert_eq!((done.starts, done.requests.cut), (2, 0));
    let pool = pool.replace("fixed: 2", "percent: 50");
    let (done, decisions) = simulate(cluster, &pool, &long_and_short());
    let plans = || decisions.iter().filter_map(|it| it.decision.warm);
    let (returned, released) = (
        plans().map(|plan| plan.demote).sum::<i32>(),
        plans().map(|plan| plan.release).sum::<i32>(),
    );
    assert_eq!(done.requests.cut, 0);
    assert!(returned >= 0 && released >= 1, "{returned} returned, {released} released");
    assert_eq!(warm(decisions.last().unwrap()).unwrap().0, 1);
}

/// Where the policy says nothing of it, the observations do not either.
#[test]
fn nothing_is_told_that_no_policy_asks_for() {
    let (_, decisions) = simulate(FOUR, "", &long_and_short());
    for record in &decisions {
        assert!(record.observation.warm.is_none() && record.decision.warm.is_none());
        assert!(record.observation.pods.iter().all(|pod| pod.in_flight.is_none()));
    }
}
