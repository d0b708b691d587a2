//! The replica with the least to do gets the next request; one that is not there gets none, and nothing is lost by it.

use trimtab_runtime::{Change, ScaleTarget};

use crate::harness::{Mocks, Served, chunk, config, fast, gated, policy, replica, text};

const ENDLESS: &str = r#"{"stream": true, "max_tokens": 1000000, "messages": []}"#;
const SHORT: &str = r#"{"stream": true, "max_tokens": 1, "messages": []}"#;

#[tokio::test]
async fn the_least_loaded_gets_the_next() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(3, ""), policy(3, 3, ""), mocks).await.ready(3).await;
    let names = ["replica-1", "replica-2", "replica-3"];
    let mut answers = Vec::new();
    for round in 1..=3 {
        for _ in names {
            answers.push(served.ask(ENDLESS).await);
        }
        assert!(names.iter().all(|name| served.in_flight(name) == round), "round {round}");
    }
    // Two streams of the second one end: the next two requests go there.
    for _ in 0..2 {
        let place = answers.iter().position(|answer| replica(answer) == "replica-2").unwrap();
        drop(answers.swap_remove(place));
    }
    served.until("they are gone", |gateway| gateway.fleet.lock().in_flight() == 7).await;
    for _ in 0..2 {
        let answer = served.ask(ENDLESS).await;
        assert_eq!(replica(&answer), "replica-2");
        answers.push(answer);
    }
    drop(answers);
    served.shutdown().await;
}

#[tokio::test]
async fn what_was_not_sent_is_asked_elsewhere() {
    // Nobody says that it ended, and for a while nobody asks whether it is ready.
    let mocks = Mocks::that_hide_their_ends(fast());
    let mut config = config(4, "");
    config.replicas.health_period_seconds = 600.0;
    let served = Served::new(config, policy(2, 2, ""), mocks.clone()).await.ready(2).await;
    mocks.named("replica-1").crash().await;
    for _ in 0..4 {
        let answer = served.ask(SHORT).await;
        assert_eq!((answer.status().as_u16(), replica(&answer).as_str()), (200, "replica-2"));
        assert!(text(answer).await.ends_with("[DONE]\n\n"));
    }
    let (_, metrics) = served.get("/metrics").await;
    assert!(metrics.contains("gateway_retries_total 1\n"), "once was enough:\n{metrics}");
    assert!(metrics.contains("gateway_replicas{state=\"unready\"} 1"), "{metrics}");
    served.shutdown().await;
}

#[tokio::test]
async fn one_that_does_not_answer_when_asked_gets_nothing() {
    let mocks = Mocks::that_hide_their_ends(fast());
    let served = Served::new(config(4, ""), policy(2, 2, ""), mocks.clone()).await.ready(2).await;
    mocks.named("replica-2").crash().await;
    let served = served.ready(1).await;
    for _ in 0..4 {
        assert_eq!(replica(&served.ask(SHORT).await), "replica-1");
    }
    let (_, metrics) = served.get("/metrics").await;
    assert!(metrics.contains("gateway_retries_total 0\n"), "{metrics}");
    served.shutdown().await;
}

#[tokio::test]
async fn one_that_drains_gets_nothing_new_and_keeps_what_it_has() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(4, ""), policy(2, 2, ""), mocks.clone()).await.ready(2).await;
    let workload = "mock".parse().unwrap();
    let mut begun = served.ask(SHORT).await;
    let first = replica(&begun);
    let change = |drain: &[&String], take_back: &[&String]| {
        let names = |names: &[&String]| names.iter().map(|name| (*name).clone()).collect();
        let mut change = Change::of(2, 2);
        (change.drain, change.take_back) = (names(drain), names(take_back));
        change
    };
    served.gateway.fleet.write(&workload, &change(&[&first], &[])).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..4 {
        let answer = served.ask(ENDLESS).await;
        assert_ne!(replica(&answer), first);
        others.push(answer);
    }
    // The other one is full: the next waits, though the first one has slots.
    let waits = served.asking(SHORT);
    served.until("it waits", |gateway| gateway.fleet.lock().queue.len() == 1).await;
    let status = served.gateway.fleet.read(&workload).await.unwrap();
    let pods = status.pods.unwrap();
    let pod = pods.iter().find(|pod| pod.name == first).unwrap();
    assert!(pod.draining_since.is_some() && !pod.terminating);
    assert_eq!((status.replicas, pod.in_flight), (2, Some(1)));
    // Taken back, it is given work at once.
    served.gateway.fleet.write(&workload, &change(&[], &[&first])).await.unwrap();
    let waited = waits.await.unwrap();
    assert_eq!(replica(&waited), first);
    mocks.named(&first).mock.release(2);
    assert!(chunk(&mut begun).await.unwrap().contains("token1 "));
    assert!(text(begun).await.ends_with("[DONE]\n\n"));
    assert!(text(waited).await.ends_with("[DONE]\n\n"));
    drop(others);
    served.shutdown().await;
}

#[tokio::test]
async fn a_count_that_was_changed_since_is_not_written() {
    let mocks = Mocks::new(fast());
    let served = Served::new(config(1, ""), policy(1, 1, ""), mocks).await.ready(1).await;
    let workload = "mock".parse().unwrap();
    let version = served.gateway.fleet.read(&workload).await.unwrap().version;
    let mut change = Change::of(1, 1);
    change.version.clone_from(&version);
    served.gateway.fleet.write(&workload, &change).await.unwrap();
    let again = served.gateway.fleet.write(&workload, &change).await;
    assert_eq!(again, Err(trimtab_runtime::TargetError::Conflict));
    served.shutdown().await;
}
