//! What Helm makes of the chart, where it is there: the same as kustomize of its files, and what an API server takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::Value;
use trimtab_apiserver::{ApiServer, fixture};

use crate::chart::EVERY_VALUE;
use crate::files::{deploy, documents};
use crate::objects::{keep_to_the_rules, of_kind};
use crate::rendered::{apply, overlay};

const NAMESPACE: &str = "trimtab-system";

/// What `helm` says; nothing where it is not there.
fn helm(arguments: &[&str], kubeconfig: Option<&Path>) -> Option<Output> {
    let mut command = Command::new("helm");
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    command.args(arguments).current_dir(deploy()).output().ok()
}

/// The file with each value, which Helm reads by its path.
fn every_value() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/every-value.yaml");
    format!("--values={}", path.display())
}

/// The objects of the chart with more arguments.
fn chart(release: &str, arguments: &[&str]) -> Option<Vec<Value>> {
    let namespace = format!("--namespace={NAMESPACE}");
    let mut all = vec!["template", release, "helm/trimtab", namespace.as_str()];
    all.extend(arguments);
    let Some(done) = helm(&all, None) else {
        eprintln!("skipped: helm is not here");
        return None;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    Some(documents("chart", text.trim_start_matches("---\n")))
}

/// Values, and what a release may be called.
fn variants() -> [(&'static str, Vec<String>); 5] {
    let every = every_value();
    [
        ("trimtab", vec![]),
        ("trimtab", vec![KEDA.into(), "--set=controller.enabled=false".into()]),
        ("trimtab", vec![every.clone()]),
        ("trimtab", vec![every.clone(), "--set=controller.enabled=true".into()]),
        // Digits are no string in YAML.
        ("123", vec![every, "--set=controller.enabled=true,fullnameOverride=".into()]),
    ]
}

const KEDA: &str = "--set=kedaScaler.enabled=true,kedaScaler.config.workloads={}";

fn rendered() -> Option<Vec<Vec<Value>>> {
    let variants = variants();
    let all = variants.iter().map(|(release, arguments)| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        chart(release, &arguments)
    });
    all.collect()
}

#[test]
fn it_has_no_faults() {
    for arguments in [vec![], vec![every_value()]] {
        let mut all = vec!["lint", "--strict", "helm/trimtab"];
        all.extend(arguments.iter().map(String::as_str));
        let Some(done) = helm(&all, None) else { return };
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }
}

#[test]
fn it_keeps_to_the_rules() {
    let Some(all) = rendered() else { return };
    for (objects, (_, arguments)) in all.iter().zip(variants()) {
        assert!(!objects.is_empty());
        keep_to_the_rules(&format!("chart {arguments:?}"), objects);
    }
}

/// Values reach the commands as they were written: the config is checked by the command that reads it.
#[test]
fn configs_are_what_the_values_say() {
    let Some(objects) = chart("trimtab", &[&every_value(), "--set=controller.enabled=true"]) else {
        return;
    };
    let values = &documents("every-value.yaml", EVERY_VALUE)[0];
    let config = |component: &str, file: &str| {
        let name = format!("decider-{component}");
        let maps = of_kind(&objects, "ConfigMap");
        let map = maps.iter().find(|map| map["metadata"]["name"] == *name).unwrap();
        documents(file, map["data"][file].as_str().unwrap()).remove(0)
    };
    let mut expected = values["controller"]["config"].clone();
    expected["listen"] = "0.0.0.0:9464".into();
    expected["namespaces"] = values["controller"]["namespaces"].clone();
    assert_eq!(config("controller", "controller.yaml"), expected);
    let mut expected = values["kedaScaler"]["config"].clone();
    expected["listen"] = "0.0.0.0:9464".into();
    expected["grpc"]["listen"] = "0.0.0.0:9465".into();
    expected["state"]["directory"] = "/var/lib/trimtab".into();
    assert_eq!(config("keda-scaler", "trimtab.yaml"), expected);
    assert_eq!(config("keda-scaler", "1"), values["kedaScaler"]["policies"]["1"]);
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for (set, expected) in [
        ("controller.replica=1", "replica"),
        ("controller.config.listen=x", "controller"),
        ("controller.replicas=two", "integer"),
        ("image.digest=latest", "digest"),
        ("kedaScaler.enabled=true", "workloads"),
        ("kedaScaler.config.grpc.listen=x", "kedaScaler"),
        ("controller.namespaces={In Ference}", "namespaces"),
    ] {
        let set = format!("--set={set}");
        let Some(done) = helm(&["template", "trimtab", "helm/trimtab", &set], None) else { return };
        let told = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{set}");
        assert!(told.contains(expected), "{set}: {told}");
    }
}

/// An object without what tells one way of installing from the other: Helm's labels, the names of roles, which Helm gives
/// the namespace of the release, and the hash that kustomize puts behind names of ConfigMaps.
fn plain(mut object: Value) -> (String, Value) {
    drop_helms(&mut object);
    let name = object["metadata"]["name"].as_str().unwrap();
    let name = name.strip_prefix("trimtab-system-").unwrap_or(name);
    let name = if object["kind"] == "ConfigMap" { without_hash(name) } else { name };
    let name = name.to_owned();
    object["metadata"]["name"] = name.clone().into();
    if let Some(role) = object.pointer_mut("/roleRef/name") {
        let plain = role.as_str().unwrap();
        *role = plain.strip_prefix("trimtab-system-").unwrap_or(plain).into();
    }
    for volume in object
        .pointer_mut("/spec/template/spec/volumes")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(map) = volume.pointer_mut("/configMap/name") {
            *map = without_hash(map.as_str().unwrap()).into();
        }
    }
    (format!("{} {name}", object["kind"].as_str().unwrap()), object)
}

