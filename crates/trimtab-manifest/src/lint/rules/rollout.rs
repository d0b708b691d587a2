//! What a rollout, an apply or the loss of a node does to the replicas that are there.

use crate::lint::documents::{Kind, Service, Share};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[&REPLICAS, &TAKES_CAPACITY, &NEEDS_SPARE_GPUS, &NO_SPREAD];

static REPLICAS: Rule = Rule {
    id: "replicas-beside-autoscaler",
    severity: Severity::Note,
    summary: "a workload that is autoscaled sets its replicas, too",
    why: "every `kubectl apply` or sync of a manifest with `replicas` sets the count back to it (Kubernetes, \
          Migrating Deployments to horizontal autoscaling): at a peak that takes away replicas, and starts \
          them anew a moment later",
    fix: "Leave `replicas` out of the manifest; the autoscaler's minimum takes its place.",
    check: replicas,
};

static TAKES_CAPACITY: Rule = Rule {
    id: "rollout-takes-capacity",
    severity: Severity::Warning,
    summary: "a rollout takes away half of the replicas or more",
    why: "a rolling update stops maxUnavailable replicas before new ones are ready, and the strategy Recreate \
          stops all; of a few replicas that load a model for minutes, that is the capacity for all this time. \
          Percentages of maxUnavailable round down; the count is the autoscaler's minimum",
    fix: "Set maxUnavailable to 0 and maxSurge to 1; the new replica needs a GPU of its own for a while.",
    check: takes_capacity,
};

static NEEDS_SPARE_GPUS: Rule = Rule {
    id: "rollout-needs-spare-gpus",
    severity: Severity::Note,
    summary: "at its maximum a rollout needs a GPU more than the NodePools may make",
    why: "with maxUnavailable 0 a rolling update first starts a new replica and needs its GPUs besides all \
          others; where the pool's limits end at maxReplicas, a rollout at the peak waits for the load to \
          go",
    fix: "Leave room in the pool's limits for maxSurge replicas beyond maxReplicas.",
    check: needs_spare_gpus,
};

static NO_SPREAD: Rule = Rule {
    id: "spread-missing",
    severity: Severity::Note,
    summary: "the replicas of a critical service may all be on one node",
    why: "nothing but a preference keeps replicas apart that have neither topologySpreadConstraints nor \
          anti-affinity, and a GPU node with several GPUs takes several; when it goes, the model is gone. What \
          is critical is known by a priorityClassName or label that says so, by `trimtab.dev/critical`, or by a \
          PodDisruptionBudget",
    fix: "Spread the replicas over nodes, and over zones where capacity allows.",
    check: no_spread,
};

fn replicas(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in &set.around().services {
        let is_plain = matches!(service.workload.kind, Kind::Replicated | Kind::Leader);
        let Some(scaler) = service.scalers.first().filter(|_| is_plain) else { continue };
        let Some((count, field)) = service.workload.replicas() else { continue };
        // A paused one is not scaled either.
        if count == 0 {
            continue;
        }
        let message = format!(
            "an apply sets `{}` back to {count} replicas, whatever `{}` has made of them",
            service.workload.document.title(),
            scaler.document.title()
        );
        findings
            .add(&REPLICAS, field, message)
            .related(scaler.target, "is scaled here")
            .help("leave `replicas` out");
    }
}

/// How a Deployment replaces its pods.
struct Strategy<'n> {
    unavailable: Share,
    surge: Share,
    /// Where what counts is written.
    field: Option<Field<'n>>,
    recreates: bool,
}

impl<'n> Strategy<'n> {
    /// With Kubernetes' defaults of a quarter each; of other kinds there is none.
    fn of(service: &Service<'n>) -> Option<Self> {
        const DEFAULT: Share = Share::Percent(25);
        let document = service.workload.document;
        let spec = document.spec().filter(|_| document.is("apps", "Deployment"))?;
        let strategy = spec.get("strategy");
        let type_ = strategy.and_then(|strategy| strategy.get("type"));
        let recreates = type_.and_then(|type_| type_.text()) == Some("Recreate");
        let get = |key: &str| strategy.and_then(|strategy| strategy.get("rollingUpdate")?.get(key));
        let (unavailable, surge) = (get("maxUnavailable"), get("maxSurge"));
        let field = if recreates { type_ } else { unavailable };
        let share = |field: Option<Field<'_>>| match field {
            Some(field) => Share::of(field),
            None => Some(DEFAULT),
        };
        Some(Self { unavailable: share(unavailable)?, surge: share(surge)?, field, recreates })
    }

    /// How many of so many replicas may be away; one at least where no surge is allowed.
    fn away(&self, replicas: i64) -> i64 {
        let away = self.unavailable.down(replicas);
        if away == 0 && self.surge.up(replicas) == 0 { 1 } else { away }
    }
}

