//! What kustomize makes of the files, where it is there.

use std::process::Command;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use trimtab_apiserver::{ApiServer, fixture};

use crate::files::{deploy, documents};
use crate::objects::keep_to_the_rules;

const OVERLAYS: [&str; 4] = ["controller", "keda-scaler", "monitored", "namespaced"];

/// What a command prints; nothing where it is not there.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).current_dir(deploy()).output().ok()?;
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(text)
}

/// kustomize by itself, or in kubectl, of version 5.
fn kustomize(overlay: &str) -> Option<String> {
    let path = format!("kustomize/overlays/{overlay}");
    if let Some(text) = output("kustomize", &["build", &path]) {
        return Some(text);
    }
    let version = output("kubectl", &["version", "--client", "--output=json"])?;
    let version: Value = serde_json::from_str(&version).ok()?;
    let is_known = version["kustomizeVersion"].as_str().is_some_and(|it| it.starts_with("v5."));
    if is_known { output("kubectl", &["kustomize", &path]) } else { None }
}

/// The objects of an overlay.
pub(crate) fn overlay(name: &str) -> Option<Vec<Value>> {
    let Some(text) = kustomize(name) else {
        eprintln!("skipped: neither kustomize nor a kubectl with kustomize 5 is here");
        return None;
    };
    Some(documents(name, &text))
}

#[test]
fn overlays_keep_to_the_rules() {
    for name in OVERLAYS {
        let Some(objects) = overlay(name) else { return };
        keep_to_the_rules(name, &objects);
    }
}

/// Applies an object, or asks what would become of it.
pub(crate) async fn apply(
    client: &Client,
    object: &Value,
    is_trial: bool,
) -> Result<(), kube::Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
    let name = text(&object["metadata"]["name"]);
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let mut params = PatchParams::apply("test").force().validation_strict();
    params.dry_run = is_trial;
    api.patch(&name, &params, &Patch::Apply(object)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_the_overlays() {
    let Some(all) = OVERLAYS.map(overlay).into_iter().collect::<Option<Vec<_>>>() else { return };
    let Some(server) = ApiServer::real().await else { return };
    let client = server.client();
    for namespace in ["trimtab-system", "inference"] {
        fixture::namespace(&client, namespace).await;
    }
    for (name, objects) in OVERLAYS.iter().zip(all) {
        // What belongs to an operator that is not there.
        for object in objects.iter().filter(|object| object["kind"] != "ServiceMonitor") {
            if let Err(error) = apply(&client, object, false).await {
                panic!("{name}: {} {}: {error}", object["kind"], object["metadata"]["name"]);
            }
        }
    }
}
