//! Clients that do nothing hold nothing: no connection, no body, no slot of a replica.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use trimtab_gateway::mock::MockSettings;
use trimtab_gateway::serve::serve;

use crate::harness::{Mocks, Served, config, fast, policy, until};

const HASTY: &str = "requests: {clientSeconds: 0.3}";

/// Writes that much of a request, and says what comes back until the connection ends.
async fn after(served: &Served, start_of_request: &str) -> String {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(start_of_request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn who_sends_no_more_is_given_up() {
    let mocks = Mocks::new(fast());
    let served = Served::new(config(1, HASTY), policy(1, 1, ""), mocks).await.ready(1).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n";
    for begun in ["", "POST", head] {
        let answer = after(&served, begun).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let body = format!("{head}connection: close\r\ncontent-length: 100\r\n\r\n{{\"mess");
    let answer = after(&served, &body).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("the body did not come within 0.3 s"), "{answer}");
    assert_eq!(served.gateway.fleet.lock().signals.totals().arrived, 0, "it was never there");
    served.shutdown().await;
}

#[tokio::test]
async fn who_takes_nothing_frees_its_slot() {
    let none = Duration::ZERO;
    let at_once = MockSettings { step: none, step_per_request: none, ..MockSettings::default() };
    let mocks = Mocks::new(at_once);
    let served =
        Served::new(config(1, HASTY), policy(1, 1, ""), mocks.clone()).await.ready(1).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let body = r#"{"stream": true, "max_tokens": 10000000, "messages": []}"#;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    served.until("it is served", |gateway| gateway.fleet.lock().in_flight() == 1).await;
    served.until("it is given up", |gateway| gateway.fleet.lock().in_flight() == 0).await;
    until("the replica knows", || mocks.named("replica-1").mock.broken() == 1).await;
    drop(stream);
    served.shutdown().await;
}

#[tokio::test]
async fn who_has_not_begun_does_not_hold_up_the_end() {
    let mocks = Mocks::new(fast());
    let served = Served::new(config(1, ""), policy(1, 1, ""), mocks).await.ready(1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let end = CancellationToken::new();
    let (gateway, told) = (Arc::clone(&served.gateway), end.clone());
    let serving = tokio::spawn(async move { serve(listener, &gateway, told.cancelled()).await });
    let mut idle = TcpStream::connect(address).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut some = [0; 12];
    idle.read_exact(&mut some).await.unwrap();
    let start = Instant::now();
    end.cancel();
    serving.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    served.shutdown().await;
}
