//! Against a real Prometheus, where this machine has one.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[cfg(test)]
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use server::{Exporter, Prometheus, now, policy, until_there_are};
use trimtab_engine::{PodRecord, Policy, ReadingRecord, Unavailable};
use trimtab_metric::{Quantity, Span};
use trimtab_prometheus::{
    Aggregate, InFlightQuery, MetricQuery, PrometheusClient, PrometheusSource, QueriesSpec,
};
use trimtab_runtime::{Ask, MetricSource, Observed, SourceError, WorkloadId};

fn query(metric: &str, query: &str) -> MetricQuery {
    MetricQuery { metric: metric.into(), query: query.into(), ..MetricQuery::default() }
}

fn source(client: &PrometheusClient, metrics: Vec<MetricQuery>) -> PrometheusSource {
    let spec = QueriesSpec { metrics, ..QueriesSpec::default() };
    PrometheusSource::new(client.clone(), &spec).unwrap()
}

async fn observe(
    source: &PrometheusSource,
    policy: &Policy,
    pods: &[PodRecord],
) -> Result<Observed, SourceError> {
    let workload: WorkloadId = "test/llm".parse().unwrap();
    let mut ask = Ask::new(&workload, policy, now());
    ask.pods = pods;
    source.observe(ask).await
}

fn of<'o>(observed: &'o Observed, metric: &str) -> &'o ReadingRecord {
    observed.readings.iter().find(|reading| reading.metric == metric).unwrap()
}

fn cause(observed: &Observed, metric: &str) -> &'static str {
    let of_metric = observed.problems.iter().find(|problem| problem.metric == metric);
    of_metric.map_or("none", |problem| problem.error.cause())
}

fn by_pod(reading: &ReadingRecord) -> BTreeMap<&str, i64> {
    let pods = reading.pods.as_ref().unwrap();
    pods.iter().map(|(pod, sample)| (pod.as_str(), sample.value.milli())).collect()
}

fn pods(names: &[&str]) -> Vec<PodRecord> {
    names.iter().map(|name| PodRecord { name: (*name).into(), ..PodRecord::default() }).collect()
}

