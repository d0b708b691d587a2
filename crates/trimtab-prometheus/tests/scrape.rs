//! Pages of replicas, without a Prometheus in between.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[cfg(test)]
mod faulty;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use faulty::{Fault, Faulty};
use trimtab_engine::{PodRecord, Policy, ReadingRecord, Unavailable};
use trimtab_metric::{Span, Timestamp};
use trimtab_prometheus::{Replica, ReplicasSpec, ScrapeSource, ScrapeSpec};
use trimtab_runtime::{Ask, MetricSource, Observed, SourceError, WorkloadId};

const METRICS: &str = r#"[
    {"metric": "running", "take": {"gauge": {"names": ["running", "old_running"]}}},
    {"metric": "kv", "take": {"gauge": {"names": ["kv"], "series": "max"}}, "replicas": "max"},
    {"metric": "total", "take": {"gauge": {"names": ["running", "old_running"]}}},
    {"metric": "rate", "take": {"rate": {"names": ["requests_total"]}}},
    {"metric": "p50", "take": {"quantile": {"names": ["ttft"], "quantile": 0.5}}},
    {"metric": "mean", "take": {"mean": {"names": ["ttft"]}}},
    {"metric": "ours", "take": {"gauge": {"names": ["running"], "labels": {"model": "a"}}}}
]"#;

fn policy() -> Policy {
    let metric = |name: &str, kind: &str| {
        let own = serde_json::json!({
            "metric": {"name": name},
            "target": {"type": "AverageValue", "averageValue": "1"},
        });
        serde_json::json!({"type": kind, kind.to_lowercase(): own})
    };
    let spec = serde_json::json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 100,
        "metrics": [
            metric("running", "Pods"), metric("kv", "External"), metric("total", "External"),
            metric("rate", "External"), metric("p50", "External"), metric("mean", "External"),
            metric("ours", "Pods"),
        ],
    });
    Policy::new(serde_json::from_value(spec).unwrap()).unwrap()
}

fn page(running: f64, requests: u64, fast: u64, slow: u64) -> Fault {
    let all = fast + slow;
    let sum = fast as f64 * 0.5 + slow as f64 * 1.5;
    Fault::page(&format!(
        "# TYPE running gauge\nrunning{{model=\"a\"}} {running}\nrunning{{model=\"b\"}} 1\nkv{{gpu=\"0\"}} 0.25\nkv{{gpu=\"1\"}} 0.75\n\
         # TYPE requests_total counter\nrequests_total{{code=\"200\"}} {requests}\nrequests_total{{code=\"500\"}} 5\n\
         # TYPE ttft histogram\nttft_bucket{{le=\"1\"}} {fast}\nttft_bucket{{le=\"2\"}} {all}\nttft_bucket{{le=\"+Inf\"}} {all}\n\
         ttft_sum {sum}\nttft_count {all}\n"
    ))
}

fn source(servers: &[(&str, &Faulty)], change: impl FnOnce(&mut ScrapeSpec)) -> ScrapeSource {
    let list = servers.iter().map(|(name, server)| Replica {
        name: String::from(*name),
        url: format!("{}/metrics", server.url()),
    });
    let mut spec = ScrapeSpec {
        replicas: ReplicasSpec::list(list),
        metrics: serde_json::from_str(METRICS).unwrap(),
        timeout_seconds: Span::from_millis(400),
        ..ScrapeSpec::default()
    };
    change(&mut spec);
    ScrapeSource::new(&spec).unwrap()
}

async fn observe(source: &ScrapeSource, second: i64, pods: &[PodRecord]) -> Observed {
    let workload: WorkloadId = "test/llm".parse().unwrap();
    let policy = policy();
    let mut ask = Ask::new(&workload, &policy, Timestamp::from_secs(second));
    ask.pods = pods;
    source.observe(ask).await.unwrap()
}

fn of<'o>(observed: &'o Observed, metric: &str) -> &'o ReadingRecord {
    observed.readings.iter().find(|reading| reading.metric == metric).unwrap()
}

fn milli(observed: &Observed, metric: &str) -> Option<i64> {
    of(observed, metric).value.as_ref().map(trimtab_metric::Quantity::milli)
}

fn by_pod(reading: &ReadingRecord) -> BTreeMap<&str, i64> {
    let pods = reading.pods.as_ref().unwrap();
    pods.iter().map(|(pod, sample)| (pod.as_str(), sample.value.milli())).collect()
}

fn cause(observed: &Observed, metric: &str) -> &'static str {
    let of_metric = observed.problems.iter().find(|problem| problem.metric == metric);
    of_metric.map_or("none", |problem| problem.error.cause())
}

