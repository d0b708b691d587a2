//! A table of the documented rules: what `Policy::new` refuses is refused by the API server too, with words that say what
//! would be right.

use serde::Deserialize;
use serde_json::{Value, json};
use trimtab_kube::crd::ScalingPolicySpec;

use crate::seeds::{self, average, external, merged, pods, with};
use crate::server::Judge;

/// A policy that breaks one rule, and a part of what the API server says.
type Case = (Value, &'static str);

fn hpa(more: Value) -> Value {
    merged(seeds::hpa(), more)
}

fn the_whole() -> Vec<Case> {
    let group = "has to name the API group";
    let only = |strategy: &str| with(json!({strategy: {}}));
    vec![
        (with(json!({"maxReplicas": null})), "maxReplicas is missing"),
        (with(json!({"maxReplicas": 0})), "maxReplicas is missing"),
        (with(json!({"maxReplicas": -1})), "greater than or equal to 0"),
        (with(json!({"minReplicas": 21})), "maxReplicas has to be at least minReplicas"),
        (with(json!({"minReplicas": -1})), "greater than or equal to 0"),
        (with(json!({"minReplicas": 0})), "HPAScaleToZero"),
        (
            with(json!({"minReplicas": 0, "hpa": {"featureGates": {"HPAScaleToZero": true}}})),
            "a metric of type Object or External",
        ),
        (merged(seeds::keda(), json!({"minReplicas": 101})), "at least minReplicas"),
        (merged(seeds::ray_serve(), json!({"maxReplicas": null})), "at least minReplicas"),
        (with(json!({"scaleTargetRef": null})), "Required"),
        (with(json!({"scaleTargetRef": {"apiVersion": "v1"}})), group),
        (with(json!({"scaleTargetRef": {"apiVersion": null}})), group),
        (with(json!({"scaleTargetRef": {"apiVersion": "a/b/c"}})), group),
        (with(json!({"scaleTargetRef": {"kind": ""}})), "at least 1 chars long"),
        (with(json!({"scaleTargetRef": {"name": null}})), "Required"),
        (with(json!({"scaleTargetRef": {"name": "a/b"}})), "should match"),
        (with(json!({"scaleTargetRef": {"name": ".."}})), "name nothing"),
        (with(json!({"strategy": "HPA"})), "Unsupported value"),
        (only("keda"), "set the strategy"),
        (only("knative"), "set the strategy"),
        (only("rayServe"), "set the strategy"),
        (only("slo"), "set the strategy"),
        (only("wva"), "set the strategy"),
        (only("apa"), "set the strategy"),
        (
            hpa(json!({"override": {"replicas": 21}})),
            "override.replicas has to be from 0 to maxReplicas",
        ),
        (hpa(json!({"override": {"replicas": -1}})), "greater than or equal to 0"),
        (hpa(json!({"override": {"until": null}})), "Required"),
    ]
}

fn one_metric(metric: Value) -> Value {
    with(json!({"metrics": [metric]}))
}

fn the_metrics() -> Vec<Case> {
    let resource = |target: Value| {
        one_metric(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}))
    };
    let container = |name: &str, container: &str| {
        let source = json!({"name": name, "container": container, "target": average("1")});
        one_metric(json!({"type": "ContainerResource", "containerResource": source}))
    };
    let object = |reference: Value, target: Value| {
        let source =
            json!({"describedObject": reference, "metric": {"name": "m"}, "target": target});
        one_metric(json!({"type": "Object", "object": source}))
    };
    let service = || json!({"apiVersion": "v1", "kind": "Service", "name": "gateway"});
    let cannot = "a resource that a container can request";
    vec![
        (one_metric(json!({})), "Required"),
        (one_metric(json!({"type": "pods"})), "Unsupported value"),
        (one_metric(json!({"type": "Pods"})), "exactly the field that `type` names"),
        (one_metric(merged(pods("m", "1"), json!({"type": "External"}))), "that `type` names"),
        (one_metric(merged(pods("m", "1"), external("m", average("1")))), "that `type` names"),
        (one_metric(pods("m", "0")), "has to be above 0"),
        (one_metric(pods("m", "-1")), "has to be above 0"),
        (one_metric(pods("m", "many")), "should match"),
        (one_metric(pods("", "1")), "at least 1 chars long"),
        (one_metric(pods("a/b", "1")), "should match"),
        (
            one_metric(json!({"type": "Pods", "pods": {"metric": {"name": "m"},
                "target": {"type": "AverageValue"}}})),
            "averageValue is missing",
        ),
        (one_metric(external("m", json!({"type": "Value"}))), "one of value"),
        (
            one_metric(external("m", json!({"type": "Value", "value": 1, "averageValue": 1}))),
            "one of value",
        ),
        (one_metric(external("m", json!({"type": "Some", "value": 1}))), "Unsupported value"),
        (one_metric(external("m", json!({"value": 1}))), "Required"),
        (one_metric(external("m", json!({"type": "Value", "value": 0}))), "has to be above 0"),
        (object(service(), json!({"type": "Value"})), "averageValue is missing"),
        (object(json!({"name": "x"}), average("1")), "Required"),
        (
            object(json!({"apiVersion": "a/b/c", "kind": "K", "name": "x"}), average("1")),
            "should match",
        ),
        (resource(json!({"type": "Utilization"})), "one of averageUtilization"),
        (
            resource(json!({"type": "Utilization", "averageUtilization": 60, "averageValue": 1})),
            "one of averageUtilization",
        ),
        (
            resource(json!({"type": "Utilization", "averageUtilization": 0})),
            "greater than or equal to 1",
        ),
        (container("bogus", "server"), cannot),
        (container("requests.nvidia.com/gpu", "server"), cannot),
        (container("cpu-", "server"), "should match"),
        (container(&format!("a/{}", "b".repeat(64)), "server"), cannot),
        (container("cpu", "Server"), "should match"),
        (container("cpu", ""), "at least 1 chars long"),
    ]
}

