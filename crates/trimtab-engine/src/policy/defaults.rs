//! What the Kubernetes API server fills in for fields that a HorizontalPodAutoscaler leaves out.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use trimtab_metric::Quantity;

use super::{
    BehaviorSpec, ExternalMetricSource, MetricIdentifier, MetricSpec, MetricTarget,
    PodsMetricSource, PolicySpec, ResourceMetricSource, ScalingPolicyRule, ScalingRulesSpec,
    StrategyName,
};

/// Percent of the CPU request that a policy without metrics aims at.
const DEFAULT_CPU_UTILIZATION: i32 = 80;
/// How long a start takes under `slo` where the policy does not say.
pub(super) const SLO_LEAD_TIME_SECONDS: i32 = 180;
/// How much too few or too many replicas move nothing under `slo`.
const SLO_TOLERANCE: Quantity = Quantity::from_milli(50);
/// Period of every default rate limit.
const DEFAULT_PERIOD_SECONDS: i32 = 15;

impl PolicySpec {
    /// Fills in what is absent, exactly as the API server does for a HorizontalPodAutoscaler, and as
    /// KEDA, Knative and Ray Serve do under their strategies.
    ///
    /// - `minReplicas`: 1; 0 under `keda`, `knative` and, if it scales to zero, `wva`.
    /// - `maxReplicas`: 100 under `keda` and 1 under `rayServe`; otherwise it stays 0.
    /// - `metrics`, absent or empty: CPU at 80 % of the request; under `knative` a `concurrency` of
    ///   100 per replica, under `rayServe` 2 `ongoing_requests`, under `wva` what its analyzer reads
    ///   of vLLM, under `apa` half of vLLM's KV cache.
    /// - `behavior` stays absent if it is absent, but under `slo`, where the window of `scaleDown` is
    ///   five times the lead time by default, at most an hour, and both tolerances 0.05. If it is there, each direction is completed field
    ///   by field: `selectPolicy` `Max`; `scaleUp` no window and 4 pods or 100 % every 15 s;
    ///   `scaleDown` 100 % every 15 s. The window of `scaleDown` stays unset, since its default
    ///   comes from the cluster. `policies`, once given, are kept as they are, even empty.
    ///
    /// Doing it twice changes nothing.
    ///
    /// ```
    /// use trimtab_engine::{BehaviorSpec, PolicySpec};
    ///
    /// let spec = PolicySpec { behavior: Some(BehaviorSpec::default()), ..PolicySpec::default() };
    /// let spec = spec.with_defaults();
    ///
    /// assert_eq!(spec.min_replicas, Some(1));
    /// let down = spec.behavior.and_then(|behavior| behavior.scale_down).unwrap();
    /// assert_eq!(down.stabilization_window_seconds, None);
    /// assert_eq!(down.policies.unwrap()[0].value, 100);
    /// ```
    #[must_use]
    pub fn with_defaults(mut self) -> PolicySpec {
        let (min, max) = match self.strategy {
            StrategyName::Hpa => (1, 0),
            StrategyName::Keda => (0, 100),
            StrategyName::Knative => (0, 0),
            StrategyName::RayServe => (1, 1),
            StrategyName::Wva => {
                let to_zero = self.wva.as_ref().is_some_and(|wva| wva.scale_to_zero == Some(true));
                (i32::from(!to_zero), 0)
            }
            StrategyName::Slo | StrategyName::Apa => (1, 0),
        };
        self.min_replicas.get_or_insert(min);
        if self.max_replicas == 0 {
            self.max_replicas = max;
        }
        if self.metrics.as_ref().is_none_or(Vec::is_empty) {
            self.metrics = Some(match self.strategy {
                StrategyName::Hpa | StrategyName::Keda => vec![default_metric()],
                StrategyName::Knative => vec![default_total("concurrency", 100)],
                StrategyName::RayServe => vec![default_total("ongoing_requests", 2)],
                StrategyName::Slo => Vec::new(),
                StrategyName::Wva => self.wva.clone().unwrap_or_default().default_metrics(),
                StrategyName::Apa => vec![default_cache()],
            });
        }
        if self.strategy == StrategyName::Slo {
            let lead_time = self.slo.as_ref().and_then(|slo| slo.lead_time_seconds);
            self.behavior = Some(slo_behavior(self.behavior, lead_time));
        }
        self.behavior = self.behavior.map(|behavior| BehaviorSpec {
            scale_up: Some(scale_up(behavior.scale_up.unwrap_or_default())),
            scale_down: Some(scale_down(behavior.scale_down.unwrap_or_default())),
        });
        self
    }
}

