//! How the API server is reached: by which file, under which name, and how patiently.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail by panic")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use trimtab_kube::{ConnectSpec, connect, connect_with};

/// A server that turns the first requests away.
struct Busy {
    url: String,
    requests: Arc<AtomicU32>,
    agents: Arc<Mutex<Vec<String>>>,
}

async fn busy(first: u32, retry_after: Option<u32>, status: StatusCode) -> Busy {
    let (requests, agents) = (Arc::<AtomicU32>::default(), Arc::<Mutex<Vec<String>>>::default());
    let (counted, seen) = (Arc::clone(&requests), Arc::clone(&agents));
    let answer = move |request: Request| {
        let agent = request.headers().get("user-agent").unwrap().to_str().unwrap().to_owned();
        seen.lock().unwrap().push(agent);
        let nth = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            if nth < first {
                let wait = retry_after.map(|wait| [("retry-after", wait.to_string())]);
                return match wait {
                    Some(header) => (status, header, "too many requests").into_response(),
                    None => (status, "too many requests").into_response(),
                };
            }
            let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "llm-0"}}"#;
            ([("content-type", "application/json")], pod).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
    Busy { url, requests, agents }
}

fn pods(busy: &Busy) -> Api<Pod> {
    let config = kube::Config::new(busy.url.parse().unwrap());
    Api::namespaced(connect_with(config).unwrap(), "inference")
}

#[tokio::test]
async fn it_says_who_it_is() {
    let busy = busy(0, None, StatusCode::OK).await;
    pods(&busy).get("llm-0").await.unwrap();
    let expected = concat!("trimtab/", env!("CARGO_PKG_VERSION"));
    assert_eq!(*busy.agents.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_short_wait_is_kept_to() {
    let busy = busy(2, Some(1), StatusCode::TOO_MANY_REQUESTS).await;
    let start = Instant::now();
    pods(&busy).get("llm-0").await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(busy.requests.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_long_wait_is_left_to_whoever_asked() {
    let busy = busy(9, Some(60), StatusCode::TOO_MANY_REQUESTS).await;
    let error = pods(&busy).get("llm-0").await.unwrap_err();
    assert!(error.to_string().contains("too many requests"), "{error}");
    assert_eq!(busy.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_may_be_done_is_not_done_again() {
    let busy = busy(9, Some(0), StatusCode::GATEWAY_TIMEOUT).await;
    let patch = kube::api::Patch::Merge(serde_json::json!({}));
    let error = pods(&busy).patch("llm-0", &Default::default(), &patch).await.unwrap_err();
    assert!(error.to_string().contains("too many requests"), "{error}");
    assert_eq!(busy.requests.load(Ordering::Relaxed), 1);
    // To read again does no harm, some times.
    pods(&busy).get("llm-0").await.unwrap_err();
    assert_eq!(busy.requests.load(Ordering::Relaxed), 7);
}

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: a, cluster: {server: 'http://127.0.0.1:1'}}
- {name: b, cluster: {server: 'http://127.0.0.1:2'}}
users:
- {name: nobody, user: {}}
contexts:
- {name: one, context: {cluster: a, user: nobody, namespace: first}}
- {name: two, context: {cluster: b, user: nobody, namespace: second}}
";

#[tokio::test]
async fn a_context_of_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KUBECONFIG).unwrap();
    let spec = |context: Option<&str>| ConnectSpec {
        kubeconfig: Some(file.path().to_owned()),
        context: context.map(str::to_owned),
    };
    assert_eq!(connect(&spec(None)).await.unwrap().default_namespace(), "first");
    assert_eq!(connect(&spec(Some("two"))).await.unwrap().default_namespace(), "second");
    let error = connect(&spec(Some("three"))).await.err().unwrap().to_string();
    assert!(error.contains("with the context `three`"), "{error}");
    let missing = ConnectSpec { kubeconfig: Some("no/such/file".into()), context: None };
    let error = connect(&missing).await.err().unwrap().to_string();
    assert!(error.starts_with("the kubeconfig `no/such/file` can't be used: "), "{error}");
}
