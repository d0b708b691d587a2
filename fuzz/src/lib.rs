//! Arbitrary policies, histories and observations for the fuzz targets: valid or not, sane or not.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::strategy::slo::UnknownRule;
use trimtab_engine::{
    AnticipateSpec, ApaSpec, BehaviorSpec, CapacityType, ContainerResourceMetricSource, Enough,
    EnvelopeState, ExternalMetricSource, FailureDomain, FallbackBehavior, FallbackSpec,
    FeatureGatesSpec, Finite, FlapBudgetSpec, ForecastModel, ForecastSpec, HpaSpec, KedaSpec,
    KedaTriggerSpec, KnativeAggregation, KnativeSpec, LearnLeadTimeSpec, MetricIdentifier,
    MetricReading, MetricSpec, MetricTarget, NodeSupply, ObjectMetricSource, Observation,
    PodDetails, PodPhase, PodReadings, PodRow, PodTable, PodsMetricSource, Point, PolicySpec,
    PoolMemory, PoolSupply, RayServeAggregation, RayServeSpec, Readiness, Recommendation,
    RedundancySpec, RedundancyState, Requests, ResourceMetricSource, RetireSpec, Scale, ScaleEvent,
    ScalingModifiersSpec, ScalingPolicyRule, ScalingRulesSpec, ScheduleSpec, Selector, SloCounts,
    SloLatencySpec, SloLearnedSpec, SloObjectivesSpec, SloOfferedSpec, SloRefitSpec, SloRole,
    SloSamplingSpec, SloServiceModelSpec, SloSignalSpec, SloSpec, SloUnknownSpec, State,
    StrategyName, SupplyPoolSpec, SupplySpec, SupplyState, TargetCapacityDirection, Unavailable,
    VictimRule, WarmCounts, WarmPoolSpec, WarmSizeSpec, WarmSurgeSpec, WvaAnalyzer, WvaSpec,
};
use trimtab_metric::{Quantity, Reading, Sample, Span, Timestamp};

/// All that a decision depends on.
#[derive(Debug)]
pub struct Situation {
    /// A policy, perhaps one that validation refuses.
    pub policy: PolicySpec,
    /// A history.
    pub state: State,
    /// Observations one after the other, at least one, with as many readings as fell out, of
    /// whatever form.
    pub observations: Vec<Observation>,
}

impl<'a> Arbitrary<'a> for Situation {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (policy, state) = (policy(u)?, state(u)?);
        let mut observations = vec![observation(u)?];
        observations.extend(list(u, 5, observation)?);
        Ok(Self { policy, state, observations })
    }
}

fn small(u: &mut Unstructured<'_>) -> Result<i32> {
    if u.ratio(7, 8)? { u.int_in_range(0..=40) } else { i32::arbitrary(u) }
}

fn amount(u: &mut Unstructured<'_>) -> Result<i64> {
    if u.ratio(7, 8)? { u.int_in_range(0..=100_000) } else { i64::arbitrary(u) }
}

fn time(u: &mut Unstructured<'_>) -> Result<Timestamp> {
    if u.ratio(7, 8)? {
        u.int_in_range(0..=4_000).map(Timestamp::from_secs)
    } else {
        i64::arbitrary(u).map(Timestamp::from_millis)
    }
}

fn option<T>(
    u: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if u.ratio(3, 4)? { make(u).map(Some) } else { Ok(None) }
}

fn list<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    mut make: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| make(u)).collect()
}