fn the_behavior() -> Vec<Case> {
    let up = |rules: Value| with(json!({"behavior": {"scaleUp": rules}}));
    let limit = |type_: &str, value: i32, period: i32| {
        up(json!({"policies": [{"type": type_, "value": value, "periodSeconds": period}]}))
    };
    vec![
        (up(json!({"stabilizationWindowSeconds": 3601})), "less than or equal to 3600"),
        (up(json!({"stabilizationWindowSeconds": -1})), "greater than or equal to 0"),
        (up(json!({"selectPolicy": "max"})), "Unsupported value"),
        (up(json!({"policies": []})), "at least 1 items"),
        (limit("pods", 1, 15), "Unsupported value"),
        (limit("Pods", 0, 15), "greater than or equal to 1"),
        (limit("Pods", 1, 1801), "less than or equal to 1800"),
        (up(json!({"tolerance": "-0.1"})), "the tolerance can't be below 0"),
        (
            with(json!({"behavior": {"scaleDown": {"tolerance": -1}}})),
            "the tolerance can't be below 0",
        ),
        (hpa(json!({"hpa": {"syncPeriodSeconds": 0}})), "greater than or equal to 1"),
        (hpa(json!({"hpa": {"tolerance": -0.1}})), "greater than or equal to 0"),
        (hpa(json!({"hpa": {"scaleUpLimitFactor": 0.5}})), "greater than or equal to 1"),
        (hpa(json!({"hpa": {"scaleUpLimitMinimum": 1e7}})), "less than or equal to 1"),
    ]
}

