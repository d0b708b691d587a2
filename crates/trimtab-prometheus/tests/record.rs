//! History, from a real Prometheus where this machine has one.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod server;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use faulty::{Fault, Faulty};
use server::{Prometheus, policy, program};
use trimtab_engine::{ObservationRecord, Unavailable};
use trimtab_metric::{Span, Timestamp};
use trimtab_prometheus::{
    MetricQuery, PrometheusClient, QueriesSpec, RecordError, Recorder, ServerSpec,
};

const START: i64 = 1_700_000_010;
const STEP: i64 = 15;

/// A Prometheus with `steps` steps of history.
fn with_history(steps: i64) -> Option<Prometheus> {
    let promtool = program("promtool")?;
    let mut prometheus = Prometheus::stopped(None)?;
    let mut page = String::from("# TYPE waiting gauge\n");
    for pod in ["a", "b"] {
        for step in 0..steps {
            // `b` comes later, and `a` is not a number once.
            let value =
                if pod == "a" && step == 7 { String::from("NaN") } else { format!("{step}") };
            if pod == "a" || step >= 10 {
                page += &format!("waiting{{pod=\"{pod}\"}} {value} {}\n", START + step * STEP);
            }
        }
    }
    page += "# TYPE requests counter\n";
    for step in 0..steps {
        page += &format!("requests_total {} {}\n", step * 30, START + step * STEP);
    }
    page += "# TYPE replicas gauge\n";
    for step in 0..steps {
        page += &format!("replicas {} {}\n", 2 + step / 20, START + step * STEP);
    }
    page += "# EOF\n";
    let input = server::file(prometheus.folder.path(), "history", &page);
    fs::create_dir_all(prometheus.data()).unwrap();
    let made = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&input, &prometheus.data()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    prometheus.start();
    prometheus.wait();
    Some(prometheus)
}

fn queries() -> QueriesSpec {
    let query = |metric: &str, query: &str| MetricQuery {
        metric: metric.into(),
        query: query.into(),
        ..MetricQuery::default()
    };
    QueriesSpec {
        metrics: vec![
            query("waiting", "sum by (pod) (waiting)"),
            query("requests", "sum(rate(requests_total[1m]))"),
        ],
        ..QueriesSpec::default()
    }
}

fn recorder(client: PrometheusClient) -> Recorder {
    let policy =
        policy(&[("waiting", "Pods"), ("requests", "External"), ("elsewhere", "External")]);
    Recorder::new(client, policy, &queries()).unwrap().with_replicas("max(replicas)")
}

fn time(step: i64) -> Timestamp {
    Timestamp::from_secs(START + step * STEP)
}

fn read(path: &Path) -> Vec<ObservationRecord> {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    if path.extension().is_some_and(|end| end == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        text = fs::read_to_string(path).unwrap();
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn what_would_have_been_seen() {
    let Some(prometheus) = with_history(100) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl.gz");
    let recorder = recorder(prometheus.client());
    let mut seen = Vec::new();
    // From before there was anything, until after.
    let done = recorder
        .to_file(&path, time(-50), time(99), &mut |progress| seen.push(progress))
        .await
        .unwrap();
    assert_eq!((done.records, done.resumed), (100, false));
    assert_eq!(seen.last().map(|progress| (progress.done, progress.total)), Some((150, 150)));
    assert!(!folder.path().join("trace.jsonl.gz.resume").exists());

    let records = read(&path);
    let policy =
        policy(&[("waiting", "Pods"), ("requests", "External"), ("elsewhere", "External")]);
    assert_eq!(records.len(), 100);
    for (step, record) in records.iter().enumerate() {
        let step = i64::try_from(step).unwrap();
        assert_eq!(record.time, time(step));
        assert_eq!(record.replicas, Some(i32::try_from(2 + step / 20).unwrap()));
        record.resolve(&policy).unwrap();
        let reading =
            |metric: &str| record.readings.iter().find(|reading| reading.metric == metric).unwrap();
        let waiting = reading("waiting");
        if step == 7 {
            assert_eq!(waiting.unavailable, Some(Unavailable::Invalid));
            continue;
        }
        let pods = waiting.pods.as_ref().unwrap();
        assert_eq!(pods.len(), if step < 10 { 1 } else { 2 });
        assert!(pods.values().all(|sample| sample.value.milli() == step * 1000));
        if step > 4 {
            assert_eq!(reading("requests").value.as_ref().unwrap().milli(), 2_000);
        }
    }
    assert!(records.windows(2).all(|pair| pair[0].time < pair[1].time));

    // A file that is finished is not written again.
    let again = recorder.to_file(&path, time(0), time(9), &mut |_| ()).await;
    assert!(matches!(again, Err(RecordError::Exists(_))), "{again:?}");
}

#[tokio::test]
async fn what_was_interrupted_goes_on() {
    let Some(mut prometheus) = with_history(2500) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole.jsonl"), folder.path().join("broken.jsonl"));
    let mut spec = prometheus.spec();
    spec.timeout_seconds = Span::from_secs(1);
    let recorder = recorder(PrometheusClient::new(&spec).unwrap());
    let end = time(2499);
    recorder.to_file(&whole, time(0), end, &mut |_| ()).await.unwrap();
    assert_eq!(read(&whole).len(), 2500);

    // Prometheus goes away after the first piece.
    let mut first = |_| prometheus.stop();
    let error = recorder.to_file(&broken, time(0), end, &mut first).await.unwrap_err();
    assert!(matches!(error, RecordError::Query { .. }), "{error}");
    assert_eq!(read(&broken).len(), 1000);
    // And we were killed while writing.
    let mut bytes = fs::read(&broken).unwrap();
    bytes.extend_from_slice(b"{\"time\": half of a li");
    fs::write(&broken, bytes).unwrap();
    prometheus.start();
    prometheus.wait();

    let other =
        Recorder::new(prometheus.client(), policy(&[("waiting", "Pods")]), &queries()).unwrap();
    let error = other.to_file(&broken, time(0), end, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, RecordError::Different { .. }), "{error}");

    // The range that it began with counts.
    let done = recorder.to_file(&broken, time(5), time(6), &mut |_| ()).await.unwrap();
    assert_eq!((done.records, done.resumed, done.end), (2500, true, end));
    assert_eq!(fs::read(&broken).unwrap(), fs::read(&whole).unwrap());
}

#[tokio::test]
async fn answers_that_are_too_large_are_asked_for_in_smaller_pieces() {
    let Some(prometheus) = with_history(300) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut spec = prometheus.spec();
    spec.max_bytes = 4_000;
    let recorder = recorder(PrometheusClient::new(&spec).unwrap());
    let path = folder.path().join("trace.jsonl");
    let done = recorder.to_file(&path, time(0), time(299), &mut |_| ()).await.unwrap();
    assert_eq!((done.records, read(&path).len()), (300, 300));
}

#[tokio::test]
async fn what_can_not_be_recorded() {
    let server = Faulty::new([Fault::status("401 Unauthorized")]).await;
    let client = PrometheusClient::new(&ServerSpec::at(server.url())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    let recorder = recorder(client.clone());
    let error = recorder.to_file(&path, time(9), time(0), &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, RecordError::NoRange { .. }), "{error}");
    let error = recorder.to_file(&path, time(0), time(9), &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("access is denied"), "{error}");
    let nothing = Recorder::new(client, policy(&[("elsewhere", "Pods")]), &queries());
    assert!(matches!(nothing, Err(RecordError::NoQueries(_))));
}
