//! Replicas that are processes of this machine: started, asked, killed, replaced, stopped.

use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use trimtab_gateway::config::Config;
use trimtab_gateway::launcher::{Launcher, LocalProcesses};

use crate::harness::{Served, chunk, config, policy, text, until};

const SHORT: &str = r#"{"stream": true, "max_tokens": 3, "messages": []}"#;
const LONG: &str = r#"{"stream": true, "max_tokens": 100000, "messages": []}"#;

fn with_processes(more: &[&str]) -> (Config, Arc<LocalProcesses>) {
    let mut config = config(4, "");
    let mock = env!("CARGO_BIN_EXE_mock-inference");
    let words = [&[mock, "--port", "{port}", "--warm-up-seconds", "0.2"], more].concat();
    config.replicas.command = words.into_iter().map(String::from).collect();
    let launcher = Arc::new(LocalProcesses::new(&config.replicas));
    (config, launcher)
}

/// Who listens on a port, by what the system says of its sockets and files.
fn process_on(port: u16) -> Option<Pid> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let wanted = format!(":{port:04X}");
    let inode = table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let listens = words.get(1)?.ends_with(&wanted) && *words.get(3)? == "0A";
        listens.then(|| words.get(9).map(|inode| format!("socket:[{inode}]")))?
    })?;
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let id: i32 = process.file_name().to_str()?.parse().ok()?;
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let is_its = |link: std::path::PathBuf| link.to_str() == Some(inode.as_str());
        files
            .any(|file| std::fs::read_link(file.path()).is_ok_and(is_its))
            .then(|| Pid::from_raw(id))?
    })
}

fn port_of(served: &Served, name: &str) -> u16 {
    let state = served.gateway.fleet.lock();
    state.replicas.iter().find(|one| one.name == name).unwrap().address.unwrap().port()
}

#[tokio::test]
async fn a_process_is_started_for_the_first_request_and_stopped_at_the_end() {
    let (config, launcher) = with_processes(&[]);
    let served = Served::new(config, policy(0, 2, ""), launcher).await;
    let answer = served.ask(SHORT).await;
    assert_eq!(answer.status(), 200);
    assert!(text(answer).await.ends_with("[DONE]\n\n"));
    let process = process_on(port_of(&served, "replica-1"));
    served.shutdown().await;
    if let Some(process) = process {
        until("it is gone", || test_kill_process(process).is_err()).await;
    }
}

#[tokio::test]
async fn a_process_that_is_killed_is_replaced_and_its_streams_are_told() {
    let (config, launcher) = with_processes(&["--step-seconds", "0.05"]);
    let served = Served::new(config, policy(1, 1, ""), launcher).await.ready(1).await;
    let mut stream = served.ask(LONG).await;
    assert!(chunk(&mut stream).await.is_some());
    let Some(process) = process_on(port_of(&served, "replica-1")) else {
        // A system that does not say.
        return served.shutdown().await;
    };
    kill_process(process, Signal::KILL).unwrap();
    assert!(text(stream).await.contains("replica_lost"));
    served
        .until("another one is ready", |gateway| {
            let state = gateway.fleet.lock();
            state.replicas.iter().any(|one| one.name != "replica-1" && one.serves())
        })
        .await;
    assert_eq!(served.ask(SHORT).await.status(), 200);
    served.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let mut config = config(1, "");
    config.replicas.command = vec![String::from("no-such-program"), String::from("{port}")];
    let launcher = LocalProcesses::new(&config.replicas);
    let error = launcher.start("replica-1").await.err().unwrap().to_string();
    assert!(error.starts_with("`no-such-program` can't be run: "), "{error}");
    // All ports taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    config.replicas.ports = Some((port, port));
    let error = LocalProcesses::new(&config.replicas).start("replica-1").await.err().unwrap();
    assert_eq!(error.to_string(), format!("no port from {port} to {port} is free"));
}

/// The program itself, from its file to `SIGTERM`: the stream that has begun is finished, and nothing is left behind.
#[tokio::test]
async fn the_program_finishes_what_has_begun() {
    let directory = tempfile::tempdir().unwrap();
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = std::fs::read_to_string(example.join("policy.yaml")).unwrap();
    std::fs::write(directory.path().join("policy.yaml"), policy).unwrap();
    let config = directory.path().join("gateway.yaml");
    let text = std::fs::read_to_string(example.join("gateway.yaml")).unwrap();
    let text = text.replace("127.0.0.1:8080", "127.0.0.1:0");
    let text = text.replace("target/debug/mock-inference", env!("CARGO_BIN_EXE_mock-inference"));
    let text = text.replace("\"3\"", "\"0.1\", --step-seconds, \"0.1\"");
    let text = text + "\ndecisions: decisions.jsonl\n";
    std::fs::write(&config, text).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_trimtab-gateway"))
        .arg(&config)
        .env("NO_COLOR", "1")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(program.stderr.take().unwrap()).lines();
    let address = loop {
        let line = log.next_line().await.unwrap().unwrap();
        if let Some((_, rest)) = line.split_once("listening address=") {
            break rest.split_whitespace().next().unwrap().to_owned();
        }
    };
    // Whoever writes has to be read.
    let rest = tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = hyper::Request::post(format!("http://{address}/v1/chat/completions"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(r#"{"stream": true, "max_tokens": 20, "messages": []}"#)))
        .unwrap();
    let mut answer = client.request(request).await.unwrap();
    assert!(chunk(&mut answer).await.is_some());
    let id = program.id().and_then(|id| Pid::from_raw(i32::try_from(id).unwrap())).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let end = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(end.ends_with(b"data: [DONE]\n\n"));
    assert!(program.wait().await.unwrap().success());
    rest.await.unwrap();
    let decisions = std::fs::read_to_string(directory.path().join("decisions.jsonl")).unwrap();
    assert!(decisions.contains("\"scaleTo\":1"), "{decisions}");
}