fn the_stages() -> Vec<Case> {
    let size = |size: Value| with(json!({"warmPool": {"size": size}}));
    let window = |more: Value| {
        let window =
            json!({"name": "n", "start": "@daily", "durationSeconds": 60, "minReplicas": 2});
        with(json!({"schedules": [merged(window, more)]}))
    };
    let twice = json!({"name": "n", "start": "@daily", "durationSeconds": 60, "minReplicas": 2});
    let ahead = |more: Value| hpa(json!({"anticipate": more}));
    let pools = |pools: Value| with(json!({"supply": {"gpusPerReplica": 4, "pools": pools}}));
    vec![
        (size(json!({})), "exactly one of fixed, percent and surge"),
        (size(json!({"fixed": 1, "percent": 10})), "exactly one of fixed, percent and surge"),
        (size(json!({"fixed": -1})), "greater than or equal to 0"),
        (size(json!({"surge": {}})), "give quantile, or both"),
        (size(json!({"surge": {"idleCost": 1.0}})), "give quantile, or both"),
        (size(json!({"surge": {"quantile": 0.5, "idleCost": 1.0}})), "give quantile, or both"),
        (size(json!({"surge": {"idleCost": 0.0, "missCost": 1.0}})), "greater than 0"),
        (hpa(json!({"warmPool": {"maxSize": 0}})), "maxSize has to be at least minSize"),
        (hpa(json!({"warmPool": {"promoteSeconds": 240}})), "less than the lead time"),
        (merged(seeds::slo(), json!({"slo": {"leadTimeSeconds": 20}})), "less than the lead time"),
        (hpa(json!({"retire": {"maxSessionSeconds": 604_801}})), "less than or equal to 604800"),
        (hpa(json!({"retire": {"victimOrder": []}})), "at least 1 items"),
        (hpa(json!({"retire": {"victimOrder": ["spot", "spot"]}})), "give each rule once"),
        (hpa(json!({"retire": {"preferSpot": true}})), "preferSpot is for the default order"),
        (hpa(json!({"retire": {"projection": true}})), "triggers of strategy: slo"),
        (hpa(json!({"retire": {"flapBudget": {"changes": 1}}})), "greater than or equal to 2"),
        (window(json!({"name": ""})), "at least 1 chars long"),
        (with(json!({"schedules": [twice, twice]})), "no two windows have the same name"),
        (window(json!({"end": "@daily"})), "by end or by durationSeconds"),
        (window(json!({"durationSeconds": null})), "by end or by durationSeconds"),
        (window(json!({"durationSeconds": 0})), "greater than or equal to 1"),
        (window(json!({"minReplicas": null})), "minReplicas, maxReplicas or both"),
        (window(json!({"minReplicas": 21})), "within the policy's"),
        (window(json!({"minReplicas": null, "maxReplicas": 0})), "within the policy's"),
        (
            window(json!({"minReplicas": 5, "maxReplicas": 4})),
            "maxReplicas has to be at least minReplicas",
        ),
        (ahead(json!({"leadTimeSeconds": 3601})), "less than or equal to 3600"),
        (ahead(json!({"startingCredit": false})), "startingCredit: true"),
        (ahead(json!({"creditFactor": 0.5})), "greater than or equal to 1"),
        (ahead(json!({"learnLeadTime": {"quantile": 0.0}})), "greater than 0"),
        (
            ahead(json!({"learnLeadTime": {"maxSeconds": 9}})),
            "maxSeconds has to be at least minSeconds",
        ),
        (ahead(json!({"forecast": {"metric": "none"}})), "the name of one of the metrics"),
        (ahead(json!({"forecast": {"metric": "cpu"}})), "needs an averageValue"),
        (ahead(json!({"forecast": {"seasonSeconds": null}})), "need seasonSeconds"),
        (ahead(json!({"forecast": {"stepSeconds": 61}})), "2 to 168 whole steps"),
        (ahead(json!({"forecast": {"quantile": 1.1}})), "less than or equal to 1"),
        (pools(json!([])), "at least 1 items"),
        (pools(json!([{}])), "Required"),
        (pools(json!([{"name": "a"}, {"name": "a"}])), "no two pools have the same name"),
        (pools(json!([{"name": "a", "maxGpus": 3}])), "at least gpusPerReplica"),
        (pools(json!([{"name": "a", "gpusPerNode": 3}])), "at least gpusPerReplica"),
        (hpa(json!({"supply": {"maxBackoffSeconds": 99}})), "at least backoffSeconds"),
        (hpa(json!({"redundancy": {"surviveDomainLosses": 3}})), "more than surviveDomainLosses"),
        (hpa(json!({"redundancy": {"surviveDomainLosses": null}})), "Required"),
    ]
}

