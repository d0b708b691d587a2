//! The whole loop: what the gateway sees makes the policy decide, and what it decides happens.

use std::time::Duration;

use trimtab_gateway::gateway::Gateway;
use trimtab_gateway::mock::MockSettings;

use crate::harness::{Mocks, Served, chunk, config, fast, gated, policy, replica, text};

const ENDLESS: &str = r#"{"stream": true, "max_tokens": 1000000, "messages": []}"#;
const SHORT: &str = r#"{"stream": true, "max_tokens": 2, "messages": []}"#;

fn desired(gateway: &Gateway) -> i32 {
    gateway.fleet.lock().desired
}

#[tokio::test]
async fn the_first_request_after_zero_is_held_and_answered() {
    let slow_start = MockSettings { warm_up: Duration::from_millis(500), ..fast() };
    let mocks = Mocks::new(slow_start);
    let served = Served::new(config(4, ""), policy(0, 2, ""), mocks.clone()).await;
    assert_eq!(served.gateway.fleet.lock().replicas.len(), 0);
    // The config names what nobody can be asked for, and no replica is started for that.
    let (status, models) = served.get("/v1/models").await;
    assert!(status == 200 && models.contains("\"mock\""), "{models}");
    assert!(mocks.all().is_empty());
    let answer = served.ask(SHORT).await;
    assert_eq!((answer.status().as_u16(), replica(&answer).as_str()), (200, "replica-1"));
    assert!(text(answer).await.ends_with("[DONE]\n\n"));
    assert_eq!(served.gateway.fleet.lock().signals.totals().rejected, 0);
    served.shutdown().await;
}

#[tokio::test]
async fn no_more_are_held_than_the_start_can_serve() {
    let never = MockSettings { warm_up: Duration::from_secs(3600), ..gated() };
    let queue = "queue: {unknown: 2}";
    let served = Served::new(config(1, queue), policy(0, 1, ""), Mocks::new(never)).await;
    let held = [served.asking(SHORT), served.asking(SHORT)];
    served.until("two are held", |gateway| gateway.fleet.lock().queue.len() == 2).await;
    let third = served.ask(SHORT).await;
    assert_eq!(third.status(), 429);
    assert!(third.headers().contains_key("retry-after"));
    held.iter().for_each(tokio::task::JoinHandle::abort);
    served.shutdown().await;
}

#[tokio::test]
async fn what_was_turned_away_counts_as_demand() {
    // One slot, nobody may wait: in flight there is never more than 1, of the 2 that one replica is for. Only what
    // was turned away can ask for more.
    let queue = "queue: {unknown: 0, waitSeconds: 0, holdSeconds: 0}";
    let mocks = Mocks::new(gated());
    let served = Served::new(config(1, queue), policy(1, 3, ""), mocks).await.ready(1).await;
    let holder = served.ask(ENDLESS).await;
    let mut rejected = 0;
    while desired(&served.gateway) == 1 {
        rejected += u32::from(served.ask(SHORT).await.status() == 429);
        assert!(rejected < 100_000, "nobody counts them");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(rejected >= 2);
    let tick = served.gateway.controller.last(&"mock".parse().unwrap()).unwrap();
    let reading = |name: &str| {
        let readings = &tick.record.observation.readings;
        readings.iter().find(|one| one.metric == name).unwrap().value.as_ref().unwrap().milli()
    };
    assert!(reading("requests_in_flight") <= 1000);
    assert!(reading("requests_rejected") >= 1000);
    drop(holder);
    served.shutdown().await;
}

#[tokio::test]
async fn who_is_to_go_finishes_its_streams_first() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(4, ""), policy(2, 2, ""), mocks.clone()).await.ready(2).await;
    let mut streams = [served.ask(ENDLESS).await, served.ask(ENDLESS).await];
    assert_ne!(replica(&streams[0]), replica(&streams[1]));
    // By hand one is enough, and a count by hand drains as well.
    let by_hand = "  override: {replicas: 1, until: 2999-01-01T00:00:00Z}\n";
    served.gateway.decide_by(policy(1, 2, by_hand));
    let draining = |gateway: &Gateway| {
        let state = gateway.fleet.lock();
        let one = state.replicas.iter().find(|one| one.draining_since.is_some());
        one.map(|one| one.name.clone())
    };
    served.until("one drains", |gateway| draining(gateway).is_some()).await;
    let leaving = draining(&served.gateway).unwrap();
    // New work goes to the other one.
    let new = served.ask(ENDLESS).await;
    assert_ne!(replica(&new), leaving);
    // For some decisions more it stays, and its stream goes on.
    let place = usize::from(replica(&streams[1]) == leaving);
    let decided = || {
        let tick = served.gateway.controller.last(&"mock".parse().unwrap());
        tick.map(|tick| tick.record.observation.time)
    };
    for _ in 0..3 {
        let before = decided();
        served.until("it is decided again", |_| decided() > before).await;
        mocks.named(&leaving).mock.release(1);
        assert!(chunk(&mut streams[place]).await.unwrap().contains("token"));
        assert_eq!(desired(&served.gateway), 2, "it is not idle");
    }
    let [first, second] = streams;
    let (its, other) = if place == 0 { (first, second) } else { (second, first) };
    drop(its);
    served
        .until("it is gone", |gateway| {
            let state = gateway.fleet.lock();
            state.desired == 1 && state.replicas.len() == 1
        })
        .await;
    assert_ne!(served.gateway.fleet.lock().replicas[0].name, leaving);
    assert_eq!(replica(&other), served.gateway.fleet.lock().replicas[0].name);
    drop((other, new));
    served.shutdown().await;
}

/// A policy without `retire` says how many, and nobody says who: the gateway lets the idle one go, and no stream is cut.
#[tokio::test]
async fn without_a_plan_the_idle_one_leaves() {
    use trimtab_runtime::{Change, ScaleTarget};

    let mocks = Mocks::new(gated());
    let served = Served::new(config(4, ""), policy(2, 2, ""), mocks.clone()).await.ready(2).await;
    // What decides would start another one, and is not asked.
    served.gateway.controller.shutdown().await;
    let mut stream = served.ask(ENDLESS).await;
    let busy = replica(&stream);
    let workload = "mock".parse().unwrap();
    served.gateway.fleet.write(&workload, &Change::of(2, 1)).await.unwrap();
    served.until("one is gone", |gateway| gateway.fleet.lock().replicas.len() == 1).await;
    assert_eq!(served.gateway.fleet.lock().replicas[0].name, busy);
    // With none wanted it leaves when its stream is over, and not before.
    served.gateway.fleet.write(&workload, &Change::of(1, 0)).await.unwrap();
    mocks.named(&busy).mock.release(1);
    assert!(chunk(&mut stream).await.unwrap().contains("token"));
    assert_eq!(served.gateway.fleet.lock().replicas.len(), 1);
    // It is asked for again, and stays; then not.
    served.gateway.fleet.write(&workload, &Change::of(0, 1)).await.unwrap();
    assert!(served.gateway.fleet.lock().replicas[0].serves());
    served.gateway.fleet.write(&workload, &Change::of(1, 0)).await.unwrap();
    drop(stream);
    served.until("all are gone", |gateway| gateway.fleet.lock().replicas.is_empty()).await;
    served.shutdown().await;
}
