//! Whether the nodes that are there can take the pods that ask for GPUs.

use crate::lint::documents::{
    Around, Kind, Misfit, NodePool, Placement, PodTemplate, Service, Taint, WantedLabel,
    is_of_resource,
};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[&NO_GPU, &TAINT, &LABEL, &NO_TOLERATION];

static NO_GPU: Rule = Rule {
    id: "node-pool-without-gpu",
    severity: Severity::Error,
    summary: "a NodePool cannot make nodes with the GPUs that are asked for",
    why: "Karpenter launches a node for a pod only of instance types that meet both the NodePool's \
          requirements and the pod's requests (Karpenter, Scheduling); where none does, the pods of a \
          scale-up stay Pending",
    fix: "Let the NodePool's requirements allow instance types that have that many GPUs.",
    check: no_gpu,
};

static TAINT: Rule = Rule {
    id: "taint-not-tolerated",
    severity: Severity::Error,
    summary: "pods do not tolerate the taint of the nodes that are meant for them",
    why: "Karpenter does not use a NodePool for a pod that does not tolerate all of its taints (Karpenter, \
          NodePools), and the scheduler does not place it there; the pods stay Pending. Clusters with the \
          admission controller ExtendedResourceToleration, such as GKE and EKS (aws/containers-roadmap#739), add the toleration of a \
          taint that is named as the resource; others do not, so that is a warning",
    fix: "Tolerate the taint in the pod's spec.",
    check: taint,
};

static LABEL: Rule = Rule {
    id: "node-label-missing",
    severity: Severity::Warning,
    summary: "no NodePool makes nodes with the label that pods ask for",
    why: "Karpenter knows the labels of its cloud and those that a NodePool names in its template's labels \
          or requirements; for a pod that asks for any other, or for another value, it launches nothing \
          (Karpenter, Scheduling, user-defined labels). Labels that a device plugin or feature discovery \
          sets once a node runs come too late",
    fix: "Give the NodePool the label, or ask for one that it has.",
    check: label,
};

static NO_TOLERATION: Rule = Rule {
    id: "gpu-without-toleration",
    severity: Severity::Note,
    summary: "pods that pick GPU nodes tolerate no taint",
    why: "nodes with special hardware are usually tainted with the name of its resource (Kubernetes, Taints \
          and Tolerations), so that nothing else lands on them. Clusters without the admission controller \
          ExtendedResourceToleration leave pods Pending that do not tolerate it. It is noted of pods that pick their nodes by labels, where no NodePool is among the documents",
    fix: "Tolerate the taint of the GPU's name; where nodes have none, that does no harm.",
    check: no_toleration,
};

/// The services of which no pool takes the pods, each with the pool that is meant.
fn kept<'p, 'n>(
    around: &'p Around<'n>,
) -> impl Iterator<Item = (&'p Service<'n>, &'p NodePool<'n>, &'p [Misfit<'n>], bool)> {
    around.services.iter().filter_map(|service| match &service.placement {
        Placement::Kept { pool, misfits, named } => {
            Some((service, around.pools.get(*pool)?, misfits.as_slice(), *named))
        }
        _ => None,
    })
}

fn no_gpu(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (service, pool, misfits, named) in kept(around) {
        for misfit in misfits {
            let Misfit::Gpu(obstacle) = misfit else { continue };
            let gpus = service.workload.pod.gpus();
            let asked = gpus.iter().next();
            let title = service.workload.document.title();
            let count = asked.map_or(1, |(_, (count, _))| *count);
            let message = format!(
                "`{}` cannot make a node for `{title}`: {}",
                pool.document.title(),
                obstacle.reason
            );
            let mut added = findings
                .add(&NO_GPU, obstacle.field, message)
                .help(format!("requirements:\n{}", obstacle.right));
            if let Some((resource, (_, field))) = asked {
                added = added.related(*field, format!("asks for {count} of `{resource}`"));
            }
            // Another pool, that is not among the documents, may be the one that is meant.
            if !named {
                added.severity(Severity::Warning);
            }
        }
    }
}

fn taint(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (service, pool, misfits, _) in kept(around) {
        let taints = misfits.iter().filter_map(|misfit| match misfit {
            Misfit::Taint(taint) => Some(taint),
            _ => None,
        });
        for taint in taints {
            add_taint(service, pool, taint, findings);
        }
    }
}

fn add_taint(
    service: &Service<'_>,
    pool: &NodePool<'_>,
    taint: &Taint<'_>,
    findings: &mut Findings<'_>,
) {
    let pod = &service.workload.pod;
    let message = format!(
        "the pods of `{}` do not tolerate `{}` of `{}`",
        service.workload.document.title(),
        shortened(&taint.written()),
        pool.document.title()
    );
    let at = pod.spec.key_of("tolerations").unwrap_or(pod.spec);
    let added = findings
        .add(&TAINT, at, message)
        .related(taint.field, "the taint")
        .help(taint.toleration());
    if is_of_resource(taint, pod) {
        added.severity(Severity::Warning);
    }
}

fn label(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (_, pool, misfits, _) in kept(around) {
        for misfit in misfits {
            let Misfit::Label(WantedLabel { key, wanted, brought }) = misfit else { continue };
            let shown = shortened(key);
            let value = wanted.text().filter(|value| value != key).map(shortened);
            let (message, help) = match (&value, brought) {
                (Some(value), Some(_)) => (
                    format!("no NodePool makes nodes with `{shown}: {value}`"),
                    format!("{shown}: {value}"),
                ),
                (Some(value), None) => (
                    format!("no NodePool makes nodes with the label `{shown}`"),
                    format!("template:\n  metadata:\n    labels:\n      {shown}: {value}"),
                ),
                (None, _) => (
                    format!("no NodePool makes nodes whose `{shown}` is as asked for"),
                    format!("- key: {shown}\n  operator: Exists"),
                ),
            };
            let at = brought.unwrap_or_else(|| pool.document.heading());
            let title = pool.document.title();
            findings
                .add(&LABEL, *wanted, message)
                .related(at, format!("`{title}` is the nearest"))
                .help(help);
        }
    }
}

fn no_toleration(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    // Where NodePools are there, they tell whether a taint has to be tolerated.
    if !around.pools.is_empty() {
        return;
    }
    for service in &around.services {
        let pod = &service.workload.pod;
        let is_plain = matches!(service.workload.kind, Kind::Replicated | Kind::Leader);
        if !is_plain || pod.spec.list("tolerations").next().is_some() || !picks_nodes(pod) {
            continue;
        }
        let gpus = pod.gpus();
        let Some((resource, (_, field))) = gpus.iter().next() else { continue };
        let message = format!(
            "the pods of `{}` ask for `{resource}` and tolerate no taint",
            service.workload.document.title()
        );
        findings.add(&NO_TOLERATION, *field, message).help(format!(
            "tolerations:\n- key: {resource}\n  operator: Exists\n  effect: NoSchedule"
        ));
    }
}

/// Whether a pod picks its nodes by labels, and by none of a cloud that adds the toleration by itself.
fn picks_nodes(pod: &PodTemplate<'_>) -> bool {
    const ADDING: [&str; 4] =
        ["cloud.google.com/", "eks.amazonaws.com/", "karpenter.k8s.aws/", "topology.k8s.aws/"];
    let wanted = pod.wanted();
    let mut keys = wanted.iter().flat_map(|wanted| wanted.keys()).peekable();
    keys.peek().is_some() && !keys.any(|key| ADDING.iter().any(|domain| key.starts_with(domain)))
}