fn policy(u: &mut Unstructured<'_>) -> Result<PolicySpec> {
    let gates = FeatureGatesSpec {
        hpa_scale_to_zero: Option::arbitrary(u)?,
        hpa_configurable_tolerance: Option::arbitrary(u)?,
        pod_level_resources: Option::arbitrary(u)?,
    };
    let mut policy = PolicySpec {
        min_replicas: option(u, small)?,
        max_replicas: small(u)?,
        metrics: Some(list(u, 3, metric)?),
        behavior: option(u, |u| {
            Ok(BehaviorSpec { scale_up: option(u, rules)?, scale_down: option(u, rules)? })
        })?,
        hpa: Some(HpaSpec {
            tolerance: Finite::new(f64::arbitrary(u)?),
            sync_period_seconds: option(u, small)?,
            downscale_stabilization_seconds: option(u, small)?,
            cpu_initialization_period_seconds: option(u, small)?,
            initial_readiness_delay_seconds: option(u, small)?,
            scale_up_limit_factor: option(u, |u| Ok(Finite::from(small(u)?)))?,
            scale_up_limit_minimum: option(u, |u| Ok(Finite::from(small(u)?)))?,
            feature_gates: Some(gates),
        }),
        ..PolicySpec::default()
    };
    strategy(u, &mut policy)?;
    if u.ratio(1, 2)? {
        policy.warm_pool = Some(Box::new(warm_pool(u)?));
    }
    if u.ratio(1, 2)? {
        policy.retire = Some(Box::new(retire(u)?));
    }
    if u.ratio(1, 3)? {
        policy.supply = Some(Box::new(supply(u)?));
    }
    if u.ratio(1, 3)? {
        policy.redundancy = Some(redundancy(u)?);
    }
    if u.ratio(1, 3)? {
        policy.schedules = list(u, 2, schedule)?;
        policy.anticipate = option(u, |u| anticipate(u).map(Box::new))?;
    }
    policy.scale_target_ref.api_version = "apps/v1".into();
    policy.scale_target_ref.kind = "Deployment".into();
    policy.scale_target_ref.name = "llm".into();
    Ok(policy)
}

fn schedule(u: &mut Unstructured<'_>) -> Result<ScheduleSpec> {
    let crons =
        ["*/5 * * * *", "0 9 * * MON-FRI", "30 2 29 2 *", "@hourly", "15,45 1-3 */7 * 0", "x"];
    let zones = ["UTC", "Europe/Berlin", "-03:30", "CET-1CEST,M3.5.0,M10.5.0/3", "Asia/Gaza", "?"];
    let cron = |u: &mut Unstructured<'_>| Ok(u.choose(&crons)?.to_string());
    Ok(ScheduleSpec {
        name: u.choose(&["a", "b"])?.to_string(),
        start: cron(u)?,
        end: if u.ratio(1, 2)? { Some(cron(u)?) } else { None },
        duration_seconds: if u.ratio(1, 2)? { Some(small(u)?) } else { None },
        time_zone: option(u, |u| Ok(u.choose(&zones)?.to_string()))?,
        min_replicas: option(u, small)?,
        max_replicas: option(u, small)?,
    })
}

fn anticipate(u: &mut Unstructured<'_>) -> Result<AnticipateSpec> {
    let models = [
        ForecastModel::Naive,
        ForecastModel::SeasonalNaive,
        ForecastModel::DampedTrend,
        ForecastModel::HoltWinters,
        ForecastModel::LocalTrend,
    ];
    Ok(AnticipateSpec {
        lead_time_seconds: option(u, small)?,
        learn_lead_time: option(u, |u| {
            Ok(LearnLeadTimeSpec {
                quantile: option(u, share)?.flatten(),
                min_seconds: option(u, small)?,
                max_seconds: option(u, small)?,
            })
        })?,
        starting_credit: bool::arbitrary(u)?,
        credit_factor: number(u)?,
        overdue_after_seconds: option(u, small)?,
        forecast: option(u, |u| {
            Ok(ForecastSpec {
                metric: u.choose(&["m", "load", "queue", "cpu"])?.to_string(),
                models: list(u, 5, |u| Ok(*u.choose(&models)?))?,
                season_seconds: option(u, small)?,
                quantile: option(u, share)?.flatten(),
                step_seconds: option(u, small)?,
            })
        })?,
    })
}

fn number(u: &mut Unstructured<'_>) -> Result<Option<Finite>> {
    let value =
        option(
            u,
            |u| {
                if u.ratio(7, 8)? { Ok(f64::from(small(u)?) / 8.0) } else { f64::arbitrary(u) }
            },
        )?;
    Ok(value.and_then(Finite::new))
}

