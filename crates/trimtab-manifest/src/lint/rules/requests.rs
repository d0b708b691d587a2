//! Metrics that are shares of what containers request.

use super::thresholds::{container, measured, pods, resource};
use crate::lint::autoscaler::{Aim, Autoscaler, Signal};
use crate::lint::documents::running;
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[&UTILIZATION_WITHOUT_REQUEST, &UNKNOWN_CONTAINER];

static UTILIZATION_WITHOUT_REQUEST: Rule = Rule {
    id: "utilization-without-request",
    severity: Severity::Error,
    summary: "a utilization of a resource that the containers do not request",
    why: "utilization is usage in percent of the request: one container of the pods without a request and \
          the HPA gets no value at all, for no pod (`FailedGetResourceMetric`)",
    fix: "Request the resource in every container that is measured, or aim at an `averageValue`.",
    check: utilization_without_request,
};

fn utilization_without_request(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let Some(pods) = pods(autoscaler) else { continue };
        // A LimitRange fills in what is missing.
        let namespace = autoscaler.document.namespace.as_deref();
        let filled = set.of_kind("", "LimitRange").any(|one| one.namespace.as_deref() == namespace);
        if filled {
            continue;
        }
        for (at, resource, containers) in utilizations(autoscaler, pods) {
            // Where the pod as a whole requests it, that is what counts.
            let of_pod =
                ["requests", "limits"].map(|of| pods.get("resources")?.get(of)?.get(resource));
            if of_pod.iter().any(Option::is_some) && !is_of_container(autoscaler, at) {
                continue;
            }
            let lacks = |container: &Field<'_>| {
                ["requests", "limits"].into_iter().all(|of| {
                    let resources = container.get("resources").and_then(|all| all.get(of));
                    resources.and_then(|resources| resources.get(resource)).is_none()
                })
            };
            let Some(container) = containers.into_iter().find(lacks) else { continue };
            let name = container.text_of("name").unwrap_or("?");
            let message = format!(
                "the container `{}` requests no {}, so there is no utilization",
                shortened(name),
                shortened(resource)
            );
            let shown = container.get("name").unwrap_or(container);
            let amount = if resource == "memory" { "16Gi" } else { "4" };
            findings
                .add(&UTILIZATION_WITHOUT_REQUEST, at, message)
                .related(shown, "the container")
                .help(format!(
                    "give it a request:\nresources:\n  requests:\n    {resource}: \"{amount}\""
                ));
        }
    }
}

/// Whether the target at this place is of one container alone.
fn is_of_container(autoscaler: &Autoscaler<'_>, at: Field<'_>) -> bool {
    let here = |signal: &&Signal<'_>| signal.aim.is_some_and(|(_, aim)| aim.span == at.span);
    autoscaler.signals.iter().find(here).is_some_and(|signal| container(signal).is_some())
}

/// The utilizations that an autoscaler looks at: where, of what, of which containers.
fn utilizations<'n>(
    autoscaler: &Autoscaler<'n>,
    pods: Field<'n>,
) -> Vec<(Field<'n>, &'n str, Vec<Field<'n>>)> {
    let own = autoscaler.signals.iter().filter_map(|signal: &Signal<'n>| {
        let (aim, field) = signal.aim?;
        let resource = resource(signal).filter(|_| aim == Aim::Utilization)?;
        Some((field, resource, measured(signal, pods).collect()))
    });
    let mut all: Vec<_> = own.collect();
    // The default of an HPA without metrics.
    if autoscaler.signals.is_empty() && autoscaler.strategy() == "hpa" {
        all.push((autoscaler.document.heading(), "cpu", running(pods).collect()));
    }
    all
}

static UNKNOWN_CONTAINER: Rule = Rule {
    id: "unknown-container",
    severity: Severity::Error,
    summary: "a metric of a container that the pods do not have",
    why: "the metric of a container that is not there fails for every pod, and the autoscaler does not \
          scale by it",
    fix: "Name a container of the pods.",
    check: unknown_container,
};

fn unknown_container(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let Some(pods) = pods(autoscaler) else { continue };
        for signal in &autoscaler.signals {
            let Some((at, name)) = container(signal).and_then(|at| Some((at, at.text()?))) else {
                continue;
            };
            let all = || pods.list("containers").chain(pods.list("initContainers"));
            let names: Vec<&str> =
                all().filter_map(|container| container.text_of("name")).collect();
            if names.is_empty() || names.contains(&name) {
                continue;
            }
            let message = format!("the pods have no container `{}`", shortened(name));
            let known = crate::suggest::nearest(name, &names).or(names.first().copied());
            let added = findings.add(&UNKNOWN_CONTAINER, at, message);
            let added = match known {
                Some(known) => added.help(format!("write `{}`", shortened(known))),
                None => added,
            };
            if let Some(workload) = autoscaler.workload() {
                added.related(workload.heading(), "its containers are here");
            }
        }
    }
}