fn the_strategies() -> Vec<Case> {
    let keda = |more: Value| merged(seeds::keda(), more);
    let knative = |more: Value| merged(seeds::knative(), json!({"knative": more}));
    let ray = |more: Value| merged(seeds::ray_serve(), json!({"rayServe": more}));
    let wva = |more: Value| merged(seeds::wva(), json!({"wva": more}));
    let apa = |metrics: Value| merged(seeds::apa(), json!({"metrics": metrics}));
    let value = || json!({"type": "Value", "value": 1});
    vec![
        (keda(json!({"metrics": [pods("a", "1")]})), "a trigger of KEDA is External"),
        (keda(json!({"keda": {"idleReplicaCount": 2}})), "less than minReplicas"),
        (keda(json!({"keda": {"triggers": [{}, {}, {}]}})), "as many entries as metrics"),
        (keda(json!({"keda": {"triggers": [{"name": "a"}, {"name": "a"}]}})), "no two triggers"),
        (keda(json!({"keda": {"scalingModifiers": {"target": "0"}}})), "a number above 0"),
        (keda(json!({"keda": {"scalingModifiers": {"target": "two"}}})), "should match"),
        (keda(json!({"keda": {"scalingModifiers": {"metricType": "value"}}})), "Unsupported value"),
        (
            keda(
                json!({"keda": {"scalingModifiers": null, "fallback": {"behavior": "scalingModifiers"}}}),
            ),
            "is for a formula",
        ),
        (keda(json!({"keda": {"pollingIntervalSeconds": 0}})), "greater than or equal to 1"),
        (knative(json!({"stableWindowSeconds": 5})), "greater than or equal to 6"),
        (knative(json!({"maxScaleUpRate": 1.0})), "greater than 1"),
        (knative(json!({"targetBurstCapacity": -0.5})), "-1 for any burst"),
        (knative(json!({"activationScale": 11})), "from minReplicas to maxReplicas"),
        (merged(seeds::knative(), json!({"minReplicas": 3})), "from minReplicas to maxReplicas"),
        (
            merged(seeds::knative(), json!({"metrics": [external("a", average("9m"))]})),
            "at least 0.01",
        ),
        (
            merged(seeds::knative(), json!({"metrics": [external("a", value())]})),
            "an External metric with",
        ),
        (merged(seeds::knative(), json!({"metrics": [pods("a", "1")]})), "an External metric with"),
        (
            merged(
                seeds::knative(),
                json!({"metrics": [external("a", average("1")), external("b", average("1"))]}),
            ),
            "decide by one metric",
        ),
        (ray(json!({"initialReplicas": 10})), "from minReplicas to maxReplicas"),
        (ray(json!({"targetCapacityPercentage": null})), "needs the targetCapacityPercentage"),
        (ray(json!({"gangSize": 3})), "multiples of rayServe.gangSize"),
        (ray(json!({"upscalingFactor": 0.0})), "greater than 0"),
        (ray(json!({"controlLoopIntervalSeconds": 0.0})), "greater than or equal to 0.001"),
        (wva(json!({"kvSpareTrigger": 0.9})), "at most kvCacheThreshold"),
        (wva(json!({"scaleDownBoundary": 0.85})), "below scaleUpThreshold"),
        (wva(json!({"kvCacheCapacityTokens": null})), "kvCacheCapacityTokens is missing"),
        (merged(seeds::wva(), json!({"minReplicas": 1})), "needs minReplicas: 0"),
        (wva(json!({"kvCacheUsage": "none"})), "wva.kvCacheUsage"),
        (wva(json!({"kvCacheUsage": null})), "vllm:kv_cache_usage_perc by default"),
        (wva(json!({"gatewayQueueSize": "hit"})), "an External or Object metric"),
        (wva(json!({"prefixCacheHitRate": "size"})), "a Pods metric"),
        (apa(json!([external("a", average("1"))])), "strategy: apa goes by"),
        (
            apa(json!([{"type": "Resource", "resource": {"name": "cpu", "target":
                {"type": "Utilization", "averageUtilization": 60}}}])),
            "strategy: apa goes by",
        ),
    ]
}