/// A strategy with its settings. Where it takes certain metrics only, it gets them, as a rule.
fn strategy(u: &mut Unstructured<'_>, policy: &mut PolicySpec) -> Result<()> {
    let names = [
        StrategyName::Hpa,
        StrategyName::Keda,
        StrategyName::Knative,
        StrategyName::RayServe,
        StrategyName::Slo,
        StrategyName::Wva,
        StrategyName::Apa,
    ];
    policy.strategy = *u.choose(&names)?;
    match policy.strategy {
        StrategyName::Keda => policy.keda = Some(Box::new(keda(u)?)),
        StrategyName::Knative => policy.knative = Some(Box::new(knative(u)?)),
        StrategyName::RayServe => policy.ray_serve = Some(Box::new(ray_serve(u)?)),
        StrategyName::Slo => policy.slo = Some(Box::new(slo(u)?)),
        StrategyName::Wva => policy.wva = Some(Box::new(wva(u)?)),
        StrategyName::Apa => policy.apa = Some(Box::new(apa(u)?)),
        _ => {}
    }
    if u.ratio(1, 8)? {
        return Ok(());
    }
    match policy.strategy {
        StrategyName::Knative | StrategyName::RayServe => {
            policy.metrics = Some(vec![external(u, "load", "AverageValue")?]);
        }
        StrategyName::Slo => policy.metrics = Some(list(u, 4, slo_metric)?),
        // Its analyzers name what they read.
        StrategyName::Wva => policy.metrics = None,
        StrategyName::Apa => {
            let kinds = ["Resource", "Pods", "External"];
            policy.metrics = Some(list(u, 2, |u| {
                let kind = u.choose(&kinds)?;
                metric_of(u, kind)
            })?);
        }
        _ => {}
    }
    Ok(())
}

fn external(u: &mut Unstructured<'_>, name: &str, type_: &str) -> Result<MetricSpec> {
    let quantity = Quantity::from_milli(amount(u)?);
    let (value, average_value) = match type_ {
        "Value" => (Some(quantity), None),
        _ => (None, Some(quantity)),
    };
    let target =
        MetricTarget { type_: type_.into(), value, average_value, ..MetricTarget::default() };
    let metric = MetricIdentifier { name: name.into(), selector: None };
    Ok(MetricSpec {
        type_: "External".into(),
        external: Some(ExternalMetricSource { metric, target }),
        ..MetricSpec::default()
    })
}

fn slo_metric(u: &mut Unstructured<'_>) -> Result<MetricSpec> {
    let name = *u.choose(&SLO_METRICS)?;
    if u.ratio(1, 2)? {
        let type_ = *u.choose(&["Value", "AverageValue"])?;
        return external(u, name, type_);
    }
    let mut spec = metric_of(u, "Pods")?;
    if let Some(pods) = &mut spec.pods {
        pods.metric.name = name.into();
    }
    Ok(spec)
}

const SLO_METRICS: [&str; 4] = ["load", "queue", "latency", "cache"];

fn slo(u: &mut Unstructured<'_>) -> Result<SloSpec> {
    Ok(SloSpec {
        lead_time_seconds: option(u, small)?,
        overdue_after_seconds: option(u, small)?,
        surge_quantile: option(u, share)?.flatten(),
        headroom: number(u)?,
        max_surge_percent: number(u)?,
        scale_to_zero_after_seconds: option(u, small)?,
        latency: option(u, |u| {
            Ok(SloLatencySpec {
                damping: option(u, share)?.flatten(),
                max_stretch: number(u)?,
                max_boost_percent: number(u)?,
                settle_seconds: option(u, small)?,
                hold_ratio: option(u, share)?.flatten(),
            })
        })?,
        signals: list(u, 4, slo_signal)?,
        service_model: if u.ratio(1, 3)? { Some(Box::new(service_model(u)?)) } else { None },
        sampling: if u.ratio(1, 4)? {
            Some(SloSamplingSpec {
                interval_seconds: option(u, small)?,
                window_seconds: option(u, small)?,
                recent_seconds: option(u, small)?,
                noise: number(u)?,
            })
        } else {
            None
        },
    })
}