const PAGE: &str = "\
waiting{pod=\"a\"} 3
waiting{pod=\"b\"} 4.5
waiting{pod=\"other\"} 99
ratio{pod=\"a\"} NaN
ratio{pod=\"b\"} 0.5
endless 1e400
huge 1e17
";

#[tokio::test]
async fn every_kind_of_value() {
    let exporter = Exporter::new(&PAGE.replace("1e400", "+Inf"));
    let Some(prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let client = prometheus.client();
    until_there_are(&client, "waiting", 3).await;
    let policy = policy(&[
        ("waiting", "Pods"),
        ("ratio", "Pods"),
        ("lost", "Pods"),
        ("twice", "Pods"),
        ("series", "External"),
        ("total", "External"),
        ("constant", "External"),
        ("one", "Object"),
        ("several", "Object"),
        ("nothing", "External"),
        ("endless", "External"),
        ("huge", "External"),
        ("broken", "External"),
        ("window", "External"),
    ]);
    let mut total = query("total", "waiting");
    total.aggregate = Some(Aggregate::Sum);
    let spec = QueriesSpec {
        in_flight: Some(InFlightQuery {
            query: "sum by (pod) (waiting)".into(),
            per_replica: None,
        }),
        metrics: vec![
            query("waiting", "sum by (pod) (waiting)"),
            query("ratio", "ratio"),
            query("lost", "sum(waiting)"),
            query("twice", "label_replace(waiting, \"pod\", \"a\", \"\", \"\")"),
            query("series", "waiting"),
            total,
            query("constant", "42"),
            query("one", "waiting{pod=\"b\"}"),
            query("several", "waiting"),
            query("nothing", "no_such_metric"),
            query("endless", "endless"),
            query("huge", "huge"),
            query("broken", "sum(("),
            query("window", "waiting{pod=\"a\"}[10s]"),
        ],
        ..QueriesSpec::default()
    };
    let source = PrometheusSource::new(client, &spec).unwrap();
    let seen = observe(&source, &policy, &pods(&["a", "b", "c"])).await.unwrap();

    assert_eq!(by_pod(of(&seen, "waiting")), [("a", 3_000), ("b", 4_500)].into(), "not `other`");
    assert_eq!(by_pod(of(&seen, "ratio")), [("b", 500)].into(), "a NaN is its pod's alone");
    assert_eq!(cause(&seen, "ratio"), "invalid");
    assert_eq!(of(&seen, "lost").unavailable, Some(Unavailable::Invalid), "no label `pod`");
    // Prometheus itself refuses two series with the same labels.
    assert_eq!(
        (cause(&seen, "twice"), of(&seen, "twice").unavailable),
        ("refused", Some(Unavailable::Failed))
    );
    assert_eq!(of(&seen, "series").values.as_ref().unwrap().len(), 3);
    assert_eq!(of(&seen, "total").value, Some(Quantity::from_milli(106_500)));
    assert_eq!(of(&seen, "constant").value, Some(Quantity::from_units(42)));
    assert_eq!(of(&seen, "one").value, Some(Quantity::from_milli(4_500)));
    assert_eq!(of(&seen, "several").unavailable, Some(Unavailable::Invalid));
    assert_eq!(of(&seen, "nothing").unavailable, Some(Unavailable::Missing));
    assert_eq!(cause(&seen, "nothing"), "empty");
    assert_eq!(of(&seen, "endless").unavailable, Some(Unavailable::Invalid));
    assert_eq!(of(&seen, "huge").unavailable, Some(Unavailable::Invalid));
    assert_eq!(
        (cause(&seen, "broken"), of(&seen, "broken").unavailable),
        ("refused", Some(Unavailable::Failed))
    );
    assert!(!of(&seen, "window").series.as_ref().unwrap().is_empty());
    let serving: Vec<_> =
        seen.pods.unwrap().into_iter().map(|pod| (pod.name, pod.in_flight)).collect();
    assert_eq!(serving, [("a".into(), Some(3)), ("b".into(), Some(5))]);

    // All of it is in a form that the policy takes, but `window`, which is for strategies with windows of their own.
    let mut readings = seen.readings;
    readings.retain(|reading| reading.metric != "window");
    let record = serde_json::json!({"time": now(), "replicas": 2, "pods": pods(&["a", "b"]), "readings": readings});
    let record: trimtab_engine::ObservationRecord = serde_json::from_value(record).unwrap();
    record.resolve(&policy).unwrap();
}

#[tokio::test]
async fn samples_that_are_old_are_stale_and_not_values() {
    let old = now().saturating_sub(Span::from_secs(200)).as_millis();
    let exporter = Exporter::new(&format!(
        "waiting{{pod=\"a\"}} 3 {old}\nwaiting{{pod=\"b\"}} 4\nold 7 {old}\nfresh 1\n"
    ));
    let Some(prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let client = prometheus.client();
    until_there_are(&client, "fresh", 1).await;
    until_there_are(&client, "old", 1).await;
    let policy = policy(&[("waiting", "Pods"), ("old", "External"), ("fresh", "External")]);
    let asked = || {
        vec![
            query("waiting", "sum by (pod) (waiting)"),
            query("old", "sum(old)"),
            query("fresh", "fresh"),
        ]
    };
    let seen = observe(&source(&client, asked()), &policy, &[]).await.unwrap();
    assert_eq!(by_pod(of(&seen, "waiting")), [("b", 4_000)].into(), "pod by pod");
    assert_eq!(of(&seen, "old").unavailable, Some(Unavailable::Stale));
    let stale = seen.problems.iter().find(|problem| problem.metric == "old").unwrap();
    let SourceError::Stale { age, limit } = stale.error else { panic!("{stale:?}") };
    assert!(age > Span::from_secs(199) && age < Span::from_secs(280), "{age}");
    assert_eq!(limit, Span::from_secs(120));
    assert_eq!(of(&seen, "fresh").value, Some(Quantity::from_units(1)));

    // Who takes any age gets what Prometheus takes for present.
    let mut any = asked();
    any.iter_mut().for_each(|query| query.max_age_seconds = Some(Span::ZERO));
    let seen = observe(&source(&client, any), &policy, &[]).await.unwrap();
    assert_eq!(of(&seen, "old").value, Some(Quantity::from_units(7)));
}

#[tokio::test]
async fn a_native_histogram_is_known_for_what_it_is() {
    let exporter = Exporter::new("");
    exporter.set_native_histogram("ttft", "a");
    let Some(prometheus) = Prometheus::stopped(Some(&exporter)) else { return };
    let mut prometheus = prometheus.with_feature("native-histograms");
    prometheus.start();
    prometheus.wait();
    let client = prometheus.client();
    until_there_are(&client, "ttft", 1).await;
    let policy = policy(&[("raw", "Pods"), ("window", "External"), ("p50", "Pods")]);
    let asked = vec![
        query("raw", "ttft"),
        query("window", "ttft[10s]"),
        query("p50", "histogram_quantile(1, ttft)"),
    ];
    let seen = observe(&source(&client, asked), &policy, &[]).await.unwrap();
    assert_eq!(of(&seen, "raw").unavailable, Some(Unavailable::Invalid));
    let words = seen.problems[0].error.to_string();
    assert!(words.contains("`ttft{instance="), "{words}");
    assert!(words.contains("ask for `histogram_quantile(0.95, sum(rate(ttft[2m])))`"), "{words}");
    assert_eq!(cause(&seen, "window"), "invalid");
    assert_eq!(by_pod(of(&seen, "p50")), [("a", 1_000)].into());
}

#[tokio::test]
async fn a_restart_is_a_gap_and_nothing_more() {
    let exporter = Exporter::new("waiting 3\n");
    let Some(mut prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let mut spec = prometheus.spec();
    spec.timeout_seconds = Span::from_secs(2);
    let client = PrometheusClient::new(&spec).unwrap();
    until_there_are(&client, "waiting", 1).await;
    let policy = policy(&[("waiting", "External")]);
    let source = source(&client, vec![query("waiting", "waiting")]);
    assert!(observe(&source, &policy, &[]).await.unwrap().problems.is_empty());

    prometheus.stop();
    let start = Instant::now();
    let error = observe(&source, &policy, &[]).await.unwrap_err();
    assert_eq!(error.cause(), "unreachable", "{error}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());

    prometheus.start();
    prometheus.wait();
    until_there_are(&client, "waiting", 1).await;
    let seen = observe(&source, &policy, &[]).await.unwrap();
    assert_eq!(of(&seen, "waiting").value, Some(Quantity::from_units(3)));
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_given_up() {
    let exporter = Exporter::new("waiting 3\n");
    let Some(prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let mut spec = prometheus.spec();
    spec.timeout_seconds = Span::from_millis(600);
    let client = PrometheusClient::new(&spec).unwrap();
    until_there_are(&client, "waiting", 1).await;
    let slow = "sum_over_time(sum_over_time(vector(1)[1h:100ms])[40m:100ms])";
    let start = Instant::now();
    let error = client.instant(slow, now()).await.unwrap_err();
    assert!(["timeout", "unreachable"].contains(&error.cause()), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // And it answers others meanwhile.
    assert_eq!(client.instant("waiting", now()).await.unwrap().series.len(), 1);
}

#[tokio::test]
async fn a_thousand_pods() {
    let page: String = (0..1000).map(|pod| format!("waiting{{pod=\"p{pod}\"}} {pod}\n")).collect();
    let exporter = Exporter::new(&page);
    let Some(prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let client = prometheus.client();
    until_there_are(&client, "waiting", 1000).await;
    let policy = policy(&[("waiting", "Pods")]);
    let source = source(&client, vec![query("waiting", "sum by (pod) (waiting)")]);
    let start = Instant::now();
    let seen = observe(&source, &policy, &[]).await.unwrap();
    let pods = by_pod(of(&seen, "waiting"));
    assert_eq!((pods.len(), pods["p999"]), (1000, 999_000));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    let mut small = prometheus.spec();
    small.max_bytes = 10_000;
    let error = PrometheusClient::new(&small).unwrap().instant("waiting", now()).await.unwrap_err();
    assert_eq!(error, SourceError::TooLarge { limit: 10_000 });
}

#[tokio::test]
async fn many_workloads_ask_once() {
    let exporter = Exporter::new("waiting{pod=\"a\"} 3\n");
    let Some(prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let mut spec = prometheus.spec();
    spec.share_seconds = Span::from_secs(300);
    until_there_are(&prometheus.client(), "waiting", 1).await;
    let client = PrometheusClient::new(&spec).unwrap();
    let policy = policy(&[("waiting", "Pods")]);
    let sources: Vec<_> =
        (0..500).map(|_| source(&client, vec![query("waiting", "waiting")])).collect();
    let asking = sources.iter().map(|source| observe(source, &policy, &[]));
    let all = futures_util::future::join_all(asking).await;
    assert!(all.iter().all(Result::is_ok));
    let counts = client.counts();
    assert_eq!(counts.asked, 1000, "the value and its age");
    // The grid of times may have moved on once in between.
    assert!(counts.sent <= 4, "{counts:?}");
}

#[tokio::test]
async fn of_a_pair_the_one_that_lives_answers() {
    let exporter = Exporter::new("waiting 3\n");
    let Some(prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    until_there_are(&prometheus.client(), "waiting", 1).await;
    let mut spec = prometheus.spec();
    // Nobody listens there.
    spec.addresses.insert(0, String::from("http://127.0.0.1:9"));
    let client = PrometheusClient::new(&spec).unwrap();
    for _ in 0..10 {
        assert_eq!(client.instant("waiting", now()).await.unwrap().series.len(), 1);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let counts = client.counts();
    assert_eq!((counts.failed, counts.sent), (1, 11), "the dead one is asked last from then on");

    // One that was just started has no data yet: the other's counts.
    let Some(young) = Prometheus::scraping(None) else { return };
    spec.addresses[0] = young.address();
    let client = PrometheusClient::new(&spec).unwrap();
    assert_eq!(client.instant("waiting", now()).await.unwrap().series.len(), 1);
    assert!(client.instant("no_such_metric", now()).await.unwrap().series.is_empty());
}