/// Under `slo` a replica stays for a few lead times: what is needed again before a start has paid is not
/// worth giving up, and a start costs its lead time, the node's launch and the node's idle time behind
/// it. A twentieth too few or too many moves nothing.
fn slo_behavior(given: Option<BehaviorSpec>, lead_time: Option<i32>) -> BehaviorSpec {
    let window = lead_time.unwrap_or(SLO_LEAD_TIME_SECONDS).saturating_mul(5).clamp(0, 3600);
    let mut behavior = given.unwrap_or_default();
    let down = behavior.scale_down.get_or_insert_default();
    down.stabilization_window_seconds.get_or_insert(window);
    down.tolerance.get_or_insert(SLO_TOLERANCE);
    let up = behavior.scale_up.get_or_insert_default();
    up.tolerance.get_or_insert(SLO_TOLERANCE);
    behavior
}

fn default_metric() -> MetricSpec {
    MetricSpec {
        type_: String::from("Resource"),
        resource: Some(ResourceMetricSource {
            name: String::from("cpu"),
            target: MetricTarget {
                type_: String::from("Utilization"),
                average_utilization: Some(DEFAULT_CPU_UTILIZATION),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

/// The metric of AIBrix's own examples: half of the KV cache.
fn default_cache() -> MetricSpec {
    MetricSpec {
        type_: String::from("Pods"),
        pods: Some(PodsMetricSource {
            metric: MetricIdentifier {
                name: String::from("vllm:kv_cache_usage_perc"),
                selector: None,
            },
            target: MetricTarget {
                type_: String::from("AverageValue"),
                average_value: Some(Quantity::from_milli(500)),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

/// The load of the whole service, this much for each replica.
fn default_total(name: &str, average: i64) -> MetricSpec {
    MetricSpec {
        type_: String::from("External"),
        external: Some(ExternalMetricSource {
            metric: MetricIdentifier { name: String::from(name), selector: None },
            target: MetricTarget {
                type_: String::from("AverageValue"),
                average_value: Some(Quantity::from_units(average)),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

fn scale_up(given: ScalingRulesSpec) -> ScalingRulesSpec {
    ScalingRulesSpec {
        stabilization_window_seconds: given.stabilization_window_seconds.or(Some(0)),
        select_policy: given.select_policy.or_else(default_select_policy),
        policies: given.policies.or_else(|| Some(vec![rule("Pods", 4), rule("Percent", 100)])),
        tolerance: given.tolerance,
    }
}

fn scale_down(given: ScalingRulesSpec) -> ScalingRulesSpec {
    ScalingRulesSpec {
        stabilization_window_seconds: given.stabilization_window_seconds,
        select_policy: given.select_policy.or_else(default_select_policy),
        policies: given.policies.or_else(|| Some(vec![rule("Percent", 100)])),
        tolerance: given.tolerance,
    }
}

fn default_select_policy() -> Option<String> {
    Some(String::from("Max"))
}

fn rule(type_: &str, value: i32) -> ScalingPolicyRule {
    ScalingPolicyRule { type_: String::from(type_), value, period_seconds: DEFAULT_PERIOD_SECONDS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(behavior: BehaviorSpec) -> (ScalingRulesSpec, ScalingRulesSpec) {
        let spec = PolicySpec { behavior: Some(behavior), ..PolicySpec::default() };
        let behavior = spec.with_defaults().behavior.unwrap();
        (behavior.scale_up.unwrap(), behavior.scale_down.unwrap())
    }

    #[test]
    fn absent_behavior_stays_absent_and_an_empty_one_is_completed() {
        assert_eq!(PolicySpec::default().with_defaults().behavior, None);
        let (up, down) = completed(BehaviorSpec::default());
        assert_eq!(up.stabilization_window_seconds, Some(0));
        assert_eq!(up.policies, Some(vec![rule("Pods", 4), rule("Percent", 100)]));
        assert_eq!(down.stabilization_window_seconds, None);
        assert_eq!(down.policies, Some(vec![rule("Percent", 100)]));
        assert_eq!(up.select_policy.as_deref(), Some("Max"));
        assert_eq!(down.select_policy.as_deref(), Some("Max"));
    }

    #[test]
    fn given_fields_are_kept_one_by_one() {
        let given = ScalingRulesSpec {
            select_policy: Some(String::from("Min")),
            policies: Some(Vec::new()),
            ..ScalingRulesSpec::default()
        };
        let (up, _) = completed(BehaviorSpec { scale_up: Some(given), scale_down: None });
        assert_eq!(up.select_policy.as_deref(), Some("Min"));
        assert_eq!(up.policies, Some(Vec::new()));
        assert_eq!(up.stabilization_window_seconds, Some(0));
    }

    #[test]
    fn empty_metrics_are_absent_metrics() {
        let spec = PolicySpec { metrics: Some(Vec::new()), ..PolicySpec::default() };
        assert_eq!(spec.with_defaults().metrics, Some(vec![default_metric()]));
    }

    #[test]
    fn defaults_are_idempotent() {
        let once = PolicySpec { behavior: Some(BehaviorSpec::default()), ..PolicySpec::default() }
            .with_defaults();
        assert_eq!(once.clone().with_defaults(), once);
    }
}
