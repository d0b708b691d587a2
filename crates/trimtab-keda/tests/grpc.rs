//! The server as KEDA meets it: over a connection, by a client compiled from the same messages.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic")]

#[cfg(test)]
mod scaler;

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use scaler::{Bench, id, object, policy};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use trimtab_keda::proto::external_scaler_client::ExternalScalerClient;
use trimtab_keda::proto::{GetMetricsRequest, ScaledObjectRef};
use trimtab_keda::{METRIC, Registration, Reporting, ServeError, Server, Within};
use trimtab_runtime::{Mode, TargetError, Workload};

struct Served {
    bench: Bench,
    address: String,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    async fn start(bench: Bench) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::new(Arc::clone(&bench.answers));
        let serving = tokio::spawn(server.serve(listener, bench.end.clone()));
        Self { bench, address, serving }
    }

    async fn channel(&self) -> Channel {
        Endpoint::new(self.address.clone()).unwrap().connect().await.unwrap()
    }

    async fn client(&self) -> ExternalScalerClient<Channel> {
        ExternalScalerClient::new(self.channel().await)
    }

    async fn end(self) {
        self.bench.end.cancel();
        timeout(Duration::from_secs(5), self.serving).await.unwrap().unwrap().unwrap();
    }
}

fn ask(object: ScaledObjectRef) -> GetMetricsRequest {
    GetMetricsRequest { scaled_object_ref: Some(object), metric_name: String::from(METRIC) }
}

async fn value(client: &mut ExternalScalerClient<Channel>, object: ScaledObjectRef) -> f64 {
    let answer = client.get_metrics(ask(object)).await.unwrap().into_inner();
    let [value] = answer.metric_values.as_slice() else { panic!("{answer:?}") };
    assert_eq!(value.metric_name, METRIC);
    assert_eq!(value.metric_value, value.metric_value_float.ceil() as i64);
    value.metric_value_float
}

#[tokio::test]
async fn what_is_wanted_is_answered() {
    let served = Served::start(Bench::new(3, 8 * 7)).await;
    served.bench.tick().await;
    let mut client = served.client().await;
    // By its workload, by its policy, by both, by a variable, by its own name.
    for metadata in [
        &[("workload", "inference/llm"), ("scalerAddress", "trimtab:9465")][..],
        &[("policy", "llm-policy")],
        &[("policy", "llm-policy"), ("workload", " inference/llm ")],
        &[("workloadFromEnv", "inference/llm")],
        &[],
    ] {
        assert_eq!(value(&mut client, object(metadata)).await, 6.0, "{metadata:?}");
        assert!(client.is_active(object(metadata)).await.unwrap().into_inner().result);
        let specs = client.get_metric_spec(object(metadata)).await.unwrap().into_inner();
        let [spec] = specs.metric_specs.as_slice() else { panic!("{specs:?}") };
        assert_eq!(
            (spec.metric_name.as_str(), spec.target_size, spec.target_size_float),
            (METRIC, 1, 1.0)
        );
    }
    served.end().await;
}

/// What is asked for stays asked for until something else is decided, whatever the Deployment has meanwhile.
#[tokio::test]
async fn a_count_that_others_set_is_not_taken_up() {
    let served = Served::start(Bench::new(3, 8 * 6)).await;
    served.bench.tick().await;
    let mut client = served.client().await;
    assert_eq!(value(&mut client, object(&[])).await, 6.0);
    served.bench.deployment.set(11);
    served.bench.tick().await;
    assert_eq!(value(&mut client, object(&[])).await, 6.0);
    let last = served.bench.controller.last(&id("inference/llm")).unwrap();
    assert_eq!(last.record.observation.replicas, Some(6));
    assert_eq!(last.record.observation.status_replicas, Some(11));
    served.end().await;
}

