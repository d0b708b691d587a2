//! What `trimtab controller` takes for a large fleet: memory, processor time, and requests to the API server.
//!
//! The API server is the one for tests, in this process; the controller is a process of its own.
//!
//! ```console
//! $ cargo bench -p trimtab-cli --bench controller_fleet
//! $ POLICIES=200 PODS=10 cargo bench -p trimtab-cli --bench controller_fleet
//! ```

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "it is a measurement")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::json;
use trimtab_apiserver::{ApiServer, MetricsApi, Sample, fixture};
use trimtab_kube::crd::{ScalingPolicy, crd};

const NAMESPACES: usize = 20;
const WINDOW: Duration = Duration::from_secs(60);

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() {
    // `cargo test` asks for all benches, to see that they run.
    let is_test = std::env::args().any(|argument| argument == "--test") || cfg!(debug_assertions);
    let default = if is_test { 20 } else { 2000 };
    let (policies, pods) = (number("POLICIES", default), number("PODS", 10));
    let server = ApiServer::in_process().await;
    fill(&server, policies, pods).await;
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = folder.path().join("controller.yaml");
    let text = format!(
        "listen: 127.0.0.1:{port}\nkubeconfig: {}\nleases: {{namespace: default}}\n",
        server.kubeconfig_file().display()
    );
    std::fs::write(&config, text).unwrap();
    let begun = Instant::now();
    let controller = Process::start(&config);
    while !is_ready(port) {
        assert!(begun.elapsed() < Duration::from_secs(600), "it never got ready");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{policies} policies, {} pods", policies * pods);
    println!("ready after             {:.1} s", begun.elapsed().as_secs_f64());
    // The first minute has the first status of each.
    tokio::time::sleep(WINDOW + WINDOW).await;
    server.faults().clear_log();
    let before = controller.cpu();
    tokio::time::sleep(WINDOW).await;
    let cpu = controller.cpu() - before;
    println!(
        "resident                {} MiB, at most {} MiB",
        controller.memory("VmRSS"),
        controller.memory("VmHWM")
    );
    println!("processor               {:.1} % of one", cpu / WINDOW.as_secs_f64() * 100.0);
    let mut counts = BTreeMap::<String, usize>::new();
    for request in server.faults().log() {
        *counts.entry(format!("{} {}", request.verb, request.full_resource())).or_default() += 1;
    }
    println!("requests, a second:");
    for (what, count) in counts {
        println!("  {what:45} {:6.2}", count as f64 / WINDOW.as_secs_f64());
    }
}

/// Workloads that are as their policies want them.
async fn fill(server: &ApiServer, policies: usize, pods: usize) {
    let client = server.client();
    fixture::install(&client, &crd()).await;
    server.serve_metrics(&[MetricsApi::External]).await;
    for number in 0..NAMESPACES {
        let namespace = format!("team-{number}");
        fixture::namespace(&client, &namespace).await;
        let sample = Sample::new(&(8 * pods).to_string());
        server.set_metrics(|metrics| metrics.external_metric(&namespace, "queue", [sample]));
    }
    let one = |number: usize| {
        let client = client.clone();
        async move {
            let namespace = format!("team-{}", number % NAMESPACES);
            let name = format!("llm-{number}");
            let count = i32::try_from(pods).unwrap();
            fixture::deployment(&client, &namespace, &name, count).await;
            fixture::pods_of(&client, &namespace, &name, pods).await;
            fixture::observe_replicas(&client, &namespace, &name, count, count).await;
            let policy = json!({
                "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                    "minReplicas": 1, "maxReplicas": 50,
                    "metrics": [{"type": "External", "external": {
                        "metric": {"name": "queue"},
                        "target": {"type": "AverageValue", "averageValue": "8"},
                    }}],
                },
            });
            let resource = ApiResource::erase::<ScalingPolicy>(&());
            let policies: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
            let by = PatchParams::apply("bench").force();
            policies.patch(&name, &by, &Patch::Apply(policy)).await.unwrap();
        }
    };
    stream::iter((0..policies).map(one)).buffer_unordered(16).collect::<Vec<()>>().await;
}

fn is_ready(port: u16) -> bool {
    let page = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let held = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    page().is_ok_and(|page| page.starts_with("HTTP/1.1 200"))
        && held().is_ok_and(|page| page.contains("trimtab_kube_leases_held 1"))
}

struct Process(Child);

impl Process {
    fn start(config: &std::path::Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command.args(["controller", "--config"]).arg(config).env("TRIMTAB_LOG", "warn");
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap()
    }

    /// Seconds of a processor so far.
    fn cpu(&self) -> f64 {
        let stat = self.read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // User and system time, the 14th and 15th of all fields, in hundredths.
        let ticks = |field: usize| fields.get(field).unwrap().parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    }

    /// In MiB.
    fn memory(&self, field: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
