//! The files as they are.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trimtab_kube::crd::{
    AccessRule, AccessScope, CONTROLLER_ACCESS, KEDA_SCALER_ACCESS, access_rules, crd_yaml,
};
use trimtab_manifest::{Source, from_str, lint_limits};

pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a text.
pub(crate) fn documents(name: &str, text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").filter(|part| {
        part.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#') && line != "---")
    });
    let read = |part: &str| {
        let source = Source::new(name, part);
        from_str::<Value>(&source, &lint_limits()).unwrap_or_else(|error| panic!("{error}"))
    };
    parts.map(read).collect()
}

fn yaml_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "templates") {
                yaml_below(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_is_yaml() {
    let mut found = Vec::new();
    yaml_below(&deploy(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!documents(&path.display().to_string(), &text).is_empty(), "{}", path.display());
    }
}

#[test]
fn what_is_generated_is_as_the_code_has_it() {
    for path in ["crd/scalingpolicies.yaml", "helm/trimtab/crds/scalingpolicies.yaml"] {
        assert!(read(path) == crd_yaml(), "{path} is stale; run `cargo xtask generate`");
    }
    let template = read("helm/trimtab/templates/_access.tpl");
    let parts: [(&str, &[AccessRule]); 2] =
        [("controller", CONTROLLER_ACCESS), ("keda-scaler", KEDA_SCALER_ACCESS)];
    for (command, rules) in parts {
        let roles = read(&format!("kustomize/{command}/access.yaml"));
        for scope in [AccessScope::Namespaces, AccessScope::Cluster, AccessScope::Own] {
            let written = access_rules(rules, scope);
            if rules.iter().any(|rule| rule.scope == scope) {
                assert!(roles.contains(&written), "the roles of {command} are stale");
                assert!(template.contains(&written), "the templates of {command} are stale");
            }
        }
    }
}

#[test]
fn the_image_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    for command in ["controller", "keda-scaler"] {
        let base = read(&format!("kustomize/{command}/kustomization.yaml"));
        assert!(base.contains(&format!("newTag: {version}\n")), "{command}");
    }
    let chart = read("helm/trimtab/Chart.yaml");
    assert!(chart.contains(&format!("appVersion: {version}\n")));
}
