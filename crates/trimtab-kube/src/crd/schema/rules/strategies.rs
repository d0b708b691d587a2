//! The settings of KEDA, Knative, Ray Serve, WVA and APA.

use super::whole::{least, most};
use super::{Rule, has, or};

pub(super) fn rules() -> Vec<Rule> {
    [keda(), knative(), ray_serve(), wva(), apa()].into_iter().flatten().collect()
}

fn keda() -> Vec<Rule> {
    let least = least();
    vec![
        Rule::new(
            "",
            "self.strategy != 'keda' || !has(self.metrics) || self.metrics.all(m, !(m.type in ['Object', \
             'Pods']))",
            "a trigger of KEDA is External, or Resource or ContainerResource for cpu and memory",
        )
        .about(".metrics"),
        Rule::new(
            "",
            format!("!({}) || self.keda.idleReplicaCount < {least}", has("self.keda.idleReplicaCount")),
            "keda.idleReplicaCount has to be less than minReplicas",
        )
        .about(".keda.idleReplicaCount"),
        Rule::new(
            "",
            format!(
                "!({}) || self.keda.triggers.size() <= (has(self.metrics) && self.metrics.size() > 0 ? \
                 self.metrics.size() : 1)",
                has("self.keda.triggers")
            ),
            "keda.triggers has at most as many entries as metrics: each is what a trigger has beside its metric",
        )
        .about(".keda.triggers"),
        Rule::new(
            "",
            format!(
                "!({} && {}) || !has(self.metrics) || !self.metrics.all(m, has(m.external)) || \
                 self.keda.triggers.all(t, !has(t.name) || t.name == '' || \
                 self.keda.triggers.exists_one(other, has(other.name) && other.name == t.name))",
                has("self.keda.scalingModifiers"),
                has("self.keda.triggers")
            ),
            "no two triggers may have the same name: the formula could mean either",
        )
        .about(".keda.triggers"),
        Rule::new("keda.scalingModifiers.target", "double(self) > 0.0", "has to be a number above 0"),
        Rule::new(
            "keda",
            format!(
                "has(self.scalingModifiers) || !({}) || self.fallback.behavior != 'scalingModifiers'",
                has("self.fallback.behavior")
            ),
            "fallback.behavior: scalingModifiers is for a formula, and there is none",
        )
        .about(".fallback.behavior"),
    ]
}

fn knative() -> Vec<Rule> {
    let (least, most) = (least(), most());
    vec![
        Rule::new(
            "knative.targetBurstCapacity",
            "self >= 0.0 || self == -1.0",
            "has to be at least 0, or -1 for any burst",
        ),
        Rule::new(
            "",
            format!(
                "!({}) || ({most} == 0 || self.knative.activationScale <= {most}) && \
                 (self.knative.activationScale <= 1 || self.knative.activationScale >= {least})",
                has("self.knative.activationScale")
            ),
            "knative.activationScale has to be from minReplicas to maxReplicas",
        )
        .about(".knative.activationScale"),
    ]
}

fn ray_serve() -> Vec<Rule> {
    let (least, most) = (least(), most());
    let initial = has("self.rayServe.initialReplicas");
    let gang = or("self.rayServe.gangSize", "1");
    vec![
        Rule::new(
            "rayServe",
            format!(
                "!({}) || self.targetCapacityDirection != 'up' || has(self.targetCapacityPercentage)",
                has("self.targetCapacityDirection")
            ),
            "targetCapacityDirection: up needs the targetCapacityPercentage that it is the way of",
        )
        .about(".targetCapacityDirection"),
        Rule::new(
            "",
            format!(
                "!({initial}) || (self.rayServe.initialReplicas >= {least} && \
                 self.rayServe.initialReplicas <= {most})"
            ),
            "rayServe.initialReplicas has to be from minReplicas to maxReplicas",
        )
        .about(".rayServe.initialReplicas"),
        Rule::new(
            "",
            format!(
                "self.strategy != 'rayServe' || (({least} == 1 || {least} % {gang} == 0) && ({most} in [1, 100] \
                 || {most} % {gang} == 0) && (!({initial}) || self.rayServe.initialReplicas % {gang} == 0))"
            ),
            "minReplicas, maxReplicas and rayServe.initialReplicas have to be multiples of rayServe.gangSize",
        )
        .about(".rayServe.gangSize"),
    ]
}