fn the_signals() -> Vec<Case> {
    let slo = |more: Value| merged(seeds::slo(), json!({"slo": more}));
    let signals = |signals: Value| slo(json!({"signals": signals}));
    let sensing = |signals: Value| merged(seeds::sensing(), json!({"slo": {"signals": signals}}));
    let model = |more: Value| merged(seeds::sensing(), json!({"slo": {"serviceModel": more}}));
    let budget = |more: Value| merged(seeds::sensing(), json!({"slo": {"errorBudget": more}}));
    let rate = |offered: Value| {
        let mut all = seeds::sensing()["slo"]["signals"].clone();
        all[0]["offered"] = merged(all[0]["offered"].clone(), offered);
        sensing(all)
    };
    let held = |offered: Value, learned: Value| {
        let mut all = seeds::sensing()["slo"]["signals"].clone();
        all[1]["offered"] = merged(all[1]["offered"].clone(), offered);
        all[1]["learned"] = merged(all[1]["learned"].clone(), learned);
        sensing(all)
    };
    let ttft = || json!({"metric": "ttft", "role": "latency"});
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target":
        {"type": "Utilization", "averageUtilization": 60}}});
    vec![
        (with(json!({"strategy": "slo"})), "needs a load to decide by"),
        (with(json!({"strategy": "slo", "metrics": [cpu]})), "not a share of the request"),
        (signals(json!([])), "a demand takes an averageValue"),
        (signals(json!([ttft(), {"metric": "in_flight", "role": "guard"}])), "takes a value"),
        (
            with(json!({"strategy": "slo", "metrics": [pods("a", "1")],
                "slo": {"signals": [{"metric": "a", "role": "guard"}]}})),
            "don't say how many",
        ),
        (signals(json!([ttft(), {"metric": "none"}])), "the name of one of the metrics"),
        (signals(json!([ttft(), ttft()])), "no two signals have the same metric"),
        (signals(json!([ttft(), {"metric": "waiting", "release": "1"}])), "for the role trigger"),
        (signals(json!([ttft(), {"metric": "waiting", "hardLimit": "3"}])), "for the role guard"),
        (
            signals(json!([ttft(), {"metric": "waiting", "role": "trigger", "release": "2"}])),
            "less than the metric's",
        ),
        (
            signals(json!([ttft(), {"metric": "kv_cache", "role": "guard", "hardLimit": "700m"}])),
            "at least the metric's",
        ),
        (
            signals(json!([ttft(), {"metric": "waiting", "onUnknown": {"down": "assumeLimit"}}])),
            "Unsupported value",
        ),
        (signals(json!([ttft(), {"metric": "waiting", "role": "part"}])), "name it in a demand's"),
        (
            signals(
                json!([{"metric": "ttft", "role": "latency", "learned": {"queue": "waiting", "queueAt": 1}}]),
            ),
            "for the role demand",
        ),
        (budget(json!({"attained": "none"})), "errorBudget.attained has to be the name of one of"),
        (budget(json!({"attained": "in_flight"})), "give it the role part"),
        (budget(json!({"attained": null})), "Required"),
        (budget(json!({"objective": null})), "Required"),
        (budget(json!({"objective": 1})), "less than 1"),
        (budget(json!({"objective": 0})), "greater than 0"),
        (budget(json!({"windowSeconds": 59})), "greater than or equal to 60"),
        (budget(json!({"leastPercent": 101})), "less than or equal to 100"),
        (budget(json!({"mostPercent": 99})), "greater than or equal to 100"),
        (slo(json!({"surgeQuantile": 1.1})), "less than or equal to 1"),
        (slo(json!({"latency": {"damping": 0.0}})), "greater than 0"),
        (
            slo(json!({"sampling": {"intervalSeconds": 20}})),
            "from intervalSeconds to windowSeconds",
        ),
        (slo(json!({"sampling": {"recentSeconds": 61}})), "from intervalSeconds to windowSeconds"),
        (slo(json!({"sampling": {"burstThresholdPercent": 99}})), "greater than or equal to 100"),
        (
            slo(json!({"sampling": {"windowSeconds": 1, "recentSeconds": null}})),
            "at least intervalSeconds",
        ),
        (
            rate(json!({"backlog": null, "queueCensoredAt": null, "drainSeconds": null})),
            "backlog is missing",
        ),
        (rate(json!({"rejectedPerSecond": "gone"})), "leave one of the two out"),
        (rate(json!({"residenceSeconds": 1.0})), "for a demand that counts inFlight"),
        (rate(json!({"backlog": "rate"})), "not of the demand itself"),
        (rate(json!({"backlog": "none"})), "not of the demand itself"),
        (rate(json!({"censoredAt": 0})), "has to be above 0"),
        (held(json!({"residenceSeconds": null}), json!({})), "residenceSeconds is missing"),
        (
            held(json!({"waiting": null, "queueCensoredAt": 5}), json!({})),
            "neither waiting nor backlog",
        ),
        (held(json!({"drainSeconds": 5}), json!({})), "counts arrivals or completions"),
        (held(json!({}), json!({"queue": "in_flight"})), "not of the demand itself"),
        (held(json!({}), json!({"queueAt": 0})), "has to be above 0"),
        (held(json!({}), json!({"targetPercent": 101.0})), "less than or equal to 100"),
        (model(json!({"rate": "none"})), "the name of one of the metrics"),
        (model(json!({"rate": "in_flight"})), "a demand that counts arrivals or completions"),
        (model(json!({"inputTokens": null, "inputTokensMetric": null})), "inputTokens is missing"),
        (model(json!({"inputTokensMetric": "rate"})), "and not rate"),
        (model(json!({"prefillSecondsPerToken": null})), "Required"),
        (model(json!({"decodeFixedSeconds": 0.0})), "greater than 0"),
        (model(json!({"objectives": {"ttftSeconds": null}})), "Required"),
        (model(json!({"objectives": {"quantile": 1.0}})), "less than 1"),
    ]
}

