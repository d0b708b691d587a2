//! `trimtab backtest`: what it prints and writes, and what it refuses.

use std::path::Path;

use crate::command::{Desk, trimtab};
use snapbox::file;

/// Small enough for a debug build.
const SHORT: [&str; 4] = ["--scenario", "diurnal", "--duration", "15m"];

/// `trimtab backtest` on a quarter of an hour.
fn backtest(more: &[&str]) -> snapbox::cmd::Command {
    trimtab(["backtest"]).args(SHORT).args(more)
}

#[test]
fn without_policies_the_examples_are_compared() {
    trimtab(["backtest", "--duration", "30m"])
        .assert()
        .success()
        .stderr_eq("")
        .stdout_eq(file!["golden/backtest.txt"]);
}

#[test]
fn every_lead_time_and_workload_is_a_comparison() {
    let desk = Desk::new();
    desk.write("load.csv", "timestamp_s,input_tokens,output_tokens\n0.5,300,20\n2,150,80\n");
    trimtab(["backtest", "--trace"])
        .arg(desk.path("load.csv"))
        .args(["--scenario", "steady", "--duration", "2m"])
        .args(["--policy", "hpa.yaml", "--lead-time", "30s,2m", "--metric"])
        .args(["inference_requests_waiting=requests_in_flight", "--plot"])
        .arg(desk.path("plot.svg"))
        .assert()
        .success()
        .stderr_eq("wrote [..]plot-1.svg\nwrote [..]plot-2.svg\nwrote [..]plot-3.svg\nwrote [..]plot-4.svg\n")
        .stdout_eq(file!["golden/backtest-several.txt"]);
    assert_eq!(desk.names(), ["load.csv", "plot-1.svg", "plot-2.svg", "plot-3.svg", "plot-4.svg"]);
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_jobs() {
    let json = |more: &[&str]| {
        let done = backtest(&["--json", "-", "--lead-time", "1m,3m"]).args(more).assert().success();
        done.get_output().stdout.clone()
    };
    let one = json(&["--jobs", "1"]);
    assert_eq!(one, json(&["--jobs", "4"]));
    assert_ne!(one, json(&["--seed", "2"]));
    let document: serde_json::Value = serde_json::from_slice(&one).unwrap();
    assert_eq!(document["comparisons"].as_array().unwrap().len(), 2);
    assert_eq!(document["comparisons"][0]["runs"].as_array().unwrap().len(), 4);
    let details = document["settings"]["details"].to_string();
    assert!(details.contains(
        r#"["metrics of hpa-gpu-utilization","DCGM_FI_DEV_GPU_UTIL is gpu_utilization_percent"]"#
    ));
    assert!(!details.contains("node launch"));
}

#[test]
fn files_are_written_and_told() {
    let desk = Desk::new();
    backtest(&["--policy", "hpa.yaml", "--json"])
        .arg(desk.path("all.json"))
        .arg("--report")
        .arg(desk.path("report.html"))
        .arg("--plot")
        .arg(desk.path("plot.svg"))
        .assert()
        .success()
        .stderr_eq("wrote [..]all.json\nwrote [..]report.html\nwrote [..]plot.svg\n");
    assert_eq!(desk.names(), ["all.json", "plot.svg", "report.html"]);
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    assert!(read("report.html").starts_with("<!doctype html>"));
    assert!(read("plot.svg").starts_with("<svg "));
    assert!(read("all.json").starts_with("{\"settings\":{\"trimtab\":"));
}

#[test]
fn the_log_replays() {
    let desk = Desk::new();
    let log = desk.path("log.jsonl.gz");
    backtest(&["--lead-time", "1m,3m", "--log"]).arg(&log).assert().success();
    trimtab(["replay"]).arg(&log).assert().success().stdout_eq(
        "[..] decisions by 4 policies: all the same\nnote: a decision starts without history 4 \
         times: as many workloads, or restarts\n",
    );
}

#[test]
fn a_missed_objective_is_a_no_for_those_who_ask() {
    let steady = ["backtest", "--scenario", "steady", "--duration", "5m", "--rate-scale", "0.1"];
    let strict = ["--objective", "ttft<=2s@99%", "--objective", "e2e<=2s@20%"];
    trimtab(steady).arg("--fail-on-miss").assert().code(0);
    let desk = Desk::new();
    let cold = desk.write("cold.yaml", "control: {initialReplicas: 1}\n");
    let cold = ["--rate-scale=1", "--lead-time=10m", "--cluster", cold.to_str().unwrap()];
    let hard: Vec<&str> = steady.iter().take(5).copied().chain(cold).collect();
    trimtab(&hard).args(strict).assert().code(0);
    trimtab(&hard).args(strict).arg("--fail-on-miss").assert().code(1);
}

#[test]
fn a_lead_time_stands_for_all_phases_of_a_start() {
    let details = |more: &[&str]| {
        let done = backtest(&["--policy", "hpa.yaml", "--json=-"]).args(more).assert().success();
        let document: serde_json::Value =
            serde_json::from_slice(&done.get_output().stdout).unwrap();
        document["settings"]["details"].to_string()
    };
    let phases = details(&[]);
    assert!(phases.contains("node launch") && phases.contains("start on a new node"), "{phases}");
    let fixed = details(&["--lead-time=30s,2m"]);
    assert!(!fixed.contains("node launch") && !fixed.contains("start on"), "{fixed}");
}

#[test]
fn a_grace_period_stands_for_that_of_the_cluster() {
    let desk = Desk::new();
    let short = desk.write("short.yaml", "control: {drainSeconds: 5}\n");
    let short = short.to_str().unwrap();
    // A step down, which leaves many with long answers that they can't finish in so little time.
    let cut = |more: &[&str]| {
        let step = ["--scenario", "step", "--duration", "100m", "--rate-scale", "0.2"];
        let long = ["--output-tokens", "4000,8000", "--policy", "hpa.yaml", "--lead-time", "30s"];
        let done = trimtab(["backtest", "--json=-"]).args(step).args(long).args(more).assert();
        let document: serde_json::Value =
            serde_json::from_slice(&done.success().get_output().stdout).unwrap();
        let details = document["settings"]["details"].to_string();
        (document["comparisons"][0]["runs"][0]["requests"]["cut"].as_u64().unwrap(), details)
    };
    let (many, told) = cut(&["--cluster", short]);
    assert!(told.contains(r#"["drain time","5s"]"#), "{told}");
    let (fewer, told) = cut(&["--cluster", short, "--grace-period", "15m"]);
    assert!(told.contains(r#"["drain time","900s"]"#), "{told}");
    assert!(fewer < many, "{fewer} {many}");
}

#[test]
fn a_cluster_and_a_profile_come_from_files() {
    let desk = Desk::new();
    let cluster = desk.write(
        "cluster.yaml",
        "pools: [{gpuHourPrice: 2}]\ncontrol: {initialReplicas: 6}\nstart: {leadTimeSeconds: 45}\n",
    );
    let profile = desk.write(
        "profile.yaml",
        "{name: mine, model: mine, gpu: a100, gpus: 1, kvTokens: 400000, maxSequences: 64, \
         maxBatchedTokens: 2048, prefill: {c0Ms: 8, c1Ms: 0.05, c2Ms: 0}, \
         decode: {aMs: 12, bMs: 0.03, cMs: 0.00008}, source: made up}\n",
    );
    let done = backtest(&["--policy", "hpa.yaml", "--json", "-", "--cluster"])
        .arg(&cluster)
        .arg("--profile-file")
        .arg(&profile)
        .assert()
        .success();
    let document: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(document["settings"]["profile"], "mine");
    assert_eq!(document["settings"]["costUnit"], "money");
    assert_eq!(document["comparisons"][0]["leadTime"], "45s");
    assert_eq!(document["comparisons"][0]["runs"][0]["timeline"]["ready"][0], 6.0);
}

/// Runs `backtest` with arguments and a file that one of them names as `FILE`; checks that it is
/// refused and that nothing was written.
#[track_caller]
fn refused(arguments: &[&str], content: &str, message: &str) {
    let desk = Desk::new();
    let file = desk.write("input", content);
    let before = desk.names();
    let arguments = arguments.iter().map(|argument| match *argument {
        "FILE" => file.as_path(),
        other => Path::new(other),
    });
    trimtab(["backtest", "--report"])
        .arg(desk.path("report.html"))
        .args(arguments)
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(message.to_owned());
    assert_eq!(desk.names(), before);
}

#[test]
fn traces_that_can_not_be_served() {
    let rows = |rows: &str| format!("timestamp_s,input_tokens,output_tokens\n{rows}");
    for (content, message) in [
        (
            String::new(),
            "error: the trace is empty\n --> [..]input\n  = help: request CSV: [..]\n          rate \
             CSV: [..]\n...",
        ),
        (
            rows(""),
            "error: the trace has no rows\n --> [..]input\n  = help: at least one request behind the \
             header\n",
        ),
        (
            rows("5,10,10\n4,10,10\n"),
            "error: the timestamp `4` is before `5`, the one before it\n --> [..]input:3\n  = help: \
             sort the trace by time\n",
        ),
        (
            rows("-1,10,10\n"),
            "error: the timestamp `-1` is negative\n --> [..]input:2\n  = help: seconds since the \
             start of the trace\n",
        ),
        (
            rows("0,0,10\n"),
            "error: a request with 0 input tokens\n --> [..]input:2\n  = help: [..]\n",
        ),
        (
            rows("0,10,many\n"),
            "error: `output_tokens` is `many`, which is not a number of tokens\n --> [..]input:2\n  \
             = help: a whole number, at least 1\n",
        ),
        (
            String::from("timestamp_s,input_tokens\n0,1\n"),
            "error: no column `output_tokens`; there are `timestamp_s`, `input_tokens`\n \
             --> [..]input:1\n  = help: [..]\n...",
        ),
        (
            String::from("when,what\n0,1\n"),
            "error: not a known format of traces: `when,what`\n --> [..]input:1\n...",
        ),
    ] {
        refused(&["--trace", "FILE"], &content, message);
    }
    refused(&["--trace", "nothing.csv"], "", "error: [..]\n --> nothing.csv\n...");
    refused(
        &["--trace", "-"],
        "",
        "error: a trace is read more than once, and standard input can't be\n  = help: give it as a file\n",
    );
}

#[test]
fn objectives_that_no_policy_can_meet() {
    refused(
        &["--duration", "2m", "--objective", "ttft<=20ms@99%"],
        "",
        "error: `llama-3.1-8b-a100` can't meet `ttft<=20ms@99%` on `diurnal`, whatever the policy: [..]\n  \
         = help: take a faster `--profile`, or an `--objective` that it can meet\n",
    );
}

#[test]
fn names_that_are_unknown() {
    refused(
        &["--profile", "llama-3.1-8b-a10"],
        "",
        "error: invalid value 'llama-3.1-8b-a10' for '--profile <NAME>'\n  [possible values: [..]]\n\n  \
         tip: a similar value exists: 'llama-3.1-8b-a100'\n...",
    );
    refused(
        &["--scenario", "weekday"],
        "",
        "error: invalid value 'weekday' for '--scenario <NAME>'\n  [possible values: steady, [..]]\n...",
    );
    refused(
        &["--name", "hpa"],
        "",
        "error: there is no policy `hpa`\n  = help: there is `llm-inference-hpa`, `hpa-concurrency`, \
         `hpa-gpu-utilization`, `slo`\n",
    );
    refused(
        &["--metric", "requests_in_flight=requests_flying"],
        "",
        "error: policy `hpa-concurrency`: [..]`requests_flying`[..]\n --> hpa-concurrency.yaml\n",
    );
    refused(&["--metric", "queue=requests_waiting"], "", "error: [..]`queue`[..]\n");
    refused(
        &["--objective", "ttft<2s"],
        "",
        "error: invalid value 'ttft<2s' for '--objective <OBJECTIVE>': write it as `ttft<=2s@99%`, \
         `tpot<=50ms` or `e2e<=30s@95%`\n...",
    );
}

#[test]
fn clusters_and_profiles_that_break_rules() {
    refused(
        &["--cluster", "FILE"],
        "pools: [{gpusPerNode: 0}]\nmetrics: {lossProbability: 1}\n",
        "error: the cluster breaks 2 rules\n  pools[0].gpusPerNode is 0: [..]\n  \
         metrics.lossProbability is 1: [..]\n --> [..]input\n",
    );
    refused(
        &["--cluster", "FILE"],
        "pool: []\n",
        "error: unknown field `pool`\n[..]--> [..]input:1:1\n...",
    );
    refused(
        &["--profile-file", "FILE"],
        "{name: x, model: x, gpu: x, gpus: 0, kvTokens: 1, maxSequences: 1, maxBatchedTokens: 1, \
         prefill: {c0Ms: 0, c1Ms: 1, c2Ms: 0}, decode: {aMs: 1, bMs: 0, cMs: 0}, source: x}\n",
        "error: `gpus` of the profile is out of range\n --> [..]input\n  = help: it has to be at least 1\n",
    );
}

#[test]
fn arguments_that_do_not_go_together() {
    for (arguments, message) in [
        (
            &["--trace", "FILE", "--duration", "1h"][..],
            "error: `--duration` is for scenarios, and there is none\n  = help: a trace lasts as long \
             as it was recorded\n",
        ),
        (
            &["--duration", "0s"],
            "error: a duration of `0` is out of range\n --> diurnal\n  = help: from 1 to 315576000\n",
        ),
        (&["--lead-time", "-5s"], "error: unexpected argument '-5' found\n..."),
        (
            &["--lead-time=-5s"],
            "error: `--lead-time -5s` is no time that a start takes\n  = help: from 0 to 31 years\n",
        ),
        (
            &["--grace-period=-5s"],
            "error: `--grace-period -5s` is no time that a stop takes\n  = help: from 0 to 31 years\n",
        ),
        (
            &["--json", "report.html", "--log", "report.html"],
            "error: two outputs would go to `report.html`\n...",
        ),
        (&["--log", "-"], "error: `--log` has to name a file\n"),
        (
            &["--json", "no/such/folder/x.json"],
            "error: `no/such/folder/x.json` can't be written: [..]\n",
        ),
        (
            &["--policy", "-", "--cluster", "-"],
            "error: standard input can be read only once, [..]\n...",
        ),
        (
            &["--time-scale", "2"],
            "error: the following required arguments were not provided:\n  --trace <FILE>\n...",
        ),
    ] {
        refused(arguments, "timestamp_s,input_tokens,output_tokens\n0,1,1\n", message);
    }
}

/// Interrupted in the middle, it says so, exits with 130 and leaves nothing.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing() {
    let desk = Desk::new();
    let mut child = std::process::Command::new(snapbox::cmd::cargo_bin!("trimtab"))
        .args(["backtest", "--scenario", "weekly", "--report"])
        .arg(desk.path("report.html"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The file is prepared once interrupts are noted.
    while desk.names().is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: interrupted; nothing was written\n"
    );
    assert_eq!(desk.names(), [""; 0]);
}
