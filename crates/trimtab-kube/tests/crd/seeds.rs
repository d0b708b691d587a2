//! Valid policies that together use every field.

use serde_json::{Value, json};

/// A short policy, with more in its `spec`.
pub(crate) fn with(more: Value) -> Value {
    merged(
        json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "maxReplicas": 20,
        }),
        more,
    )
}

/// JSON merge patch: null takes a field away.
pub(crate) fn merged(into: Value, more: Value) -> Value {
    match (into, more) {
        (Value::Object(mut into), Value::Object(more)) => {
            for (key, value) in more {
                match (value, into.remove(&key)) {
                    (Value::Null, _) => {}
                    (value, Some(before)) => drop(into.insert(key, merged(before, value))),
                    (value, None) => drop(into.insert(key, merged(json!({}), value))),
                }
            }
            Value::Object(into)
        }
        (_, more) => more,
    }
}

pub(crate) fn external(name: &str, target: Value) -> Value {
    json!({"type": "External", "external": {"metric": {"name": name}, "target": target}})
}

pub(crate) fn pods(name: &str, average: &str) -> Value {
    let target = json!({"type": "AverageValue", "averageValue": average});
    json!({"type": "Pods", "pods": {"metric": {"name": name}, "target": target}})
}

pub(crate) fn average(value: &str) -> Value {
    json!({"type": "AverageValue", "averageValue": value})
}

/// One for each strategy, each with every block that it can have.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("short", with(json!({}))),
        ("hpa", hpa()),
        ("sleep", sleep()),
        ("keda", keda()),
        ("knative", knative()),
        ("rayServe", ray_serve()),
        ("slo", slo()),
        ("sensing", sensing()),
        ("wva", wva()),
        ("apa", apa()),
    ]
}

pub(crate) fn hpa() -> Value {
    with(json!({
        "minReplicas": 2,
        "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
            {"type": "ContainerResource", "containerResource": {"name": "nvidia.com/gpu", "container": "server",
                "target": average("48Gi")}},
            pods("requests_waiting", "4"),
            {"type": "Object", "object": {
                "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "gateway"},
                "metric": {"name": "requests_per_second"}, "target": {"type": "Value", "value": "2k"}}},
            {"type": "External", "external": {
                "metric": {"name": "queue", "selector": {"matchLabels": {"queue": "prompts"},
                    "matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}},
                "target": average("30")}},
        ],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 30, "selectPolicy": "Max", "tolerance": "0.05", "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 60}, {"type": "Percent", "value": 100, "periodSeconds": 60}]},
            "scaleDown": {"stabilizationWindowSeconds": 600, "policies": [
                {"type": "Percent", "value": 20, "periodSeconds": 60}]},
        },
        "hpa": {"syncPeriodSeconds": 15, "tolerance": 0.1, "downscaleStabilizationSeconds": 300,
            "cpuInitializationPeriodSeconds": 300, "initialReadinessDelaySeconds": 30, "scaleUpLimitFactor": 2.0,
            "scaleUpLimitMinimum": 4.0, "featureGates": {"HPAScaleToZero": true, "HPAConfigurableTolerance": true,
            "PodLevelResources": true}},
        "pause": {"scaleUp": false, "scaleDown": true},
        "override": {"replicas": 4, "until": "2026-11-24T10:00:00Z"},
        "warmPool": {"size": {"fixed": 2}, "minSize": 1, "maxSize": 4, "promoteSeconds": 10, "leadTimeSeconds": 240,
            "returnOnScaleIn": true},
        "retire": {"maxSessionSeconds": 900, "victimOrder": ["notReady", "spot", "fewestInFlight", "spread"],
            "flapBudget": {"changes": 6, "periodSeconds": 3600}},
        "schedules": [{"name": "office hours", "timeZone": "Europe/Berlin", "start": "0 8 * * MON-FRI",
            "end": "0 18 * * MON-FRI", "minReplicas": 6, "maxReplicas": 20},
            {"name": "nightly", "start": "@daily", "durationSeconds": 3600, "maxReplicas": 3}],
        "anticipate": {"leadTimeSeconds": 120, "learnLeadTime": {"quantile": 0.9, "minSeconds": 10, "maxSeconds": 600},
            "startingCredit": true, "creditFactor": 2.0, "overdueAfterSeconds": 300,
            "forecast": {"metric": "requests_waiting", "models": ["naive", "holtWinters"], "seasonSeconds": 3600,
                "stepSeconds": 60, "quantile": 0.9}},
        "supply": {"gpusPerReplica": 4, "maxPending": 2, "pendingAfterSeconds": 300, "backoffSeconds": 100,
            "maxBackoffSeconds": 1800, "pools": [{"name": "reserved", "maxReplicas": 6, "maxGpus": 16, "gpusPerNode": 8},
            {"name": "on-demand"}]},
        "redundancy": {"surviveDomainLosses": 1, "domain": "zone", "of": "min", "domains": 3},
        "mode": "shadow",
        "sources": [{"kubernetes": {}}, {"prometheus": {"server": "main", "queries": {"preset": "vllm",
            "matchers": "namespace=\"inference\"", "windowSeconds": 120, "podLabel": "pod", "maxAgeSeconds": 60,
            "scrapeIntervalSeconds": 15, "inFlight": {"query": "vllm:num_requests_running", "perReplica": {"label": "pod"}},
            "metrics": [{"metric": "queue", "query": "sum(queue)", "aggregate": "sum", "maxAgeSeconds": 30,
                "perReplica": {"label": "pod"}}, {"metric": "cpu", "container": "server", "query": "up"}]}}}],
        "draining": {"podLabels": {"trimtab.dev/serving": "false"}},
        "standby": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm-standby"}},
        "adopt": {"horizontalPodAutoscaler": "llm"},
    }))
}

