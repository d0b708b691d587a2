//! When nodes are taken away: not against the autoscaler of the pods, nor under their sessions.

use crate::lint::documents::{Known, Service, spoken};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[&BEFORE_WINDOW, &OF_CRITICAL, &EXPIRY, &STUCK];

static BEFORE_WINDOW: Rule = Rule {
    id: "consolidation-before-scale-down",
    severity: Severity::Warning,
    summary: "nodes are consolidated sooner than the autoscaler scales down",
    why: "consolidateAfter counts from the last pod that came or went (Karpenter, Disruption), and is 0s where \
          nothing says otherwise. Shorter than the scale-down window, Karpenter packs replicas together, and \
          so restarts models, while the autoscaler still waits whether the load comes back; each move costs \
          a whole start",
    fix: "Make consolidateAfter at least the scale-down stabilization window, or consolidate only empty \
          nodes.",
    check: before_window,
};

static OF_CRITICAL: Rule = Rule {
    id: "consolidation-of-critical",
    severity: Severity::Warning,
    summary: "consolidation moves the replicas of a critical service, and nothing holds it back",
    why: "under WhenEmptyOrUnderutilized, the default, Karpenter evicts running pods whenever a cheaper set of \
          nodes would do (Karpenter, Disruption); a GPU replica is away for a whole start each time. A budget \
          of the pool, a PodDisruptionBudget, or `karpenter.sh/do-not-disrupt` bounds that",
    fix: "Consolidate only empty nodes, give the pool a budget, or the pods a PodDisruptionBudget.",
    check: of_critical,
};

static EXPIRY: Rule = Rule {
    id: "node-expiry-cuts-sessions",
    severity: Severity::Warning,
    summary: "nodes go sooner than what they serve can end",
    why: "expiry is forceful: a node that reaches expireAfter is drained at once, and no budget of the pool \
          holds it back; and when the node's terminationGracePeriod is over, its pods are deleted without \
          the rest of theirs (Karpenter, Disruption)",
    fix: "Let GPU nodes live for days, and make the node's terminationGracePeriod longer than the pods' \
          terminationGracePeriodSeconds.",
    check: expiry,
};

static STUCK: Rule = Rule {
    id: "node-expiry-stuck",
    severity: Severity::Warning,
    summary: "expired nodes wait for ever for pods that may not be disrupted",
    why: "a pod with `karpenter.sh/do-not-disrupt` is not evicted from an expired node, and without a \
          terminationGracePeriod of the node the drain has no end; Karpenter advises against expireAfter in \
          that case (Karpenter, Disruption, Expiration): half-drained GPU nodes stay, and are paid for",
    fix: "Give the NodePool's template a terminationGracePeriod.",
    check: stuck,
};

/// Sooner than that nodes are not made to go but by mistake.
const SHORT_LIFE_SECONDS: i64 = 24 * 3600;

/// Whether the pods may not be evicted, for a time or for ever.
fn may_stay(service: &Service<'_>) -> bool {
    let annotation = service.workload.pod.annotations().get("karpenter.sh/do-not-disrupt");
    annotation.is_some_and(|value| value != "false")
}

fn before_window(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (index, pool) in around.pools.iter().enumerate() {
        let consolidation = pool.consolidation();
        let Some(after) = consolidation.after.filter(|_| consolidation.of_used_nodes) else {
            continue;
        };
        if pool.forbids_consolidation() {
            continue;
        }
        let windows = around.services_of(index).filter(|service| !may_stay(service));
        let windows = windows.filter_map(|service| Some((service.scale_down_window()?, service)));
        let longest = windows.max_by_key(|(window, _)| window.value);
        let Some((Known { value, field }, service)) = longest else { continue };
        if after >= value {
            continue;
        }
        let message = format!(
            "nodes are consolidated after {}, and `{}` is scaled down after {}",
            spoken(after),
            service.workload.document.title(),
            spoken(value)
        );
        findings
            .add(&BEFORE_WINDOW, consolidation.field, message)
            .related(field, "the scale-down window")
            .help(format!("disruption:\n  consolidateAfter: {value}s"));
    }
}

fn of_critical(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (index, pool) in around.pools.iter().enumerate() {
        let consolidation = pool.consolidation();
        if consolidation.after.is_none() || !consolidation.of_used_nodes || pool.has_budgets() {
            continue;
        }
        let exposed = around.services_of(index).find_map(|service| {
            let is_bound = may_stay(service) || service.budget.is_some();
            Some((service, service.marked_critical.filter(|_| !is_bound)?))
        });
        let Some((service, critical)) = exposed else { continue };
        let title = service.workload.document.title();
        let message = format!("consolidation may move any replica of `{title}`, which is critical");
        findings
            .add(&OF_CRITICAL, consolidation.field, message)
            .related(critical, "says that it is critical")
            .help("disruption:\n  consolidationPolicy: WhenEmpty\n  consolidateAfter: 10m");
    }
}

fn expiry(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (index, pool) in around.pools.iter().enumerate() {
        let serving = around.services_of(index).filter(|service| service.serves_models());
        let Some(service) = serving.max_by_key(|service| service.workload.pod.grace().0) else {
            continue;
        };
        let title = service.workload.document.title();
        let (grace, written) = service.workload.pod.grace();
        let node = pool.termination_grace();
        if let Some((seconds, field)) = node.filter(|(seconds, _)| *seconds < grace) {
            let message = format!(
                "a node goes after {}, and the pods of `{title}` have {}",
                spoken(seconds),
                spoken(grace)
            );
            let at = written.unwrap_or(service.workload.pod.spec);
            findings
                .add(&EXPIRY, field, message)
                .related(at, "the grace period of the pods")
                .help(format!("terminationGracePeriod: {}s", grace.saturating_mul(2)));
            continue;
        }
        let expiry = pool.expiry().filter(|(seconds, _)| *seconds < SHORT_LIFE_SECONDS);
        if let Some((seconds, field)) = expiry.filter(|_| node.is_none()) {
            let message = format!(
                "every node is drained after {}, whatever is served, and gives the pods of `{title}` {}",
                spoken(seconds),
                spoken(grace)
            );
            findings.add(&EXPIRY, field, message).help("expireAfter: 720h");
        }
    }
}

fn stuck(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for (index, pool) in around.pools.iter().enumerate() {
        let Some((_, field)) = pool.expiry().filter(|_| pool.termination_grace().is_none()) else {
            continue;
        };
        let stays = |service: &&Service<'_>| {
            let annotation = service.workload.pod.annotations().get("karpenter.sh/do-not-disrupt");
            // With a duration it ends by itself.
            annotation == Some("true")
        };
        let Some(service) = around.services_of(index).find(stays) else { continue };
        let annotations = service.workload.pod.annotations();
        let title = service.workload.document.title();
        let message =
            format!("expired nodes are never drained of `{title}`, which may not be disrupted");
        let added = findings.add(&STUCK, field, message).help("terminationGracePeriod: 1h");
        if let Some(at) = annotations.field("karpenter.sh/do-not-disrupt") {
            added.related(at, "keeps the pods where they are");
        }
    }
}
