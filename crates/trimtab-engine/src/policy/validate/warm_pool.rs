//! The rules for `warmPool`.

use alloc::format;
use alloc::string::String;

use super::Errors;
use super::strategy::Within;
use crate::policy::{PolicySpec, WarmPoolSettings, WarmPoolSpec, WarmSizeSpec, WarmSurgeSpec};

pub(super) fn warm_pool(pool: &WarmPoolSpec, spec: &PolicySpec, errors: &mut Errors) {
    let mut within = Within { path: "spec.warmPool", errors };
    within.whole("minSize", pool.min_size, 0, i32::MAX);
    within.whole("maxSize", pool.max_size, pool.min_size.unwrap_or(0).max(0), i32::MAX);
    within.whole("promoteSeconds", pool.promote_seconds, 0, 3600);
    within.whole("leadTimeSeconds", pool.lead_time_seconds, 1, 3600);
    match &pool.size {
        WarmSizeSpec::Fixed(replicas) => within.whole("size.fixed", Some(*replicas), 0, i32::MAX),
        WarmSizeSpec::Percent(percent) => {
            within.number("size.percent", Some(*percent), 0.0, f64::MAX);
        }
        WarmSizeSpec::Surge(size) => surge(size, &mut within),
    }
    let WarmPoolSettings { promote, lead_time, .. } = WarmPoolSettings::from_spec(pool, spec);
    if promote >= lead_time {
        let detail = format!(
            "is {promote} and has to be less than `leadTimeSeconds`, {lead_time}: a pool that is not \
             faster than a start is of no use"
        );
        errors.invalid(String::from("spec.warmPool.promoteSeconds"), detail);
    }
}

fn surge(size: &WarmSurgeSpec, within: &mut Within<'_>) {
    within.number("size.surge.quantile", size.quantile, 0.0, 1.0);
    within.above("size.surge.idleCost", size.idle_cost, 0.0);
    within.above("size.surge.missCost", size.miss_cost, 0.0);
    let field = || String::from("spec.warmPool.size.surge");
    match (size.quantile, size.idle_cost, size.miss_cost) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => {}
        (None, None, None) => {
            let detail = "has neither a `quantile` nor costs: give `quantile`, or `idleCost` and \
                          `missCost`";
            within.errors.required(field(), detail);
        }
        (Some(_), ..) => {
            let detail = "has a `quantile` and costs, which give the quantile: leave one out";
            within.errors.invalid(field(), detail);
        }
        (None, ..) => {
            let detail = "has one of two costs: give both `idleCost` and `missCost`";
            within.errors.required(field(), detail);
        }
    }
}
