//! A target over HTTP, against a real server.

#![cfg(feature = "webhook")]

#[cfg(test)]
mod ports;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::any;
use ports::id;
use tokio::net::TcpListener;
use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus, WebhookSpec, WebhookTarget};

type Told = Arc<Mutex<Vec<(Method, String, String, String)>>>;
type Answers = Arc<Mutex<Vec<(u16, String)>>>;

/// A server that answers as it is told, the last answer again and again, and keeps what it was asked.
#[cfg(test)]
async fn serve(answers: &[(u16, &str)]) -> (String, Told) {
    let told = Told::default();
    let answers: Vec<(u16, String)> =
        answers.iter().rev().map(|(status, body)| (*status, String::from(*body))).collect();
    let state = (Arc::clone(&told), Answers::new(Mutex::new(answers)));
    let answer = async |State((told, answers)): State<(Told, Answers)>,
                        method: Method,
                        uri: Uri,
                        headers: HeaderMap,
                        body: String| {
        let signature = headers.get("x-trimtab-signature");
        let signature = signature.map_or("", |value| value.to_str().unwrap()).to_owned();
        told.lock().unwrap().push((method, uri.to_string(), signature, body));
        let mut answers = answers.lock().unwrap();
        let (status, body) =
            if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
        (StatusCode::from_u16(status).unwrap(), body)
    };
    let router = Router::new().route("/scale", any(answer)).with_state(state);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/scale", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, told)
}

#[cfg(test)]
fn target(url: String, secret: Option<&std::path::Path>) -> WebhookTarget {
    let secret_file = secret.map(std::path::Path::to_owned);
    WebhookTarget::new(WebhookSpec { url, secret_file, headers: [].into() }).unwrap()
}

#[tokio::test]
async fn it_reads_and_writes_and_signs() {
    let pods = r#"{"replicas": 3, "statusReplicas": 2, "version": "7", "pods": [{"name": "a"}]}"#;
    let (url, told) = serve(&[(200, pods), (202, "")]).await;
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let target = target(url, Some(&secret));
    let id = id("inference/llm");
    let status = target.read(&id).await.unwrap();
    assert_eq!((status.replicas, status.status_replicas), (3, 2));
    assert_eq!(status.pods.unwrap()[0].name, "a");
    let mut change = Change::of(3, 5);
    change.version = status.version;
    target.write(&id, &change).await.unwrap();

    let told = told.lock().unwrap();
    assert_eq!((&told[0].0, told[0].1.as_str()), (&Method::GET, "/scale?workload=inference%2Fllm"));
    let body = r#"{"workload":"inference/llm","from":3,"replicas":5,"version":"7"}"#;
    assert_eq!((&told[1].0, told[1].3.as_str()), (&Method::POST, body));
    assert!(told.iter().all(|(_, _, signature, _)| signature.starts_with("t=1")));
}

#[tokio::test]
async fn what_it_answers_is_what_the_error_is() {
    for (status, body, cause) in [
        (409, "", "conflict"),
        (404, "no such pool", "not_found"),
        (403, "", "denied"),
        (503, "busy", "unreachable"),
        (422, "more than the quota", "refused"),
        (302, "", "refused"),
    ] {
        let (url, _) = serve(&[(status, body)]).await;
        let error = target(url, None).write(&id("llm"), &Change::of(1, 2)).await.unwrap_err();
        assert_eq!(error.cause(), cause, "{status}");
        assert!(error == TargetError::Conflict || error.to_string().contains(body), "{error}");
    }
    let (url, _) = serve(&[(200, "three")]).await;
    assert_eq!(target(url, None).read(&id("llm")).await.unwrap_err().cause(), "malformed");
    let nobody = target(String::from("http://127.0.0.1:9"), None);
    assert_eq!(nobody.read(&id("llm")).await.unwrap_err().cause(), "unreachable");
    let huge = format!(r#"{{"replicas": 1, "x": "{}"}}"#, "x".repeat(9 << 20));
    let (url, _) = serve(&[(200, &huge)]).await;
    assert_eq!(target(url, None).read(&id("llm")).await.unwrap_err().cause(), "malformed");
}

#[tokio::test]
async fn without_its_secret_nothing_is_sent() {
    let (url, told) = serve(&[(200, r#"{"replicas": 1}"#)]).await;
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    let signed = target(url.clone(), Some(&secret));
    assert_eq!(signed.read(&id("llm")).await.unwrap_err().cause(), "denied");
    std::fs::write(&secret, " \n").unwrap();
    assert_eq!(signed.read(&id("llm")).await.unwrap_err().cause(), "denied");
    assert!(told.lock().unwrap().is_empty());
    assert_eq!(target(url, None).read(&id("llm")).await, Ok(TargetStatus::steady(1)));
}