#[tokio::test]
async fn gauges_at_once_and_what_grows_from_the_second_scrape_on() {
    let a = Faulty::new([page(3.0, 100, 10, 0), page(4.0, 160, 20, 10)]).await;
    let b = Faulty::new([page(5.0, 1000, 50, 50), page(6.0, 30, 3, 7)]).await;
    let source = source(&[("a", &a), ("b", &b)], |_| ());
    let first = observe(&source, 1_000, &[]).await;
    assert_eq!(by_pod(of(&first, "running")), [("a", 4_000), ("b", 6_000)].into());
    assert_eq!(by_pod(of(&first, "ours")), [("a", 3_000), ("b", 5_000)].into());
    assert_eq!((milli(&first, "total"), milli(&first, "kv")), (Some(10_000), Some(750)));
    for metric in ["rate", "p50", "mean"] {
        assert_eq!(of(&first, metric).unavailable, Some(Unavailable::Missing), "{metric}");
        assert_eq!(cause(&first, metric), "empty");
    }
    let second = observe(&source, 1_015, &[]).await;
    // 60 requests in 15 s, and 30 since the other started anew.
    assert_eq!(milli(&second, "rate"), Some(6_000));
    // Added: 10 + 3 up to 1 s, 10 + 7 up to 2 s.
    assert_eq!(milli(&second, "p50"), Some(1_118));
    assert!(milli(&second, "mean").is_some());
    assert_eq!(second.pods, None, "nobody said which pods there are");
}

#[tokio::test]
async fn a_replica_that_fails_is_missing_alone_and_totals_are_unknown() {
    let good = Faulty::new([page(3.0, 1, 1, 1)]).await;
    for (fault, expected) in [
        (Fault::Silent, "timeout"),
        (Fault::Reset, "unreachable"),
        (Fault::Endless, "too_large"),
        (Fault::Drip("running 1\n".into()), "timeout"),
        (Fault::page("running 1"), "malformed"),
        (Fault::page("running one\n"), "malformed"),
        (Fault::page("\u{0}"), "malformed"),
        (Fault::page(""), "empty"),
        (Fault::protobuf(), "malformed"),
        (Fault::status("503 Service Unavailable"), "unreachable"),
        (Fault::status("401 Unauthorized"), "denied"),
        (Fault::status("302 Found"), "refused"),
    ] {
        let bad = Faulty::new([fault.clone()]).await;
        let source = source(&[("a", &good), ("b", &good), ("c", &bad)], |spec| {
            spec.max_bytes = 100_000;
        });
        let start = Instant::now();
        let seen = observe(&source, 1_000, &[]).await;
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(by_pod(of(&seen, "running")).len(), 2, "{fault:?}");
        assert_eq!(cause(&seen, "running"), expected, "{fault:?}");
        assert!(of(&seen, "total").unavailable.is_some(), "a sum without one falls short");
        assert_eq!(milli(&seen, "kv"), Some(750), "two of three are enough for a maximum");

        // A pod that is not ready yet is not missed.
        let pods: Vec<PodRecord> = serde_json::from_str(
            r#"[{"name": "a"}, {"name": "b"}, {"name": "c", "ready": false}]"#,
        )
        .unwrap();
        let seen = observe(&source, 1_015, &pods).await;
        assert_eq!((milli(&seen, "total"), cause(&seen, "running")), (Some(8_000), "none"));
    }
}

#[tokio::test]
async fn what_a_page_has_of_a_native_histogram_is_said_and_its_mean_known() {
    let native = |count: u64| {
        Fault::page(&format!(
            "ttft_bucket{{le=\"+Inf\"}} {count}\nttft_sum {count}\nttft_count {count}\n"
        ))
    };
    let server = Faulty::new([native(1), native(3)]).await;
    let source = source(&[("a", &server)], |_| ());
    let _first = observe(&source, 1_000, &[]).await;
    let second = observe(&source, 1_015, &[]).await;
    assert_eq!(of(&second, "p50").unavailable, Some(Unavailable::Invalid));
    let problem = second.problems.iter().find(|problem| problem.metric == "p50").unwrap();
    assert!(problem.error.to_string().contains("take its `mean`"), "{}", problem.error);
    assert_eq!(milli(&second, "mean"), Some(1_000));
}

#[tokio::test]
async fn bounds_are_numbers_however_they_are_written() {
    let bounds = |one: &str, fast: u64| {
        Fault::page(&format!(
            "ttft_bucket{{le=\"{one}\"}} {fast}\nttft_bucket{{le=\"2.0\"}} {fast}\nttft_bucket{{le=\"+Inf\"}} {fast}\n"
        ))
    };
    // The same server before and after its library writes whole bounds as Prometheus 3 does.
    let server = Faulty::new([bounds("1", 0), bounds("1.0", 10)]).await;
    let source = source(&[("a", &server)], |_| ());
    let _first = observe(&source, 1_000, &[]).await;
    assert_eq!(milli(&observe(&source, 1_015, &[]).await, "p50"), Some(500));
}

#[tokio::test]
async fn a_page_may_move_within_its_server() {
    let moved = Fault::Redirect(String::from("/metrics/"));
    let within = Faulty::new([moved.clone(), page(3.0, 1, 1, 1)]).await;
    let seen = observe(&source(&[("a", &within)], |_| ()), 1_000, &[]).await;
    assert_eq!(by_pod(of(&seen, "running")), [("a", 4_000)].into());

    let elsewhere = Faulty::new([Fault::Redirect(format!("{}/metrics", within.url()))]).await;
    let seen = observe(&source(&[("a", &elsewhere)], |_| ()), 1_000, &[]).await;
    assert_eq!((cause(&seen, "running"), within.requests()), ("refused", 2));
    // Nor round and round.
    let round = Faulty::new([moved]).await;
    let seen = observe(&source(&[("a", &round)], |_| ()), 1_000, &[]).await;
    assert_eq!((cause(&seen, "running"), round.requests()), ("refused", 4));
}

