//! What the server says that it serves, in the old form and in the aggregated one.

use serde_json::{Value, json};

use super::kinds::Kind;
use crate::metrics::{Metrics, MetricsApi};

const WHOLE: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const PART: [&str; 3] = ["get", "patch", "update"];

/// Groups with their versions, the preferred first.
fn groups(kinds: &[Kind], metrics: &Metrics) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    let served = metrics.served.iter().map(|api| (api.group(), api.version()));
    let kinds = kinds.iter().map(|kind| (kind.group.as_str(), kind.version.as_str()));
    // The group of scales is there for those alone.
    let scales = [("autoscaling", "v2"), ("autoscaling", "v1")];
    for (group, version) in kinds.chain(scales).chain(served) {
        if group.is_empty() {
            continue;
        }
        let at = groups.iter().position(|(name, _)| name == group).unwrap_or_else(|| {
            groups.push((group.into(), Vec::new()));
            groups.len() - 1
        });
        if let Some((_, versions)) = groups.get_mut(at)
            && !versions.iter().any(|known| known == version)
        {
            versions.push(version.into());
        }
    }
    for (_, versions) in &mut groups {
        versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
    }
    groups
}

/// Stable versions before beta before alpha, and the newer first.
fn rank(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse().unwrap_or_default();
    let rest = version.trim_start_matches('v');
    for (word, stage) in [("beta", 1), ("alpha", 0)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return (stage, number(major), number(minor));
        }
    }
    (2, number(rest), 0)
}

/// `/apis` in the old form.
pub(super) fn group_list(kinds: &[Kind], metrics: &Metrics) -> Value {
    let groups = groups(kinds, metrics);
    let groups: Vec<Value> =
        groups.iter().map(|(group, versions)| one_group(group, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(super) fn group(kinds: &[Kind], metrics: &Metrics, wanted: &str) -> Option<Value> {
    let (group, versions) =
        groups(kinds, metrics).into_iter().find(|(group, _)| group == wanted)?;
    let mut value = one_group(&group, &versions);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(value)
}

fn one_group(group: &str, versions: &[String]) -> Value {
    let version = |version: &String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
}

/// `/api` in the old form.
pub(super) fn core_versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
pub(super) fn resource_list(kinds: &[Kind], group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in kinds.iter().filter(|kind| kind.group == group && kind.version == version) {
        resources.push(json!({
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": verbs(kind),
            "shortNames": kind.short_names,
            "categories": kind.categories,
        }));
        for (name, kind_of, group, version, verbs) in subresources(kind) {
            let mut resource = json!({
                "name": format!("{}/{name}", kind.plural),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": kind_of,
                "verbs": verbs,
            });
            if kind_of != kind.kind {
                resource["group"] = group.into();
                resource["version"] = version.into();
            }
            resources.push(resource);
        }
    }
    let known = !resources.is_empty() || (group, version) == ("autoscaling", "v1");
    let group_version =
        if group.is_empty() { version.into() } else { format!("{group}/{version}") };
    known.then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": resources,
        })
    })
}

fn verbs(kind: &Kind) -> Vec<&'static str> {
    if kind.review { vec!["create"] } else { WHOLE.to_vec() }
}

type Subresource = (&'static str, String, &'static str, &'static str, Vec<&'static str>);

fn subresources(kind: &Kind) -> Vec<Subresource> {
    let mut subresources: Vec<Subresource> = Vec::new();
    if kind.stored.as_ref() == "pods" {
        subresources.push(("eviction", "Eviction".into(), "policy", "v1", vec!["create"]));
        subresources.push(("binding", "Binding".into(), "", "v1", vec!["create"]));
    }
    if kind.scale.is_some() {
        subresources.push(("scale", "Scale".into(), "autoscaling", "v1", PART.to_vec()));
    }
    if kind.has_status {
        subresources.push(("status", kind.kind.clone(), "", "", PART.to_vec()));
    }
    subresources
}

/// `/apis` or `/api` (`core`) in the aggregated form.
pub(super) fn aggregated(kinds: &[Kind], metrics: &Metrics, core: bool) -> Value {
    let groups =
        if core { vec![(String::new(), vec!["v1".into()])] } else { groups(kinds, metrics) };
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> =
                versions.iter().map(|version| version_of(kinds, metrics, group, version)).collect();
            let name = if group.is_empty() { Value::Null } else { group.as_str().into() };
            let metadata = if name.is_null() { json!({}) } else { json!({"name": name}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn version_of(kinds: &[Kind], metrics: &Metrics, group: &str, version: &str) -> Value {
    let mut resources: Vec<Value> = kinds
        .iter()
        .filter(|kind| kind.group == group && kind.version == version)
        .map(resource_of)
        .collect();
    for api in MetricsApi::ALL.into_iter().filter(|api| metrics.served.contains(api)) {
        if api.group() == group && api.version() == version {
            resources.extend(of_metrics(api, metrics));
        }
    }
    json!({"version": version, "resources": resources, "freshness": "Current"})
}

fn resource_of(kind: &Kind) -> Value {
    let subresources: Vec<Value> = subresources(kind)
        .into_iter()
        .map(|(name, kind_of, group, version, verbs)| {
            json!({
                "subresource": name,
                "responseKind": {"group": group, "version": version, "kind": kind_of},
                "verbs": verbs,
            })
        })
        .collect();
    json!({
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": verbs(kind),
        "shortNames": kind.short_names,
        "categories": kind.categories,
        "subresources": subresources,
    })
}

fn of_metrics(api: MetricsApi, metrics: &Metrics) -> Vec<Value> {
    let list = crate::metrics::discovery(api, metrics);
    let resources = list["resources"].as_array().cloned().unwrap_or_default();
    let of = |resource: Value| {
        json!({
            "resource": resource["name"],
            "responseKind": {"group": "", "version": "", "kind": resource["kind"]},
            "scope": if resource["namespaced"] == true { "Namespaced" } else { "Cluster" },
            "singularResource": "",
            "verbs": resource["verbs"],
        })
    };
    resources.into_iter().map(of).collect()
}
