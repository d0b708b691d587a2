//! `trimtab decide`, with the files of the example.

use crate::command::{Desk, example, trimtab};
use snapbox::file;

const DECIDE: [&str; 5] = ["decide", "--policy", "hpa.yaml", "--observation", "observation.yaml"];

#[test]
fn explains() {
    trimtab(DECIDE).assert().success().stdout_eq(file!["golden/decide.txt"]).stderr_eq("");
}

#[test]
fn json() {
    let done = trimtab(DECIDE).arg("--json").assert().success();
    done.stdout_eq(file!["golden/decide.json"]);
}

#[test]
fn both_forms_of_the_policy_decide_alike() {
    let own = ["decide", "--policy", "policy.yaml", "--observation", "observation.yaml"];
    trimtab(own).assert().success().stdout_eq(file!["golden/decide.txt"]);
}

#[test]
fn the_state_goes_from_one_decision_to_the_next() {
    let desk = Desk::new();
    let state = desk.path("state.json");
    trimtab(DECIDE).arg("--state-out").arg(&state).assert().success();
    let first = std::fs::read_to_string(&state).unwrap();

    let later = std::fs::read_to_string(example().join("observation-later.yaml")).unwrap();
    trimtab(["decide", "--policy", "hpa.yaml", "--observation", "-", "--state"])
        .arg(&state)
        .arg("--state-out")
        .arg(&state)
        .stdin(later)
        .assert()
        .success()
        .stdout_eq(file!["golden/decide-later.txt"]);
    let second = std::fs::read_to_string(&state).unwrap();
    assert_ne!(first, second);
    assert!(second.contains(r#""scaleUps":[{"change":4"#), "{second}");
    assert_eq!(desk.names(), ["state.json"]);
}

#[test]
fn in_shadow_mode_no_change_is_noted() {
    let desk = Desk::new();
    let busy = desk.write("busy.json", r#"{"time": 0, "replicas": 1}"#);
    let decide = |shadow: &[&str]| {
        let done = trimtab(["decide", "--policy", "hpa.yaml", "--state-out", "-", "--observation"])
            .arg(&busy)
            .args(shadow)
            .assert()
            .success();
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    };
    assert!(decide(&[]).contains(r#""scaleUps":[{"change":1"#));
    assert!(decide(&["--shadow"]).contains(r#""scaleUps":[]"#));
}

#[test]
fn a_policy_may_be_in_shadow_by_itself() {
    let desk = Desk::new();
    let busy = desk.write("busy.json", r#"{"time": 0, "replicas": 1}"#);
    let active = std::fs::read_to_string(example().join("policy.yaml")).unwrap();
    let decide = |policy: &str| {
        let policy = desk.write("policy.yaml", policy);
        let done = trimtab(["decide", "--state-out", "-", "--observation"])
            .arg(&busy)
            .arg("--policy")
            .arg(&policy)
            .assert()
            .success();
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    };
    assert!(decide(&active).contains(r#""scaleUps":[{"change":1"#));
    let shadow = active.replace("\nspec:\n", "\nspec:\n  mode: shadow\n");
    assert!(decide(&shadow).contains(r#""scaleUps":[]"#));
    let policy = desk.write("policy.yaml", shadow);
    trimtab(["lint"]).arg(&policy).assert().success();
}

#[test]
fn of_several_policies_one_is_named() {
    let desk = Desk::new();
    let first = std::fs::read_to_string(example().join("hpa.yaml")).unwrap();
    let second = first.replace("name: llm-inference-hpa", "name: other-hpa");
    let both = desk.write("both.yaml", format!("{first}\n---\n{second}"));
    let decide = || trimtab(["decide", "--observation", "observation.yaml", "--policy"]).arg(&both);
    decide().assert().code(2).stdout_eq("").stderr_eq(
        "error: there are 2 policies here\n --> [..]both.yaml\n  = help: choose one by `--name`: \
         `llm-inference-hpa`, `other-hpa`\n",
    );
    decide().args(["--name", "other-hpa"]).assert().success();
    decide().args(["--name", "none"]).assert().code(2).stderr_eq(
        "error: there is no policy `none` here\n --> [..]both.yaml\n  = help: there is \
         `llm-inference-hpa`, `other-hpa`\n",
    );
}
