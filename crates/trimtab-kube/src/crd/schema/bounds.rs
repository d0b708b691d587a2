//! What each field may be by itself: numbers within limits, texts of a form, lists of a length.
//!
//! These are the rules of `trimtab_engine`'s validation that a schema can say. What is bounded beyond them, so that
//! the API server knows what a check costs, is in [`room`].

use serde_json::{Map, Value, json};

use crate::crd::{MOST_EXPLANATION_CHARS, MOST_STATE_BYTES};

/// Whole numbers: the field, the least, the most; `i32::MAX` where only the type sets a limit.
const WHOLE: &[(&str, i32, i32)] = &[
    ("minReplicas", 0, MAX),
    ("maxReplicas", 0, MAX),
    ("override.replicas", 0, MAX),
    ("behavior.scaleUp.stabilizationWindowSeconds", 0, 3600),
    ("behavior.scaleDown.stabilizationWindowSeconds", 0, 3600),
    ("behavior.scaleUp.policies[].value", 1, MAX),
    ("behavior.scaleDown.policies[].value", 1, MAX),
    ("behavior.scaleUp.policies[].periodSeconds", 1, 1800),
    ("behavior.scaleDown.policies[].periodSeconds", 1, 1800),
    ("warmPool.size.fixed", 0, MAX),
    ("warmPool.minSize", 0, MAX),
    ("warmPool.maxSize", 0, MAX),
    ("warmPool.promoteSeconds", 0, 3600),
    ("warmPool.leadTimeSeconds", 1, 3600),
    ("retire.maxSessionSeconds", 0, 604_800),
    ("retire.flapBudget.changes", 2, MAX),
    ("retire.flapBudget.periodSeconds", 1, 604_800),
    ("standby.sleep.port", 1, 65_535),
    ("standby.sleep.timeoutSeconds", 1, 300),
    ("schedules[].durationSeconds", 1, MAX),
    ("schedules[].minReplicas", 0, MAX),
    ("schedules[].maxReplicas", 0, MAX),
    ("anticipate.leadTimeSeconds", 1, 3600),
    ("anticipate.overdueAfterSeconds", 1, MAX),
    ("anticipate.learnLeadTime.minSeconds", 1, 3600),
    ("anticipate.learnLeadTime.maxSeconds", 1, 3600),
    ("anticipate.forecast.seasonSeconds", 2, 31 * 86_400),
    ("anticipate.forecast.stepSeconds", 1, 86_400),
    ("hpa.syncPeriodSeconds", 1, MAX),
    ("hpa.downscaleStabilizationSeconds", 0, MAX),
    ("hpa.cpuInitializationPeriodSeconds", 0, MAX),
    ("hpa.initialReadinessDelaySeconds", 0, MAX),
    ("keda.pollingIntervalSeconds", 1, MAX),
    ("keda.cooldownPeriodSeconds", 0, MAX),
    ("keda.initialCooldownPeriodSeconds", 0, MAX),
    ("keda.idleReplicaCount", 0, MAX),
    ("keda.fallback.failureThreshold", 0, MAX),
    ("keda.fallback.replicas", 0, MAX),
    ("keda.pausedReplicas", 0, MAX),
    ("knative.stableWindowSeconds", 6, 3600),
    ("knative.activationScale", 1, MAX),
    ("knative.initialScale", 0, MAX),
    ("knative.scaleDownDelaySeconds", 0, 3600),
    ("knative.scaleToZeroGracePeriodSeconds", 1, MAX),
    ("knative.scaleToZeroPodRetentionPeriodSeconds", 0, MAX),
    ("knative.progressDeadlineSeconds", 1, MAX),
    ("knative.tickIntervalSeconds", 1, MAX),
    ("rayServe.gangSize", 1, MAX),
    ("slo.leadTimeSeconds", 1, 3600),
    ("slo.overdueAfterSeconds", 1, MAX),
    ("slo.scaleToZeroAfterSeconds", 0, MAX),
    ("slo.latency.settleSeconds", 0, MAX),
    ("slo.errorBudget.windowSeconds", 60, 2_592_000),
    ("slo.sampling.intervalSeconds", 1, 60),
    ("slo.sampling.windowSeconds", 1, 600),
    ("slo.sampling.recentSeconds", 1, 600),
    ("slo.sampling.burstThresholdPercent", 100, 1000),
    ("slo.signals[].maxAgeSeconds", 1, MAX),
    ("slo.signals[].offered.drainSeconds", 0, MAX),
    ("slo.serviceModel.maxSequences", 1, MAX),
    ("slo.serviceModel.maxBatchedTokens", 1, MAX),
    ("wva.kvCacheCapacityTokens", 1, MAX),
    ("wva.maxBatchedTokens", 1, MAX),
    ("wva.maxSequences", 1, MAX),
    ("wva.retentionPeriodSeconds", 1, MAX),
    ("wva.optimizationIntervalSeconds", 1, MAX),
    ("apa.scaleUpCooldownWindowSeconds", 0, 3600),
    ("apa.scaleDownCooldownWindowSeconds", 0, 3600),
    ("apa.observeWindowSeconds", 1, 3600),
    ("apa.resyncIntervalSeconds", 1, MAX),
    ("supply.gpusPerReplica", 1, MAX),
    ("supply.pools[].maxReplicas", 1, MAX),
    ("supply.pools[].maxGpus", 1, MAX),
    ("supply.pools[].gpusPerNode", 1, MAX),
    ("supply.maxPending", 0, MAX),
    ("supply.pendingAfterSeconds", 1, MAX),
    ("supply.backoffSeconds", 1, MAX),
    ("supply.maxBackoffSeconds", 1, MAX),
    ("redundancy.surviveDomainLosses", 1, MAX),
    ("redundancy.domains", 1, MAX),
];
const MAX: i32 = i32::MAX;

