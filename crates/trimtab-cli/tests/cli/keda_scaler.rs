//! `trimtab keda-scaler` as a process that KEDA asks.

use std::future::Future;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tonic::Status;
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_keda::METRIC;
use trimtab_keda::proto::external_scaler_client::ExternalScalerClient;
use trimtab_keda::proto::{GetMetricsRequest, ScaledObjectRef};

use crate::command::{Desk, trimtab};
use crate::run::{Metrics, POLICY, free_port};

#[cfg(unix)]
mod access;
#[cfg(unix)]
mod prometheus;

struct Scaler {
    desk: Desk,
    child: Child,
    port: u16,
    runtime: Runtime,
}

/// The config with one workload, whose count is read in this way.
fn config(metrics: &Metrics, port: u16, count: &str) -> String {
    format!(
        "\
listen: 127.0.0.1:{}
grpc: {{listen: '127.0.0.1:{port}'}}
state: {{directory: state}}
workloads:
- name: inference/llm
  policy: policy.yaml
  target: {{keda: {{count: {count}}}}}
  sources:
  - scrape:
      replicas: {{list: [{{name: all, url: 'http://{}/metrics'}}]}}
      metrics: [{{metric: busy, take: {{gauge: {{names: [busy]}}}}}}]
",
        free_port(),
        metrics.address
    )
}

impl Scaler {
    fn start(metrics: &Metrics, count: &str, kubeconfig: Option<PathBuf>) -> Self {
        let desk = Desk::new();
        desk.write("policy.yaml", POLICY);
        Self::start_at(desk, kubeconfig, |port| config(metrics, port, count))
    }

