//! What of the peers' own settings `slo` has under another name, and what it leaves out.

use trimtab_engine::{
    Finite, KedaSpec, KnativeSpec, MetricSpec, MetricTarget, PolicySpec, RayServeSpec, StrategyName,
};
use trimtab_metric::Quantity;

use super::signals::amount;
use super::translate::{Change, Refusal, code};

/// KEDA's and the HPA's five minutes: the cooldown, and the window of the way down.
const FIVE_MINUTES: i32 = 300;

/// The peer with its settings.
pub(super) enum Peer {
    Hpa,
    Keda(Box<KedaSpec>),
    Knative(Box<KnativeSpec>),
    RayServe(Box<RayServeSpec>),
}

impl Peer {
    /// Which peer it is, if what it does can be said by metrics one by one.
    pub(super) fn of(spec: &PolicySpec) -> Result<Self, Refusal> {
        match spec.strategy {
            StrategyName::Hpa => Ok(Self::Hpa),
            StrategyName::Keda => {
                let keda = spec.keda.clone().unwrap_or_default();
                match &keda.scaling_modifiers {
                    Some(modifiers) => Err(formula(&modifiers.formula)),
                    None => Ok(Self::Keda(keda)),
                }
            }
            StrategyName::Knative => Ok(Self::Knative(spec.knative.clone().unwrap_or_default())),
            StrategyName::RayServe => {
                Ok(Self::RayServe(spec.ray_serve.clone().unwrap_or_default()))
            }
            other => Err(Refusal {
                message: format!("`strategy: {other}` is none that is imported"),
                help: "a policy of one's own is changed by hand",
            }),
        }
    }

    /// The metrics, with the peer's own factor in their targets.
    pub(super) fn metrics(&self, spec: &PolicySpec, changes: &mut Vec<Change>) -> Vec<MetricSpec> {
        let mut metrics = spec.metrics.clone().unwrap_or_default();
        let Self::Knative(knative) = self else { return metrics };
        let percentage = knative.target_utilization_percentage.map_or(70.0, Finite::get);
        for (index, metric) in metrics.iter_mut().enumerate() {
            let Some(target) = metric.external.as_mut().map(|it| &mut it.target) else { continue };
            let Some(average) = target.average_value.as_ref().map(Quantity::milli) else {
                continue;
            };
            let share = share(average, percentage);
            if share == average {
                continue;
            }
            let field = format!("spec.metrics[{index}].external.target.averageValue");
            let was = format!("{} at {percentage} %", amount(average));
            let why = "what Knative aims at of what one replica takes";
            changes.push(Change::new(field, was, amount(share), why));
            *target =
                MetricTarget { average_value: Some(Quantity::from_milli(share)), ..target.clone() };
        }
        metrics
    }

    /// For how long nothing was to be done before the last replica goes, and where that is from;
    /// nothing where it stays.
    pub(super) fn idle_after(&self, spec: &PolicySpec) -> Option<(i32, String)> {
        let zero = spec.min_replicas == Some(0);
        let told = |called: &str, seconds: i32| (seconds, format!("{called} {seconds}"));
        match self {
            Self::Hpa => zero.then(|| {
                let down = spec.behavior.as_ref().and_then(|behavior| behavior.scale_down.as_ref());
                let window = down.and_then(|down| down.stabilization_window_seconds);
                told("the window of `scaleDown`", window.unwrap_or(FIVE_MINUTES))
            }),
            Self::Keda(keda) => (zero || keda.idle_replica_count == Some(0)).then(|| {
                told("`cooldownPeriod`", keda.cooldown_period_seconds.unwrap_or(FIVE_MINUTES))
            }),
            Self::Knative(knative) => {
                let on = zero && knative.enable_scale_to_zero != Some(false);
                on.then(|| knative_idle(knative))
            }
            Self::RayServe(ray) => zero.then(|| match ray.downscale_to_zero_delay_seconds {
                Some(delay) => told("`downscale_to_zero_delay_s`", seconds(delay.get())),
                None => {
                    let delay = ray.downscale_delay_seconds.map_or(600.0, Finite::get);
                    told("`downscale_delay_s`", seconds(delay))
                }
            }),
        }
    }