#[tokio::test]
async fn a_tolerance_that_is_known_is_got_round() {
    let bench = Bench::empty(20);
    let more = r#""behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "tolerance": "0"},
        "scaleUp": {"tolerance": "0"}},"#;
    let mut registration = bench.registration();
    registration.reporting = Reporting { tolerance: 0.1, within: Within::Wait };
    bench.load(8 * 10);
    bench.deployment.set(11);
    bench.controller.set(bench.workload(registration.clone(), policy(more)));
    let served = Served::start(bench).await;
    served.bench.tick().await;
    let mut client = served.client().await;
    // 10 of 11 would be tolerated.
    assert_eq!(value(&mut client, object(&[])).await, 9.001_953_125);
    registration.reporting.within = Within::Exceed;
    served.bench.load(8 * 12);
    served.bench.controller.set(served.bench.workload(registration, policy(more)));
    served.bench.tick().await;
    assert_eq!(value(&mut client, object(&[])).await, 13.0);
    served.end().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_what_would_be_right() {
    let bench = Bench::new(3, 8);
    for (name, policy_name) in [("batch/a", "batch"), ("batch/b", "batch")] {
        let registration =
            Registration { policy: Some(policy_name.into()), ..Registration::new(id(name)) };
        bench.controller.set(bench.workload(registration, policy("")));
    }
    let mut only = Registration::new(id("private"));
    only.scaled_object = Some(String::from("secret/vault"));
    bench.controller.set(bench.workload(only, policy("")));
    let shadow: Workload = bench.workload(Registration::new(id("shadow")), policy(""));
    bench.controller.set(shadow.with_mode(Mode::Shadow));
    let served = Served::start(bench).await;
    served.bench.tick().await;
    while !served.bench.answers.is_ready() {
        served.bench.controller.tick_now(&id("shadow"));
        for name in ["batch/a", "batch/b", "private"] {
            served.bench.controller.tick_now(&id(name));
        }
        sleep(Duration::from_millis(20)).await;
    }
    // Its target has gone meanwhile, and there is no decision about a new one.
    let new = Registration::new(id("new"));
    let _target = served.bench.workload(new, policy(""));

    let mut client = served.client().await;
    let mut told = String::new();
    let mut tell = |what: &str, status: Status| {
        told += &format!("{what}\n  {:?}: {}\n", status.code(), status.message());
    };
    for metadata in [
        ("workload", "inference/lm"),
        ("workload", "../llm"),
        ("workload", ""),
        ("workloads", "inference/llm"),
        ("Policy", "llm-policy"),
        ("policy", "other"),
        ("policy", "batch"),
        ("workload", "private"),
        ("workload", "shadow"),
        ("workload", "new"),
    ] {
        let error = client.is_active(object(&[metadata])).await.unwrap_err();
        let (key, value) = metadata;
        tell(&format!("{key}: {value}"), error.clone());
        let of_metrics = client.get_metrics(ask(object(&[metadata]))).await.unwrap_err();
        assert_eq!((of_metrics.code(), of_metrics.message()), (error.code(), error.message()));
        // Who is known may be watched before there is anything to see.
        let known = matches!(metadata.1, "shadow" | "new");
        assert_eq!(client.stream_is_active(object(&[metadata])).await.is_ok(), known);
        assert_eq!(client.stream_metric_spec(object(&[metadata])).await.is_ok(), known);
        assert_eq!(client.get_metric_spec(object(&[metadata])).await.is_ok(), known);
    }
    let both = object(&[("workload", "inference/llm"), ("policy", "batch")]);
    tell("both", client.is_active(both).await.unwrap_err());
    let stranger = ScaledObjectRef { name: "x".into(), namespace: "y".into(), ..object(&[]) };
    tell("neither", client.is_active(stranger).await.unwrap_err());
    let nobody = GetMetricsRequest { scaled_object_ref: None, metric_name: METRIC.into() };
    tell("no reference", client.get_metrics(nobody).await.unwrap_err());
    let other = GetMetricsRequest { metric_name: "queue".into(), ..ask(object(&[])) };
    tell("another metric", client.get_metrics(other).await.unwrap_err());
    assert_snapshot!("refused", told);
    served.end().await;
}

#[tokio::test]
async fn a_stream_says_what_is_and_what_becomes() {
    let sleepy = r#""strategy": "slo", "minReplicas": 0,
        "slo": {"leadTimeSeconds": 30, "scaleToZeroAfterSeconds": 0},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},"#;
    let served = Served::start(Bench::with(0, 0, policy(sleepy))).await;
    let mut client = served.client().await;
    // Before the first decision nothing is said.
    let mut stream = client.stream_is_active(object(&[])).await.unwrap().into_inner();
    let mut specs = client.stream_metric_spec(object(&[])).await.unwrap().into_inner();
    let first = specs.message().await.unwrap().unwrap();
    let pulled = client.get_metric_spec(object(&[])).await.unwrap().into_inner();
    assert_eq!(first, pulled);

    served.bench.tick().await;
    assert!(!stream.message().await.unwrap().unwrap().result);
    served.bench.tick().await; // As before: nothing is said.
    served.bench.load(40);
    served.bench.tick().await;
    assert!(stream.message().await.unwrap().unwrap().result);
    // Who comes later gets what is now.
    let mut late = client.stream_is_active(object(&[])).await.unwrap().into_inner();
    assert!(late.message().await.unwrap().unwrap().result);

    // It is no longer driven: the streams end, without an error.
    served.bench.controller.remove(&id("inference/llm")).await;
    assert_eq!(stream.message().await.unwrap(), None);
    assert_eq!(late.message().await.unwrap(), None);
    assert_eq!(specs.message().await.unwrap(), None);
    let gone = client.stream_is_active(object(&[("workload", "inference/llm")])).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    served.end().await;
}

#[tokio::test]
async fn the_end_ends_streams_without_an_error() {
    let served = Served::start(Bench::new(3, 8)).await;
    served.bench.tick().await;
    let mut client = served.client().await;
    let mut stream = client.stream_is_active(object(&[])).await.unwrap().into_inner();
    let mut specs = client.stream_metric_spec(object(&[])).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    assert!(specs.message().await.unwrap().is_some());
    let ending = tokio::spawn(served.end());
    assert_eq!(stream.message().await.unwrap(), None);
    assert_eq!(specs.message().await.unwrap(), None);
    ending.await.unwrap();
}