/// A service model that could be, as a rule.
fn service_model(u: &mut Unstructured<'_>) -> Result<SloServiceModelSpec> {
    let metric = |u: &mut Unstructured<'_>| -> Result<Option<String>> {
        if u.ratio(1, 3)? { Ok(Some(u.choose(&SLO_METRICS)?.to_string())) } else { Ok(None) }
    };
    let seconds = |u: &mut Unstructured<'_>, most: f64| -> Result<Option<Finite>> {
        if u.ratio(1, 16)? {
            return number(u);
        }
        Ok(Finite::new(most * f64::from(u.int_in_range(1..=1000)?) / 1000.0))
    };
    let tokens = |u: &mut Unstructured<'_>| -> Result<Option<Finite>> {
        Ok(if u.ratio(7, 8)? { Some(Finite::from(u.int_in_range(1..=8192)?)) } else { number(u)? })
    };
    Ok(SloServiceModelSpec {
        rate: u.choose(&SLO_METRICS)?.to_string(),
        input_tokens: tokens(u)?,
        input_tokens_metric: metric(u)?,
        output_tokens: tokens(u)?,
        output_tokens_metric: metric(u)?,
        prefill_fixed_seconds: seconds(u, 0.1)?,
        prefill_seconds_per_token: seconds(u, 1e-3)?,
        prefill_seconds_per_token_squared: seconds(u, 1e-8)?,
        decode_fixed_seconds: seconds(u, 0.1)?,
        decode_seconds_per_sequence: seconds(u, 1e-3)?,
        decode_seconds_per_context_token: seconds(u, 1e-6)?,
        max_sequences: option(u, small)?,
        max_batched_tokens: option(u, small)?,
        kv_cache_tokens: tokens(u)?,
        arrival_variation: number(u)?,
        service_variation: number(u)?,
        shared_queue: Option::arbitrary(u)?,
        objectives: SloObjectivesSpec {
            ttft_seconds: seconds(u, 100.0)?,
            tpot_seconds: seconds(u, 10.0)?,
            quantile: option(u, share)?.flatten(),
        },
        refit: metric(u)?.map(|tpot_milliseconds| SloRefitSpec { tpot_milliseconds }),
    })
}

fn slo_offered(u: &mut Unstructured<'_>) -> Result<SloOfferedSpec> {
    let metric = |u: &mut Unstructured<'_>| -> Result<Option<String>> {
        if u.ratio(1, 3)? { Ok(Some(u.choose(&SLO_METRICS)?.to_string())) } else { Ok(None) }
    };
    let quantity = |u: &mut Unstructured<'_>| -> Result<Option<Quantity>> {
        if u.ratio(1, 3)? { Ok(Some(Quantity::from_milli(amount(u)?))) } else { Ok(None) }
    };
    let counts = [SloCounts::InFlight, SloCounts::Arrivals, SloCounts::Completions];
    Ok(SloOfferedSpec {
        counts: *u.choose(&counts)?,
        waiting: metric(u)?,
        rejected: metric(u)?,
        rejected_per_second: metric(u)?,
        residence_seconds: number(u)?,
        backlog: metric(u)?,
        drain_seconds: option(u, small)?,
        censored_at: quantity(u)?,
        queue_censored_at: quantity(u)?,
        censored_growth_percent: number(u)?,
    })
}

fn slo_learned(u: &mut Unstructured<'_>) -> Result<SloLearnedSpec> {
    Ok(SloLearnedSpec {
        queue: u.choose(&SLO_METRICS)?.to_string(),
        queue_at: Quantity::from_milli(amount(u)?),
        target_percent: number(u)?,
    })
}

fn slo_signal(u: &mut Unstructured<'_>) -> Result<SloSignalSpec> {
    let roles =
        [SloRole::Trigger, SloRole::Demand, SloRole::Latency, SloRole::Guard, SloRole::Part];
    let rules = [UnknownRule::Hold, UnknownRule::Ignore, UnknownRule::AssumeLimit];
    let quantity = |u: &mut Unstructured<'_>| amount(u).map(Quantity::from_milli);
    Ok(SloSignalSpec {
        metric: u.choose(&SLO_METRICS)?.to_string(),
        role: *u.choose(&roles)?,
        release: if u.ratio(1, 4)? { Some(quantity(u)?) } else { None },
        hard_limit: if u.ratio(1, 4)? { Some(quantity(u)?) } else { None },
        min_coverage: option(u, share)?.flatten(),
        max_age_seconds: option(u, small)?,
        on_unknown: option(u, |u| {
            Ok(SloUnknownSpec { up: *u.choose(&rules)?, down: *u.choose(&rules)? })
        })?,
        offered: if u.ratio(1, 4)? { Some(Box::new(slo_offered(u)?)) } else { None },
        learned: if u.ratio(1, 8)? { Some(Box::new(slo_learned(u)?)) } else { None },
    })
}