    /// The peer's own hold on the way down and its name, where it is no window of `behavior`.
    pub(super) fn down_window(&self) -> (Option<i32>, &'static str) {
        match self {
            Self::Hpa | Self::Keda(_) => (None, ""),
            Self::Knative(knative) => {
                let delay = knative.scale_down_delay_seconds.filter(|delay| *delay > 0);
                (delay, "scale-down-delay")
            }
            Self::RayServe(ray) => {
                let delay = ray.downscale_delay_seconds.map(|delay| seconds(delay.get()));
                (delay, "downscale_delay_s")
            }
        }
    }

    /// Settings that `slo` has nothing like.
    pub(super) fn dropped(&self, spec: &PolicySpec, changes: &mut Vec<Change>) {
        let mut drop = |settings: &[(bool, &str)], why: &str| {
            let given: Vec<String> =
                settings.iter().filter(|(given, _)| *given).map(|(_, name)| code(name)).collect();
            if !given.is_empty() {
                changes.push(Change::new("spec.slo", given.join(", "), "", why));
            }
        };
        match self {
            Self::Hpa => {}
            Self::Keda(keda) => keda_dropped(keda, self.idle_after(spec).is_some(), &mut drop),
            Self::Knative(knative) => knative_dropped(knative, &mut drop),
            Self::RayServe(ray) => ray_dropped(ray, &mut drop),
        }
        let zero = spec.hpa.as_ref().and_then(|hpa| hpa.feature_gates.as_ref());
        drop(&[(zero.is_some(), "hpa.featureGates")], "`slo` needs no gates");
    }
}

/// Knative's wait before the last pod goes: the window has to be empty, and what follows it.
fn knative_idle(knative: &KnativeSpec) -> (i32, String) {
    let parts = [
        ("`window`", knative.stable_window_seconds.unwrap_or(60)),
        ("`scale-down-delay`", knative.scale_down_delay_seconds.unwrap_or(0)),
        ("the pod retention", knative.scale_to_zero_pod_retention_period_seconds.unwrap_or(0)),
    ];
    let sum = parts.iter().fold(0, |sum: i32, (_, seconds)| sum.saturating_add(*seconds));
    let told: Vec<String> = parts
        .iter()
        .filter(|(_, seconds)| *seconds > 0)
        .map(|(called, seconds)| format!("{called} {seconds}"))
        .collect();
    (sum, told.join(" and "))
}

type Drop<'d> = dyn FnMut(&[(bool, &str)], &str) + 'd;

fn keda_dropped(keda: &KedaSpec, to_zero: bool, drop: &mut Drop<'_>) {
    let zero = keda.idle_replica_count == Some(0);
    drop(
        &[(
            keda.triggers.iter().any(|it| it.activation_threshold.is_some()),
            "activationThreshold",
        )],
        "from 0 a replica is started for any load at all",
    );
    drop(
        &[
            (keda.initial_cooldown_period_seconds.is_some(), "initialCooldownPeriod"),
            (keda.idle_replica_count.is_some() && !zero, "idleReplicaCount"),
        ],
        "`slo` has no other count or time at the start",
    );
    drop(
        &[(keda.cooldown_period_seconds.is_some() && !to_zero, "cooldownPeriod")],
        "it is for the step to 0, and there is none with this `minReplicas`",
    );
    drop(
        &[(keda.fallback.is_some(), "fallback")],
        "what is unknown lets nothing go and asks for nothing; `onUnknown` changes that",
    );
    drop(
        &[
            (keda.polling_interval_seconds.is_some(), "pollingInterval"),
            (keda.triggers.iter().any(|it| it.use_cached_metrics.is_some()), "useCachedMetrics"),
        ],
        "`slo` decides every 15 s, also at 0, on what is read then",
    );
    drop(
        &[
            (keda.paused.is_some(), "paused"),
            (keda.paused_replicas.is_some(), "paused-replicas"),
            (keda.paused_scale_in.is_some(), "paused-scale-in"),
            (keda.paused_scale_out.is_some(), "paused-scale-out"),
            (keda.force_activation.is_some(), "force-activation"),
        ],
        "a policy that is not to act is not run",
    );
}