#[tokio::test]
async fn a_deadline_ends_a_stream_on_both_sides() {
    let served = Served::start(Bench::new(3, 8)).await;
    served.bench.tick().await;
    let mut client = served.client().await;
    let mut request = Request::new(object(&[]));
    request.set_timeout(Duration::from_millis(200));
    let mut stream = client.stream_is_active(request).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    drop(stream);
    until_no_stream(&served.bench).await;
    // A deadline of an answer that is there at once is no matter.
    let mut request = Request::new(ask(object(&[])));
    request.set_timeout(Duration::from_millis(500));
    assert_eq!(client.get_metrics(request).await.unwrap().into_inner().metric_values.len(), 1);
    served.end().await;
}

async fn until_no_stream(bench: &Bench) {
    let gone = async {
        while bench.answers.streams() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.unwrap();
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let served = Served::start(Bench::new(3, 8)).await;
    served.bench.tick().await;
    for _ in 0..20 {
        let mut client = served.client().await;
        let mut streams = Vec::new();
        for _ in 0..5 {
            let mut stream = client.stream_is_active(object(&[])).await.unwrap().into_inner();
            assert!(stream.message().await.unwrap().is_some());
            streams.push(stream);
        }
        assert!(served.bench.answers.streams() >= 5);
        drop((client, streams));
    }
    until_no_stream(&served.bench).await;
    let mut client = served.client().await;
    assert_eq!(value(&mut client, object(&[])).await, 3.0);
    served.end().await;
}

/// KEDA has one connection for all ScaledObjects, and asks on it beside the streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_on_one_connection() {
    let sleepy = r#""strategy": "slo", "minReplicas": 0,
        "slo": {"leadTimeSeconds": 30, "scaleToZeroAfterSeconds": 0},"#;
    let served = Served::start(Bench::with(0, 0, policy(sleepy))).await;
    served.bench.tick().await;
    let mut client = served.client().await;
    let mut streams = Vec::new();
    for _ in 0..1000 {
        let mut stream = client.stream_is_active(object(&[])).await.unwrap().into_inner();
        assert!(!stream.message().await.unwrap().unwrap().result);
        streams.push(stream);
    }
    assert_eq!(served.bench.answers.streams(), 1000);
    let asked = timeout(Duration::from_secs(2), value(&mut client, object(&[]))).await;
    assert_eq!(asked.unwrap(), 0.0);
    served.bench.load(16);
    served.bench.tick().await;
    for stream in &mut streams {
        let told = timeout(Duration::from_secs(10), stream.message()).await.unwrap();
        assert!(told.unwrap().unwrap().result);
    }
    drop(streams);
    until_no_stream(&served.bench).await;
    served.end().await;
}

#[tokio::test]
async fn health_says_when_there_is_something_to_say() {
    let bench = Bench::new(3, 8);
    *bench.deployment.trouble.lock().unwrap() = Some(TargetError::Unreachable("down".into()));
    let served = Served::start(bench).await;
    let mut health = HealthClient::new(served.channel().await);
    let name = "externalscaler.ExternalScaler";
    let check = |service: &str| HealthCheckRequest { service: service.into() };
    let overall = health.check(check("")).await.unwrap().into_inner();
    assert_eq!(overall.status(), ServingStatus::Serving);
    sleep(Duration::from_millis(100)).await;
    let mut watch = health.watch(check(name)).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    *served.bench.deployment.trouble.lock().unwrap() = None;
    served.bench.tick().await;
    let next = async {
        loop {
            let now = watch.message().await.unwrap().unwrap();
            if now.status() == ServingStatus::Serving {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), next).await.unwrap();
    // Who watches is told of the end, and does not hold it up.
    let ending = tokio::spawn(served.end());
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(watch.message().await.unwrap(), None);
    ending.await.unwrap();
}

/// A new config makes new targets; one that is refused after that drops them again.
#[tokio::test]
async fn a_target_that_was_made_for_nothing_gives_the_place_back() {
    let served = Served::start(Bench::new(3, 8 * 6)).await;
    served.bench.tick().await;
    let mut client = served.client().await;
    let mut stream = client.stream_is_active(object(&[])).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().unwrap().result);
    let in_vain = served.bench.workload(served.bench.registration(), policy(""));
    // What was told stands, whoever tells it.
    assert_eq!(value(&mut client, object(&[])).await, 6.0);
    drop(in_vain);
    assert_eq!(value(&mut client, object(&[])).await, 6.0);

    // One that takes over goes on from there, and streams begin anew.
    let next = served.bench.workload(served.bench.registration(), policy(""));
    served.bench.controller.set(next);
    served.bench.tick().await;
    assert_eq!(stream.message().await.unwrap(), None);
    assert_eq!(value(&mut client, object(&[])).await, 6.0);
    served.end().await;
}