fn the_host() -> Vec<Case> {
    let sleep = |more: Value| merged(seeds::sleep(), more);
    let prometheus = |queries: Value| {
        with(json!({"sources": [{"prometheus": {"server": "main", "queries": queries}}]}))
    };
    let query = json!({"metric": "a", "query": "a"});
    vec![
        (with(json!({"mode": "Shadow"})), "Unsupported value"),
        (with(json!({"sources": [{}]})), "exactly one of kubernetes and prometheus"),
        (with(json!({"sources": [{"kubernetes": {}}, {"kubernetes": {}}]})), "asked once"),
        (
            with(json!({"sources": [{"prometheus": {"server": "", "queries": {}}}]})),
            "at least 1 chars long",
        ),
        (prometheus(json!({"matchers": "a=\"b\""})), "for the queries of a preset"),
        (prometheus(json!({"preset": "vllm", "windowSeconds": 0})), "has to be at least 1"),
        (prometheus(json!({"preset": "llm"})), "Unsupported value"),
        (prometheus(json!({"metrics": [query, query]})), "a metric twice"),
        (prometheus(json!({"metrics": [{"metric": "a", "query": " "}]})), "should match"),
        (with(json!({"draining": {"podLabels": {"a": "b"}}})), "draining is for retire"),
        (with(json!({"retire": {}, "draining": {"podLabels": {}}})), "at least 1 properties"),
        (with(json!({"retire": {}, "draining": {"podLabels": {"-": "b"}}})), "the key of a label"),
        (with(json!({"retire": {}, "draining": {"podLabels": {"a": "b c"}}})), "should match"),
        (hpa(json!({"warmPool": null})), "standby is for warmPool"),
        (hpa(json!({"standby": {"scaleTargetRef": {"name": "llm"}}})), "a workload of its own"),
        (
            hpa(json!({"standby": {"scaleTargetRef": {"apiVersion": "v1"}}})),
            "has to name the API group",
        ),
        (hpa(json!({"standby": {"sleep": {}}})), "exactly one of scaleTargetRef and sleep"),
        (sleep(json!({"standby": {"sleep": null}})), "exactly one of scaleTargetRef and sleep"),
        (sleep(json!({"retire": null})), "sleep needs retire"),
        (sleep(json!({"warmPool": null})), "standby is for warmPool"),
        (sleep(json!({"scaleTargetRef": {"kind": "StatefulSet"}})), "leave in any order"),
        (
            sleep(json!({"standby": {"sleep": {"sleepPath": "/wake_up", "wakePath": null}}})),
            "what wakes a pod is another path",
        ),
        (sleep(json!({"standby": {"sleep": {"sleepPath": "sleep"}}})), "should match"),
        (sleep(json!({"standby": {"sleep": {"statePath": "/a b"}}})), "should match"),
        (sleep(json!({"standby": {"sleep": {"port": 0}}})), "greater than or equal to 1"),
        (
            sleep(json!({"standby": {"sleep": {"timeoutSeconds": 301}}})),
            "less than or equal to 300",
        ),
        (with(json!({"adopt": {"horizontalPodAutoscaler": "LLM"}})), "should match"),
        (with(json!({"adopt": {}})), "Required"),
    ]
}

fn table() -> Vec<Case> {
    [
        the_whole(),
        the_metrics(),
        the_behavior(),
        the_stages(),
        the_strategies(),
        the_signals(),
        the_host(),
    ]
    .concat()
}

fn is_valid(spec: &Value) -> bool {
    ScalingPolicySpec::deserialize(spec).is_ok_and(|spec| spec.compile().is_ok())
}

#[test]
fn the_table_is_of_what_the_engine_refuses() {
    for (spec, told) in table() {
        assert!(!is_valid(&spec), "{told}: {spec:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_what_would_be_right() {
    for judge in Judge::both().await {
        let mut wrong = Vec::new();
        for (spec, told) in table() {
            let causes = judge.causes(&spec).await;
            if !causes.iter().any(|(_, message)| message.contains(told)) {
                wrong.push(format!("no `{told}` among {causes:#?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_seed_is_taken() {
    for (name, spec) in seeds::all() {
        let read = ScalingPolicySpec::deserialize(&spec).unwrap();
        assert_eq!(read.compile().err(), None, "{name}");
    }
    for judge in Judge::both().await {
        for (name, spec) in seeds::all() {
            assert_eq!(judge.causes(&spec).await, [], "{name}");
        }
    }
}
