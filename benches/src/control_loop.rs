//! Drives many workloads against one real Prometheus, and prints what it costs.
//!
//! `cargo run --release -p trimtab-benches --bin control-loop [WORKLOADS [SECONDS]]`

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use trimtab_engine::{Policy, PolicySpec};
use trimtab_prometheus::{
    MetricQuery, PrometheusClient, PrometheusSource, QueriesSpec, ServerSpec,
};
use trimtab_runtime::{
    Change, Controller, FileStore, ScaleTarget, Settings, TargetError, TargetStatus, Workload,
    WorkloadId,
};

const ADDRESS: &str = "127.0.0.1:18590";

/// A count in memory.
struct Count(AtomicI32);

#[async_trait::async_trait]
impl ScaleTarget for Count {
    fn name(&self) -> &str {
        "count"
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        Ok(TargetStatus::steady(self.0.load(Ordering::Relaxed)))
    }

    async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        self.0.store(change.replicas, Ordering::Relaxed);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let workloads = arguments.next().map_or(Ok(10_000), |word| word.parse())?;
    let seconds = arguments.next().map_or(Ok(60), |word| word.parse())?;
    let directory = tempfile::tempdir()?;
    let Some(mut prometheus) = prometheus(directory.path())? else {
        writeln!(
            io::stdout(),
            "skipped: `prometheus` can't be run; on Debian: apt-get install prometheus"
        )?;
        return Ok(());
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = runtime.block_on(measure(directory.path(), &prometheus, workloads, seconds));
    prometheus.kill()?;
    measured
}

fn prometheus(directory: &std::path::Path) -> Result<Option<Child>, Box<dyn Error>> {
    let config = format!(
        "global: {{scrape_interval: 5s}}\nscrape_configs:\n- job_name: itself\n  static_configs: [{{targets: ['{ADDRESS}']}}]\n"
    );
    fs::write(directory.join("prometheus.yml"), config)?;
    let child = Command::new("prometheus")
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address={ADDRESS}"))
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ok(child.ok())
}

/// A query of its own for each workload, so that no two share an answer.
fn workload(number: usize, client: &PrometheusClient) -> Result<Workload, Box<dyn Error>> {
    let spec: PolicySpec = serde_json::from_str(
        r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "minReplicas": 2, "maxReplicas": 20,
            "behavior": {"scaleUp": {"stabilizationWindowSeconds": 30},
                         "scaleDown": {"stabilizationWindowSeconds": 600}},
            "metrics": [{"type": "External", "external": {
                "metric": {"name": "load"},
                "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#,
    )?;
    let load = number % 40;
    let query = format!("sum(up) * 0 + {load} + 10 * (time() % 60 > bool 30) + 0 * {number}");
    let metric = MetricQuery { metric: String::from("load"), query, ..MetricQuery::default() };
    let queries = QueriesSpec { metrics: vec![metric], ..QueriesSpec::default() };
    let source = PrometheusSource::new(client.clone(), &queries)?;
    let target = Arc::new(Count(AtomicI32::new(2)));
    let id = format!("bench/{number}").parse()?;
    Ok(Workload::new(id, Policy::new(spec)?, target).with_source(Arc::new(source)))
}

async fn measure(
    directory: &std::path::Path,
    prometheus: &Child,
    workloads: usize,
    seconds: u64,
) -> Result<(), Box<dyn Error>> {
    let server = ServerSpec {
        max_concurrent: std::num::NonZeroU16::MIN.saturating_add(63),
        ..ServerSpec::at(format!("http://{ADDRESS}"))
    };
    let client = PrometheusClient::new(&server)?;
    sleep(Duration::from_secs(8)).await;
    let mut settings = Settings::default();
    settings.save_interval = Duration::from_secs(60);
    let store = FileStore::open(directory.join("state"))?;
    let controller = Controller::builder(Arc::new(store)).with_settings(settings).build();
    for number in 0..workloads {
        controller.set(workload(number, &client)?);
    }
    // The first round fills caches and makes connections.
    sleep(Duration::from_secs(16)).await;
    let (own, theirs, start) = (cpu("self")?, cpu(&prometheus.id().to_string())?, Instant::now());
    let before = Sums::of(&controller.metrics_text());
    sleep(Duration::from_secs(seconds)).await;
    let elapsed = start.elapsed().as_secs_f64();
    let after = Sums::of(&controller.metrics_text());
    let (own, theirs) = (cpu("self")? - own, cpu(&prometheus.id().to_string())? - theirs);
    let ticks = after.ticks - before.ticks;
    let mut out = io::stdout();
    writeln!(
        out,
        "{workloads} workloads, each every 15 s with a query of its own, {elapsed:.0} s"
    )?;
    writeln!(out, "  decisions           {ticks:.0}, {:.0} a second", ticks / elapsed)?;
    writeln!(out, "  left out            {:.0}", after.skipped - before.skipped)?;
    writeln!(out, "  without a reading   {:.0}", after.unknown - before.unknown)?;
    writeln!(out, "  took, mean          {:.1} ms", (after.took - before.took) / ticks * 1e3)?;
    writeln!(out, "  late, mean          {:.1} ms", (after.late - before.late) / ticks * 1e3)?;
    writeln!(
        out,
        "  CPU                 {:.2} cores; Prometheus {:.2}",
        own / elapsed,
        theirs / elapsed
    )?;
    writeln!(out, "  memory              {} MB", memory()? / 1024)?;
    controller.shutdown().await;
    Ok(())
}

/// Sums over all workloads of what the loop counts.
struct Sums {
    ticks: f64,
    skipped: f64,
    unknown: f64,
    took: f64,
    late: f64,
}

impl Sums {
    fn of(text: &str) -> Self {
        let sum = |name: &str| -> f64 {
            let of = |line: &str| -> Option<f64> {
                let rest = line.strip_prefix(name)?;
                rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse().ok())?
            };
            text.lines().filter_map(of).sum()
        };
        Self {
            ticks: sum("trimtab_decisions_total"),
            skipped: sum("trimtab_skipped_ticks_total"),
            unknown: sum("trimtab_unknown_readings_total"),
            took: sum("trimtab_tick_duration_seconds_sum"),
            late: sum("trimtab_tick_late_seconds_sum"),
        }
    }
}

/// Seconds of CPU that a process has had.
fn cpu(process: &str) -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may have spaces; the times are the 14th and 15th field of all.
    let rest = stat.rsplit_once(')').ok_or("no name in the statistics")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| -> Result<f64, Box<dyn Error>> {
        Ok(fields.get(index).ok_or("too few statistics")?.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// Resident kilobytes.
fn memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no memory said")?;
    Ok(line.split_whitespace().nth(1).ok_or("no memory said")?.parse()?)
}
