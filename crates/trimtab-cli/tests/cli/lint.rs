//! `trimtab lint`: what it prints in each form, its exit codes, and the examples.

use crate::command::{Desk, example, trimtab};
use snapbox::file;

/// An HPA by the utilization of GPUs, to a DaemonSet if `worse`.
fn hpa(worse: bool) -> String {
    let kind = if worse { "DaemonSet" } else { "Deployment" };
    format!(
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: llm, namespace: inference}}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {kind}
    name: llm
  minReplicas: 2
  maxReplicas: 20
  metrics:
  - type: Pods
    pods:
      metric: {{name: DCGM_FI_DEV_GPU_UTIL}}
      target: {{type: AverageValue, averageValue: \"80\"}}
"
    )
}

fn lint(desk: &Desk, arguments: &[&str]) -> snapbox::cmd::Command {
    trimtab(["lint"]).args(arguments).current_dir(desk.path("."))
}

#[test]
fn text_goes_to_standard_output_and_the_summary_to_standard_error() {
    let desk = Desk::new();
    desk.write("hpa.yaml", hpa(true));
    lint(&desk, &["hpa.yaml"])
        .assert()
        .code(3)
        .stdout_eq(file!["golden/lint.txt"])
        .stderr_eq("1 error, 1 warning in 1 document of 1 file\n");
}

#[test]
fn other_forms() {
    let desk = Desk::new();
    desk.write("hpa.yaml", hpa(true));
    let lint = |format| lint(&desk, &["--format", format, "hpa.yaml"]).assert().code(3);
    lint("json").stdout_eq(file!["golden/lint.json"]);
    lint("github").stdout_eq(file!["golden/lint-github.txt"]);
    let done = lint("sarif");
    let sarif: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!((sarif["version"].as_str(), results.len()), (Some("2.1.0"), 2));
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "hpa.yaml");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 1);
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn warnings_fail_where_they_are_denied() {
    let desk = Desk::new();
    desk.write("hpa.yaml", hpa(false));
    lint(&desk, &["hpa.yaml"]).assert().code(0);
    lint(&desk, &["--deny-warnings", "hpa.yaml"]).assert().code(3);
}

#[test]
fn folders_are_searched_and_what_cannot_be_read_is_2() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("deep/.hidden")).unwrap();
    desk.write("deep/hpa.yml", hpa(true));
    desk.write("deep/notes.yaml", "- {{ not a manifest\n");
    desk.write("deep/.hidden/hpa.yaml", hpa(true));
    desk.write("deep/readme.md", "kind: [\n");
    lint(&desk, &["deep"])
        .assert()
        .code(3)
        .stderr_eq("1 error, 1 warning in 1 document of 1 file\n");
    desk.write("deep/template.yaml", "apiVersion: v1\nname: {{ .Values.name }}\n");
    lint(&desk, &["deep", "gone.yaml"]).assert().code(2).stderr_eq(file!["golden/lint-unread.txt"]);
}

#[test]
fn standard_input_is_a_file() {
    trimtab(["lint", "-"])
        .stdin(hpa(false))
        .assert()
        .code(0)
        .stderr_eq("1 warning in 1 document of 1 file\n");
}

#[test]
fn rules_are_listed_and_explained() {
    let done = trimtab(["lint", "--list"]).assert().success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.lines().count() > 20 && text.contains("two-autoscalers"), "{text}");
    trimtab(["lint", "--explain", "two-autoscalers"])
        .assert()
        .success()
        .stdout_eq(file!["golden/lint-explain.txt"]);
    trimtab(["lint", "--explain", "autoscaler"]).assert().code(2).stderr_eq(
        "error: there is no rule `autoscaler`\n  = help: did you mean `two-autoscalers`?\n",
    );
    trimtab(["lint"]).assert().code(2);
}

#[test]
fn the_examples_are_clean() {
    trimtab(["lint", "--deny-warnings"]).arg(example().join("..")).assert().stdout_eq("").code(0);
}