const HASHED: &str = "2456789bcdfghkmt";

fn without_hash(name: &str) -> &str {
    match name.rsplit_once('-') {
        // As many as that, of the characters that its hashes have.
        Some((name, hash)) if hash.len() == 10 && hash.chars().all(|c| HASHED.contains(c)) => name,
        _ => name,
    }
}

/// Takes out labels, annotations and defaults that only one of them writes.
fn drop_helms(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in ["labels", "annotations", "matchLabels", "selector"] {
                let Some(Value::Object(labels)) = map.get_mut(key) else { continue };
                labels.retain(|key, _| {
                    let is_shared = !key.starts_with("app.kubernetes.io/");
                    let is_known = ["name", "component"].iter().any(|end| key.ends_with(end));
                    (is_shared || is_known)
                        && !key.starts_with("helm.sh/")
                        && !key.starts_with("trimtab.dev/")
                });
                // kustomize labels what the chart labels by component, too.
                if key == "labels" {
                    labels.remove("app.kubernetes.io/name");
                    labels.remove("app.kubernetes.io/component");
                }
                if labels.is_empty() {
                    map.remove(key);
                }
            }
            map.remove("imagePullPolicy");
            map.values_mut().for_each(drop_helms);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_helms),
        _ => {}
    }
}

#[test]
fn it_is_the_same_as_with_kustomize() {
    for (name, arguments) in [
        ("controller", vec![]),
        ("namespaced", vec!["--set=controller.namespaces={inference}"]),
        ("keda-scaler", vec![KEDA, "--set=controller.enabled=false"]),
    ] {
        let Some(ours) = overlay(name) else { return };
        let Some(charts) = chart("trimtab", &arguments) else { return };
        let is_compared = |(what, object): &(String, Value)| {
            let kind = what.split(' ').next().unwrap_or_default();
            // Helm has them elsewhere, and what is in a config is the user's.
            !matches!(kind, "Namespace" | "CustomResourceDefinition" | "Pod" | "ConfigMap")
                && object["metadata"]["annotations"]["helm.sh/hook"].is_null()
        };
        let by_name = |objects: Vec<Value>| -> BTreeMap<String, Value> {
            objects.into_iter().map(plain).filter(is_compared).collect()
        };
        let (ours, charts) = (by_name(ours), by_name(charts));
        let names = |objects: &BTreeMap<String, Value>| -> Vec<String> {
            objects.keys().cloned().collect()
        };
        assert_eq!(names(&ours), names(&charts), "{name}");
        for (what, object) in &ours {
            assert_eq!(*object, charts[what], "{name}: {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_it() {
    let Some(all) = rendered() else { return };
    let Some(server) = ApiServer::real().await else { return };
    let client = server.client();
    for namespace in [NAMESPACE, "inference", "123"] {
        fixture::namespace(&client, namespace).await;
    }
    for (objects, (release, arguments)) in all.iter().zip(variants()) {
        for is_trial in [true, false] {
            // What belongs to an operator that is not there.
            for object in objects.iter().filter(|object| object["kind"] != "ServiceMonitor") {
                if let Err(error) = apply(&client, object, is_trial).await {
                    let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
                    panic!("{release} {arguments:?}: {kind} {name}: {error}");
                }
            }
        }
    }
}

/// The chart; for a server that was built without a version a copy that asks for none.
fn chart_for(version: &str, folder: &Path) -> String {
    let chart = deploy().join("helm/trimtab");
    if !version.starts_with("v0.0.0") {
        return chart.display().to_string();
    }
    let copied = Command::new("cp").arg("-r").arg(&chart).arg(folder).status().unwrap();
    assert!(copied.success());
    let copy = folder.join("trimtab");
    let text = std::fs::read_to_string(copy.join("Chart.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("kubeVersion:")).collect();
    std::fs::write(copy.join("Chart.yaml"), lines.join("\n")).unwrap();
    copy.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_installed_upgraded_and_taken_away() {
    if helm(&["version"], None).is_none() {
        eprintln!("skipped: helm is not here");
        return;
    }
    let Some(server) = ApiServer::real().await else { return };
    let (client, kubeconfig) = (server.client(), server.kubeconfig_file());
    let folder = tempfile::tempdir().unwrap();
    let version = client.apiserver_version().await.unwrap().git_version;
    let chart = chart_for(&version, folder.path());
    let run = |arguments: &[&str]| {
        let namespace = format!("--namespace={NAMESPACE}");
        let mut all = arguments.to_vec();
        all.push(&namespace);
        let done = helm(&all, Some(&kubeconfig)).unwrap();
        assert!(done.status.success(), "{all:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let told = run(&["install", "trimtab", &chart, "--create-namespace"]);
    assert!(told.contains("kubectl logs --namespace trimtab-system"), "{told}");
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let config = async || {
        let spec = deployments.get("trimtab-controller").await.unwrap().spec.unwrap();
        spec.template.metadata.unwrap().annotations.unwrap()["trimtab.dev/config"].clone()
    };
    let before = config().await;
    run(&["upgrade", "trimtab", &chart, "--set=controller.config.shards=4", KEDA]);
    assert_ne!(config().await, before, "a config that changes makes new pods");
    deployments.get("trimtab-keda-scaler").await.unwrap();
    run(&["uninstall", "trimtab"]);
    assert_eq!(deployments.list(&Default::default()).await.unwrap().items.len(), 0);
}
