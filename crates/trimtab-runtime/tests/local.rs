//! Replicas as processes of this machine: real ones, with real ports and real signals.

#![cfg(all(feature = "local", target_os = "linux"))]

#[cfg(test)]
mod ports;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use ports::id;
use tokio::time::sleep;
use trimtab_runtime::{
    Change, LocalSpec, LocalTarget, ScaleTarget, SystemClock, TargetError, TemplateError,
};

/// A server that takes a while to be ready, and on SIGTERM as long to end.
const SERVER: &str = r"
import http.server, os, signal, sys, threading, time
start = time.time()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        warm = time.time() - start > 0.4
        self.send_response(200 if warm else 503)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
def end(*_):
    time.sleep(float(sys.argv[2]))
    print(sys.argv[3], 'ended in peace', flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
server.serve_forever()
";

/// So many ports in a row that are free now, and that no other test here was given; below those that connections get.
#[cfg(test)]
fn free_ports(count: u16) -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = 21_000 + u16::try_from(std::process::id() % 190).unwrap() * 60;
    loop {
        let start = own + NEXT.fetch_add(count, Ordering::Relaxed);
        if (start..start + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return (start, start + count - 1);
        }
    }
}

#[cfg(test)]
fn spec(command: &[&str], ports: u16) -> LocalSpec {
    serde_json::from_value(serde_json::json!({
        "command": command, "ports": free_ports(ports), "terminationGracePeriodSeconds": 5,
    }))
    .unwrap()
}

#[cfg(test)]
fn has_python() -> bool {
    let found = std::process::Command::new("python3").arg("--version").output().is_ok();
    if !found {
        println!("skipped: `python3` can't be run");
    }
    found
}

#[cfg(test)]
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("it took too long: {what}");
}

#[tokio::test]
async fn it_starts_waits_drains_and_ends() {
    if !has_python() {
        return;
    }
    let logs = tempfile::tempdir().unwrap();
    let mut spec = spec(&["python3", "-c", SERVER, "{port}", "0.3", "{name}"], 5);
    spec.ready_path = Some(String::from("/ready"));
    spec.log_directory = Some(logs.path().to_owned());
    let file = logs.path().join("targets.json");
    spec.targets_file = Some(file.clone());
    let target = LocalTarget::start(spec, Arc::new(SystemClock::new())).unwrap();
    let id = id("llm");

    target.write(&id, &Change::of(0, 3)).await.unwrap();
    let status = target.read(&id).await.unwrap();
    assert_eq!((status.replicas, status.status_replicas), (3, 3));
    assert!(target.replicas().iter().all(|replica| !replica.is_ready), "none is warm yet");
    until("three are ready", || target.replicas().iter().filter(|r| r.is_ready).count() == 3).await;

    // The second drains and goes when the decision says so; the others stay.
    let mut change = Change::of(3, 3);
    change.drain = vec![String::from("replica-2")];
    target.write(&id, &change).await.unwrap();
    let draining: Vec<String> =
        target.replicas().into_iter().filter(|r| r.is_draining).map(|r| r.name).collect();
    assert_eq!(draining, ["replica-2"]);
    let listed: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let of =
        |name: &str| listed.as_array().unwrap().iter().find(|g| g["labels"]["replica"] == name);
    assert_eq!(of("replica-2").unwrap()["labels"]["__meta_trimtab_draining"], "true");
    assert_eq!(of("replica-1").unwrap()["labels"]["__meta_trimtab_ready"], "true");
    assert_eq!(of("replica-1").unwrap()["labels"]["__meta_trimtab_draining"], "false");
    let mut change = Change::of(3, 2);
    change.retire = draining;
    target.write(&id, &change).await.unwrap();
    let left: Vec<String> = target.replicas().into_iter().map(|r| r.name).collect();
    assert_eq!(left, ["replica-1", "replica-3"]);
    let pods = target.read(&id).await.unwrap().pods.unwrap();
    assert_eq!(pods.iter().filter(|pod| pod.terminating).count(), 1, "it is still ending");

    target.shutdown().await;
    for name in ["replica-1", "replica-2", "replica-3"] {
        let log = std::fs::read_to_string(logs.path().join(format!("{name}.log"))).unwrap();
        assert_eq!(log, format!("{name} ended in peace\n"));
    }
}

#[tokio::test]
async fn one_that_ends_by_itself_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"if [ ! -e "$MARK" ]; then touch "$MARK"; exit 1; fi; exec sleep 60"#;
    let mut spec = spec(&["sh", "-c", script], 2);
    spec.env.insert(String::from("MARK"), directory.path().join("mark").display().to_string());
    spec.initial_replicas = Some(1);
    let target = LocalTarget::start(spec, Arc::new(SystemClock::new())).unwrap();
    until("the second is there", || {
        target.replicas().first().is_some_and(|replica| replica.name == "replica-2")
    })
    .await;
}

#[tokio::test]
async fn a_port_that_somebody_has_is_passed_over() {
    let taken = || {
        let spec = spec(&["sleep", "60"], 2);
        let somebody = TcpListener::bind(("127.0.0.1", spec.ports.0)).ok()?;
        Some((spec, somebody))
    };
    let (mut spec, _somebody) = std::iter::from_fn(|| Some(taken())).flatten().next().unwrap();
    spec.initial_replicas = Some(1);
    let last = spec.ports.1;
    let target = LocalTarget::start(spec, Arc::new(SystemClock::new())).unwrap();
    until("it is there", || target.replicas().len() == 1).await;
    assert_eq!(target.replicas()[0].address.port(), last);
}

#[tokio::test]
async fn one_that_does_not_end_is_killed() {
    let mut spec = spec(&["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], 1);
    spec.termination_grace_period_seconds = 1;
    spec.initial_replicas = Some(1);
    let target = LocalTarget::start(spec, Arc::new(SystemClock::new())).unwrap();
    until("it is there", || target.replicas().len() == 1).await;
    sleep(Duration::from_millis(300)).await;
    tokio::time::timeout(Duration::from_secs(20), target.shutdown()).await.unwrap();
}

#[tokio::test]
async fn what_can_t_be_is_refused() {
    let target =
        LocalTarget::start(spec(&["sleep", "60"], 2), Arc::new(SystemClock::new())).unwrap();
    let refused = target.write(&id("llm"), &Change::of(0, 3)).await.unwrap_err();
    assert_eq!(
        refused,
        TargetError::Refused(String::from("3 replicas are asked for, and `ports` has room for 2"))
    );
    let unknown = LocalTarget::start(spec(&["serve", "{prot}"], 1), Arc::new(SystemClock::new()));
    assert!(matches!(unknown.err(), Some(TemplateError::UnknownPlace { .. })));
    let mut none = spec(&["sleep", "60"], 1);
    none.ports = (8008, 8001);
    let error = none.check().unwrap_err();
    assert_eq!(error, TemplateError::NoPorts { first: 8008, last: 8001 });
}
