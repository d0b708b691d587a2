//! `trimtab run` as a process: it scales, keeps, reads anew, answers, and ends in peace.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{Desk, trimtab};

/// A server whose `/metrics` says how much is in flight.
pub(crate) struct Metrics {
    pub(crate) address: SocketAddr,
    pub(crate) in_flight: Arc<AtomicU32>,
}

impl Metrics {
    pub(crate) fn serve(in_flight: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let in_flight = Arc::new(AtomicU32::new(in_flight));
        let told = Arc::clone(&in_flight);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).unwrap();
                let body = format!("# TYPE busy gauge\nbusy {}\n", told.load(Ordering::Relaxed));
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _gone = stream.write_all((head + &body).as_bytes());
            }
        });
        Self { address, in_flight }
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) const POLICY: &str = "\
apiVersion: trimtab.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: llm}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  minReplicas: 1
  maxReplicas: 4
  hpa: {syncPeriodSeconds: 1}
  metrics:
  - type: External
    external: {metric: {name: busy}, target: {type: AverageValue, averageValue: \"8\"}}
";

/// A running process, and what is around it.
struct Running {
    desk: Desk,
    child: Child,
    server: String,
}

/// A count in a file.
const COUNT: &str = "      read: [cat, count]
      write: [sh, -c, 'echo \"$1\" > count', sh, '{replicas}']";

impl Running {
    fn start(metrics: &Metrics, exec: &str) -> Self {
        let desk = Desk::new();
        let port = free_port();
        desk.write("policy.yaml", POLICY);
        desk.write("count", "2");
        let config = format!(
            "\
listen: 127.0.0.1:{port}
state: {{directory: state}}
log: {{file: decisions.jsonl}}
workloads:
- name: inference/llm
  policy: policy.yaml
  target:
    exec:
{exec}
  sources:
  - scrape:
      replicas: {{list: [{{name: all, url: 'http://{}/metrics'}}]}}
      metrics: [{{metric: busy, take: {{gauge: {{names: [busy]}}}}}}]
",
            metrics.address
        );
        desk.write("trimtab.yaml", config);
        let child = Self::spawn(&desk);
        Self { desk, child, server: format!("http://127.0.0.1:{port}") }
    }

    fn spawn(desk: &Desk) -> Child {
        Command::new(snapbox::cmd::cargo_bin!("trimtab"))
            .args(["run", "--config"])
            .arg(desk.path("trimtab.yaml"))
            .stderr(std::fs::File::create(desk.path("log")).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.desk.path("log")).unwrap()
    }

    fn count(&self) -> String {
        read(&self.desk.path("count"))
    }

    /// Waits until something holds.
    fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < Duration::from_secs(60), "not {what}:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, words: &[&str]) -> String {
        let done = trimtab(words).args(["--server", &self.server]).assert().success();
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    }

    /// SIGTERM; the exit code.
    fn end(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[test]
#[cfg(unix)]
fn it_scales_answers_reads_anew_and_ends_in_peace() {
    let metrics = Metrics::serve(30);
    let mut running = Running::start(&metrics, COUNT);
    running.until("scaled to the most", |running| running.count() == "4");

    let status = running.ask(&["status"]);
    assert!(status.contains("inference/llm  hpa"), "{status}");
    running.until("steady", |running| running.ask(&["status"]).contains("  4       4  "));
    let words = running.ask(&["explain", "inference/llm"]);
    assert!(words.contains("busy"), "{words}");
    let picture = running.ask(&["top", "--once"]);
    assert!(picture.contains("1 workloads, 4 replicas wanted"), "{picture}");
    let json = running.ask(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["currentReplicas"], 4);

    // A policy that is wrong is refused, and the one before decides on.
    running.desk.write("policy.yaml", POLICY.replace("maxReplicas: 4", "maxReplicas: many"));
    running.until("refused", |running| running.log().contains("what ran before runs on"));
    assert!(running.log().contains("policy.yaml:7:16"), "{}", running.log());
    metrics.in_flight.store(64, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(running.count(), "4");
    // One that is right is taken up.
    running.desk.write("policy.yaml", POLICY.replace("maxReplicas: 4", "maxReplicas: 6"));
    running.until("scaled to the new most", |running| running.count() == "6");

    assert_eq!(running.end(), Some(0));
    assert!(running.desk.path("state").join("inference%2Fllm.state").exists());
    let replayed = trimtab(["replay"]).arg(running.desk.path("decisions.jsonl")).assert().success();
    let replayed = String::from_utf8(replayed.get_output().stdout.clone()).unwrap();
    assert!(replayed.contains("by 2 policies: all the same"), "{replayed}");
    trimtab(["status", "--server", &running.server]).assert().code(2);
}

#[test]
#[cfg(unix)]
fn a_count_that_nobody_can_be_asked_for_begins_at_the_fewest_and_goes_on() {
    let metrics = Metrics::serve(30);
    let exec = "      write: [sh, -c, 'echo \"$1\" >> count', sh, '{replicas}']";
    let mut running = Running::start(&metrics, exec);
    running.until("scaled from 1", |running| running.count().ends_with('4'));
    assert_eq!(running.end(), Some(0));
    running.child = Running::spawn(&running.desk);
    running.until("begun", |running| running.log().contains("running"));
    let status = |running: &Running| {
        let done = trimtab(["status", "--server", &running.server]).assert();
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    };
    running.until("as before", |running| status(running).contains("  4       4  "));
    assert_eq!(running.count(), "24", "nothing else was written");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn what_is_most_likely_a_mistake_is_noted() {
    let desk = Desk::new();
    desk.write("policy.yaml", POLICY);
    let noted = |sources: &str| {
        let config = format!(
            "servers: {{main: {{addresses: ['http://a:9090']}}}}\nworkloads:\n- name: llm\n  policy: policy.yaml\n  \
             target: {{exec: {{write: [scale]}}}}\n  sources: [{sources}]\n"
        );
        let config = desk.write("trimtab.yaml", config);
        let done = trimtab(["run", "--check", "--config"]).arg(config).assert().success();
        String::from_utf8(done.get_output().stderr.clone()).unwrap()
    };
    let prometheus = |metrics: &str| {
        format!("{{prometheus: {{server: main, queries: {{metrics: [{metrics}]}}}}}}")
    };
    let good = prometheus("{metric: busy, query: sum(busy)}");
    assert_eq!(noted(&good), "");
    let other = prometheus("{metric: idle, query: sum(idle)}");
    assert_eq!(
        noted(&other),
        "note: workload `llm`: `busy`: no source has it, so that it is always missing\n"
    );
    assert_eq!(noted(&format!("{good}, {other}")), "", "one of them has it");
    let short = noted(&prometheus("{metric: busy, query: 'sum(rate(busy_total[20s]))'}"));
    assert!(
        short.starts_with("note: workload `llm`: `busy`: `rate(busy_total[20s])` needs two"),
        "{short}"
    );
}

#[test]
fn one_file_has_room_for_many_workloads() {
    let desk = Desk::new();
    desk.write("policy.yaml", POLICY);
    let workload = |number: u32| {
        let text = "- {name: team/llm-NUMBER, policy: policy.yaml, target: {exec: {write: [scale]}}, sources: [{prometheus: \
                    {server: main, queries: {metrics: [{metric: busy, query: sum(busy)}]}}}]}\n";
        text.replace("NUMBER", &number.to_string())
    };
    let workloads: String = (0..1_000).map(workload).collect();
    let config =
        format!("servers: {{main: {{addresses: ['http://a:9090']}}}}\nworkloads:\n{workloads}");
    let config = desk.write("trimtab.yaml", config);
    let done = trimtab(["run", "--check", "--config"]).arg(config).assert().success();
    let told = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(told.ends_with("trimtab.yaml: 1000 workloads, all of it can be used\n"), "{told}");
}

#[test]
fn what_is_wrong_with_a_config_is_said_with_its_place() {
    let desk = Desk::new();
    desk.write("policy.yaml", POLICY);
    let check = |text: &str| {
        let config: PathBuf = desk.write("trimtab.yaml", text);
        let done = trimtab(["run", "--check", "--config"]).arg(config).assert();
        let output = done.get_output().clone();
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), told)
    };
    let good = "workloads:\n- {name: llm, policy: policy.yaml, target: {exec: {write: [scale, '{replicas}']}}}\n";
    let note = "note: workload `llm`: `busy`: no source has it, so that it is always missing\n";
    assert_eq!(check(good), (Some(0), String::from(note)));
    // Files are looked for beside the config, wherever the command runs.
    desk.write("ca.pem", "no certificate");
    let server = "servers: {main: {addresses: ['https://a'], connect: {tls: {caFile: ca.pem}}}}\n";
    let (code, told) = check(&format!("{server}{good}"));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("ca.pem` has no certificates: PEM is expected"), "{told}");
    let (code, told) = check(&format!("state: {{directory: ca.pem}}\n{good}"));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("ca.pem` is no directory"), "{told}");
    for (from, to, expected) in [
        ("name: llm", "name: ../llm", "can't name a workload"),
        ("policy.yaml", "absent.yaml", "can't be read"),
        ("{replicas}", "{replica}", "what can be filled in is"),
        ("exec: {write", "exec: {wriet", "did you mean `write`?"),
        ("target", "targets", "did you mean `target`?"),
        (
            "{exec: {write: [scale, '{replicas}']}}",
            "{exec: {write: [x]}}, sources: [{prometheus: {server: main, queries: {}}}]",
            "there is no server `main`",
        ),
    ] {
        let (code, told) = check(&good.replace(from, to));
        assert_eq!(code, Some(2), "{to}: {told}");
        assert!(told.contains(expected), "{to}: {told}");
    }
    let twice = format!("{good}{}", good.trim_start_matches("workloads:\n"));
    assert!(check(&twice).1.contains("workload `llm` is listed twice"));
}
