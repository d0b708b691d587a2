//! What a ScaledObject says and KEDA does not do.

use crate::lint::autoscaler::{Autoscaler, Form};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[&COOLDOWN_WITHOUT_EFFECT, &CACHED_METRICS_LATE];

fn scaled_objects<'a, 'n>(
    set: &'a Set<'n>,
) -> impl Iterator<Item = &'a Autoscaler<'n>> + use<'a, 'n> {
    set.autoscalers().iter().filter(|autoscaler| autoscaler.form == Form::ScaledObject)
}

static COOLDOWN_WITHOUT_EFFECT: Rule = Rule {
    id: "cooldown-without-effect",
    severity: Severity::Note,
    summary: "a `cooldownPeriod` where KEDA never goes to zero",
    why: "`cooldownPeriod` is for the last step, to 0 or `idleReplicaCount`; between `minReplicaCount` and \
          `maxReplicaCount` KEDA's HPA decides, by its own window (keda#737, keda#6844)",
    fix: "Slow scaling down by `behavior.scaleDown`, and leave `cooldownPeriod` out.",
    check: cooldown_without_effect,
};

fn cooldown_without_effect(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in scaled_objects(set) {
        let never = autoscaler.min.value.is_some_and(|least| least > 0)
            && autoscaler.spec.get("idleReplicaCount").is_none();
        let Some(at) = autoscaler.spec.key_of("cooldownPeriod").filter(|_| never) else { continue };
        let message = "`cooldownPeriod` has no effect with this `minReplicaCount`";
        let added = findings.add(&COOLDOWN_WITHOUT_EFFECT, at, message).help(
            "write how scaling down is to be slowed:\nadvanced:\n  horizontalPodAutoscalerConfig:\n    \
             behavior:\n      scaleDown: {stabilizationWindowSeconds: 300}",
        );
        if let Some(field) = autoscaler.min.field {
            added.related(field, "it never goes below");
        }
    }
}

static CACHED_METRICS_LATE: Rule = Rule {
    id: "cached-metrics-late",
    severity: Severity::Note,
    summary: "cached metrics that are older than the HPA's own period",
    why: "with `useCachedMetrics` the HPA gets what KEDA read at its last poll; every 15 s it decides anew, \
          and for the rest of a longer `pollingInterval` it decides on the same old value",
    fix: "Set `pollingInterval` to 15 or less, or leave `useCachedMetrics` out.",
    check: cached_metrics_late,
};

fn cached_metrics_late(set: &Set<'_>, findings: &mut Findings<'_>) {
    const HPA_PERIOD: i64 = 15;
    const DEFAULT_INTERVAL: i64 = 30;
    for autoscaler in scaled_objects(set) {
        let interval = autoscaler.spec.get("pollingInterval");
        let seconds = interval.map_or(Some(DEFAULT_INTERVAL), |field| field.int());
        let Some(seconds) = seconds.filter(|seconds| *seconds > HPA_PERIOD) else { continue };
        for signal in &autoscaler.signals {
            let cached = signal.field.get("useCachedMetrics");
            let Some(at) = cached.filter(|field| field.bool() == Some(true)) else { continue };
            let message = format!("the HPA decides on values that are up to {seconds} s old");
            let added =
                findings.add(&CACHED_METRICS_LATE, at, message).help("write `pollingInterval: 15`");
            if let Some(field) = interval {
                added.related(field, "the interval");
            }
        }
    }
}
