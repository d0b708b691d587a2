//! What a ScaledObject says and KEDA does not do.

use crate::lint::autoscaler::{Autoscaler, Form};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] =
    &[&COOLDOWN_WITHOUT_EFFECT, &CACHED_METRICS_LATE, &KEDA_SLOWS_POLICY, &KEDA_MULTIPLIES_COUNT];

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

static KEDA_SLOWS_POLICY: Rule = Rule {
    id: "keda-slows-policy",
    severity: Severity::Warning,
    summary: "KEDA's HPA has windows, limits or a tolerance beside those of the policy that it carries out",
    why: "a trigger that asks `trimtab keda-scaler` gets the count that a policy decided, with its own windows and \
          limits; the HPA that KEDA makes adds its defaults where the ScaledObject says nothing: 300 s before it \
          scales down, no more than double at a time, and nothing for steps within a tenth",
    fix: "Set both windows to 0, both tolerances to \"0\", and a scale-up policy larger than any count.",
    check: keda_slows_policy,
};

fn keda_slows_policy(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in scaled_objects(set) {
        let Some(trigger) = autoscaler.policy_trigger() else { continue };
        let rules = |direction: &str| autoscaler.behavior?.get(direction);
        let number = |direction: &str, key: &str| rules(direction)?.get(key)?.number();
        let mut slow = Vec::new();
        let window = number("scaleDown", "stabilizationWindowSeconds").unwrap_or(300.0);
        if window > 0.0 {
            slow.push(format!("{window} s before it scales down"));
        }
        let window = number("scaleUp", "stabilizationWindowSeconds").unwrap_or(0.0);
        if window > 0.0 {
            slow.push(format!("{window} s before it scales up"));
        }
        if is_limited_up(autoscaler) {
            slow.push(String::from("a limit on scaling up"));
        }
        let exact = |direction: &str| {
            let tolerance = rules(direction).and_then(|rules| rules.get("tolerance")?.quantity());
            tolerance.is_some_and(|tolerance| tolerance.signum() == 0)
        };
        if !exact("scaleUp") || !exact("scaleDown") {
            slow.push(String::from("a tolerance that swallows small steps"));
        }
        if slow.is_empty() {
            continue;
        }
        let message = format!("beside the policy's own, KEDA's HPA has {}", slow.join(", "));
        let at = autoscaler.behavior.unwrap_or(trigger);
        let added = findings.add(&KEDA_SLOWS_POLICY, at, message).help(
            "leave all of it to the policy:\nadvanced:\n  horizontalPodAutoscalerConfig:\n    behavior:\n      \
             scaleUp:\n        stabilizationWindowSeconds: 0\n        tolerance: \"0\"\n        policies:\n        \
             - {type: Pods, value: 10000, periodSeconds: 15}\n      scaleDown:\n        \
             stabilizationWindowSeconds: 0\n        tolerance: \"0\"\n        policies:\n        \
             - {type: Percent, value: 100, periodSeconds: 15}",
        );
        if autoscaler.behavior.is_some() {
            added.related(trigger, "it asks for a count that a policy decided");
        }
    }
}

/// Whether the HPA lets fewer replicas come in 15 s than there can be.
fn is_limited_up(autoscaler: &Autoscaler<'_>) -> bool {
    let most = autoscaler.max.value.unwrap_or(100);
    let rules = autoscaler.behavior.and_then(|behavior| behavior.get("scaleUp"));
    let Some(rules) = rules.filter(|rules| rules.get("policies").is_some()) else {
        return most > 4;
    };
    let enough = |limit: Field<'_>| {
        let is_short = limit.int_of("periodSeconds").is_some_and(|period| period <= 15);
        let is_pods = limit.text_of("type") == Some("Pods");
        is_pods && is_short && limit.int_of("value").is_some_and(|value| value >= most)
    };
    let mut limits = rules.list("policies");
    match rules.text_of("selectPolicy") {
        Some("Disabled") => true,
        Some("Min") => !limits.all(enough),
        _ => !limits.any(enough),
    }
}

static KEDA_MULTIPLIES_COUNT: Rule = Rule {
    id: "keda-multiplies-count",
    severity: Severity::Error,
    summary: "a trigger that has the HPA multiply the count that a policy decided",
    why: "`trimtab keda-scaler` reports the wanted count with the target 1; under `metricType: Value` the HPA takes \
          that for a ratio and multiplies it by the ready pods: of 5 replicas, 6 become 30",
    fix: "Leave `metricType` out, or say `AverageValue`.",
    check: keda_multiplies_count,
};

fn keda_multiplies_count(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in scaled_objects(set) {
        let Some(trigger) = autoscaler.policy_trigger() else { continue };
        let type_ = trigger.get("metricType");
        let Some(at) = type_.filter(|type_| type_.text() == Some("Value")) else { continue };
        findings
            .add(
                &KEDA_MULTIPLIES_COUNT,
                at,
                "under `Value` the count is multiplied by the ready pods",
            )
            .help("write `AverageValue`");
    }
}
