//! The settings of `slo`.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::strategy::slo::UnknownRule;
use trimtab_engine::{
    Finite, SloCounts, SloErrorBudgetSpec, SloLatencySpec, SloLearnedSpec, SloObjectivesSpec,
    SloOfferedSpec, SloRefitSpec, SloRole, SloSamplingSpec, SloServiceModelSpec, SloSignalSpec,
    SloSpec, SloUnknownSpec,
};
use trimtab_metric::Quantity;

use crate::amounts::{amount, list, number, option, share, small};
use crate::metrics::SLO_METRICS;

pub(crate) fn slo(u: &mut Unstructured<'_>) -> Result<SloSpec> {
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
                burst_threshold_percent: option(u, small)?,
            })
        } else {
            None
        },
        error_budget: if u.ratio(1, 4)? { Some(Box::new(error_budget(u)?)) } else { None },
    })
}

fn error_budget(u: &mut Unstructured<'_>) -> Result<SloErrorBudgetSpec> {
    Ok(SloErrorBudgetSpec {
        attained: u.choose(&SLO_METRICS)?.to_string(),
        objective: option(u, share)?.flatten(),
        window_seconds: option(u, small)?,
        least_percent: number(u)?,
        most_percent: number(u)?,
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
