//! The manifests of `examples/llm-inference/manifests`: they scale as the policies beside them do.

use std::fs;
use std::path::PathBuf;

use crate::command::{Desk, example, trimtab};

/// One of the manifests.
fn manifest(name: &str) -> PathBuf {
    example().join("manifests").join(name)
}

/// What `trimtab evaluate` says of the policy in a file, without its name: its digest, and what it decides.
fn evaluated(policy: PathBuf) -> (String, String) {
    let done = trimtab(["evaluate", "--series", "series.csv", "--policy"]).arg(policy).assert();
    let text = String::from_utf8(done.success().get_output().stdout.clone()).unwrap();
    let (_, text) = text.split_once(" replicas, digest ").expect("a digest");
    let (digest, decisions) = text.split_once('\n').expect("decisions");
    (digest.to_owned(), decisions.to_owned())
}

/// The policy that `trimtab import` makes of a manifest.
fn imported(desk: &Desk, name: &str) -> PathBuf {
    let policy = desk.path("policy.yaml");
    trimtab(["import", "--output"]).arg(&policy).arg(manifest(name)).assert().success();
    policy
}

#[test]
fn the_hpa_is_the_policy_of_the_example() {
    let text = |path| fs::read_to_string(path).unwrap();
    assert_eq!(text(manifest("overlays/hpa/hpa.yaml")), text(example().join("hpa.yaml")));
    let desk = Desk::new();
    let policy = imported(&desk, "overlays/hpa/hpa.yaml");
    assert_eq!(evaluated(policy), evaluated(example().join("hpa.yaml")));
}

#[test]
fn the_scaled_object_is_the_policy_of_the_example() {
    let desk = Desk::new();
    let policy = imported(&desk, "overlays/keda/scaled-object.yaml");
    // The digest is another one: the policy names a cooldown that has no effect.
    assert_eq!(evaluated(policy).1, evaluated(example().join("keda.yaml")).1);
}

#[test]
fn the_policies_pass_their_tests() {
    let done = trimtab(["test", "--require-tests", ".."]).assert().success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.ends_with(" passed, 0 failed\n"), "{text}");
}