    /// With policies of its own, and the config that has this port.
    fn start_at(
        desk: Desk,
        kubeconfig: Option<PathBuf>,
        config: impl FnOnce(u16) -> String,
    ) -> Self {
        let port = free_port();
        desk.write("trimtab.yaml", config(port));
        let child = spawn(&desk, kubeconfig);
        Self { desk, child, port, runtime: Runtime::new().unwrap() }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.desk.path("log")).unwrap()
    }

    /// What KEDA is told, or why not.
    fn value(&self) -> Result<f64, Status> {
        self.value_of("llm")
    }

    /// The same of the workload of a policy.
    fn value_of(&self, policy: &str) -> Result<f64, Status> {
        let object = ScaledObjectRef {
            name: String::from("llm"),
            namespace: String::from("inference"),
            scaler_metadata: [(String::from("policy"), String::from(policy))].into(),
        };
        let ask = GetMetricsRequest { scaled_object_ref: Some(object), metric_name: METRIC.into() };
        let address = format!("http://127.0.0.1:{}", self.port);
        self.runtime.block_on(async {
            let client = ExternalScalerClient::connect(address).await;
            let mut client = client.map_err(|error| Status::unavailable(error.to_string()))?;
            let answer = client.get_metrics(ask).await?.into_inner();
            Ok(answer.metric_values[0].metric_value_float)
        })
    }

    fn until(&self, value: f64) {
        self.until_told("llm", |told| told.as_ref().ok() == Some(&value));
    }

    /// Waits for what KEDA is told of a policy's workload.
    fn until_told(&self, policy: &str, is_it: impl Fn(&Result<f64, Status>) -> bool) {
        let start = Instant::now();
        let mut last = self.value_of(policy);
        while !is_it(&last) {
            assert!(start.elapsed() < Duration::from_secs(60), "{last:?}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
            last = self.value_of(policy);
        }
    }

    /// SIGTERM; the exit code.
    fn end(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

fn spawn(desk: &Desk, kubeconfig: Option<PathBuf>) -> Child {
    Command::new(snapbox::cmd::cargo_bin!("trimtab"))
        .args(["keda-scaler", "--config"])
        .arg(desk.path("trimtab.yaml"))
        .env("KUBECONFIG", kubeconfig.unwrap_or_default())
        .stderr(std::fs::File::create(desk.path("log")).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Scaler {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
#[cfg(unix)]
fn keda_is_told_and_a_restart_remembers() {
    let metrics = Metrics::serve(8 * 3);
    let mut scaler = Scaler::start(&metrics, "{assumed: {initialReplicas: 2}}", None);
    scaler.until(3.0);
    metrics.in_flight.store(8 * 9, Ordering::Relaxed);
    scaler.until(4.0); // The most.
    // A policy of another name is asked for by that.
    scaler.desk.write("policy.yaml", POLICY.replace("{name: llm}", "{name: other}"));
    let start = Instant::now();
    let error = loop {
        match scaler.value() {
            Err(error) if error.code() == tonic::Code::NotFound => break error,
            other => assert!(start.elapsed() < Duration::from_secs(60), "{other:?}"),
        }
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(error.message(), "there is no policy `llm`: policies are `other`");
    scaler.desk.write("policy.yaml", POLICY);
    scaler.until(4.0);
    assert_eq!(scaler.end(), Some(0));

    // With nothing to go by it says what it said last.
    metrics.in_flight.store(0, Ordering::Relaxed);
    scaler.child = spawn(&scaler.desk, None);
    scaler.until(4.0);
    assert_eq!(scaler.end(), Some(0), "{}", scaler.log());
}

fn with_server<F: Future>(work: impl FnOnce(ApiServer) -> F) -> (Runtime, F::Output) {
    let runtime = Runtime::new().unwrap();
    let done = runtime.block_on(async { work(ApiServer::in_process().await).await });
    (runtime, done)
}

#[test]
#[cfg(unix)]
fn the_count_is_that_of_the_cluster() {
    let (runtime, server) = with_server(|server| async {
        fixture::namespace(&server.client(), "inference").await;
        fixture::deployment(&server.client(), "inference", "llm", 3).await;
        fixture::settle(&server.client(), "inference", "llm").await;
        server
    });
    let metrics = Metrics::serve(8 * 3);
    let scaler = Scaler::start(&metrics, "{kubernetes: {}}", Some(server.kubeconfig_file()));
    scaler.until(3.0);
    // Nothing was decided yet but that three are right: what somebody sets is taken up, and found too many or few.
    metrics.in_flight.store(8 * 4, Ordering::Relaxed);
    scaler.until(4.0);
    let count = runtime.block_on(async {
        let deployments: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
            kube::Api::namespaced(server.client(), "inference");
        deployments.get("llm").await.unwrap().spec.unwrap().replicas
    });
    assert_eq!(count, Some(3), "it writes nothing itself");
}

#[test]
fn what_keda_cannot_carry_out_is_refused() {
    let desk = Desk::new();
    desk.write("policy.yaml", POLICY);
    let keda = "grpc: {listen: '127.0.0.1:0'}\nworkloads:\n- {name: llm, policy: policy.yaml, target: {keda: {}}}\n";
    let check = |config: &str| {
        let config = desk.write("trimtab.yaml", config);
        let done = trimtab(["keda-scaler", "--check", "--config"]).arg(config).assert();
        let output = done.get_output().clone();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = check(keda);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("note: workload `llm`: `busy`: no source has it"), "{told}");
    for (from, to, expected) in [
        ("grpc: {listen: '127.0.0.1:0'}\n", "", "KEDA is to scale `llm`, and nothing answers it"),
        ("keda: {}", "exec: {write: [x]}", "workload `llm` is not scaled by KEDA"),
        ("{}", "{hpaTolerance: 1.5}", "`hpaTolerance` is 1.5"),
        (
            "{}",
            "{hpaTolerance: 0.1, count: {assumed: {initialReplicas: 1}}}",
            "`hpaTolerance` needs a `count` that is not assumed",
        ),
        ("{}", "{scaledObject: llm}", "`llm` names no ScaledObject"),
        ("{}", "{count: {prometheus: {server: main, replicas: up}}}", "there is no server `main`"),
        ("{}", "{counts: {}}", "did you mean `count`?"),
    ] {
        let (code, told) = check(&keda.replace(from, to));
        assert_eq!(code, Some(2), "{to}: {told}");
        assert!(told.contains(expected), "{to}: {told}");
    }
    desk.write("policy.yaml", POLICY.replace("  metrics:", "  retire: {}\n  metrics:"));
    let (code, told) = check(keda);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("`retire` can't be carried out by KEDA"), "{told}");
}

/// The manifests of the examples have no fault, and the documentation shows them as they are.
#[test]
fn examples_are_right() {
    let kubernetes = crate::command::example().join("../kubernetes");
    for files in [&["llm.yaml", "keda"][..], &["llm.yaml", "deployment"], &["kserve"]] {
        trimtab(["lint", "--deny-warnings"])
            .args(files)
            .current_dir(&kubernetes)
            .assert()
            .success()
            .stdout_eq("");
    }
    trimtab(["keda-scaler", "--check", "--config", "trimtab.yaml"])
        .current_dir(kubernetes.join("keda"))
        .assert()
        .success();
    let shown = |page: &str, file: &str| {
        let page = crate::command::example().join("../../docs/src").join(page);
        let page = std::fs::read_to_string(page).unwrap();
        let plain = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| line.trim().to_owned()).collect()
        };
        let (page, file) = (plain(&page), std::fs::read_to_string(kubernetes.join(file)).unwrap());
        let file = plain(&file);
        assert!(page.windows(file.len()).any(|lines| lines == file), "not as it is in the file");
    };
    shown("reference/keda-scaler.md", "keda/scaled-object.yaml");
    shown("guide/keda-scaler.md", "keda/scaled-object.yaml");
    shown("guide/keda-scaler.md", "keda/trimtab.yaml");
}