pub(crate) fn sleep() -> Value {
    with(json!({
        "metrics": [external("in_flight", average("32"))],
        "retire": {"maxSessionSeconds": 60}, "warmPool": {"size": {"fixed": 2}, "returnOnScaleIn": true},
        "standby": {"sleep": {"port": 30000, "sleepPath": "/release_memory_occupation",
            "wakePath": "/resume_memory_occupation", "statePath": "", "timeoutSeconds": 20}},
    }))
}

pub(crate) fn keda() -> Value {
    with(json!({
        "strategy": "keda", "minReplicas": 2, "maxReplicas": null,
        "metrics": [external("s0", average("8")), external("s1", json!({"type": "Value", "value": 100}))],
        "keda": {"pollingIntervalSeconds": 30, "cooldownPeriodSeconds": 300, "initialCooldownPeriodSeconds": 0,
            "idleReplicaCount": 0, "triggers": [{"name": "a", "activationThreshold": 5.0, "useCachedMetrics": true},
            {"name": "b"}], "fallback": {"failureThreshold": 3, "replicas": 6, "behavior": "currentReplicas"},
            "scalingModifiers": {"formula": "(a + b) / 2", "target": "2", "activationTarget": "1", "metricType": "AverageValue"},
            "paused": false, "pausedReplicas": 3, "pausedScaleIn": false, "pausedScaleOut": false, "forceActivation": false},
    }))
}

pub(crate) fn knative() -> Value {
    with(json!({
        "strategy": "knative", "minReplicas": 1, "maxReplicas": 10, "metrics": [external("concurrency", average("100"))],
        "knative": {"targetUtilizationPercentage": 70.0, "stableWindowSeconds": 60, "panicWindowPercentage": 10.0,
            "panicThresholdPercentage": 200.0, "maxScaleUpRate": 1000.0, "maxScaleDownRate": 2.0, "targetBurstCapacity": 211.0,
            "activationScale": 2, "initialScale": 1, "scaleDownDelaySeconds": 60, "enableScaleToZero": true,
            "scaleToZeroGracePeriodSeconds": 30, "scaleToZeroPodRetentionPeriodSeconds": 0, "progressDeadlineSeconds": 600,
            "aggregation": "linear", "reachable": true, "tickIntervalSeconds": 2},
    }))
}

pub(crate) fn ray_serve() -> Value {
    with(json!({
        "strategy": "rayServe", "minReplicas": 2, "maxReplicas": 8, "metrics": [external("ongoing", average("2"))],
        "rayServe": {"initialReplicas": 4, "upscaleDelaySeconds": 30.0, "downscaleDelaySeconds": 600.0,
            "downscaleToZeroDelaySeconds": 600.0, "upscalingFactor": 1.0, "downscalingFactor": 0.5, "lookBackPeriodSeconds": 30.0,
            "aggregationFunction": "mean", "metricsIntervalSeconds": 10.0, "gangSize": 2, "targetCapacityPercentage": 50.0,
            "targetCapacityDirection": "up", "controlLoopIntervalSeconds": 0.1},
    }))
}

pub(crate) fn slo() -> Value {
    with(json!({
        "strategy": "slo",
        "metrics": [external("in_flight", average("64")), external("ttft", json!({"type": "Value", "value": "800m"})),
            pods("waiting", "2"), pods("kv_cache", "800m")],
        "slo": {"leadTimeSeconds": 120, "overdueAfterSeconds": 300, "surgeQuantile": 0.9, "headroom": 1.0, "maxSurgePercent": 50.0,
            "scaleToZeroAfterSeconds": 600, "latency": {"damping": 0.5, "maxStretch": 1.5, "maxBoostPercent": 20.0,
                "settleSeconds": 60, "holdRatio": 0.8},
            "signals": [{"metric": "ttft", "role": "latency", "minCoverage": 0.5, "maxAgeSeconds": 60,
                "onUnknown": {"up": "hold", "down": "ignore"}},
                {"metric": "waiting", "role": "trigger", "release": "1"},
                {"metric": "kv_cache", "role": "guard", "hardLimit": "900m", "onUnknown": {"up": "assumeLimit", "down": "hold"}}],
            "sampling": {"intervalSeconds": 2, "windowSeconds": 60, "recentSeconds": 10, "noise": 0.5,
                "burstThresholdPercent": 150}},
        "retire": {"maxSessionSeconds": 300, "preferSpot": true, "projection": true},
        "warmPool": {"size": {"surge": {"idleCost": 1.0, "missCost": 9.0}}},
    }))
}