/// Numbers: the field, the least, the most; infinite where there is no limit.
const NUMBERS: &[(&str, f64, f64)] = &[
    ("hpa.tolerance", 0.0, ANY),
    ("hpa.scaleUpLimitFactor", 1.0, 100.0),
    ("hpa.scaleUpLimitMinimum", 1.0, 1e6),
    ("warmPool.size.percent", 0.0, ANY),
    ("warmPool.size.surge.quantile", 0.0, 1.0),
    ("anticipate.creditFactor", 1.0, ANY),
    ("anticipate.forecast.quantile", 0.0, 1.0),
    ("knative.targetUtilizationPercentage", 1.0, 100.0),
    ("knative.panicWindowPercentage", 1.0, 100.0),
    ("knative.panicThresholdPercentage", 110.0, 1000.0),
    ("rayServe.upscaleDelaySeconds", 0.0, ANY),
    ("rayServe.downscaleDelaySeconds", 0.0, ANY),
    ("rayServe.downscaleToZeroDelaySeconds", 0.0, ANY),
    ("rayServe.controlLoopIntervalSeconds", 0.001, ANY),
    ("rayServe.targetCapacityPercentage", 0.0, 100.0),
    ("slo.surgeQuantile", 0.0, 1.0),
    ("slo.headroom", 0.0, 10.0),
    ("slo.maxSurgePercent", 0.0, ANY),
    ("slo.latency.maxStretch", 1.0, ANY),
    ("slo.latency.maxBoostPercent", 0.0, ANY),
    ("slo.latency.holdRatio", 0.0, 1.0),
    ("slo.errorBudget.leastPercent", 10.0, 100.0),
    ("slo.errorBudget.mostPercent", 100.0, 1000.0),
    ("slo.sampling.noise", 0.0, 10.0),
    ("slo.signals[].minCoverage", 0.0, 1.0),
    ("slo.signals[].offered.censoredGrowthPercent", 0.0, ANY),
    ("slo.serviceModel.inputTokens", 1.0, 1e9),
    ("slo.serviceModel.outputTokens", 1.0, 1e9),
    ("slo.serviceModel.prefillFixedSeconds", 0.0, 1e6),
    ("slo.serviceModel.prefillSecondsPerTokenSquared", 0.0, 1e6),
    ("slo.serviceModel.decodeSecondsPerSequence", 0.0, 1e6),
    ("slo.serviceModel.decodeSecondsPerContextToken", 0.0, 1e6),
    ("slo.serviceModel.kvCacheTokens", 1.0, ANY),
    ("slo.serviceModel.arrivalVariation", 0.0, ANY),
    ("slo.serviceModel.serviceVariation", 0.0, ANY),
    ("wva.kvCacheThreshold", 0.0, 1.0),
    ("wva.queueLengthThreshold", 0.0, ANY),
    ("wva.kvSpareTrigger", 0.0, 1.0),
    ("wva.queueSpareTrigger", 0.0, ANY),
    ("apa.scaleUpTolerance", 0.0, ANY),
    ("apa.scaleDownTolerance", 0.0, ANY),
    ("sources[].prometheus.queries.metrics[].maxAgeSeconds", 0.0, ANY),
];
const ANY: f64 = f64::INFINITY;