/// From 0 to 1, as a rule.
fn share(u: &mut Unstructured<'_>) -> Result<Option<Finite>> {
    let value = if u.ratio(7, 8)? {
        f64::from(u.int_in_range(0..=100)?) / 100.0
    } else {
        f64::arbitrary(u)?
    };
    Ok(Finite::new(value))
}

fn wva(u: &mut Unstructured<'_>) -> Result<WvaSpec> {
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

fn apa(u: &mut Unstructured<'_>) -> Result<ApaSpec> {
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

fn keda(u: &mut Unstructured<'_>) -> Result<KedaSpec> {
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

fn knative(u: &mut Unstructured<'_>) -> Result<KnativeSpec> {
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

fn ray_serve(u: &mut Unstructured<'_>) -> Result<RayServeSpec> {
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

fn warm_pool(u: &mut Unstructured<'_>) -> Result<WarmPoolSpec> {
    let size = match u.int_in_range(0..=2)? {
        0 => WarmSizeSpec::Fixed(small(u)?),
        1 => WarmSizeSpec::Percent(number(u)?.unwrap_or_default()),
        _ => WarmSizeSpec::Surge(WarmSurgeSpec {
            quantile: option(u, share)?.flatten(),
            idle_cost: if u.ratio(1, 4)? { number(u)? } else { None },
            miss_cost: if u.ratio(1, 4)? { number(u)? } else { None },
        }),
    };
    Ok(WarmPoolSpec {
        size,
        min_size: option(u, small)?,
        max_size: option(u, small)?,
        promote_seconds: option(u, small)?,
        lead_time_seconds: option(u, small)?,
        return_on_scale_in: Option::arbitrary(u)?,
    })
}

fn retire(u: &mut Unstructured<'_>) -> Result<RetireSpec> {
    let rules =
        [VictimRule::NotReady, VictimRule::Spot, VictimRule::FewestInFlight, VictimRule::Spread];
    Ok(RetireSpec {
        max_session_seconds: option(u, small)?,
        victim_order: option(u, |u| list(u, 5, |u| Ok(*u.choose(&rules)?)))?,
        prefer_spot: if u.ratio(1, 4)? { Option::arbitrary(u)? } else { None },
        flap_budget: option(u, |u| {
            Ok(FlapBudgetSpec { changes: small(u)?, period_seconds: small(u)? })
        })?,
        projection: if u.ratio(1, 4)? { Option::arbitrary(u)? } else { None },
    })
}

const POOLS: [&str; 3] = ["a", "b", "c"];

/// As a rule with pools of different names.
fn supply(u: &mut Unstructured<'_>) -> Result<SupplySpec> {
    let mut pools = list(u, 3, |u| {
        Ok(SupplyPoolSpec {
            name: u.choose(&POOLS)?.to_string(),
            max_replicas: if u.ratio(1, 3)? { Some(small(u)?) } else { None },
            max_gpus: if u.ratio(1, 3)? { Some(small(u)?) } else { None },
            gpus_per_node: option(u, small)?,
        })
    })?;
    if u.ratio(7, 8)? {
        for (pool, name) in pools.iter_mut().zip(POOLS) {
            pool.name = name.to_string();
        }
    }
    Ok(SupplySpec {
        gpus_per_replica: option(u, small)?,
        pools,
        max_pending: option(u, small)?,
        pending_after_seconds: option(u, small)?,
        backoff_seconds: option(u, small)?,
        max_backoff_seconds: option(u, small)?,
    })
}

fn redundancy(u: &mut Unstructured<'_>) -> Result<RedundancySpec> {
    Ok(RedundancySpec {
        survive_domain_losses: if u.ratio(7, 8)? { u.int_in_range(1..=3)? } else { small(u)? },
        domain: *u.choose(&[FailureDomain::Zone, FailureDomain::Node])?,
        enough: *u.choose(&[Enough::Min, Enough::Load])?,
        domains: option(u, small)?,
    })
}

fn memory(u: &mut Unstructured<'_>) -> Result<PoolMemory> {
    Ok(PoolMemory {
        pool: u.choose(&POOLS)?.to_string(),
        failures: u.arbitrary()?,
        retry_at: option(u, time)?,
        waiting_since: option(u, time)?,
        placed: u.int_in_range(0..=8)?,
    })
}

fn node_supply(u: &mut Unstructured<'_>) -> Result<NodeSupply> {
    let gpus = |u: &mut Unstructured<'_>| {
        if u.ratio(7, 8)? { u.int_in_range(0..=40) } else { u32::arbitrary(u) }
    };
    let pools = list(u, 4, |u| {
        option(u, |u| {
            Ok(PoolSupply {
                allocatable_gpus: option(u, gpus)?,
                free_gpus: gpus(u)?,
                coming_gpus: gpus(u)?,
                max_gpus: option(u, gpus)?,
            })
        })
    })?;
    Ok(NodeSupply { pools })
}

fn rules(u: &mut Unstructured<'_>) -> Result<ScalingRulesSpec> {
    Ok(ScalingRulesSpec {
        stabilization_window_seconds: option(u, small)?,
        select_policy: option(u, |u| Ok(u.choose(&["Max", "Min", "Disabled", "?"])?.to_string()))?,
        policies: option(u, |u| {
            list(u, 3, |u| {
                Ok(ScalingPolicyRule {
                    type_: u.choose(&["Pods", "Percent", "?"])?.to_string(),
                    value: small(u)?,
                    period_seconds: small(u)?,
                })
            })
        })?,
        tolerance: option(u, |u| amount(u).map(Quantity::from_milli))?,
    })
}

fn metric(u: &mut Unstructured<'_>) -> Result<MetricSpec> {
    let kinds = ["Resource", "ContainerResource", "Pods", "Object", "External", "?"];
    let kind = *u.choose(&kinds)?;
    metric_of(u, kind)
}

fn metric_of(u: &mut Unstructured<'_>, kind: &str) -> Result<MetricSpec> {
    let quantity = |u: &mut Unstructured<'_>| amount(u).map(Quantity::from_milli);
    let target = MetricTarget {
        type_: u.choose(&["Utilization", "Value", "AverageValue", ""])?.to_string(),
        value: option(u, quantity)?,
        average_value: option(u, quantity)?,
        average_utilization: option(u, small)?,
    };
    let metric = MetricIdentifier { name: "m".into(), selector: None };
    let name = u.choose(&["cpu", "memory"])?.to_string();
    let mut spec = MetricSpec { type_: kind.into(), ..MetricSpec::default() };
    match spec.type_.as_str() {
        "Resource" => spec.resource = Some(ResourceMetricSource { name, target }),
        "ContainerResource" => {
            let container = "server".into();
            spec.container_resource =
                Some(ContainerResourceMetricSource { name, target, container });
        }
        "Pods" => spec.pods = Some(PodsMetricSource { metric, target }),
        "Object" => {
            let mut source = ObjectMetricSource { metric, target, ..Default::default() };
            source.described_object.kind = "Service".into();
            source.described_object.name = "gateway".into();
            source.described_object.api_version = "v1".into();
            spec.object = Some(source);
        }
        "External" => spec.external = Some(ExternalMetricSource { metric, target }),
        _ => {}
    }
    Ok(spec)
}

fn state(u: &mut Unstructured<'_>) -> Result<State> {
    let mut state = State::default();
    let event = |u: &mut Unstructured<'_>| {
        Ok(ScaleEvent { change: small(u)?, at: time(u)?, outdated: bool::arbitrary(u)? })
    };
    state.recommendations =
        option(u, |u| list(u, 8, |u| Ok(Recommendation { replicas: small(u)?, at: time(u)? })))?;
    state.scale_ups = list(u, 4, event)?;
    state.scale_downs = list(u, 4, event)?;
    state.status.current_replicas = small(u)?;
    state.status.desired_replicas = small(u)?;
    if u.ratio(1, 4)? {
        let mut envelope = EnvelopeState::default();
        envelope.supply = option(u, |u| Ok(SupplyState { pools: list(u, 4, memory)? }))?;
        envelope.redundancy =
            option(u, |u| Ok(RedundancyState { load: small(u)?, replicas: small(u)? }))?;
        state.envelope = Some(Box::new(envelope));
    }
    Ok(state)
}

fn observation(u: &mut Unstructured<'_>) -> Result<Observation> {
    let mut pods = PodTable::default();
    for pod in list(u, 6, pod)? {
        pods.push(pod);
    }
    let selectors = [Selector::Ok, Selector::Ok, Selector::Empty, Selector::Ambiguous];
    Ok(Observation {
        now: time(u)?,
        scale: option(u, |u| Ok(Scale { spec_replicas: small(u)?, status_replicas: small(u)? }))?,
        selector: *u.choose(&selectors)?,
        pods,
        readings: list(u, 8, reading)?,
        warm: option(u, |u| Ok(WarmCounts { ready: counts(u)?, starting: counts(u)? }))?,
        supply: option(u, |u| node_supply(u).map(Box::new))?,
    })
}

fn counts(u: &mut Unstructured<'_>) -> Result<u32> {
    if u.ratio(7, 8)? { u.int_in_range(0..=40) } else { u32::arbitrary(u) }
}

fn pod(u: &mut Unstructured<'_>) -> Result<PodRow> {
    let phases = [PodPhase::Running, PodPhase::Pending, PodPhase::Failed, PodPhase::Unknown];
    let readiness = [Readiness::True, Readiness::False, Readiness::Unknown, Readiness::Absent];
    Ok(PodRow {
        phase: *u.choose(&phases)?,
        terminating: u.ratio(1, 8)?,
        start_time: option(u, time)?,
        readiness: *u.choose(&readiness)?,
        ready_since: time(u)?,
        details: details(u)?,
    })
}

fn details(u: &mut Unstructured<'_>) -> Result<PodDetails> {
    let types =
        [CapacityType::Unknown, CapacityType::OnDemand, CapacityType::Reserved, CapacityType::Spot];
    let place = |u: &mut Unstructured<'_>| u.int_in_range(0..=3);
    Ok(PodDetails {
        created_at: option(u, time)?,
        node: option(u, place)?,
        zone: option(u, place)?,
        pool: option(u, place)?,
        capacity_type: *u.choose(&types)?,
        in_flight: option(u, |u| u.arbitrary())?,
        draining_since: option(u, time)?,
        ordinal: option(u, place)?,
    })
}

fn reading(u: &mut Unstructured<'_>) -> Result<MetricReading> {
    Ok(match u.int_in_range(0..=4)? {
        0 => MetricReading::Unavailable(Unavailable::Missing),
        1 => MetricReading::Total(amount(u)?),
        2 => MetricReading::Totals(list(u, 4, amount)?),
        3 => MetricReading::Series(list(u, 3, |u| list(u, 6, point))?),
        _ => {
            let mut readings = PodReadings::default();
            for sample in list(u, 7, |u| option(u, sample))? {
                readings.push(sample.map_or(Reading::Missing, Reading::Value));
            }
            for unlisted in list(u, 2, amount)? {
                readings.push_unlisted(unlisted);
            }
            readings.set_requests(match u.int_in_range(0..=2)? {
                0 => Requests::NotAsked,
                1 => Requests::Missing { row: usize::arbitrary(u)? },
                _ => Requests::Milli(list(u, 7, amount)?),
            });
            MetricReading::PerPod(readings)
        }
    })
}

fn point(u: &mut Unstructured<'_>) -> Result<Point> {
    Ok(Point { at: time(u)?, milli: amount(u)? })
}

fn sample(u: &mut Unstructured<'_>) -> Result<Sample> {
    let window = Span::from_secs(i64::from(small(u)?));
    Ok(Sample { milli: amount(u)?, at: time(u)?, window })
}
