//! The settings of the other strategies.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::{
    ApaSpec, FallbackBehavior, FallbackSpec, KedaSpec, KedaTriggerSpec, KnativeAggregation,
    KnativeSpec, RayServeAggregation, RayServeSpec, ScalingModifiersSpec, TargetCapacityDirection,
    WvaAnalyzer, WvaSpec,
};

use crate::amounts::{list, number, option, share, small};

pub(crate) fn keda(u: &mut Unstructured<'_>) -> Result<KedaSpec> {
    let behaviors = [
        FallbackBehavior::Static,
        FallbackBehavior::CurrentReplicas,
        FallbackBehavior::CurrentReplicasIfHigher,
        FallbackBehavior::CurrentReplicasIfLower,
        FallbackBehavior::ScalingModifiers,
    ];
    let formulas = ["a", "a + b", "a ?? b", "count([a, b], {# > 1}) > 1 ? 5 : 0", "a / 0", "("];
    Ok(KedaSpec {
        polling_interval_seconds: option(u, small)?,
        cooldown_period_seconds: option(u, small)?,
        initial_cooldown_period_seconds: option(u, small)?,
        idle_replica_count: if u.ratio(1, 4)? { Some(small(u)?) } else { None },
        triggers: list(u, 3, |u| {
            let name = option(u, |u| Ok(u.choose(&["a", "b", "c"])?.to_string()))?;
            let use_cached_metrics = option(u, |u| u.ratio(1, 2))?;
            Ok(KedaTriggerSpec { name, activation_threshold: number(u)?, use_cached_metrics })
        })?,
        fallback: option(u, |u| {
            let (failure_threshold, replicas) = (small(u)?, small(u)?);
            Ok(FallbackSpec { failure_threshold, replicas, behavior: *u.choose(&behaviors)? })
        })?,
        scaling_modifiers: if u.ratio(1, 3)? {
            Some(ScalingModifiersSpec {
                formula: u.choose(&formulas)?.to_string(),
                target: u.choose(&["2", "2.5", "0", "x"])?.to_string(),
                activation_target: option(u, |u| Ok(u.choose(&["1", "x"])?.to_string()))?,
                metric_type: option(u, |u| Ok(u.choose(&["Value", "AverageValue"])?.to_string()))?,
            })
        } else {
            None
        },
        paused: option(u, |u| u.ratio(1, 8))?,
        paused_replicas: if u.ratio(1, 8)? { Some(small(u)?) } else { None },
        paused_scale_in: option(u, |u| u.ratio(1, 4))?,
        paused_scale_out: option(u, |u| u.ratio(1, 4))?,
        force_activation: option(u, |u| u.ratio(1, 8))?,
    })
}

pub(crate) fn knative(u: &mut Unstructured<'_>) -> Result<KnativeSpec> {
    let aggregations = [KnativeAggregation::Linear, KnativeAggregation::WeightedExponential];
    Ok(KnativeSpec {
        target_utilization_percentage: number(u)?,
        stable_window_seconds: option(u, small)?,
        panic_window_percentage: number(u)?,
        panic_threshold_percentage: number(u)?,
        max_scale_up_rate: number(u)?,
        max_scale_down_rate: number(u)?,
        target_burst_capacity: number(u)?,
        activation_scale: option(u, small)?,
        initial_scale: option(u, small)?,
        scale_down_delay_seconds: option(u, small)?,
        enable_scale_to_zero: Option::arbitrary(u)?,
        scale_to_zero_grace_period_seconds: option(u, small)?,
        scale_to_zero_pod_retention_period_seconds: option(u, small)?,
        progress_deadline_seconds: option(u, small)?,
        aggregation: option(u, |u| Ok(*u.choose(&aggregations)?))?,
        reachable: Option::arbitrary(u)?,
        tick_interval_seconds: option(u, small)?,
    })
}

pub(crate) fn ray_serve(u: &mut Unstructured<'_>) -> Result<RayServeSpec> {
    let functions = [RayServeAggregation::Mean, RayServeAggregation::Max, RayServeAggregation::Min];
    let directions = [TargetCapacityDirection::Up, TargetCapacityDirection::Down];
    Ok(RayServeSpec {
        initial_replicas: option(u, small)?,
        upscale_delay_seconds: number(u)?,
        downscale_delay_seconds: number(u)?,
        downscale_to_zero_delay_seconds: number(u)?,
        upscaling_factor: number(u)?,
        downscaling_factor: number(u)?,
        look_back_period_seconds: number(u)?,
        aggregation_function: option(u, |u| Ok(*u.choose(&functions)?))?,
        metrics_interval_seconds: number(u)?,
        gang_size: option(u, small)?,
        target_capacity_percentage: number(u)?,
        target_capacity_direction: option(u, |u| Ok(*u.choose(&directions)?))?,
        control_loop_interval_seconds: number(u)?,
    })
}

pub(crate) fn wva(u: &mut Unstructured<'_>) -> Result<WvaSpec> {
    let analyzers = [WvaAnalyzer::Percentage, WvaAnalyzer::Token];
    Ok(WvaSpec {
        analyzer: option(u, |u| Ok(*u.choose(&analyzers)?))?,
        kv_cache_threshold: option(u, share)?.flatten(),
        queue_length_threshold: number(u)?,
        kv_spare_trigger: option(u, share)?.flatten(),
        queue_spare_trigger: number(u)?,
        scale_up_threshold: option(u, share)?.flatten(),
        scale_down_boundary: option(u, share)?.flatten(),
        kv_cache_capacity_tokens: option(u, small)?,
        max_batched_tokens: option(u, small)?,
        max_sequences: option(u, small)?,
        scale_to_zero: Option::arbitrary(u)?,
        retention_period_seconds: option(u, small)?,
        optimization_interval_seconds: option(u, small)?,
        ..WvaSpec::default()
    })
}

pub(crate) fn apa(u: &mut Unstructured<'_>) -> Result<ApaSpec> {
    Ok(ApaSpec {
        scale_up_tolerance: option(u, share)?.flatten(),
        scale_down_tolerance: option(u, share)?.flatten(),
        max_scale_up_rate: number(u)?,
        max_scale_down_rate: number(u)?,
        scale_up_cooldown_window_seconds: option(u, small)?,
        scale_down_cooldown_window_seconds: option(u, small)?,
        observe_window_seconds: option(u, small)?,
        resync_interval_seconds: option(u, small)?,
    })
}
