//! What is known to go wrong with a ScaledObject: told where one meets it, reproduced by the policy.

use trimtab_engine::KedaSpec;

use crate::import::draft::Draft;
use crate::import::hpa;
use crate::node::shortened;

/// What has to be known of the triggers.
pub(in crate::import) struct Known {
    /// All of them read CPU or memory.
    pub(in crate::import) all_resources: bool,
    /// One of them has `useCachedMetrics`.
    pub(in crate::import) any_cached: bool,
}

/// The defects of KEDA, and of the HPA that it makes, which a draft meets.
pub(in crate::import) fn defects(draft: &mut Draft<'_>, keda: &KedaSpec, known: &Known) {
    hpa::defects(draft);
    let least = draft.spec.min_replicas.unwrap_or(0);
    if least == 0 || keda.idle_replica_count.is_some() {
        goes_below(draft, keda);
    } else {
        never_goes_below(draft, keda, known);
    }
    if known.all_resources && least == 0 {
        draft.defect(
            "spec.minReplicas",
            "with triggers of CPU and memory alone KEDA is always active and never goes to 0; its \
             admission refuses this where it is asked",
        );
    }
    if keda.fallback.is_some() {
        fallback(draft, keda, known.all_resources);
    }
    if keda.scaling_modifiers.is_some() {
        dropped_by_modifiers(draft);
    }
    let formula = keda.scaling_modifiers.as_ref().map(|modifiers| modifiers.formula.as_str());
    if formula.is_some_and(begins_as_a_float) {
        draft.defect(
            "spec.keda.scalingModifiers.formula",
            "KEDA makes the result of a formula a float unless the formula begins with `float(`: \
             here only the first part is one, and where the result is none it fails at run time",
        );
    }
}

/// Beside its formula KEDA keeps Resource metrics, and no ContainerResource.
fn dropped_by_modifiers(draft: &mut Draft<'_>) {
    let metrics = draft.spec.metrics.iter().flatten().enumerate();
    let dropped = metrics.filter(|(_, metric)| metric.container_resource.is_some());
    let dropped: Vec<usize> = dropped.map(|(index, _)| index).collect();
    for index in dropped {
        draft.defect(
            &format!("spec.metrics[{index}]"),
            "with scalingModifiers KEDA's HPA does not get this metric: of CPU and memory only triggers \
             without a containerName are kept",
        );
    }
}

fn goes_below(draft: &mut Draft<'_>, keda: &KedaSpec) {
    let scale_down = draft.spec.behavior.as_ref().and_then(|behavior| behavior.scale_down.as_ref());
    if scale_down.is_some() {
        draft.defect(
            "spec.behavior.scaleDown",
            "KEDA goes to 0 (or idle) from any count at once when no trigger is active: neither \
             windows nor rate limits hold it (keda#7770)",
        );
    }
    if keda.idle_replica_count.is_some_and(|idle| idle > 0) {
        draft.defect(
            "spec.keda.idleReplicaCount",
            "with an idle count above 0, KEDA and its HPA can pull the count to and fro between idle \
             and minReplicaCount (keda#8172)",
        );
    }
}

/// What is for the step to 0 or idle alone.
fn never_goes_below(draft: &mut Draft<'_>, keda: &KedaSpec, known: &Known) {
    if keda.cooldown_period_seconds.is_some() {
        draft.defect(
            "spec.keda.cooldownPeriodSeconds",
            "`cooldownPeriod` has no effect: it is for the step to 0 or idle, and there is none with \
             this minReplicaCount; scaling down is slowed by `behavior.scaleDown`",
        );
    }
    let counts = known.any_cached || keda.fallback.is_some();
    if keda.polling_interval_seconds.is_some() && !counts {
        draft.defect(
            "spec.keda.pollingIntervalSeconds",
            "`pollingInterval` has no effect: with this minReplicaCount the HPA alone decides, every \
             15 s",
        );
    }
}

fn fallback(draft: &mut Draft<'_>, keda: &KedaSpec, all_resources: bool) {
    if all_resources {
        let message = "the fallback has no effect: it is not for triggers of CPU and memory";
        return draft.defect("spec.keda.fallback", message);
    }
    let target = keda.scaling_modifiers.as_ref().map(|modifiers| modifiers.target.as_str());
    if let Some(target) = target
        && !target.parse::<i64>().is_ok_and(|target| target > 0)
    {
        let message = format!(
            "`{}` is no whole number above 0, and with such a target of scalingModifiers KEDA's \
             fallback never begins",
            shortened(target)
        );
        draft.defect("spec.keda.scalingModifiers.target", message);
    }
    draft.defect(
        "spec.keda.fallback.failureThreshold",
        "failed reads of KEDA and of its HPA are counted together, so the fallback begins sooner \
         than failureThreshold × pollingInterval",
    );
}

/// Whether a formula begins with `float(` whose parenthesis closes before the end. One with `??` is
/// made a float in another way.
fn begins_as_a_float(formula: &str) -> bool {
    let Some(inside) = formula.strip_prefix("float(").filter(|_| !formula.contains("??")) else {
        return false;
    };
    let mut depth = 1_usize;
    let mut quote = None;
    for (at, char) in inside.char_indices() {
        match (quote, char) {
            (Some(open), _) if open == char => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(char),
            (None, '(') => depth = depth.saturating_add(1),
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if depth == 0 {
            let behind = inside.get(at.saturating_add(1)..).unwrap_or_default();
            return !behind.trim().is_empty();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_part_is_a_float() {
        for formula in ["float(a) > 3 ? 1 : 2", "float(a) + b", "float(max(a, b)) * 2"] {
            assert!(begins_as_a_float(formula), "{formula}");
        }
        for formula in [
            "float(a)",
            "float(max(a, (b + 1))) ",
            "a + float(b)",
            " float(a) > 3 ? 1 : 2",
            "float(a ?? 1) + b",
            "float(')' + a)",
            "float(a",
            "",
        ] {
            assert!(!begins_as_a_float(formula), "{formula}");
        }
    }
}
