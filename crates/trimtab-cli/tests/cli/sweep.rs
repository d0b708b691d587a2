//! `trimtab sweep`: what it finds, writes and refuses.

use serde_json::Value;

use crate::command::{Desk, trimtab};
use snapbox::file;

/// A service by concurrency that is given far more replicas than it needs.
const WASTEFUL: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: wasteful}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  maxReplicas: 12
  metrics:
  - type: Pods
    pods:
      metric: {name: requests_in_flight}
      target: {type: AverageValue, averageValue: 1}
";

const TARGET: &str = "spec.metrics[0].pods.target.averageValue";
/// Small enough for a debug build.
const SHORT: [&str; 8] =
    ["--scenario", "steady", "--duration", "20m", "--rate-scale", "0.1", "--lead-time", "1m"];

fn cost(document: &Value, run: usize) -> f64 {
    document["comparisons"][0]["runs"][run]["cost"].as_f64().unwrap()
}

#[test]
fn a_sweep_finds_a_better_target_which_backtests_as_well() {
    let desk = Desk::new();
    let policy = desk.write("policy.yaml", WASTEFUL);
    let best = desk.path("best.yaml");
    trimtab(["sweep", "--policy"])
        .arg(&policy)
        .args(SHORT)
        .args(["--set", &format!("{TARGET}=1,4,16,64"), "--write-best"])
        .arg(&best)
        .assert()
        .success()
        .stderr_eq("wrote [..]best.yaml\n")
        .stdout_eq(file!["golden/sweep.txt"]);
    snapbox::assert_data_eq!(
        std::fs::read_to_string(&best).unwrap(),
        file!["golden/sweep-best.yaml"]
    );
    let done = trimtab(["backtest", "--json", "-", "--policy"])
        .arg(&policy)
        .arg("--policy")
        .arg(&best)
        .args(SHORT)
        .assert()
        .success();
    let document: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert!(cost(&document, 1) < 0.5 * cost(&document, 0));
    let runs = document["comparisons"][0]["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["attainment"][0]["met"] == true));
    let names: Vec<&str> = runs.iter().filter_map(|run| run["policy"].as_str()).collect();
    assert_eq!(names, ["wasteful (policy.yaml)", "wasteful (best.yaml)"]);
}

#[test]
fn chance_takes_some_and_only_the_best_have_a_course() {
    let desk = Desk::new();
    let policy = desk.write("policy.yaml", WASTEFUL);
    let sweep = |jobs: &str| {
        let done = trimtab(["sweep", "--json", "-", "--random", "5", "--jobs", jobs, "--policy"])
            .arg(&policy)
            .args(SHORT)
            .args([
                "--set",
                &format!("{TARGET}=log:1..64/7"),
                "--set",
                "wasteful:minReplicas=1..4/4",
            ])
            .assert()
            .success();
        done.get_output().stdout.clone()
    };
    let one = sweep("1");
    assert_eq!(one, sweep("3"));
    let document: Value = serde_json::from_slice(&one).unwrap();
    let runs = document["comparisons"][0]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 5);
    let with_course = |run: &&Value| !run["timeline"]["ready"].as_array().unwrap().is_empty();
    let courses = runs.iter().filter(with_course).count();
    assert!((1..5).contains(&courses), "{courses}");
    assert!(runs.iter().all(|run| run["tuning"].as_object().unwrap().len() == 2));
}

/// Checks that a sweep with these arguments is refused and writes nothing.
#[track_caller]
fn refused(arguments: &[&str], message: &str) {
    let desk = Desk::new();
    trimtab(["sweep", "--policy", "hpa.yaml", "--write-best"])
        .arg(desk.path("best.yaml"))
        .args(arguments)
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(message.to_owned());
    assert_eq!(desk.names(), [""; 0]);
}

#[test]
fn what_can_not_be_swept() {
    refused(
        &["--set", "spec.metrics[0].pods.target.averageValu=1,2"],
        "error: `llm-inference-hpa`: `metrics[0].pods.target.averageValu` can't be set: unknown field \
         `averageValu` (did you mean `averageValue`?)\n",
    );
    refused(
        &["--set", "spec.metrics[7].type=Pods"],
        "error: `llm-inference-hpa`: `metrics[7].type` can't be set: `metrics` has 2 items, from [0] \
         on\n",
    );
    refused(
        &["--set", "minReplicas=1..200/200", "--set", "maxReplicas=200..300/101"],
        "error: `llm-inference-hpa` would be tried with 20200 combinations, more than 10000: give \
         fewer values, or take some by chance\n",
    );
    refused(
        &["--set", "minReplicas=30"],
        "error: `llm-inference-hpa` with `minReplicas=30`: the policy breaks a rule\n  \
         spec.maxReplicas is 20 and has to be at least `minReplicas`, 30\n",
    );
    refused(
        &["--set", "other:minReplicas=3"],
        "error: there is no policy `other` to set fields of\n  = help: there is `llm-inference-hpa`\n",
    );
    refused(
        &["--set", "minReplicas"],
        "error: invalid value 'minReplicas' for '--set <FIELD=VALUES>': `minReplicas` is no field with \
         values: write FIELD=VALUES, such as `maxReplicas=8,12,20`\n...",
    );
    refused(
        &["--set", "metrics[0].pods.metric.name=flying_requests"],
        "error: policy `llm-inference-hpa`: [..]`flying_requests`[..]\n --> hpa.yaml\n",
    );
}
