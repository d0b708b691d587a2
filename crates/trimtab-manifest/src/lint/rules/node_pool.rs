//! Whether the nodes are enough, and not more than anybody will pay for.

use crate::lint::documents::{Around, Kind, Known, NodePool, Service};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[&NO_LIMITS, &NO_GPU_LIMIT, &TOO_SMALL, &SPOT_ONLY];

static NO_LIMITS: Rule = Rule {
    id: "node-pool-without-limits",
    severity: Severity::Warning,
    summary: "a NodePool of GPU nodes has no limits",
    why: "without `limits` Karpenter launches nodes until the cloud's quota is used up (Karpenter, NodePools, \
          spec.limits): a threshold that is wrong by a factor, or a metric that never goes down, is paid \
          for in GPUs",
    fix: "Limit the pool's GPUs to what the autoscalers may ask for.",
    check: no_limits,
};

static NO_GPU_LIMIT: Rule = Rule {
    id: "node-pool-without-gpu-limit",
    severity: Severity::Note,
    summary: "the limits of a NodePool of GPU nodes do not count GPUs",
    why: "Karpenter counts each resource in `limits` on its own; CPUs say little of what GPU nodes cost, since \
          the same GPU comes with 4 to 64 of them",
    fix: "Limit the GPUs as well.",
    check: no_gpu_limit,
};

static TOO_SMALL: Rule = Rule {
    id: "node-pool-limit-too-small",
    severity: Severity::Warning,
    summary: "the NodePools may not make the nodes for maxReplicas",
    why: "Karpenter launches no node that would exceed the pool's `limits` (Karpenter, NodePools, \
          spec.limits); the replicas that the autoscaler asks for beyond it stay Pending, and count as \
          replicas all the same",
    fix: "Raise the limit to maxReplicas times what a pod asks for, or lower maxReplicas.",
    check: too_small,
};

static SPOT_ONLY: Rule = Rule {
    id: "spot-only-critical",
    severity: Severity::Warning,
    summary: "a critical service runs on spot nodes alone",
    why: "the cloud takes a spot node back with two minutes' notice on EC2 and 30 seconds elsewhere, whatever \
          a PodDisruptionBudget says, and often many at once: within a zone such losses go together. A new \
          replica takes longer than that. What is critical is known by a priorityClassName or label that \
          says so, by `trimtab.dev/critical`, or by a PodDisruptionBudget",
    fix: "Let the pool fall back to on-demand, or keep a part of the replicas in a pool of it.",
    check: spot_only,
};

/// The pools that are meant for GPUs, by themselves or by who can use them, each with its place.
fn gpu_pools<'p, 'n>(around: &'p Around<'n>) -> impl Iterator<Item = (usize, &'p NodePool<'n>)> {
    around
        .pools
        .iter()
        .enumerate()
        .filter(|(index, pool)| pool.is_for_gpus() || around.services_of(*index).next().is_some())
}

fn no_limits(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (index, pool) in gpu_pools(around) {
        let limits = pool.limits();
        if limits.is_some_and(|limits| limits.entries().next().is_some()) {
            continue;
        }
        let most = needed_gpus(around, index);
        let message = format!("`{}` may make any number of GPU nodes", pool.document.title());
        let at = limits.unwrap_or_else(|| pool.document.heading());
        findings
            .add(&NO_LIMITS, at, message)
            .help(format!("limits:\n  nvidia.com/gpu: \"{}\"", most.unwrap_or(16)));
    }
}

fn no_gpu_limit(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (index, pool) in gpu_pools(around) {
        let Some(limits) = pool.limits() else { continue };
        let counts = |key: &str| key == "nodes" || key.contains("gpu") || key.contains(".com/mig-");
        let mut keys = limits.entries().map(|(key, _)| key).peekable();
        let other = keys.peek().is_none() || keys.any(|key| counts(key) || is_other(key));
        if other {
            continue;
        }
        let most = needed_gpus(around, index);
        let message = format!("the limits of `{}` do not count GPUs", pool.document.title());
        findings
            .add(&NO_GPU_LIMIT, limits, message)
            .help(format!("limits:\n  nvidia.com/gpu: \"{}\"", most.unwrap_or(16)));
    }
}

/// Whether a resource is an accelerator of another kind.
fn is_other(key: &str) -> bool {
    !matches!(key, "cpu" | "memory" | "ephemeral-storage" | "pods")
}

/// The GPUs of all the services that a pool can take, at their most.
fn needed_gpus(around: &Around<'_>, pool: usize) -> Option<i64> {
    let mut each = around.services_of(pool).map(|service| {
        let pods = service.most()?.value.checked_mul(service.workload.pods_of_a_replica())?;
        pods.checked_mul(service.workload.pod.gpu_count())
    });
    let sum = each.try_fold(0_i64, |sum, each| sum.checked_add(each?));
    sum.filter(|sum| *sum > 0)
}

