//! The manifests of other autoscalers among the examples.

use std::path::PathBuf;

use trimtab_manifest::{ImportedPolicy, Source, read_policies};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/manifests")
}

/// Their names, in order.
pub(crate) fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    names
}

/// One of them.
pub(crate) fn example(name: &str) -> Source {
    Source::new(name, std::fs::read_to_string(folder().join(name)).unwrap())
}

/// What is written of a policy is the policy.
pub(crate) fn assert_read_again(policy: &ImportedPolicy) {
    let again = read_policies(&Source::new("policy.yaml", policy.to_yaml())).unwrap();
    let again = &again.policies[0];
    assert_eq!((&again.policy, &again.metadata), (&policy.policy, &policy.metadata));
}
