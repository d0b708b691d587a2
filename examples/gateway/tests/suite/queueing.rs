//! The queue is bounded by what the replicas take on in time; beyond it there is a 429 that says when to come back.

use crate::harness::{Mocks, Served, config, fast, gated, policy, text};

const ENDLESS: &str = r#"{"stream": true, "max_tokens": 1000000, "messages": []}"#;
const SHORT: &str = r#"{"stream": true, "max_tokens": 1, "messages": []}"#;

#[tokio::test]
async fn beyond_the_bound_there_is_a_429_with_retry_after() {
    let mocks = Mocks::new(gated());
    let queue = "queue: {unknown: 2, mostRetrySeconds: 30}";
    let served = Served::new(config(1, queue), policy(1, 1, ""), mocks).await.ready(1).await;
    let holder = served.ask(ENDLESS).await;
    let waiting = [served.asking(SHORT), served.asking(SHORT)];
    served.until("two wait", |gateway| gateway.fleet.lock().queue.len() == 2).await;
    for _ in 0..3 {
        let rejected = served.ask(SHORT).await;
        assert_eq!(rejected.status(), 429);
        let after: u32 = rejected.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&after), "{after}");
        assert!(text(rejected).await.contains("overloaded"));
    }
    assert_eq!(served.waiting(), 2, "who waits, waits on");
    assert_eq!(served.gateway.fleet.lock().signals.totals().rejected, 3);
    let (_, metrics) = served.get("/metrics").await;
    assert!(metrics.contains("gateway_rejections_total{reason=\"queue_full\"} 3"), "{metrics}");
    assert!(metrics.contains("gateway_queue_bound 2"), "{metrics}");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    drop(holder);
    served.shutdown().await;
}

#[tokio::test]
async fn the_bound_follows_what_replicas_do() {
    let mocks = Mocks::new(fast());
    let queue = "queue: {unknown: 2, waitSeconds: 10}";
    let served = Served::new(config(4, queue), policy(1, 1, ""), mocks).await.ready(1).await;
    let text_of = |answer| async { text(answer).await };
    for _ in 0..8 {
        assert!(text_of(served.ask(SHORT).await).await.ends_with("[DONE]\n\n"));
    }
    // A few hundredths of a second each, four at a time: hundreds in 10 s, where 2 were allowed blindly.
    served.until("it is known", |gateway| gateway.fleet.bound() > 50).await;
    served.shutdown().await;
}

#[tokio::test]
async fn who_waited_for_too_long_is_turned_away() {
    let mocks = Mocks::new(gated());
    let queue = "queue: {unknown: 8, waitSeconds: 0.3, holdSeconds: 0.3}";
    let served = Served::new(config(1, queue), policy(1, 1, ""), mocks).await.ready(1).await;
    let holder = served.ask(ENDLESS).await;
    let late = served.ask(SHORT).await;
    assert_eq!(late.status(), 503);
    assert!(late.headers().contains_key("retry-after"));
    assert_eq!(served.waiting(), 0);
    assert_eq!(served.gateway.fleet.lock().signals.totals().rejected, 1);
    drop(holder);
    served.shutdown().await;
}

#[tokio::test]
async fn bodies_are_bounded_and_errors_are_json() {
    let mocks = Mocks::new(fast());
    let requests = "requests: {bodyBytes: 64}";
    let served = Served::new(config(1, requests), policy(1, 1, ""), mocks).await.ready(1).await;
    let long = format!(r#"{{"prompt": "{}"}}"#, "a ".repeat(64));
    let refused = served.ask(&long).await;
    assert_eq!(refused.status(), 413);
    let error: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(error["error"]["type"], "gateway_error");
    assert_eq!(served.get("/healthz").await.0, 200);
    served.shutdown().await;
}

#[tokio::test]
async fn a_gateway_that_ends_sends_away_who_waits() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(1, ""), policy(1, 1, ""), mocks).await.ready(1).await;
    served.until("it has decided", |gateway| gateway.controller.waiting().is_empty()).await;
    assert_eq!(served.get("/readyz").await.0, 200);
    let holder = served.ask(ENDLESS).await;
    let waits = served.asking(SHORT);
    served.until("it waits", |gateway| gateway.fleet.lock().queue.len() == 1).await;
    served.gateway.fleet.close();
    assert_eq!(waits.await.unwrap().status(), 503);
    assert_eq!(served.get("/readyz").await.0, 503);
    assert_eq!(served.ask(SHORT).await.status(), 429);
    drop(holder);
    served.shutdown().await;
}