fn too_small(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for service in &around.services {
        let pools = around.pools_of(service);
        let Some(most) = service.most().filter(|_| !pools.is_empty()) else { continue };
        let pods = service.workload.pods_of_a_replica();
        let pod = &service.workload.pod;
        let gpus = pod.gpus();
        let gpus =
            gpus.iter().map(|(resource, (count, _))| (*resource, Some(count.saturating_mul(1000))));
        let others = ["cpu", "memory"].map(|resource| (resource, pod.request_milli(resource)));
        for (resource, each) in gpus.chain(others) {
            let Some(of_a_pod) = each.filter(|each| *each > 0) else { continue };
            let of_workers = of_workers(around, service, resource);
            let each = of_a_pod.checked_mul(pods).and_then(|own| own.checked_add(of_workers));
            let Some(each) = each.filter(|each| *each > 0) else { continue };
            let Some(needed) = each.checked_mul(most.value) else { continue };
            let limit = limit_of(&pools, resource, of_a_pod).filter(|(limit, _)| *limit < needed);
            if let Some(limit) = limit {
                add_too_small(service, resource, limit, (most, each), findings);
                break;
            }
        }
    }
}

/// What the followers of a leader want of a resource for each replica, in thousandths.
fn of_workers(around: &Around<'_>, leader: &Service<'_>, resource: &str) -> i64 {
    let follows = |service: &&Service<'_>| {
        service.workload.kind == Kind::Worker
            && std::ptr::eq(service.workload.document, leader.workload.document)
    };
    let is_leader = leader.workload.kind == Kind::Leader;
    let workers = around.services.iter().filter(|_| is_leader).find(follows);
    let Some(workload) = workers.map(|service| &service.workload) else { return 0 };
    let each = match workload.pod.gpus().get(resource) {
        Some((count, _)) => Some(count.saturating_mul(1000)),
        None => workload.pod.request_milli(resource),
    };
    each.unwrap_or(0).saturating_mul(workload.pods_of_a_replica())
}

/// The limit of all pools together, in thousandths, and the place of the first; nothing if one has
/// none.
fn limit_of<'n>(
    pools: &[&NodePool<'n>],
    resource: &str,
    of_a_pod: i64,
) -> Option<(i64, Field<'n>)> {
    let mut total: Option<(i64, Field<'n>)> = None;
    for pool in pools {
        let own = pool.limit(resource);
        let own = own.and_then(|limit| Some((limit.quantity.checked_milli()?, limit.field)));
        let by_nodes =
            gpus_by_nodes(pool, of_a_pod).filter(|_| !matches!(resource, "cpu" | "memory"));
        let (milli, field) =
            [own, by_nodes].into_iter().flatten().min_by_key(|(milli, _)| *milli)?;
        total = Some(match total {
            Some((sum, first)) => (sum.checked_add(milli)?, first),
            None => (milli, field),
        });
    }
    total
}

/// How many GPUs pods can use that want so many each, by the number of nodes that there may be; all
/// in thousandths.
fn gpus_by_nodes<'n>(pool: &NodePool<'n>, each: i64) -> Option<(i64, Field<'n>)> {
    let nodes = pool.limit("nodes")?;
    let of_a_node = pool.gpus_of_a_node()?.checked_mul(1000)?;
    let used = of_a_node.checked_sub(of_a_node.checked_rem(each)?)?;
    Some((nodes.whole()?.checked_mul(used)?, nodes.field))
}

fn add_too_small(
    service: &Service<'_>,
    resource: &str,
    (limit, field): (i64, Field<'_>),
    (most, each): (Known<'_>, i64),
    findings: &mut Findings<'_>,
) {
    let fits = limit.checked_div(each).unwrap_or(0);
    let title = service.workload.document.title();
    let message = format!(
        "the limits are enough for {fits} replicas of `{title}`, which may have {}",
        most.value
    );
    let needed = trimtab_metric::Quantity::from_milli(each.saturating_mul(most.value));
    let by_nodes = field.document.field().at("spec.limits.nodes");
    let by_nodes = by_nodes.is_some_and(|nodes| nodes.span == field.span);
    let help = match resource {
        _ if by_nodes => format!("raise the limit of `nodes`, or lower the maximum to {fits}"),
        "memory" => format!("raise the limit of `memory`, or lower the maximum to {fits}"),
        _ => format!("{resource}: \"{needed}\""),
    };
    findings.add(&TOO_SMALL, field, message).related(most.field, "the most replicas").help(help);
}

fn spot_only(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for service in around.serving() {
        let Some(critical) = service.critical() else { continue };
        let pools = around.pools_of(service);
        let spot: Option<Vec<Field<'_>>> = pools.iter().map(|pool| pool.spot_only()).collect();
        let Some(at) = spot.and_then(|spot| spot.first().copied()) else { continue };
        let title = service.workload.document.title();
        let message = format!("`{title}` is critical and runs on spot nodes alone");
        findings.add(&SPOT_ONLY, at, message).related(critical, "says that it is critical").help(
            "- key: karpenter.sh/capacity-type\n  operator: In\n  values: [\"on-demand\", \"spot\"]",
        );
    }
}
