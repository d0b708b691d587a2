//! KEDA's ScaledObject, to `strategy: keda`.

mod defects;
mod scalers;
mod trigger;

use trimtab_engine::{
    CrossVersionObjectReference, FallbackBehavior, FallbackSpec, KedaSpec, KedaTriggerSpec,
    ScalingModifiersSpec, StrategyName,
};

pub(super) use self::defects::{Known, defects};
use self::trigger::Trigger;
pub(super) use self::trigger::{as_keda_keeps_it, null_is_zero};
use super::block::{Block, Field};
use super::draft::Draft;
use super::{Import, PeerKind, kept, text};
use crate::node::{Node, shortened};

const PREFIX: &str = "autoscaling.keda.sh/";

pub(super) fn import(import: &mut Import<'_>, root: &Node) {
    let root = Field::root(root);
    let Some((metadata, mut spec)) = import.open(root.node) else { return };
    let mut draft = Draft::default();
    draft.spec.strategy = StrategyName::Keda;
    reference(&mut draft, &mut spec);
    bounds(&mut draft, &mut spec);
    let mut keda = KedaSpec {
        polling_interval_seconds: draft.take(
            &mut spec,
            "pollingInterval",
            "spec.keda.pollingIntervalSeconds",
        ),
        cooldown_period_seconds: draft.take(
            &mut spec,
            "cooldownPeriod",
            "spec.keda.cooldownPeriodSeconds",
        ),
        initial_cooldown_period_seconds: draft.take(
            &mut spec,
            "initialCooldownPeriod",
            "spec.keda.initialCooldownPeriodSeconds",
        ),
        idle_replica_count: draft.take(&mut spec, "idleReplicaCount", "spec.keda.idleReplicaCount"),
        ..KedaSpec::default()
    };
    let triggers = triggers(&mut draft, &mut spec);
    keda.fallback =
        spec.block("fallback", &mut draft.problems).and_then(|block| fallback(&mut draft, block));
    if let Some(block) = spec.block("advanced", &mut draft.problems) {
        keda.scaling_modifiers = advanced(&mut draft, block);
    }
    spec.refuse_rest(&mut draft.problems);
    annotations(&mut draft, &mut keda, &root);
    let known = Known {
        all_resources: !triggers.is_empty() && triggers.iter().all(|trigger| trigger.is_resource),
        any_cached: triggers.iter().any(|trigger| trigger.is_cached),
    };
    defects(&mut draft, &keda, &known);
    keda.triggers = written(triggers);
    draft.spec.keda = Some(keda).filter(|keda| *keda != KedaSpec::default()).map(Box::new);
    let metadata = kept(metadata, &[PREFIX]);
    draft.finish(import, PeerKind::ScaledObject, metadata, &root);
}

/// What the triggers have beside their metrics, up to the last that has anything.
fn written(triggers: Vec<Trigger>) -> Vec<KedaTriggerSpec> {
    let mut specs: Vec<KedaTriggerSpec> = triggers.into_iter().map(|t| t.spec).collect();
    while specs.last().is_some_and(|spec| *spec == KedaTriggerSpec::default()) {
        specs.pop();
    }
    specs
}

fn reference<'n>(draft: &mut Draft<'n>, spec: &mut Block<'n>) {
    let Some(field) = spec.field("scaleTargetRef") else {
        draft.problems.push(spec.missing("scaleTargetRef"));
        return;
    };
    let Some(mut block) = Block::new(field.clone(), &mut draft.problems) else { return };
    draft.origin("spec.scaleTargetRef", field);
    let mut text = |key, default: &str, draft: &mut Draft<'n>| {
        let given = block.get::<String>(key, &mut draft.problems).map(|(text, _)| text);
        given.unwrap_or_else(|| default.to_owned())
    };
    draft.spec.scale_target_ref = CrossVersionObjectReference {
        api_version: text("apiVersion", "apps/v1", draft),
        kind: text("kind", "Deployment", draft),
        name: text("name", "", draft),
    };
    if let Some(field) = block.field("envSourceContainerName") {
        draft.no_counterpart(&field, "spec.scaleTargetRef", "where triggers take variables from");
    }
    block.refuse_rest(&mut draft.problems);
}

fn bounds<'n>(draft: &mut Draft<'n>, spec: &mut Block<'n>) {
    draft.spec.min_replicas = draft.take(spec, "minReplicaCount", "spec.minReplicas");
    let most = spec.get::<i32>("maxReplicaCount", &mut draft.problems);
    let Some((most, field)) = most else { return };
    draft.origin("spec.maxReplicas", field.clone());
    draft.spec.max_replicas = most;
    // In a policy 0 is as good as absent; KEDA refuses it.
    if most == 0 {
        draft.problems.push(field.invalid("is 0", "it has to be at least 1"));
    }
}

