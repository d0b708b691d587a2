//! `trimtab controller` as processes of their own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail by panic"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::json;
use trimtab_apiserver::fixture::{self, eventually, never};
use trimtab_apiserver::{ApiServer, MetricsApi, Sample};
use trimtab_kube::crd::{ScalingPolicy, crd};

const NAMESPACE: &str = "inference";
const SOON: Duration = Duration::from_secs(60);

/// A process that is ended with the test.
struct Controller {
    child: Child,
    page: String,
}

impl Controller {
    fn start(server: &ApiServer, folder: &Path, name: &str) -> Self {
        let config = folder.join(format!("{name}.yaml"));
        let kubeconfig = server.kubeconfig_file();
        let port = free_port();
        let text = format!(
            "listen: 127.0.0.1:{port}\nkubeconfig: {}\n\
             leases: {{namespace: {NAMESPACE}, durationSeconds: 6, renewSeconds: 1, lookSeconds: 1}}\n\
             requestTimeoutSeconds: 3\n",
            kubeconfig.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_trimtab"))
            .args(["controller", "--config"])
            .arg(&config)
            .env("POD_NAME", name)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What it says is heard, so that it never waits to say it.
        let said = BufReader::new(child.stderr.take().unwrap());
        let name = name.to_owned();
        std::thread::spawn(move || {
            said.lines().map_while(Result::ok).for_each(|line| println!("{name}: {line}"));
        });
        Self { child, page: format!("127.0.0.1:{port}") }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// A page, if there is an answer.
    fn page(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.page).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn metric(&self, line: &str) -> bool {
        self.page("/metrics").is_some_and(|page| page.lines().any(|other| other == line))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A workload with one replica, and a policy with one for each 8 that wait.
async fn workload(server: &ApiServer) {
    let client = server.client();
    fixture::install(&client, &crd()).await;
    fixture::namespace(&client, NAMESPACE).await;
    server.serve_metrics(&[MetricsApi::External]).await;
    queue(server, 8);
    fixture::deployment(&client, NAMESPACE, "llm", 1).await;
    fixture::settle(&client, NAMESPACE, "llm").await;
    let policy = json!({
        "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": "llm", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "minReplicas": 1, "maxReplicas": 20,
            "metrics": [{"type": "External", "external": {
                "metric": {"name": "queue"},
                "target": {"type": "AverageValue", "averageValue": "8"},
            }}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
            "hpa": {"syncPeriodSeconds": 1},
        },
    });
    let by = PatchParams::apply("test").force();
    policies(server).patch("llm", &by, &Patch::Apply(policy)).await.unwrap();
}

fn policies(server: &ApiServer) -> Api<DynamicObject> {
    Api::namespaced_with(server.client(), NAMESPACE, &ApiResource::erase::<ScalingPolicy>(&()))
}

fn queue(server: &ApiServer, waiting: u32) {
    let sample = Sample::new(&waiting.to_string());
    server.set_metrics(|metrics| metrics.external_metric(NAMESPACE, "queue", [sample]));
}

async fn until_replicas(server: &ApiServer, wanted: i32) {
    let client = server.client();
    eventually(SOON, &format!("there are {wanted} replicas"), || async {
        (fixture::settle(&client, NAMESPACE, "llm").await == wanted).then_some(())
    })
    .await;
}

/// Who has decided last.
async fn holder(server: &ApiServer) -> Option<String> {
    let policy = policies(server).get("llm").await.ok()?;
    policy.data["status"]["decidedBy"]["holder"].as_str().map(str::to_owned)
}

async fn until_decided_by(server: &ApiServer, name: &str) {
    eventually(SOON, &format!("{name} decides"), || async {
        holder(server).await.filter(|holder| holder.starts_with(name)).map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_stopped_and_goes_on_writes_nothing_any_more() {
    for server in ApiServer::both().await {
        workload(&server).await;
        let folder = tempfile::tempdir().unwrap();
        let first = Controller::start(&server, folder.path(), "first");
        until_decided_by(&server, "first").await;
        let second = Controller::start(&server, folder.path(), "second");
        eventually(SOON, "the second stands by", || async {
            second.page("/readyz").filter(|page| page.starts_with("HTTP/1.1 200")).map(drop)
        })
        .await;
        for round in 0..3 {
            let (stopped, other, name) = if round % 2 == 0 {
                (&first, &second, "second")
            } else {
                (&second, &first, "first")
            };
            stopped.signal("-STOP");
            queue(&server, 40);
            until_replicas(&server, 5).await;
            until_decided_by(&server, name).await;
            assert!(other.metric("trimtab_kube_leases_held 1"));
            // It goes on in the middle of whatever it was at. What it wants is what was 40 ago.
            queue(&server, 16);
            until_replicas(&server, 2).await;
            let holder = holder(&server).await;
            let written = writes(&server).await;
            stopped.signal("-CONT");
            never(Duration::from_secs(4), "the one that was stopped writes", || async {
                let is_other = self::holder(&server).await != holder;
                (is_other || writes(&server).await != written).then_some(())
            })
            .await;
            assert!(stopped.metric("trimtab_kube_leases_held 0"));
            queue(&server, 8);
            until_replicas(&server, 1).await;
        }
    }
}

/// How often the count was changed, whatever to: each change of a spec is one more generation.
async fn writes(server: &ApiServer) -> i64 {
    let deployments: Api<Deployment> = Api::namespaced(server.client(), NAMESPACE);
    deployments.get("llm").await.unwrap().metadata.generation.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_hands_over_within_seconds_and_sigkill_within_the_lease() {
    let server = ApiServer::in_process().await;
    workload(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let mut first = Controller::start(&server, folder.path(), "first");
    until_decided_by(&server, "first").await;
    let second = Controller::start(&server, folder.path(), "second");
    eventually(SOON, "the second stands by", || async {
        second.page("/readyz").filter(|page| page.starts_with("HTTP/1.1 200")).map(drop)
    })
    .await;
    let told = Instant::now();
    first.signal("-TERM");
    assert!(first.child.wait().unwrap().success());
    eventually(SOON, "the second has the lease", || async {
        second.metric("trimtab_kube_leases_held 1").then_some(())
    })
    .await;
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    queue(&server, 24);
    until_replicas(&server, 3).await;
    drop(second);
    let third = Controller::start(&server, folder.path(), "third");
    until_decided_by(&server, "third").await;
    queue(&server, 40);
    until_replicas(&server, 5).await;
    drop(third);
}

#[test]
fn a_config_that_is_wrong_is_refused_with_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("controller.yaml");
    let refused = |text: &str| {
        std::fs::write(&config, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_trimtab"))
            .args(["controller", "--check", "--config"])
            .arg(&config)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(refused("shards: 4\n").0, Some(0));
    let (code, said) = refused("leases: {durationSeconds: 5}\n");
    assert_eq!(code, Some(2));
    assert!(said.contains("a lease of 5s is too short: it has to last at least 11s"), "{said}");
    let (_, said) = refused("shard: 4\n");
    assert!(said.contains("did you mean `shards`?"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trimtab_run_scales_a_deployment_too() {
    let server = ApiServer::in_process().await;
    workload(&server).await;
    policies(&server).delete("llm", &kube::api::DeleteParams::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let policy = "apiVersion: trimtab.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {name: llm}\nspec:\n  \
         scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}\n  minReplicas: 1\n  maxReplicas: 20\n  \
         metrics: [{type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: 8}}}]\n  \
         hpa: {syncPeriodSeconds: 1}\n";
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let config = format!(
        "listen: 127.0.0.1:{}\nworkloads:\n- name: inference/llm\n  policy: policy.yaml\n  \
         target: {{kubernetes: {{namespace: {NAMESPACE}, apiVersion: apps/v1, kind: Deployment, name: llm}}}}\n  \
         sources: [{{kubernetes: {{}}}}]\n",
        free_port()
    );
    let file = folder.path().join("run.yaml");
    std::fs::write(&file, config).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_trimtab"))
        .args(["run", "--config"])
        .arg(&file)
        .env("KUBECONFIG", server.kubeconfig_file())
        .spawn()
        .unwrap();
    let _ended = Controller { child, page: String::new() };
    queue(&server, 40);
    until_replicas(&server, 5).await;
    let deployments: Api<Deployment> = Api::namespaced(server.client(), NAMESPACE);
    let deployment = deployments.get("llm").await.unwrap();
    let managers = deployment.metadata.managed_fields.unwrap_or_default();
    assert!(managers.iter().any(|field| field.manager.as_deref() == Some("trimtab")));
}
