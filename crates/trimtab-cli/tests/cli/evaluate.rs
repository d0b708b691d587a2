//! `trimtab evaluate`, with the files of the example and small ones.

use std::io::Write as _;

use crate::command::{Desk, trimtab};
use snapbox::file;

const SERIES: [&str; 5] = ["evaluate", "--policy", "hpa.yaml", "--series", "series.csv"];

#[test]
fn series() {
    trimtab(SERIES).assert().success().stdout_eq(file!["golden/evaluate.txt"]).stderr_eq("");
}

#[test]
fn json() {
    let done = trimtab(SERIES).arg("--json").assert().success();
    done.stdout_eq(file!["golden/evaluate.json"]);
}

#[test]
fn without_plot_and_with_few_changes() {
    let done = trimtab(SERIES).args(["--no-plot", "--changes", "2"]).assert().success();
    done.stdout_eq(file!["golden/evaluate-short.txt"]);
}

/// Two requests a second, each in flight for 10 s: 20 in flight, whatever the count.
fn requests() -> String {
    let mut text = String::from("timestamp_s,input_tokens,output_tokens\n");
    for half in 0..601 {
        text.push_str(&format!("{},1000,100\n", f64::from(half) / 2.0));
    }
    text
}

const STEADY: [&str; 8] = [
    "--seconds-per-input-token",
    "0.001",
    "--seconds-per-output-token",
    "0.09",
    "--max-concurrency",
    "5",
    "--kv-tokens",
    "42000",
];

#[test]
fn a_steady_load_settles_where_little_s_law_says() {
    trimtab(["evaluate", "--policy", "hpa.yaml", "--requests", "-"])
        .stdin(requests())
        .args(STEADY)
        .assert()
        .success()
        .stdout_eq(file!["golden/evaluate-requests.txt"]);
}

#[test]
fn gzip_and_standard_input_are_read_alike() {
    let desk = Desk::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(requests().as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let trace = desk.write("trace.csv.gz", &packed);
    let evaluate = |name: &std::ffi::OsStr| {
        let mut command = trimtab(["evaluate", "--policy", "hpa.yaml", "--json", "--requests"]);
        command = command.arg(name).args(STEADY).stdin(packed.clone());
        let done = command.assert().success();
        let mut report: serde_json::Value =
            serde_json::from_slice(&done.get_output().stdout).unwrap();
        report["load"]["file"].take();
        report
    };
    let (file, stdin) = (evaluate(trace.as_os_str()), evaluate("-".as_ref()));
    assert_eq!(file, stdin);
    assert_eq!(file["load"]["extent"], "601 requests");
}

#[test]
fn twice_the_rate_is_twice_the_load() {
    let desk = Desk::new();
    let trace = desk.write("trace.csv", requests());
    // An External metric that wants one replica per request in flight.
    let policy = desk.write(
        "policy.yaml",
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: x}\nspec:\n  \
         scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}\n  maxReplicas: 1000\n  \
         behavior: {scaleUp: {policies: [{type: Pods, value: 1000, periodSeconds: 15}]}}\n  \
         metrics:\n  - type: External\n    external:\n      metric: {name: requests_in_flight}\n      \
         target: {type: AverageValue, averageValue: 1}\n",
    );
    let peak = |scale: &str| {
        let done = trimtab(["evaluate", "--json", "--rate-scale", scale, "--policy"])
            .arg(&policy)
            .arg("--requests")
            .arg(&trace)
            .args(STEADY)
            .assert()
            .success();
        let report: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        report["totals"]["peakReplicas"].as_i64().unwrap()
    };
    assert_eq!((peak("1"), peak("2"), peak("0.5")), (20, 40, 10));
}

#[test]
fn recorded_observations_are_decided_with_as_they_are() {
    let desk = Desk::new();
    let line = |second: u32, replicas: &str, waiting: u32| {
        format!(
            "{{\"time\": {second}{replicas}, \"pods\": [{{\"name\": \"a\", \"ready\": true}}], \
             \"readings\": [{{\"metric\": \"inference_requests_waiting\", \"pods\": {{\"a\": \
             {waiting}}}}}, {{\"metric\": \"inference_kv_cache_usage_ratio\", \"pods\": {{\"a\": \
             \"0.5\"}}}}]}}\n"
        )
    };
    let own: String = [0, 30, 60, 90].map(|second| line(second, "", 9)).concat();
    let own = desk.write("own.jsonl", own);
    let shadow: String =
        [0, 30, 60, 90].map(|second| line(second, ", \"replicas\": 2", 9)).concat();
    let shadow = desk.write("shadow.jsonl", shadow);
    let totals = |file: &std::path::Path| {
        let done = trimtab(["evaluate", "--policy", "hpa.yaml", "--json", "--series"])
            .arg(file)
            .assert()
            .success();
        let report: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        report["totals"].clone()
    };
    // One pod reports 9 where 4 are wanted: 3 replicas, held back by the first 30 s alone.
    let (own, shadow) = (totals(&own), totals(&shadow));
    assert_eq!((&own["peakReplicas"], &own["scaleUps"]), (&3.into(), &1.into()));
    assert_eq!((&shadow["peakReplicas"], &shadow["scaleUps"]), (&3.into(), &3.into()));
    assert_eq!(shadow["recorded"]["peakReplicas"], 2);
}

#[test]
fn metrics_take_the_series_that_they_are_mapped_to() {
    let desk = Desk::new();
    let series = desk.write("load.csv", "t,queue,cache/replica\n0,3,0.2\n60,20,0.3\n");
    let evaluate =
        || trimtab(["evaluate", "--policy", "hpa.yaml", "--no-plot", "--series"]).arg(&series);
    evaluate().assert().code(2).stdout_eq("").stderr_eq(
        "error: there is no series for the policy's metric `inference_requests_waiting`\n \
         --> [..]load.csv\n  = help: choose one by `--map inference_requests_waiting=SERIES`: \
         `queue`, `cache/replica`\n",
    );
    evaluate()
        .args(["--map", "inference_requests_waiting=queue"])
        .args(["--map", "inference_kv_cache_usage_ratio=cache"])
        .assert()
        .success();
}
