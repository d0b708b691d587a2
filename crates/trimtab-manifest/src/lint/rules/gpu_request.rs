//! Whether accelerators are asked for as Kubernetes hands them out: whole, and by a limit.

use crate::lint::documents::{Container, Kind, Workload, accelerators, same};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[&WITHOUT_LIMIT, &UNEQUAL, &NOT_WHOLE, &NOT_REQUESTED];

static WITHOUT_LIMIT: Rule = Rule {
    id: "gpu-without-limit",
    severity: Severity::Error,
    summary: "a GPU is requested without a limit",
    why: "GPUs cannot be overcommitted: the API server refuses a pod that has a request of one and no \
          limit (Kubernetes, Schedule GPUs); the Deployment is there, and makes no pod",
    fix: "Write the count under limits. The request can be left out: it is the limit.",
    check: without_limit,
};

static UNEQUAL: Rule = Rule {
    id: "gpu-limit-not-request",
    severity: Severity::Error,
    summary: "the request and the limit of a GPU differ",
    why: "a GPU in both requests and limits has to have the same count in both (Kubernetes, Schedule \
          GPUs); the API server refuses the pod",
    fix: "Write the same count in both, or leave the request out.",
    check: unequal,
};

static NOT_WHOLE: Rule = Rule {
    id: "gpu-not-whole",
    severity: Severity::Error,
    summary: "a part of a GPU is asked for",
    why: "device plugins hand out whole devices, and the API server refuses a fraction of such a resource. \
          Shares of a GPU are resources of their own: MIG slices, such as `nvidia.com/mig-1g.10gb`, or \
          replicas of a time-sliced GPU, which are whole numbers again",
    fix: "Ask for 1, or for a MIG slice of the size that is needed.",
    check: not_whole,
};

static NOT_REQUESTED: Rule = Rule {
    id: "gpu-not-requested",
    severity: Severity::Warning,
    summary: "a model server is sent to GPU nodes and asks for no GPU",
    why: "without a limit of the GPU's resource the device plugin gives the container none, or with \
          NVIDIA_VISIBLE_DEVICES=all it may see every GPU of the node, those of other pods too; the scheduler \
          and Karpenter count neither",
    fix: "Ask for the GPUs under limits.",
    check: not_requested,
};

fn without_limit(set: &Set<'_>, findings: &mut Findings<'_>) {
    for workload in Workload::among(set) {
        for (container, accelerator) in accelerators(&workload) {
            let Some(request) = &accelerator.request else { continue };
            if request.quantity.signum() <= 0 || container.names("limits", accelerator.resource) {
                continue;
            }
            let resource = shortened(accelerator.resource);
            let amount = &request.quantity;
            let message = format!("`{resource}` is requested and has no limit");
            findings
                .add(&WITHOUT_LIMIT, request.field, message)
                .help(format!("limits:\n  {resource}: \"{amount}\""));
        }
    }
}

fn unequal(set: &Set<'_>, findings: &mut Findings<'_>) {
    for workload in Workload::among(set) {
        for (_, accelerator) in accelerators(&workload) {
            let (Some(request), Some(limit)) = (&accelerator.request, &accelerator.limit) else {
                continue;
            };
            if same(request, limit) {
                continue;
            }
            let resource = shortened(accelerator.resource);
            let message = format!(
                "`{resource}` has a limit of {} and a request of {}",
                limit.quantity, request.quantity
            );
            findings
                .add(&UNEQUAL, limit.field, message)
                .related(request.field, "the request")
                .help(format!("{resource}: \"{}\"", request.quantity));
        }
    }
}

fn not_whole(set: &Set<'_>, findings: &mut Findings<'_>) {
    for workload in Workload::among(set) {
        for (_, accelerator) in accelerators(&workload) {
            let amounts = [&accelerator.limit, &accelerator.request];
            let part = amounts.into_iter().flatten().find(|amount| {
                amount.quantity.signum() > 0 && amount.whole().is_none() && amount.is_small()
            });
            let Some(part) = part else { continue };
            let resource = shortened(accelerator.resource);
            let written = shortened(part.field.text().unwrap_or_default());
            let message = format!("`{written}` of `{resource}` is no whole number");
            findings.add(&NOT_WHOLE, part.field, message).help(format!("{resource}: \"1\""));
        }
    }
}

fn not_requested(set: &Set<'_>, findings: &mut Findings<'_>) {
    for workload in Workload::among(set) {
        let is_plain = matches!(workload.kind, Kind::Replicated | Kind::Leader | Kind::Pod);
        let pod = &workload.pod;
        let asks = accelerators(&workload).next().is_some()
            || pod.has_claims()
            || pod.spec.get("resources").is_some();
        let (tolerates, picks) = is_sent_to_gpus(&workload);
        if !is_plain || asks || !(tolerates || picks) {
            continue;
        }
        let containers = workload.containers();
        let container = containers.iter().find(|one| wants_gpu(one));
        // Who does both means it.
        let container = container.or_else(|| containers.first().filter(|_| tolerates && picks));
        let Some(container) = container.filter(|one| one.field.get("image").is_some()) else {
            continue;
        };
        let name = shortened(container.name());
        let message = format!("`{name}` goes to a GPU node and asks for no GPU");
        findings
            .add(&NOT_REQUESTED, container.heading(), message)
            .help("resources:\n  limits:\n    nvidia.com/gpu: \"1\"");
    }
}

/// Whether the pods tolerate GPU nodes by name, and whether they pick such nodes.
fn is_sent_to_gpus(workload: &Workload<'_>) -> (bool, bool) {
    let of_gpu = |key: &str| key.contains("gpu") || key.contains("accelerator");
    let tolerated = workload.pod.spec.list("tolerations");
    let mut tolerated = tolerated.filter_map(|one| one.text_of("key"));
    let mut picked = workload.pod.node_selector().all();
    (tolerated.any(of_gpu), picked.any(|(key, _)| of_gpu(key)))
}

/// Whether a container is a model server that runs on a GPU, or sees the node's GPUs.
fn wants_gpu(container: &Container<'_>) -> bool {
    let image = container.field.text_of("image").unwrap_or_default();
    let sees = container.env("NVIDIA_VISIBLE_DEVICES").and_then(|value| value.text());
    let sees = sees.is_some_and(|devices| !matches!(devices, "" | "none" | "void"));
    sees || (container.is_model_server() && !image.contains("cpu"))
}
