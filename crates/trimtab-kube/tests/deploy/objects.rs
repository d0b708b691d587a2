//! Rules that objects keep to, whatever wrote them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trimtab_kube::crd::{AccessRule, CONTROLLER_ACCESS, KEDA_SCALER_ACCESS};
use trimtab_manifest::{Colour, Source, lint};

pub(crate) fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// All rules at once.
pub(crate) fn keep_to_the_rules(what: &str, objects: &[Value]) {
    for deployment in of_kind(objects, "Deployment") {
        is_restricted(what, deployment);
        is_probed(what, deployment);
        has_its_account(what, deployment, objects);
    }
    for service in of_kind(objects, "Service") {
        selects_pods(what, &service["spec"]["selector"], objects);
    }
    for budget in of_kind(objects, "PodDisruptionBudget") {
        selects_pods(what, &budget["spec"]["selector"]["matchLabels"], objects);
    }
    for policy in of_kind(objects, "NetworkPolicy") {
        selects_pods(what, &policy["spec"]["podSelector"]["matchLabels"], objects);
    }
    may_do_what_is_needed(what, objects);
    has_no_findings(what, objects);
}

/// The pod security standard `restricted`, and a root file system that can't be written.
fn is_restricted(what: &str, deployment: &Value) {
    let pod = &deployment["spec"]["template"]["spec"];
    let security = &pod["securityContext"];
    assert_eq!(security["runAsNonRoot"], true, "{what}");
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{what}");
    for container in pod["containers"].as_array().unwrap() {
        let own = &container["securityContext"];
        assert_eq!(own["allowPrivilegeEscalation"], false, "{what}");
        assert_eq!(own["readOnlyRootFilesystem"], true, "{what}");
        assert_eq!(own["capabilities"], json!({"drop": ["ALL"]}), "{what}");
        assert!(!container["resources"]["requests"]["cpu"].is_null(), "{what}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{what}");
    }
}

fn is_probed(what: &str, deployment: &Value) {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"]["path"], path, "{what}: {probe}");
        assert_eq!(container[probe]["httpGet"]["port"], "http", "{what}: {probe}");
    }
    assert_eq!(container["ports"][0], json!({"name": "http", "containerPort": 9464}), "{what}");
}

fn has_its_account(what: &str, deployment: &Value, objects: &[Value]) {
    let name = &deployment["spec"]["template"]["spec"]["serviceAccountName"];
    let accounts = of_kind(objects, "ServiceAccount");
    assert!(accounts.iter().any(|account| account["metadata"]["name"] == *name), "{what}: {name}");
    let bound = objects.iter().filter(|object| {
        let kind = object["kind"].as_str().unwrap_or_default();
        kind.ends_with("RoleBinding") && object["subjects"][0]["name"] == *name
    });
    assert!(bound.count() > 0, "{what}: {name} may do nothing");
}

fn selects_pods(what: &str, selector: &Value, objects: &[Value]) {
    let selector = selector.as_object().unwrap();
    assert!(!selector.is_empty(), "{what}");
    let selects = |deployment: &&Value| {
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        selector.iter().all(|(key, value)| labels[key] == *value)
    };
    let deployments = of_kind(objects, "Deployment");
    assert_eq!(deployments.iter().copied().filter(selects).count(), 1, "{what}: {selector:?}");
}

/// One thing that may be done: group, resource, verb.
type Access = (String, String, String);

fn of_rule(rule: &Value) -> BTreeSet<Access> {
    let words = |name: &str| -> Vec<String> {
        let words = rule[name].as_array().into_iter().flatten();
        words.map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut all = BTreeSet::new();
    for group in words("apiGroups") {
        for resource in words("resources") {
            for verb in words("verbs") {
                all.insert((group.clone(), resource.clone(), verb));
            }
        }
    }
    all
}

/// The roles grant what the table has, and besides only the scales of more kinds.
fn may_do_what_is_needed(what: &str, objects: &[Value]) {
    for (command, table) in [("controller", CONTROLLER_ACCESS), ("keda-scaler", KEDA_SCALER_ACCESS)]
    {
        let is_its = |object: &&Value| {
            let kind = object["kind"].as_str().unwrap_or_default();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            matches!(kind, "Role" | "ClusterRole") && name.contains(command)
        };
        let roles: Vec<&Value> = objects.iter().filter(is_its).collect();
        if roles.is_empty() {
            continue;
        }
        let rules = roles.iter().flat_map(|role| role["rules"].as_array().unwrap());
        let granted: BTreeSet<Access> = rules.flat_map(of_rule).collect();
        let needed: BTreeSet<Access> =
            table.iter().map(AccessRule::to_value).flat_map(|rule| of_rule(&rule)).collect();
        let lacking: Vec<&Access> = needed.difference(&granted).collect();
        assert!(lacking.is_empty(), "{what}: {lacking:?}");
        for (group, resource, verb) in granted.difference(&needed) {
            assert!(
                resource.ends_with("/scale") && matches!(verb.as_str(), "get" | "patch"),
                "{what}: {group} {resource} {verb} is granted and not needed"
            );
        }
    }
}

fn has_no_findings(what: &str, objects: &[Value]) {
    let text: Vec<String> = objects.iter().map(Value::to_string).collect();
    let report = lint(&[Source::new(what, text.join("\n---\n"))]);
    assert!(
        report.findings().is_empty() && report.errors().is_empty(),
        "{}",
        report.render(Colour::Never)
    );
}
