//! What stands around every strategy.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::{
    AnticipateSpec, Enough, FailureDomain, FlapBudgetSpec, ForecastModel, ForecastSpec,
    LearnLeadTimeSpec, RedundancySpec, RetireSpec, ScheduleSpec, SupplyPoolSpec, SupplySpec,
    VictimRule, WarmPoolSpec, WarmSizeSpec, WarmSurgeSpec,
};

use crate::amounts::{list, number, option, share, small};

pub(crate) fn schedule(u: &mut Unstructured<'_>) -> Result<ScheduleSpec> {
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

pub(crate) fn anticipate(u: &mut Unstructured<'_>) -> Result<AnticipateSpec> {
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

pub(crate) fn warm_pool(u: &mut Unstructured<'_>) -> Result<WarmPoolSpec> {
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

pub(crate) fn retire(u: &mut Unstructured<'_>) -> Result<RetireSpec> {
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

/// As a rule with pools of different names.
pub(crate) fn supply(u: &mut Unstructured<'_>) -> Result<SupplySpec> {
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

pub(crate) fn redundancy(u: &mut Unstructured<'_>) -> Result<RedundancySpec> {
    Ok(RedundancySpec {
        survive_domain_losses: if u.ratio(7, 8)? { u.int_in_range(1..=3)? } else { small(u)? },
        domain: *u.choose(&[FailureDomain::Zone, FailureDomain::Node])?,
        enough: *u.choose(&[Enough::Min, Enough::Load])?,
        domains: option(u, small)?,
    })
}

pub(crate) const POOLS: [&str; 3] = ["a", "b", "c"];
