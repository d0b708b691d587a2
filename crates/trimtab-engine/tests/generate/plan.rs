//! Arbitrary policies of every strategy.

use std::ops::RangeInclusive;

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{BehaviorSpec, Policy, PolicySpec, StrategyName};
use trimtab_metric::Quantity;

use super::rules;

/// Every strategy.
pub(crate) const ALL: [StrategyName; 7] = [
    StrategyName::Hpa,
    StrategyName::Keda,
    StrategyName::Knative,
    StrategyName::RayServe,
    StrategyName::Slo,
    StrategyName::Wva,
    StrategyName::Apa,
];

/// What a policy is made of, before its targets are known.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) strategy: StrategyName,
    pub(crate) settings: Value,
    pub(crate) min: i32,
    pub(crate) max: i32,
    /// What one replica should have of the load.
    pub(crate) target: i64,
    pub(crate) behavior: Option<BehaviorSpec>,
    /// The load is told by replica, where the strategy takes that.
    pub(crate) by_replica: bool,
}

impl Plan {
    /// The policy, with all targets times `factor`.
    pub(crate) fn policy(&self, factor: i64) -> Policy {
        let text = |milli: i64| Quantity::from_milli(milli * factor).to_string();
        let external = |name: &str, type_: &str, field: &str, milli: i64| {
            json!({"type": "External", "external": {"metric": {"name": name},
                "target": {"type": type_, field: text(milli)}}})
        };
        let average = |name: &str, milli| external(name, "AverageValue", "averageValue", milli);
        let by_replica = |name: &str, milli: i64| {
            json!({"type": "Pods", "pods": {"metric": {"name": name},
                "target": {"type": "AverageValue", "averageValue": text(milli)}}})
        };
        let target = self.target * 1000;
        let load = match self.strategy {
            StrategyName::Apa if !self.by_replica => external("load", "Value", "value", target),
            StrategyName::Hpa | StrategyName::Slo | StrategyName::Apa if self.by_replica => {
                by_replica("load", target)
            }
            _ => average("load", target),
        };
        let mut spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "strategy": self.strategy, "minReplicas": self.min, "maxReplicas": self.max,
        });
        let mut own = self.settings.clone();
        match self.strategy {
            StrategyName::Wva => {}
            StrategyName::Slo => {
                spec["metrics"] = json!([
                    load,
                    average("queue", 4_000),
                    external("ttft", "Value", "value", 2_000),
                    by_replica("cache", 900),
                ]);
                let on_unknown = own["onUnknown"].take();
                own.as_object_mut().expect("an object").remove("onUnknown");
                own["signals"] = json!([
                    {"metric": "queue", "role": "trigger", "release": text(1_000)},
                    {"metric": "ttft", "role": "latency", "onUnknown": {"up": on_unknown}},
                    {"metric": "cache", "role": "guard", "hardLimit": text(970),
                        "onUnknown": {"up": on_unknown}},
                ]);
            }
            _ => spec["metrics"] = json!([load]),
        }
        if let Some(behavior) = &self.behavior {
            spec["behavior"] = serde_json::to_value(behavior).expect("it serializes");
        }
        if !own.is_null() {
            spec[self.strategy.as_str()] = own;
        }
        let spec: PolicySpec = serde_json::from_value(spec).expect("it is a policy");
        Policy::new(spec).unwrap_or_else(|invalid| panic!("{invalid}\n{self:?}"))
    }
}

