//! A Prometheus that fails in every way, and what is made of it.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail by panic")]

#[cfg(test)]
mod faulty;

use std::time::{Duration, Instant};

use faulty::{Fault, Faulty};
use trimtab_metric::{Span, Timestamp};
use trimtab_prometheus::{PrometheusClient, ServerSpec};
use trimtab_runtime::SourceError;

const GOOD: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}"#;
const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

const PARTIAL: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3"]}]},
    "warnings":["receive series from Addr: store-1: rpc error"]}"#;

fn spec(servers: &[&Faulty]) -> ServerSpec {
    let mut spec = ServerSpec::at("http://x");
    spec.addresses = servers.iter().map(|server| server.url()).collect();
    spec.timeout_seconds = Span::from_millis(800);
    spec.max_bytes = 1 << 20;
    spec
}

async fn ask(spec: &ServerSpec) -> Result<f64, SourceError> {
    let client = PrometheusClient::new(spec).unwrap();
    let start = Instant::now();
    let answer = client.instant("x", Timestamp::from_secs(1)).await;
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    answer.map(|answer| answer.series[0].points[0].1)
}

#[tokio::test]
async fn each_fault_has_its_name_and_none_takes_longer_than_the_deadline() {
    for (fault, cause) in [
        (Fault::json("{"), "malformed"),
        (Fault::json("[1,2,3]"), "malformed"),
        (Fault::json("\u{0}\u{1}"), "malformed"),
        (Fault::json(&"[".repeat(100_000)), "malformed"),
        (Fault::json(&format!("{GOOD}{GOOD}")), "malformed"),
        (Fault::status("200 OK"), "malformed"),
        (Fault::status("401 Unauthorized"), "denied"),
        (Fault::status("403 Forbidden"), "denied"),
        (Fault::status("404 Not Found"), "refused"),
        (Fault::status("302 Found"), "refused"),
        (Fault::status("503 Service Unavailable"), "unreachable"),
        (Fault::status("429 Too Many Requests"), "unreachable"),
        (Fault::Truncated { body: GOOD[..40].into(), announced: GOOD.len() }, "unreachable"),
        (Fault::Endless, "too_large"),
        (Fault::Gigantic, "too_large"),
        (Fault::Drip(GOOD.into()), "timeout"),
        (Fault::json(PARTIAL), "partial"),
        (Fault::Silent, "timeout"),
        (Fault::Reset, "unreachable"),
        (Fault::Babble, "unreachable"),
    ] {
        let server = Faulty::new([fault.clone()]).await;
        let error = ask(&spec(&[&server])).await.unwrap_err();
        assert_eq!(error.cause(), cause, "{fault:?}: {error}");
        let words = error.to_string();
        assert!(!words.contains("127.0.0.1"), "addresses are not for everybody: {words}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_within_the_deadline() {
    for fault in [Fault::status("503 Service Unavailable"), Fault::Reset, Fault::Babble] {
        let server = Faulty::new([fault.clone(), fault, Fault::json(GOOD)]).await;
        assert_eq!(ask(&spec(&[&server])).await, Ok(7.0));
        assert_eq!(server.requests(), 3);
    }
    // What does not pass is not.
    for fault in [Fault::status("401 Unauthorized"), Fault::json("{"), Fault::Endless] {
        let server = Faulty::new([fault, Fault::json(GOOD)]).await;
        assert!(ask(&spec(&[&server])).await.is_err());
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn another_address_helps_with_everything_but_a_wrong_query() {
    for fault in [
        Fault::status("503 Service Unavailable"),
        Fault::status("401 Unauthorized"),
        Fault::json("{"),
        Fault::json(EMPTY),
        Fault::json(PARTIAL),
        Fault::Silent,
        Fault::Drip(GOOD.into()),
        Fault::Endless,
        Fault::Reset,
    ] {
        let (bad, good) = (Faulty::new([fault]).await, Faulty::new([Fault::json(GOOD)]).await);
        assert_eq!(ask(&spec(&[&bad, &good])).await, Ok(7.0));
    }
    let words = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    let fault = Fault::Answer { status: "400 Bad Request", kind: "", body: words.into() };
    let (bad, good) = (Faulty::new([fault]).await, Faulty::new([Fault::json(GOOD)]).await);
    let error = ask(&spec(&[&bad, &good])).await.unwrap_err();
    assert_eq!(error, SourceError::Refused("parse error".into()));
    assert_eq!(good.requests(), 0);
}

#[tokio::test]
async fn a_part_of_an_answer_counts_only_for_who_says_so() {
    let server = Faulty::new([Fault::json(PARTIAL)]).await;
    let mut spec = spec(&[&server]);
    let error = ask(&spec).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "a part of the answer is missing: receive series from Addr: store-1: rpc error"
    );
    spec.allow_partial = true;
    assert_eq!(ask(&spec).await, Ok(3.0));
}

#[tokio::test]
async fn no_more_requests_at_a_time_than_may_be() {
    let server = Faulty::new([Fault::Silent]).await;
    let mut spec = spec(&[&server]);
    spec.max_concurrent = std::num::NonZeroU16::MIN;
    spec.timeout_seconds = Span::from_millis(300);
    let client = PrometheusClient::new(&spec).unwrap();
    let queries: Vec<String> = (0..20).map(|number| format!("x{number}")).collect();
    let asking = queries.iter().map(|query| client.instant(query, Timestamp::from_secs(1)));
    let start = Instant::now();
    let all = futures_util::future::join_all(asking).await;
    assert!(all.iter().all(|answer| matches!(answer, Err(SourceError::TimedOut(_)))));
    assert!(start.elapsed() < Duration::from_secs(1), "waiting counts as well");
    // Who gets the place in the last moment may still ask.
    assert!(server.requests() <= 2, "{}", server.requests());
}