fn triggers<'n>(draft: &mut Draft<'n>, spec: &mut Block<'n>) -> Vec<Trigger> {
    let Some(list) = spec.field("triggers") else {
        draft.problems.push(spec.missing("triggers"));
        return Vec::new();
    };
    let items = list.items(&mut draft.problems);
    if items.is_empty() && draft.problems.is_empty() {
        let problem = list.invalid("is empty", "a ScaledObject has at least one trigger");
        draft.problems.push(problem);
    }
    let items = items.into_iter().enumerate();
    items.filter_map(|(index, item)| trigger::take(draft, index, item)).collect()
}

fn fallback<'n>(draft: &mut Draft<'n>, mut block: Block<'n>) -> Option<FallbackSpec> {
    let path = "spec.keda.fallback";
    draft.origin(path, block.field.clone());
    let threshold = block.required::<i32>("failureThreshold", &mut draft.problems);
    let replicas = block.required::<i32>("replicas", &mut draft.problems);
    let behavior = block.get::<FallbackBehavior>("behavior", &mut draft.problems);
    block.refuse_rest(&mut draft.problems);
    let ((failure_threshold, field), (replicas, replicas_field)) = (threshold?, replicas?);
    draft.origin("spec.keda.fallback.failureThreshold", field);
    draft.origin("spec.keda.fallback.replicas", replicas_field);
    let behavior = behavior.map(|(behavior, _)| behavior).unwrap_or_default();
    Some(FallbackSpec { failure_threshold, replicas, behavior })
}

fn advanced<'n>(draft: &mut Draft<'n>, mut block: Block<'n>) -> Option<ScalingModifiersSpec> {
    if let Some(field) = block.field("restoreToOriginalReplicaCount") {
        draft.no_counterpart(&field, "spec.keda", "what happens when the ScaledObject is deleted");
    }
    if let Some(mut config) = block.block("horizontalPodAutoscalerConfig", &mut draft.problems) {
        draft.spec.behavior = draft.take(&mut config, "behavior", "spec.behavior");
        if let Some(field) = config.field("name") {
            draft.no_counterpart(&field, "spec", "of the HPA that KEDA makes");
        }
        config.refuse_rest(&mut draft.problems);
    }
    let modifiers = block.field("scalingModifiers");
    block.refuse_rest(&mut draft.problems);
    let field = modifiers?;
    let mut block = Block::new(field.clone(), &mut draft.problems)?;
    let path = "spec.keda.scalingModifiers";
    draft.origin(path, field);
    let mut text = |key: &'static str, draft: &mut Draft<'n>| {
        draft.take::<String>(&mut block, key, &format!("{path}.{key}"))
    };
    let (formula, target) = (text("formula", draft), text("target", draft));
    let (activation_target, metric_type) =
        (text("activationTarget", draft), text("metricType", draft));
    block.refuse_rest(&mut draft.problems);
    let spec = ScalingModifiersSpec {
        formula: formula.unwrap_or_default(),
        target: target.unwrap_or_default(),
        activation_target,
        metric_type,
    };
    // An empty block is none to KEDA.
    Some(spec).filter(|spec| *spec != ScalingModifiersSpec::default())
}

/// The annotations that pause scaling or start it.
fn annotations<'n>(draft: &mut Draft<'n>, keda: &mut KedaSpec, root: &Field<'n>) {
    let Some(entry) = root.node.entry("metadata") else { return };
    let metadata = root.child(entry);
    let Some(entry) = metadata.node.entry("annotations") else { return };
    let Some(mut block) = Block::new(metadata.child(entry), &mut draft.problems) else { return };
    let mut flag = |key: &'static str, field: &str, draft: &mut Draft<'n>| {
        let (value, source) = block.get::<String>(key, &mut draft.problems)?;
        let path = format!("spec.keda.{field}");
        draft.origin(&path, source);
        if text::truth(&value).is_none() {
            let value = shortened(&value);
            let message = format!("`{value}` is neither true nor false, which KEDA takes for true");
            draft.defect(&path, message);
        }
        Some(text::truth(&value).unwrap_or(true))
    };
    keda.paused = flag("autoscaling.keda.sh/paused", "paused", draft);
    keda.paused_scale_in = flag("autoscaling.keda.sh/paused-scale-in", "pausedScaleIn", draft);
    keda.paused_scale_out = flag("autoscaling.keda.sh/paused-scale-out", "pausedScaleOut", draft);
    keda.force_activation = flag("autoscaling.keda.sh/force-activation", "forceActivation", draft);
    let key = "autoscaling.keda.sh/paused-replicas";
    if let Some((value, source)) = block.get::<String>(key, &mut draft.problems) {
        keda.paused_replicas = text::whole(&value);
        if keda.paused_replicas.is_none() {
            let what = format!("is `{}`", shortened(&value));
            draft.problems.push(source.invalid(&what, "it has to be a whole number"));
        }
        draft.origin("spec.keda.pausedReplicas", source);
    }
    for (_, field) in block.rest().filter(|(key, _)| key.contains("keda.sh/")) {
        draft.no_counterpart(&field, "spec.keda", "");
    }
}