/// Numbers that are above the first, and at most the second.
const ABOVE: &[(&str, f64, f64)] = &[
    ("warmPool.size.surge.idleCost", 0.0, ANY),
    ("warmPool.size.surge.missCost", 0.0, ANY),
    ("anticipate.learnLeadTime.quantile", 0.0, 1.0),
    ("knative.maxScaleUpRate", 1.0, ANY),
    ("knative.maxScaleDownRate", 1.0, ANY),
    ("rayServe.upscalingFactor", 0.0, ANY),
    ("rayServe.downscalingFactor", 0.0, ANY),
    ("rayServe.lookBackPeriodSeconds", 0.0, ANY),
    ("rayServe.metricsIntervalSeconds", 0.0, ANY),
    ("slo.errorBudget.objective", 0.0, 1.0),
    ("slo.latency.damping", 0.0, 1.0),
    ("slo.signals[].offered.residenceSeconds", 0.0, ANY),
    ("slo.signals[].learned.targetPercent", 0.0, 100.0),
    ("slo.serviceModel.prefillSecondsPerToken", 0.0, 1e6),
    ("slo.serviceModel.decodeFixedSeconds", 0.0, 1e6),
    ("slo.serviceModel.objectives.ttftSeconds", 0.0, ANY),
    ("slo.serviceModel.objectives.tpotSeconds", 0.0, ANY),
    ("wva.scaleUpThreshold", 0.0, 1.0),
    ("wva.scaleDownBoundary", 0.0, 1.0),
    ("apa.maxScaleUpRate", 0.0, ANY),
    ("apa.maxScaleDownRate", 0.0, ANY),
];

/// Fields that have to be there, of those that a file may leave out to be told so with more words.
const REQUIRED: &[(&str, &[&str])] = &[
    ("", &["scaleTargetRef"]),
    ("scaleTargetRef", &["kind", "name"]),
    ("metrics[]", &["type"]),
    ("metrics[].object", &["describedObject", "metric", "target"]),
    ("metrics[].object.describedObject", &["kind", "name"]),
    ("metrics[].pods", &["metric", "target"]),
    ("metrics[].external", &["metric", "target"]),
    ("metrics[].resource", &["name", "target"]),
    ("metrics[].containerResource", &["container", "name", "target"]),
    ("metrics[].object.metric", &["name"]),
    ("metrics[].pods.metric", &["name"]),
    ("metrics[].external.metric", &["name"]),
    ("behavior.scaleUp.policies[]", &["periodSeconds", "type", "value"]),
    ("behavior.scaleDown.policies[]", &["periodSeconds", "type", "value"]),
    ("supply", &["pools"]),
    ("supply.pools[]", &["name"]),
    ("redundancy", &["surviveDomainLosses"]),
    ("slo.errorBudget", &["attained", "objective"]),
    ("slo.serviceModel", &["decodeFixedSeconds", "objectives", "prefillSecondsPerToken"]),
    ("slo.serviceModel.objectives", &["ttftSeconds"]),
    ("standby.scaleTargetRef", &["apiVersion", "kind", "name"]),
];