/// Settings of a strategy, and between what `minReplicas` may be.
fn settings(strategy: StrategyName) -> BoxedStrategy<(Value, RangeInclusive<i32>)> {
    match strategy {
        StrategyName::Hpa => Just((Value::Null, 1..=2)).boxed(),
        StrategyName::Keda => {
            let fallback = prop_oneof![
                Just(Value::Null),
                Just(json!({"failureThreshold": 2, "replicas": 5,
                    "behavior": "currentReplicasIfHigher"})),
            ];
            (5_i32..40, 0_i32..120, fallback)
                .prop_map(|(polling, cooldown, fallback)| {
                    let mut own = json!({"pollingIntervalSeconds": polling,
                        "cooldownPeriodSeconds": cooldown});
                    if !fallback.is_null() {
                        own["fallback"] = fallback;
                    }
                    (own, 0..=2)
                })
                .boxed()
        }
        StrategyName::Knative => (6_i32..90, 0_i32..60, 1_i32..4, any::<bool>())
            .prop_map(|(window, delay, activation, linear)| {
                let aggregation = if linear { "linear" } else { "weightedExponential" };
                (
                    json!({"stableWindowSeconds": window, "scaleDownDelaySeconds": delay,
                    "activationScale": activation, "aggregation": aggregation}),
                    0..=2,
                )
            })
            .boxed(),
        StrategyName::RayServe => {
            let more = prop_oneof![
                2 => Just(json!({})),
                1 => (3_i32..=4).prop_map(|initial| json!({"initialReplicas": initial})),
                1 => (10_u32..=100).prop_map(|share| json!({"targetCapacityPercentage": share})),
            ];
            let function = prop::sample::select(vec!["mean", "max", "min"]);
            (0_u32..40, 0_u32..90, 1_u32..20, function, more)
                .prop_map(|(up, down, tenths, function, more)| {
                    let mut own = json!({"upscaleDelaySeconds": up, "downscaleDelaySeconds": down,
                        "upscalingFactor": f64::from(tenths) / 10.0,
                        "aggregationFunction": function, "controlLoopIntervalSeconds": 1});
                    let more = more.as_object().expect("an object").clone();
                    own.as_object_mut().expect("an object").extend(more);
                    (own, 0..=2)
                })
                .boxed()
        }
        StrategyName::Slo => {
            let up = prop::sample::select(vec!["hold", "ignore", "assumeLimit"]);
            let sampling = prop::option::of((1_i32..20, 1_i32..6, 0_u32..8));
            (1_u32..400, 0_u32..=10, 1_u32..120, up, sampling)
                .prop_map(|(lead, tenths, idle, up, sampling)| {
                    let mut own = json!({"leadTimeSeconds": lead, "onUnknown": up,
                        "surgeQuantile": f64::from(tenths) / 10.0,
                        "headroom": f64::from(tenths) / 20.0,
                        "scaleToZeroAfterSeconds": idle});
                    if let Some((interval, samples, noise)) = sampling {
                        own["sampling"] = json!({"intervalSeconds": interval,
                            "windowSeconds": interval * samples * 3,
                            "recentSeconds": interval * samples, "noise": noise,
                            "burstThresholdPercent": 100 + 25 * noise});
                    }
                    (own, 0..=2)
                })
                .boxed()
        }
        StrategyName::Wva => (any::<bool>(), any::<bool>())
            .prop_map(|(by_token, to_zero)| {
                let mut own = json!({"scaleToZero": to_zero, "retentionPeriodSeconds": 45});
                if by_token {
                    own["analyzer"] = json!("token");
                    own["kvCacheCapacityTokens"] = json!(50_000);
                }
                (own, if to_zero { 0..=0 } else { 1..=2 })
            })
            .boxed(),
        StrategyName::Apa => (1_u32..200, 0_u32..60, 0_u32..400, 11_u32..40)
            .prop_map(|(window, up, down, rate)| {
                (
                    json!({"observeWindowSeconds": window, "scaleUpCooldownWindowSeconds": up,
                        "scaleDownCooldownWindowSeconds": down,
                        "maxScaleUpRate": f64::from(rate) / 10.0}),
                    0..=2,
                )
            })
            .boxed(),
        other => panic!("no settings for {other:?}"),
    }
}

/// Plans of these strategies.
pub(crate) fn plans(strategies: &[StrategyName]) -> impl Strategy<Value = Plan> + use<> {
    let behavior = prop::option::of(behavior(1_i32..=600));
    let strategy = prop::sample::select(strategies.to_vec());
    let settings = strategy.prop_flat_map(|strategy| (Just(strategy), settings(strategy)));
    (settings, 0_i32..3, 4_i32..20, 1_i64..100, behavior, any::<bool>()).prop_map(
        |((strategy, (settings, mins)), min, max, target, behavior, by_replica)| Plan {
            strategy,
            settings,
            min: min.clamp(*mins.start(), *mins.end()),
            max,
            target,
            behavior,
            by_replica,
        },
    )
}

/// Rules for both directions, with rate limits over `period`.
pub(crate) fn behavior(
    period: impl Strategy<Value = i32> + Clone,
) -> impl Strategy<Value = BehaviorSpec> {
    (rules(period.clone()), rules(period))
        .prop_map(|(up, down)| BehaviorSpec { scale_up: Some(up), scale_down: Some(down) })
}
