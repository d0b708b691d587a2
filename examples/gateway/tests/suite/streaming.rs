//! Streams pass as they come; who leaves frees the slot; who is left is told.

use std::time::Duration;

use trimtab_gateway::mock::MockSettings;

use crate::harness::{Mocks, Served, chunk, config, fast, gated, policy, text, until};

const STREAM: &str = r#"{"stream": true, "max_tokens": 3, "messages": []}"#;
const ENDLESS: &str = r#"{"stream": true, "max_tokens": 1000000, "messages": []}"#;

#[tokio::test]
async fn each_token_comes_before_the_next_is_made() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(4, ""), policy(1, 1, ""), mocks.clone()).await.ready(1).await;
    let mock = &mocks.named("replica-1").mock;
    let mut answer = served.ask(STREAM).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for token in 1..=2 {
        // The next one is made only after this one was seen here.
        mock.release(1);
        let event = chunk(&mut answer).await.unwrap();
        assert!(event.contains(&format!("token{token} ")), "{event}");
        assert_eq!(served.in_flight("replica-1"), 1);
    }
    mock.release(1);
    let rest = text(answer).await;
    assert!(rest.contains("token3 ") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
    served.until("the slot is free", |gateway| gateway.fleet.lock().in_flight() == 0).await;
    assert_eq!(served.gateway.fleet.lock().signals.totals().completed, 1);
    served.shutdown().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_its_replica() {
    let none = Duration::ZERO;
    let at_once = MockSettings { step: none, step_per_request: none, ..MockSettings::default() };
    let mocks = Mocks::new(at_once);
    let served = Served::new(config(4, ""), policy(1, 1, ""), mocks.clone()).await.ready(1).await;
    let mock = &mocks.named("replica-1").mock;
    let mut answer = served.ask(ENDLESS).await;
    assert!(chunk(&mut answer).await.is_some());
    // Once the buffers of the sockets are full nothing more is made.
    let mut before = 0;
    while mock.tokens() > before {
        before = mock.tokens();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 1_000_000, "somebody kept all of it");
    // It is made again when it is read.
    while mock.tokens() == before {
        assert!(chunk(&mut answer).await.is_some());
    }
    drop(answer);
    until("the replica knows", || mock.broken() == 1).await;
    served.shutdown().await;
}

#[tokio::test]
async fn an_answer_without_a_stream_passes_whole() {
    let mocks = Mocks::new(fast());
    let served = Served::new(config(4, ""), policy(1, 1, ""), mocks).await.ready(1).await;
    let answer = served.ask(r#"{"max_tokens": 2, "messages": []}"#).await;
    assert!(answer.headers().contains_key("content-length"));
    assert!(text(answer).await.contains("token1 token2"));
    assert_eq!(served.get("/v1/models").await.0, 200);
    served
        .until("it is counted", |gateway| gateway.fleet.lock().signals.totals().completed == 1)
        .await;
    let (_, metrics) = served.get("/metrics").await;
    for line in [
        "gateway_requests_total{outcome=\"completed\"} 1",
        "gateway_time_to_first_token_seconds_count 1",
        "gateway_queue_wait_seconds_count 1",
        "gateway_in_flight{replica=\"replica-1\"} 0",
        "gateway_replicas{state=\"ready\"} 1",
        "gateway_queue_length 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(metrics.matches("# EOF").count(), 1);
    assert!(metrics.contains("trimtab_"), "the loop's own are there, too");
    served.shutdown().await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_slot_and_stops_its_replica() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(1, ""), policy(1, 1, ""), mocks.clone()).await.ready(1).await;
    let mock = &mocks.named("replica-1").mock;
    let mut answer = served.ask(ENDLESS).await;
    mock.release(1);
    assert!(chunk(&mut answer).await.is_some());
    // Another one waits for the only slot, and gets it when the first client leaves.
    let next = served.asking(STREAM);
    served.until("it waits", |gateway| gateway.fleet.lock().queue.len() == 1).await;
    drop(answer);
    let next = next.await.unwrap();
    assert_eq!(next.status(), 200);
    mock.release(10);
    assert!(text(next).await.ends_with("data: [DONE]\n\n"));
    until("the replica knows", || mock.broken() == 1).await;
    served.shutdown().await;
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_is_forgotten() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(1, ""), policy(1, 1, ""), mocks.clone()).await.ready(1).await;
    let holder = served.ask(ENDLESS).await;
    let waits = served.asking(STREAM);
    served.until("it waits", |gateway| gateway.fleet.lock().queue.len() == 1).await;
    waits.abort();
    served.until("it left", |gateway| gateway.fleet.lock().queue.is_empty()).await;
    drop(holder);
    served.until("nothing is left", |gateway| gateway.fleet.lock().in_flight() == 0).await;
    assert_eq!(mocks.named("replica-1").mock.began(), 1, "it never came to the replica");
    served.shutdown().await;
}

#[tokio::test]
async fn a_stream_whose_replica_ends_is_told_so() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(4, ""), policy(1, 1, ""), mocks.clone()).await.ready(1).await;
    let first = mocks.named("replica-1");
    let mut answer = served.ask(ENDLESS).await;
    first.mock.release(1);
    assert!(chunk(&mut answer).await.is_some());
    first.crash().await;
    let rest = text(answer).await;
    let last = rest.trim_end().rsplit("\n\n").next().unwrap();
    let event: serde_json::Value =
        serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(event["error"]["code"], "replica_lost");
    assert!(!rest.contains("[DONE]"));
    // A new one takes its place.
    let served = served.ready(1).await;
    assert_eq!(mocks.all().len(), 2);
    served.shutdown().await;
}

#[tokio::test]
async fn an_answer_whose_replica_ends_before_it_began_is_an_error_and_not_asked_for_twice() {
    let mocks = Mocks::new(gated());
    let served = Served::new(config(4, ""), policy(2, 2, ""), mocks.clone()).await.ready(2).await;
    let asked = served.asking(r#"{"max_tokens": 2, "messages": []}"#);
    let begun = || mocks.all().into_iter().find(|one| one.mock.began() == 1);
    until("it was sent", || begun().is_some()).await;
    begun().unwrap().crash().await;
    let answer = asked.await.unwrap();
    assert_eq!(answer.status(), 502);
    assert!(text(answer).await.contains("replica_lost"));
    assert_eq!(mocks.all().iter().map(|one| one.mock.began()).sum::<u64>(), 1);
    served.shutdown().await;
}