#[tokio::test]
async fn a_quorum_is_needed_for_all_else() {
    let (good, bad) = (Faulty::new([page(3.0, 1, 1, 1)]).await, Faulty::new([Fault::Reset]).await);
    let source = source(&[("a", &good), ("b", &bad), ("c", &bad)], |_| ());
    let seen = observe(&source, 1_000, &[]).await;
    assert_eq!(of(&seen, "kv").unavailable, Some(Unavailable::Failed));
}

#[tokio::test]
async fn a_list_may_say_which_pods_there_are() {
    let (good, bad) = (Faulty::new([page(3.0, 1, 1, 1)]).await, Faulty::new([Fault::Reset]).await);
    let source = source(&[("a", &good), ("b", &bad)], |spec| {
        spec.provides_pods = true;
        spec.in_flight = serde_json::from_str(r#"{"names": ["running"]}"#).unwrap();
    });
    assert!(source.provides(&policy()).pods);
    let seen = observe(&source, 1_000, &[]).await;
    let pods = serde_json::to_value(seen.pods.unwrap()).unwrap();
    let expected = serde_json::json!([
        {"name": "a", "ready": true, "inFlight": 4},
        {"name": "b", "ready": false},
    ]);
    assert_eq!(pods, expected);
}

#[tokio::test]
async fn pods_are_found_by_their_names() {
    let server = Faulty::new([page(3.0, 1, 1, 1)]).await;
    let template = format!("{}/{{pod}}/metrics", server.url());
    let spec = ScrapeSpec {
        replicas: ReplicasSpec::template(template),
        metrics: serde_json::from_str(METRICS).unwrap(),
        in_flight: serde_json::from_str(r#"{"names": ["running"]}"#).unwrap(),
        ..ScrapeSpec::default()
    };
    let source = ScrapeSource::new(&spec).unwrap();
    let pods: Vec<PodRecord> =
        serde_json::from_str(r#"[{"name": "a"}, {"name": "b", "phase": "Pending"}]"#).unwrap();
    let seen = observe(&source, 1_000, &pods).await;
    assert_eq!(by_pod(of(&seen, "running")), [("a", 4_000)].into());
    assert_eq!(seen.pods.unwrap()[0].in_flight, Some(4));

    let (workload, policy) = ("test/llm".parse().unwrap(), policy());
    let error = source.observe(Ask::new(&workload, &policy, Timestamp::from_secs(1))).await;
    assert!(matches!(error, Err(SourceError::Empty(_))));
}

#[tokio::test]
async fn many_replicas_within_one_deadline() {
    let server = Faulty::new([page(3.0, 1, 1, 1)]).await;
    let slow = Faulty::new([Fault::Silent]).await;
    let names: Vec<String> = (0..120).map(|number| format!("r{number}")).collect();
    let list: Vec<(&str, &Faulty)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_str(), if index % 3 == 0 { &slow } else { &server }))
        .collect();
    let source = source(&list, |spec| spec.max_concurrent = 64.try_into().unwrap());
    let start = Instant::now();
    let seen = observe(&source, 1_000, &[]).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(by_pod(of(&seen, "running")).len(), 80);
}

#[test]
fn what_can_not_be_meant() {
    let spec = |json: &str| {
        let spec: ScrapeSpec = serde_json::from_str(json).unwrap();
        ScrapeSource::new(&spec).map(drop).map_err(|error| error.to_string())
    };
    assert!(
        spec(r#"{"replicas": {"template": "http://{pod}:1/metrics"}, "preset": "vllm"}"#).is_ok()
    );
    for broken in [
        r#"{}"#,
        r#"{"replicas": {"template": "http://llm:1/metrics"}}"#,
        r#"{"replicas": {"template": "{pod}:1"}}"#,
        r#"{"replicas": {"list": [{"name": "a", "url": "a:1"}]}}"#,
        r#"{"replicas": {"template": "http://{pod}", "list": [{"name": "a", "url": "http://a"}]}}"#,
        r#"{"replicas": {"template": "http://{pod}"}, "providesPods": true}"#,
        r#"{"replicas": {"template": "http://{pod}"}, "quorumPercent": 0}"#,
        r#"{"replicas": {"template": "http://{pod}"}, "windowSeconds": 0}"#,
        r#"{"replicas": {"template": "http://{pod}"}, "metrics": [{"metric": "a", "take": {"rate": {"names": []}}}]}"#,
        r#"{"replicas": {"template": "http://{pod}"}, "metrics": [{"metric": "a", "take": {"quantile": {"names": ["a"], "quantile": 95}}}]}"#,
        r#"{"replicas": {"template": "http://{pod}"}, "connect": {"headers": {"Authorization": "x"}}}"#,
    ] {
        assert!(spec(broken).is_err(), "{broken}");
    }
}