/// Texts that are one of some words, which Kubernetes writes in another case than trimtab.
const WORDS: &[(&str, &[&str])] = &[
    ("metrics[].type", &["ContainerResource", "External", "Object", "Pods", "Resource"]),
    ("behavior.scaleUp.selectPolicy", &["Disabled", "Max", "Min"]),
    ("behavior.scaleDown.selectPolicy", &["Disabled", "Max", "Min"]),
    ("behavior.scaleUp.policies[].type", &["Percent", "Pods"]),
    ("behavior.scaleDown.policies[].type", &["Percent", "Pods"]),
    ("keda.scalingModifiers.metricType", &["AverageValue", "Value"]),
    ("slo.signals[].onUnknown.down", &["hold", "ignore"]),
];

/// Texts: the field, the fewest and the most characters, and a form that they have, if any.
const TEXTS: &[(&str, usize, usize, &str)] = &[
    ("scaleTargetRef.apiVersion", 0, 317, ""),
    ("scaleTargetRef.kind", 1, 253, SEGMENT),
    ("scaleTargetRef.name", 1, 253, SEGMENT),
    ("metrics[].object.describedObject.apiVersion", 0, 317, "^[^/]*(/[^/]*)?$"),
    ("metrics[].object.describedObject.kind", 1, 253, SEGMENT),
    ("metrics[].object.describedObject.name", 1, 253, SEGMENT),
    ("metrics[].object.metric.name", 1, 253, SEGMENT),
    ("metrics[].pods.metric.name", 1, 253, SEGMENT),
    ("metrics[].external.metric.name", 1, 253, SEGMENT),
    ("metrics[].resource.name", 1, 253, ""),
    ("metrics[].containerResource.name", 1, 317, RESOURCE),
    ("metrics[].containerResource.container", 1, 63, "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
    ("schedules[].name", 1, 253, ""),
    ("schedules[].start", 1, 253, ""),
    ("schedules[].end", 1, 253, ""),
    ("anticipate.forecast.metric", 1, 253, ""),
    ("keda.triggers[].name", 0, 253, ""),
    ("keda.scalingModifiers.formula", 1, 4096, ""),
    ("keda.scalingModifiers.target", 1, 253, NUMBER),
    ("keda.scalingModifiers.activationTarget", 1, 253, NUMBER),
    ("slo.signals[].metric", 1, 253, ""),
    ("slo.signals[].offered.waiting", 1, 253, ""),
    ("slo.signals[].offered.rejected", 1, 253, ""),
    ("slo.signals[].offered.rejectedPerSecond", 1, 253, ""),
    ("slo.signals[].offered.backlog", 1, 253, ""),
    ("slo.signals[].learned.queue", 1, 253, ""),
    ("slo.serviceModel.rate", 1, 253, ""),
    ("slo.serviceModel.inputTokensMetric", 1, 253, ""),
    ("slo.serviceModel.outputTokensMetric", 1, 253, ""),
    ("slo.errorBudget.attained", 1, 253, ""),
    ("slo.serviceModel.refit.tpotMilliseconds", 1, 253, ""),
    ("wva.kvCacheUsage", 1, 253, ""),
    ("wva.requestsWaiting", 1, 253, ""),
    ("wva.averageInputTokens", 1, 253, ""),
    ("wva.averageOutputTokens", 1, 253, ""),
    ("wva.prefixCacheHitRate", 1, 253, ""),
    ("wva.gatewayQueueSize", 1, 253, ""),
    ("wva.gatewayQueueBytes", 1, 253, ""),
    ("wva.requests", 1, 253, ""),
    ("supply.pools[].name", 1, 253, ""),
    ("sources[].prometheus.server", 1, 253, ""),
    ("sources[].prometheus.queries.metrics[].metric", 0, 253, ""),
    ("sources[].prometheus.queries.metrics[].container", 0, 253, ""),
    ("sources[].prometheus.queries.metrics[].query", 1, 8192, r"\S"),
    ("sources[].prometheus.queries.metrics[].perReplica.label", 1, 253, ""),
    ("sources[].prometheus.queries.inFlight.query", 0, 8192, ""),
    ("draining.podLabels{}", 0, 63, "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"),
    ("standby.scaleTargetRef.apiVersion", 0, 317, ""),
    ("standby.scaleTargetRef.kind", 1, 253, SEGMENT),
    ("standby.scaleTargetRef.name", 1, 253, SEGMENT),
    ("standby.sleep.sleepPath", 1, 1024, PATH),
    ("standby.sleep.wakePath", 1, 1024, PATH),
    ("standby.sleep.statePath", 0, 1024, "^(/[!\"$-~]*)?$"),
    ("adopt.horizontalPodAutoscaler", 1, 253, SUBDOMAIN),
];
const PATH: &str = "^/[!\"$-~]*$";
const SEGMENT: &str = "^[^/%]+$";
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const RESOURCE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$";
const NUMBER: &str = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$";

/// Lists: the field, the fewest and the most items. Items of which no two may say the same have a rule for that: a list
/// whose items are told apart by a key is not one value to server-side apply, see [`units`].
const LISTS: &[(&str, usize, usize)] = &[
    ("metrics", 0, 32),
    ("behavior.scaleUp.policies", 1, 32),
    ("behavior.scaleDown.policies", 1, 32),
    ("retire.victimOrder", 1, 4),
    ("schedules", 0, 32),
    ("anticipate.forecast.models", 0, 16),
    ("keda.triggers", 0, 32),
    ("slo.signals", 0, 32),
    ("supply.pools", 1, 64),
    ("sources", 0, 8),
    ("sources[].prometheus.queries.metrics", 0, 48),
];

/// Where a target stands.
pub(super) const TARGETS: [&str; 5] = [
    "metrics[].object.target",
    "metrics[].pods.target",
    "metrics[].resource.target",
    "metrics[].containerResource.target",
    "metrics[].external.target",
];

/// Adds what each field may be to the schema of `spec`. What names a field that is not there is returned.
pub(super) fn add(spec: &mut Value) -> Vec<String> {
    let mut put = Put { spec, missing: Vec::new() };
    for (path, least, most) in WHOLE {
        put.at(path, json!({"minimum": least, "maximum": most}));
    }
    for (path, least, most) in NUMBERS {
        put.at(path, number(*least, *most));
    }
    for (path, limit, most) in ABOVE {
        put.at(path, number(*limit, *most));
        put.at(path, json!({"exclusiveMinimum": true}));
    }
    put.at("slo.serviceModel.objectives.quantile", number(0.0, 1.0));
    put.at("slo.serviceModel.objectives.quantile", json!({"exclusiveMaximum": true}));
    put.at("slo.errorBudget.objective", json!({"exclusiveMaximum": true}));
    for (path, fields) in REQUIRED {
        put.require(path, fields);
    }
    for path in TARGETS {
        put.require(path, &["type"]);
        let words = json!({"enum": ["AverageValue", "Utilization", "Value"]});
        put.at(&format!("{path}.type"), words);
        put.at(&format!("{path}.averageUtilization"), json!({"minimum": 1}));
    }
    for (path, words) in WORDS {
        put.at(path, json!({"enum": words}));
    }
    for (path, least, most, form) in TEXTS {
        put.at(path, json!({"maxLength": most}));
        if *least > 0 {
            put.at(path, json!({"minLength": least}));
        }
        if !form.is_empty() {
            put.at(path, json!({"pattern": form}));
        }
    }
    for (path, least, most) in LISTS {
        put.at(path, json!({"maxItems": most}));
        if *least > 0 {
            put.at(path, json!({"minItems": least}));
        }
    }
    put.at("draining.podLabels", json!({"minProperties": 1, "maxProperties": 8}));
    // What a person sees in an object that says nothing.
    put.at("strategy", json!({"default": "hpa"}));
    put.at("mode", json!({"default": "active"}));
    put.missing
}

/// Makes each block one value to server-side apply, as lists are.
///
/// Of a block that is applied field by field the API server takes the fields away when whoever applied them leaves it out.
/// What is left is null in some releases, which is refused, and an empty block in others, which is refused where it has
/// fields that have to be there, and else means all defaults: `retire: {}` instead of none.
pub(super) fn units(schema: &mut Value) {
    let blocks = schema.get_mut("properties").and_then(Value::as_object_mut);
    for block in blocks.into_iter().flat_map(|blocks| blocks.values_mut()) {
        if let Some(block) = block.as_object_mut()
            && block.get("type") == Some(&json!("object"))
        {
            block.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
    }
}

/// Adds what the texts of a status may be.
pub(super) fn status(status: &mut Value) -> Vec<String> {
    let mut put = Put { spec: status, missing: Vec::new() };
    put.at("lastDecision.explanation", json!({"maxLength": MOST_EXPLANATION_CHARS}));
    put.at("state.data", json!({"maxLength": MOST_STATE_BYTES}));
    put.at("state.checksum", json!({"maxLength": 8}));
    put.at("scaleTarget.selector", json!({"maxLength": 4096}));
    put.missing
}

/// Whole numbers are written as such.
fn number(least: f64, most: f64) -> Value {
    let written = |bound: f64| {
        let whole = bound as i64;
        if whole as f64 == bound { json!(whole) } else { json!(bound) }
    };
    if most.is_finite() {
        json!({"minimum": written(least), "maximum": written(most)})
    } else {
        json!({"minimum": written(least)})
    }
}

struct Put<'s> {
    spec: &'s mut Value,
    missing: Vec<String>,
}

impl Put<'_> {
    fn at(&mut self, path: &str, add: Value) {
        match (find(self.spec, path), add) {
            (Some(field), Value::Object(add)) => field.extend(add),
            _ => self.missing.push(path.to_owned()),
        }
    }

    fn require(&mut self, path: &str, fields: &[&str]) {
        let Some(object) = find(self.spec, path) else {
            self.missing.push(path.to_owned());
            return;
        };
        let before = object.remove("required").and_then(|it| it.as_array().cloned());
        let mut all = before.unwrap_or_default();
        all.extend(fields.iter().map(|field| json!(field)));
        all.sort_by_key(|field| field.as_str().unwrap_or_default().to_owned());
        all.dedup();
        object.insert("required".into(), all.into());
    }
}