fn takes_capacity(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in set.around().serving() {
        let Some(strategy) = Strategy::of(service) else { continue };
        let Some(field) = strategy.field else { continue };
        let Some(least) = service.least().filter(|least| least.value >= 1) else { continue };
        let away = if strategy.recreates {
            least.value
        } else {
            strategy.away(least.value).min(least.value)
        };
        // Of one replica that is written so on purpose: there is no GPU for a second one.
        if away.saturating_mul(2) < least.value || away == 0 || least.value < 2 {
            continue;
        }
        let message = format!(
            "a rollout stops {away} of {} replicas of `{}` before new ones are ready",
            least.value,
            service.workload.document.title()
        );
        findings
            .add(&TAKES_CAPACITY, field, message)
            .related(least.field, "the fewest replicas")
            .help("strategy:\n  rollingUpdate:\n    maxUnavailable: 0\n    maxSurge: 1");
    }
}

fn needs_spare_gpus(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for service in around.serving() {
        let Some(strategy) = Strategy::of(service).filter(|one| !one.recreates) else { continue };
        let Some(most) = service.most() else { continue };
        let waits = strategy.unavailable.down(most.value) == 0 && strategy.surge.up(most.value) > 0;
        let gpus = service.workload.pod.gpus();
        let Some((resource, (count, _))) = gpus.iter().next().filter(|_| waits) else { continue };
        let pools = around.pools_of(service);
        let limits = pools.iter().map(|pool| {
            let limit = pool.limit(resource)?;
            Some((limit.whole()?, limit.field))
        });
        let limits: Option<Vec<_>> = limits.collect();
        let Some((first, limits)) = limits.as_ref().and_then(|all| Some((all.first()?, all)))
        else {
            continue;
        };
        let limit = limits.iter().fold(0_i64, |sum, (limit, _)| sum.saturating_add(*limit));
        let needed = most.value.saturating_mul(*count);
        // Less than the maximum is another rule's.
        if limit < needed || limit >= needed.saturating_add(*count) {
            continue;
        }
        let message = format!(
            "with {} replicas of `{}` no GPU is left for the one that a rollout adds",
            most.value,
            service.workload.document.title()
        );
        findings
            .add(&NEEDS_SPARE_GPUS, first.1, message)
            .related(most.field, "the most replicas")
            .help(format!("{resource}: \"{}\"", needed.saturating_add(*count)));
    }
}

fn no_spread(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for service in around.serving() {
        let several = service.least().is_some_and(|least| least.value >= 2);
        let Some(critical) = service.critical().filter(|_| several) else { continue };
        // A pod that takes all GPUs of a node is alone there.
        let gpus = service.workload.pod.gpu_count();
        let pools = around.pools_of(service);
        let is_alone = |most: Option<i64>| most.is_some_and(|most| gpus.saturating_mul(2) > most);
        let alone = !pools.is_empty() && pools.iter().all(|pool| is_alone(pool.gpus_of_a_node()));
        if alone || service.workload.pod.spreads() {
            continue;
        }
        let title = service.workload.document.title();
        let message = format!("nothing keeps the replicas of `{title}` off one node");
        let labels = service.workload.pod.labels();
        let label = labels.all().find_map(|(key, value)| Some((key, value.text()?)));
        let selector = match label {
            Some((key, value)) => {
                format!("\n  labelSelector:\n    matchLabels:\n      {key}: {value}")
            }
            None => String::new(),
        };
        findings
            .add(&NO_SPREAD, service.workload.pod.spec, message)
            .related(critical, "says that it is critical")
            .help(format!(
                "topologySpreadConstraints:\n- maxSkew: 1\n  topologyKey: kubernetes.io/hostname\n  \
                 whenUnsatisfiable: ScheduleAnyway{selector}"
            ));
    }
}