pub(crate) fn sensing() -> Value {
    with(json!({
        "strategy": "slo",
        "metrics": [external("rate", average("7")), external("backlog", average("1")), external("rejected", average("1")),
            external("in_flight", average("64")), external("queue", average("1")), external("gone", average("1")),
            external("prompt", average("1")), external("answer", average("1")), external("tpot", average("1")),
            external("attained", json!({"type": "Value", "value": "990m"}))],
        "slo": {"signals": [
            {"metric": "rate", "offered": {"counts": "completions", "backlog": "backlog", "rejected": "rejected",
                "drainSeconds": 60, "censoredAt": "8", "queueCensoredAt": "100", "censoredGrowthPercent": 25.0}},
            {"metric": "in_flight", "offered": {"counts": "inFlight", "waiting": "queue", "rejectedPerSecond": "gone",
                "residenceSeconds": 12.0}, "learned": {"queue": "queue", "queueAt": "2", "targetPercent": 85.0}},
            {"metric": "backlog", "role": "part"}, {"metric": "rejected", "role": "part"}, {"metric": "queue", "role": "part"},
            {"metric": "gone", "role": "part"}, {"metric": "prompt", "role": "part"}, {"metric": "answer", "role": "part"},
            {"metric": "tpot", "role": "part"}, {"metric": "attained", "role": "part"}],
            "errorBudget": {"attained": "attained", "objective": 0.99, "windowSeconds": 86400, "leastPercent": 60.0,
                "mostPercent": 160.0},
            "serviceModel": {"rate": "rate", "inputTokens": 800.0, "inputTokensMetric": "prompt", "outputTokens": 200.0,
                "outputTokensMetric": "answer", "prefillFixedSeconds": 0.01, "prefillSecondsPerToken": 0.0001,
                "prefillSecondsPerTokenSquared": 0.0, "decodeFixedSeconds": 0.01, "decodeSecondsPerSequence": 0.0001,
                "decodeSecondsPerContextToken": 0.0, "maxSequences": 256, "maxBatchedTokens": 2048, "kvCacheTokens": 400000.0,
                "arrivalVariation": 1.0, "serviceVariation": 1.0, "sharedQueue": true,
                "objectives": {"ttftSeconds": 2.0, "tpotSeconds": 0.1, "quantile": 0.95},
                "refit": {"tpotMilliseconds": "tpot"}}},
    }))
}

pub(crate) fn wva() -> Value {
    with(json!({
        "strategy": "wva", "minReplicas": 0,
        "metrics": [pods("kv", "1"), pods("vllm:num_requests_waiting", "1"), pods("in", "1"), pods("out", "1"), pods("hit", "1"),
            external("size", average("1")), external("bytes", average("1")), external("requests", average("1"))],
        "wva": {"analyzer": "token", "kvCacheThreshold": 0.8, "queueLengthThreshold": 5.0, "kvSpareTrigger": 0.1,
            "queueSpareTrigger": 3.0, "scaleUpThreshold": 0.85, "scaleDownBoundary": 0.7, "kvCacheCapacityTokens": 400000,
            "maxBatchedTokens": 8192, "maxSequences": 256, "scaleToZero": true, "retentionPeriodSeconds": 600,
            "optimizationIntervalSeconds": 30, "kvCacheUsage": "kv", "averageInputTokens": "in", "averageOutputTokens": "out",
            "prefixCacheHitRate": "hit", "gatewayQueueSize": "size", "gatewayQueueBytes": "bytes", "requests": "requests"},
    }))
}

pub(crate) fn apa() -> Value {
    with(json!({
        "strategy": "apa",
        "metrics": [pods("kv", "500m"), external("load", json!({"type": "Value", "value": "10"}))],
        "apa": {"scaleUpTolerance": 0.1, "scaleDownTolerance": 0.1, "maxScaleUpRate": 2.0, "maxScaleDownRate": 2.0,
            "scaleUpCooldownWindowSeconds": 0, "scaleDownCooldownWindowSeconds": 300, "observeWindowSeconds": 180,
            "resyncIntervalSeconds": 10},
        "warmPool": {"size": {"percent": 20.0}},
    }))
}