fn wva() -> Vec<Rule> {
    let mut rules = vec![
        Rule::new(
            "wva",
            format!("{} <= {}", or("self.kvSpareTrigger", "0.1"), or("self.kvCacheThreshold", "0.8")),
            "kvSpareTrigger has to be at most kvCacheThreshold",
        )
        .about(".kvSpareTrigger"),
        Rule::new(
            "wva",
            format!("{} < {}", or("self.scaleDownBoundary", "0.7"), or("self.scaleUpThreshold", "0.85")),
            "scaleDownBoundary has to be below scaleUpThreshold",
        )
        .about(".scaleDownBoundary"),
        Rule::new(
            "wva",
            format!(
                "!({}) || self.analyzer != 'token' || has(self.kvCacheCapacityTokens)",
                has("self.analyzer")
            ),
            "kvCacheCapacityTokens is missing: analyzer: token needs how many tokens the KV cache of a replica holds",
        )
        .about(".kvCacheCapacityTokens")
        .required(),
    ];
    // The field that names the metric, its name by default where it is needed, and whether it has a value per pod.
    let roles = [
        ("kvCacheUsage", Some("vllm:kv_cache_usage_perc"), true),
        ("requestsWaiting", Some("vllm:num_requests_waiting"), true),
        ("averageInputTokens", None, true),
        ("averageOutputTokens", None, true),
        ("prefixCacheHitRate", None, true),
        ("gatewayQueueSize", None, false),
        ("gatewayQueueBytes", None, false),
        ("requests", None, false),
    ];
    rules.extend(roles.map(|(field, default, per_pod)| role(field, default, per_pod)));
    rules
}

/// A metric that is named or needed is among those of the policy, in a form that fits.
fn role(field: &str, default: Option<&str>, per_pod: bool) -> Rule {
    let path = format!("self.wva.{field}");
    let name = default.map_or(path.clone(), |default| or(&path, &format!("'{default}'")));
    let fits = if per_pod {
        format!("has(m.pods) && m.pods.metric.name == {name}")
    } else {
        format!(
            "(has(m.external) && m.external.metric.name == {name}) || (has(m.object) && \
             m.object.metric.name == {name})"
        )
    };
    let is_asked = if default.is_some() { String::from("true") } else { has(&path) };
    let rule = format!(
        "self.strategy != 'wva' || !({is_asked}) || !has(self.metrics) || self.metrics.size() == 0 || \
         self.metrics.exists(m, {fits})"
    );
    let (what, default) =
        (if per_pod { "a Pods" } else { "an External or Object" }, default.unwrap_or_default());
    let by_default =
        if default.is_empty() { String::new() } else { format!(" ({default} by default)") };
    let message = format!("wva.{field}{by_default} has to be the name of {what} metric in metrics");
    Rule::new("", rule, message).about(".metrics")
}

fn apa() -> Vec<Rule> {
    let whole = |source: &str| {
        format!(
            "(!has(m.{source}) || (has(m.{source}.target.value) && !has(m.{source}.target.averageValue)))"
        )
    };
    let each = |source: &str| format!("(!has(m.{source}) || has(m.{source}.target.averageValue))");
    let rule = format!(
        "self.strategy != 'apa' || !has(self.metrics) || self.metrics.all(m, {} && {} && {} && {})",
        each("resource"),
        each("containerResource"),
        whole("object"),
        whole("external")
    );
    let message = "strategy: apa goes by the averageValue of a Resource or ContainerResource metric, and by the \
                   value alone of an Object or External one";
    vec![Rule::new("", rule, message).about(".metrics")]
}
