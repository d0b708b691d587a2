//! What the loop says over HTTP, to a real client.

#![cfg(feature = "health")]

#[cfg(test)]
mod ports;

use std::sync::Arc;
use std::time::Duration;

use ports::{Pool, Queue, id, policy_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use trimtab_runtime::{
    Controller, MemoryStore, MetricSource, ScaleTarget, SourceError, Workload, WorkloadStatus,
    health,
};

#[cfg(test)]
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: trimtab\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), String::from(body))
}

#[tokio::test]
async fn it_says_what_is_going_on() {
    let controller = Arc::new(Controller::builder(Arc::new(MemoryStore::new())).build());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let end = CancellationToken::new();
    let served = tokio::spawn(health::serve(
        listener,
        Arc::clone(&controller),
        end.clone().cancelled_owned(),
    ));

    let (pool, queue) = (Pool::of(2), Queue::of(24));
    let policy = policy_of(r#""behavior": {}, "hpa": {"syncPeriodSeconds": 1},"#);
    let workload =
        Workload::new(id("inference/llm"), policy, Arc::clone(&pool) as Arc<dyn ScaleTarget>);
    controller.set(workload.with_source(Arc::clone(&queue) as Arc<dyn MetricSource>));
    let (status, text) = get(address, "/readyz").await;
    assert_eq!((status, text.as_str()), (503, "no tick yet: 1 workloads: inference/llm\n"));
    assert_eq!(get(address, "/healthz").await.0, 200);
    while pool.count() == 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(get(address, "/readyz").await.0, 200);

    let (status, body) = get(address, "/api/v1/workloads/inference/llm").await;
    let told: WorkloadStatus = serde_json::from_str(&body).unwrap();
    assert_eq!((status, told.current_replicas, told.scale_to), (200, 2, Some(3)));
    assert!(told.explanation.contains("queue"), "{}", told.explanation);
    let (_, body) = get(address, "/api/v1/workloads").await;
    assert_eq!(serde_json::from_str::<Vec<WorkloadStatus>>(&body).unwrap().len(), 1);
    assert_eq!(get(address, "/api/v1/workloads/other").await.0, 404);
    assert_eq!(get(address, "/api/v1/workloads/..%2Fetc").await.0, 404);

    queue.fail(SourceError::TooLarge { limit: 1000 });
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let (_, text) = get(address, "/metrics").await;
    for line in [
        r#"trimtab_decisions_total{workload="inference/llm",outcome="decided",direction="up"} 1"#,
        r#"trimtab_replicas{workload="inference/llm",kind="wanted"} 3.0"#,
        r#"trimtab_condition{workload="inference/llm",type="ScalingActive"} 0.0"#,
        r#"source="queue",metric="",cause="too_large""#,
        r#"strategy="hpa",mode="active"} 1.0"#,
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }

    controller.shutdown().await;
    assert_eq!(get(address, "/readyz").await, (503, String::from("ending\n")));
    end.cancel();
    served.await.unwrap().unwrap();
}