fn knative_dropped(knative: &KnativeSpec, drop: &mut Drop<'_>) {
    drop(
        &[
            (knative.panic_window_percentage.is_some(), "panic-window-percentage"),
            (knative.panic_threshold_percentage.is_some(), "panic-threshold-percentage"),
        ],
        "`slo` has no panic: it keeps the growth of a lead time ready, and goes up at once",
    );
    drop(
        &[
            (knative.stable_window_seconds.is_some(), "window"),
            (knative.aggregation.is_some(), "the aggregation"),
            (knative.tick_interval_seconds.is_some(), "tick-interval"),
        ],
        "`slo` decides on what is read now; how it is averaged is the query's to say",
    );
    drop(
        &[
            (knative.max_scale_up_rate.is_some(), "max-scale-up-rate"),
            (knative.max_scale_down_rate.is_some(), "max-scale-down-rate"),
        ],
        "the rate limits of `behavior` are the ones of `slo`",
    );
    drop(
        &[
            (knative.activation_scale.is_some(), "activation-scale"),
            (knative.initial_scale.is_some(), "initial-scale"),
            (knative.progress_deadline_seconds.is_some(), "progress-deadline"),
            (knative.reachable.is_some(), "reachable"),
        ],
        "from 0 as many are started as are needed",
    );
    drop(
        &[
            (knative.target_burst_capacity.is_some(), "target-burst-capacity"),
            (knative.scale_to_zero_grace_period_seconds.is_some(), "scale-to-zero-grace-period"),
        ],
        "it is about Knative's activator, which stands in the way of requests and decides nothing",
    );
}

fn ray_dropped(ray: &RayServeSpec, drop: &mut Drop<'_>) {
    drop(
        &[
            (ray.upscaling_factor.is_some(), "upscaling_factor"),
            (ray.downscaling_factor.is_some(), "downscaling_factor"),
        ],
        "`slo` asks for what is needed at once; the rate limits of `behavior` slow it",
    );
    drop(
        &[(ray.upscale_delay_seconds.is_some(), "upscale_delay_s")],
        "a start takes its lead time already; a window of `scaleUp` would add to it",
    );
    drop(
        &[
            (ray.look_back_period_seconds.is_some(), "look_back_period_s"),
            (ray.aggregation_function.is_some(), "aggregation_function"),
            (ray.metrics_interval_seconds.is_some(), "metrics_interval_s"),
            (ray.control_loop_interval_seconds.is_some(), "the interval of the control loop"),
        ],
        "`slo` decides every 15 s on what is read then",
    );
    drop(
        &[
            (ray.initial_replicas.is_some(), "initial_replicas"),
            (ray.gang_size.is_some(), "gang_size"),
            (ray.target_capacity_percentage.is_some(), "target_capacity"),
            (ray.target_capacity_direction.is_some(), "the direction of target_capacity"),
        ],
        "`slo` has nothing like it",
    );
}

/// A share of a target in percent, at least a thousandth.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a target is far below 2^53, and what is above saturates"
)]
fn share(milli: i64, percentage: f64) -> i64 {
    ((milli as f64 * percentage / 100.0).round() as i64).max(1)
}

/// Whole seconds, rounded up.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn seconds(seconds: f64) -> i32 {
    seconds.ceil() as i32
}

/// KEDA's formula makes one number of everything.
fn formula(formula: &str) -> Refusal {
    Refusal {
        message: format!(
            "the formula {} makes one number of all triggers and their own thresholds do not count, \
             and `slo` decides by each metric with its own target",
            code(formula)
        ),
        help: "without `scalingModifiers`, and with a threshold for each trigger that is right by \
               itself, it can be proposed",
    }
}
