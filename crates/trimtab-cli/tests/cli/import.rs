//! `trimtab import`: what it writes, where to, and what it refuses.

use std::path::PathBuf;

use crate::command::{Desk, example, trimtab};
use snapbox::file;

/// A manifest of the examples.
fn manifest(name: &str) -> PathBuf {
    example().join("../manifests").join(name)
}

/// `trimtab import FILE…` among the manifests of the examples.
fn import(files: &[&str]) -> snapbox::cmd::Command {
    trimtab(["import"]).args(files).current_dir(example().join("../manifests"))
}

#[test]
fn policies_go_to_standard_output_and_defects_to_standard_error() {
    import(&["scaledobject.yaml", "knative.yaml"])
        .assert()
        .success()
        .stdout_eq(file!["golden/import.yaml"])
        .stderr_eq(file!["golden/import.txt"]);
}

#[test]
fn what_is_written_is_read_by_the_other_commands() {
    let desk = Desk::new();
    let policies = desk.path("policies.yaml");
    import(&["hpa.yaml", "hpa-v2beta2.yaml", "-o"]).arg(&policies).assert().success().stdout_eq("");
    trimtab([
        "decide",
        "--name",
        "llm-inference-hpa",
        "--observation",
        "observation.yaml",
        "--policy",
    ])
    .arg(&policies)
    .assert()
    .success()
    .stdout_eq(file!["golden/decide.txt"]);
}

#[test]
fn standard_input_and_a_list() {
    let item = std::fs::read_to_string(manifest("hpa.yaml")).unwrap();
    let item: String = item.lines().map(|line| format!("  {line}\n")).collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n-\n{item}");
    let done = import(&["-"]).stdin(list).assert().success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.contains("name: llm-inference-hpa"), "{text}");
}

#[test]
fn what_is_no_policy_is_refused_and_nothing_is_written() {
    let desk = Desk::new();
    let cron = std::fs::read_to_string(manifest("scaledobject.yaml")).unwrap();
    let cron = desk.write("cron.yaml", cron.replace("type: prometheus", "type: cron"));
    let output = desk.path("policies.yaml");
    trimtab(["import", "cron.yaml", "--output", "policies.yaml"])
        .current_dir(desk.directory())
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(file!["golden/import-refused.txt"]);
    assert!(cron.exists() && !output.exists());
    import(&["-", "-"]).assert().code(2).stdout_eq("");
    import(&[]).assert().code(2).stdout_eq("");
}

#[test]
fn a_proposal_under_slo_says_what_changed() {
    import(&["--strategy", "slo", "--lead-time", "4m", "hpa.yaml", "knative.yaml"])
        .assert()
        .success()
        .stdout_eq(file!["golden/import-slo.yaml"])
        .stderr_eq(file!["golden/import-slo.txt"]);
}

#[test]
fn what_slo_cannot_take_over_is_refused_and_nothing_is_written() {
    let desk = Desk::new();
    let output = desk.path("policies.yaml");
    import(&["--strategy", "slo", "hpa-cpu.yaml", "-o"])
        .arg(&output)
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(file!["golden/import-slo-refused.txt"]);
    assert!(!output.exists());
    import(&["--lead-time", "4m", "hpa.yaml"]).assert().code(2).stdout_eq("");
    for lead_time in ["0s", "2h", "1500ms", "soon"] {
        import(&["--strategy", "slo", "--lead-time", lead_time, "hpa.yaml"]).assert().code(2);
    }
    import(&["--strategy", "hpa", "hpa.yaml"]).assert().code(2).stdout_eq("");
}

#[test]
fn a_peer_and_its_proposal_are_told_apart() {
    let desk = Desk::new();
    let (peer, slo) = (desk.path("peer.yaml"), desk.path("slo.yaml"));
    import(&["knative.yaml", "-o"]).arg(&peer).assert().success();
    import(&["--strategy", "slo", "knative.yaml", "-o"]).arg(&slo).assert().success();
    let backtest =
        ["backtest", "--scenario", "steady", "--duration", "5m", "--policy", "peer.yaml"];
    let done = trimtab(backtest)
        .args(["--policy", "slo.yaml"])
        .current_dir(desk.directory())
        .assert()
        .success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.contains("llama (peer.yaml)") && text.contains("llama (slo.yaml)"), "{text}");
}

#[test]
fn other_commands_say_who_reads_such_files() {
    let done =
        trimtab(["backtest", "--policy"]).arg(manifest("scaledobject.yaml")).assert().code(2);
    let text = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(text.contains("`trimtab import FILE`"), "{text}");
}