/// The schema of a field: `a.b`, the items of a list `a[]`, the values of a map `a{}`.
pub(super) fn find<'s>(spec: &'s mut Value, path: &str) -> Option<&'s mut Map<String, Value>> {
    let mut at = spec;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let name = part.trim_end_matches("[]").trim_end_matches("{}");
        at = at.get_mut("properties")?.get_mut(name)?;
        if part.ends_with("[]") {
            at = at.get_mut("items")?;
        } else if part.ends_with("{}") {
            at = at.get_mut("additionalProperties")?;
        }
    }
    at.as_object_mut()
}

/// Bounds whatever has none: texts, lists and maps. The API server takes a rule only if it knows that it can't
/// cost much.
pub(super) fn room(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key("x-kubernetes-int-or-string") {
        object.insert("maxLength".into(), json!(64));
    }
    match object.get("type").and_then(Value::as_str) {
        Some("string") if !object.contains_key("format") && !object.contains_key("enum") => {
            object.entry("maxLength").or_insert(json!(1024));
        }
        Some("array") => {
            object.entry("maxItems").or_insert(json!(64));
        }
        Some("object") if object.contains_key("additionalProperties") => {
            object.entry("maxProperties").or_insert(json!(64));
        }
        _ => {}
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(room);
    }
    for inside in ["items", "additionalProperties"] {
        if let Some(inside) = object.get_mut(inside) {
            room(inside);
        }
    }
}
