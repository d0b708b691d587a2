//! What is scaled, and by how many.

use std::collections::BTreeMap;

use crate::lint::autoscaler::{Autoscaler, Form};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[&TWO_AUTOSCALERS, &TARGET_NOT_SCALABLE];

static TWO_AUTOSCALERS: Rule = Rule {
    id: "two-autoscalers",
    severity: Severity::Error,
    summary: "two autoscalers set the replicas of one workload",
    why: "each of them overwrites what the other one set, so the count goes to and fro between what the \
          two want; Kubernetes refuses neither (aibrix#1661, llm-d-autoscaling#1044)",
    fix: "Keep one of them. Several metrics belong into one autoscaler, which takes the largest of what \
          they ask for.",
    check: two_autoscalers,
};

fn two_autoscalers(set: &Set<'_>, findings: &mut Findings<'_>) {
    let mut before: BTreeMap<_, Vec<&Autoscaler<'_>>> = BTreeMap::new();
    for autoscaler in set.autoscalers() {
        let Some(target) = &autoscaler.target else { continue };
        // Where the workload is there, it says which one is meant, whatever namespaces are left out.
        let workload = target.workload.map(std::ptr::from_ref);
        let namespace = autoscaler.document.namespace.as_deref().filter(|_| workload.is_none());
        let key = (workload, target.group, target.kind, target.name, namespace);
        let others = before.entry(key).or_default();
        let other = others.iter().copied().find(|other| {
            !generated(autoscaler, other)
                && !generated(other, autoscaler)
                && !same_object(autoscaler, other)
                && !carries_out(autoscaler, other)
                && !carries_out(other, autoscaler)
                && !set.are_apart(autoscaler.document, other.document)
                && is_beside(set, autoscaler, other)
        });
        if others.len() < MOST_COMPARED {
            others.push(autoscaler);
        }
        let Some(other) = other else { continue };
        let message = format!(
            "`{}` is scaled by `{}` and by `{}`",
            crate::node::shortened(target.name),
            autoscaler.document.title(),
            other.document.title()
        );
        let added = findings.add(&TWO_AUTOSCALERS, target.field, message);
        // A policy is tried beside what decides as long as nobody carries it out.
        let tried = [autoscaler, other].iter().any(|one| one.form == Form::ScalingPolicy);
        let added = if tried { added.severity(Severity::Warning) } else { added };
        if let Some(at) = other.target.as_ref().map(|target| target.field) {
            added.related(at, format!("`{}` scales it, too", other.document.title())).help(
                "keep one of them; an autoscaler with several metrics takes the largest count",
            );
        }
    }
}

/// Whether two autoscalers of one workload are meant for the same cluster: they say the same namespace, or
/// stand in one folder. Elsewhere one without a namespace may well be for another one.
fn is_beside(set: &Set<'_>, one: &Autoscaler<'_>, other: &Autoscaler<'_>) -> bool {
    one.document.namespace == other.document.namespace
        || set.are_in_one_folder(one.document, other.document)
}

/// Each is compared with so many before it.
const MOST_COMPARED: usize = 16;

/// Whether both are the same object, written twice: as it was and as it is to be, for one.
fn same_object(one: &Autoscaler<'_>, other: &Autoscaler<'_>) -> bool {
    let name = |of: &Autoscaler<'_>| (of.form, of.document.name.clone());
    name(one) == name(other)
}

/// Whether the first is the HPA that KEDA made of the second.
fn generated(made: &Autoscaler<'_>, of: &Autoscaler<'_>) -> bool {
    if made.form != Form::Hpa || of.form != Form::ScaledObject {
        return false;
    }
    let owners = made.document.field().at("metadata.ownerReferences");
    let owned = owners.is_some_and(|owners| {
        owners.items().any(|owner| {
            owner.text_of("kind") == Some("ScaledObject")
                && owner.text_of("name") == Some(&of.document.name)
        })
    });
    let named = of.spec.at("advanced.horizontalPodAutoscalerConfig.name");
    let name = named.and_then(|name| name.text().map(str::to_owned));
    owned || made.document.name == name.unwrap_or(format!("keda-hpa-{}", of.document.name))
}

/// Whether the first is the ScaledObject by which KEDA carries out what the second, a policy, decides.
fn carries_out(hand: &Autoscaler<'_>, policy: &Autoscaler<'_>) -> bool {
    policy.form == Form::ScalingPolicy && hand.policy_trigger().is_some()
}

static TARGET_NOT_SCALABLE: Rule = Rule {
    id: "target-not-scalable",
    severity: Severity::Error,
    summary: "a target that has no number of replicas",
    why: "an autoscaler sets the `scale` subresource of its target, which DaemonSets, Jobs, Pods and \
          Services do not have, nor a Deployment of another group than `apps`: the HPA then says \
          `FailedGetScale` and does nothing",
    fix: "Name a Deployment, a StatefulSet or another resource that has a `scale` subresource, with its \
          `apiVersion`.",
    check: target_not_scalable,
};

fn target_not_scalable(set: &Set<'_>, findings: &mut Findings<'_>) {
    let without = ["DaemonSet", "Job", "CronJob", "Pod", "Service", "ConfigMap", "Ingress"];
    let of_apps = ["Deployment", "StatefulSet", "ReplicaSet"];
    for autoscaler in set.autoscalers() {
        let Some(target) = &autoscaler.target else { continue };
        let own = ["", "apps", "batch", "networking.k8s.io"].contains(&target.group);
        let kind = crate::node::shortened(target.kind);
        let Some(reference) = autoscaler.spec.get("scaleTargetRef") else { continue };
        if own && without.contains(&target.kind) {
            let at = reference.get("kind").unwrap_or(target.field);
            let message = format!("a `{kind}` has no number of replicas to set");
            findings
                .add(&TARGET_NOT_SCALABLE, at, message)
                .help("name the Deployment or StatefulSet that makes the pods");
            continue;
        }
        let version = reference.get("apiVersion");
        let misplaced = of_apps.contains(&target.kind)
            && match version {
                Some(_) => ["extensions", "autoscaling"].contains(&target.group),
                // KEDA takes `apps/v1` by itself.
                // Of `autoscaling/v2` the API server asks for it.
                None => autoscaler.form == Form::Hpa && autoscaler.document.version != "v2",
            };
        if misplaced {
            let at = version.or_else(|| reference.get("kind")).unwrap_or(target.field);
            let message = match version.and_then(|version| version.text()) {
                Some(version) => {
                    format!("`{}` has no `{kind}`", crate::node::shortened(version))
                }
                None => format!("without an `apiVersion` the HPA finds no `{kind}`"),
            };
            findings.add(&TARGET_NOT_SCALABLE, at, message).help("write `apiVersion: apps/v1`");
        }
    }
}
