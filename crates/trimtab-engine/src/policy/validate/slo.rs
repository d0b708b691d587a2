//! The rules for `slo`.

mod error_budget;
mod offered;
mod service_model;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use trimtab_metric::Quantity;

use super::Errors;
use super::strategy::Within;
use crate::policy::strategy::{INTERVAL, WINDOW};
use crate::policy::{
    Metric, MetricSource, MetricSpec, PolicySpec, SloRole, SloSignalSpec, SloSpec, Target,
};
use crate::strategy::slo::UnknownRule;

pub(super) fn slo(slo: &SloSpec, spec: &PolicySpec, errors: &mut Errors) {
    let mut within = Within { path: "spec.slo", errors };
    within.whole("leadTimeSeconds", slo.lead_time_seconds, 1, 3600);
    within.whole("overdueAfterSeconds", slo.overdue_after_seconds, 1, i32::MAX);
    within.whole("scaleToZeroAfterSeconds", slo.scale_to_zero_after_seconds, 0, i32::MAX);
    within.number("surgeQuantile", slo.surge_quantile, 0.0, 1.0);
    within.number("headroom", slo.headroom, 0.0, 10.0);
    within.number("maxSurgePercent", slo.max_surge_percent, 0.0, f64::MAX);
    if let Some(latency) = &slo.latency {
        within.share("latency.damping", latency.damping);
        within.number("latency.maxStretch", latency.max_stretch, 1.0, f64::MAX);
        within.number("latency.maxBoostPercent", latency.max_boost_percent, 0.0, f64::MAX);
        within.whole("latency.settleSeconds", latency.settle_seconds, 0, i32::MAX);
        within.number("latency.holdRatio", latency.hold_ratio, 0.0, 1.0);
    }
    if let Some(sampling) = &slo.sampling {
        let interval = sampling.interval_seconds.unwrap_or(INTERVAL);
        let window = sampling.window_seconds.unwrap_or(WINDOW);
        within.whole("sampling.intervalSeconds", sampling.interval_seconds, 1, 60);
        within.whole("sampling.windowSeconds", sampling.window_seconds, interval, 600);
        within.whole("sampling.recentSeconds", sampling.recent_seconds, interval, window);
        within.number("sampling.noise", sampling.noise, 0.0, 10.0);
        within.whole("sampling.burstThresholdPercent", sampling.burst_threshold_percent, 100, 1000);
    }
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    // Without any metric that is the one thing to say.
    let signals = slo.signals.iter().filter(|_| !metrics.is_empty());
    for (index, signal) in signals.enumerate() {
        one_signal(index, signal, slo, metrics, errors);
    }
    for (index, metric) in metrics.iter().enumerate() {
        target(index, metric, slo, errors);
    }
    if !metrics.is_empty() {
        service_model::service_model(slo, &Names(metrics), errors);
        error_budget::error_budget(slo, &Names(metrics), errors);
    }
    offered::not_too_many(slo, metrics, errors);
    parts_are_named(slo, errors);
    has_a_size(slo, metrics, errors);
}

/// A signal is of one metric, and says only what its role knows.
fn one_signal(
    index: usize,
    signal: &SloSignalSpec,
    slo: &SloSpec,
    metrics: &[MetricSpec],
    errors: &mut Errors,
) {
    let field = |name: &str| format!("spec.slo.signals[{index}].{name}");
    let name = signal.metric.as_str();
    let names: Vec<Metric> = metrics.iter().map(Metric::from_spec).collect();
    let known: Vec<&str> = names.iter().map(Metric::name).collect();
    match known.iter().filter(|known| **known == name).count() {
        0 => errors.not_supported(field("metric"), name, &known),
        1 => {}
        _ => errors.invalid(field("metric"), format!("is `{name}`, as several metrics are")),
    }
    let before = slo.signals.iter().take(index);
    if before.into_iter().any(|other| other.metric == signal.metric) {
        errors.invalid(field("metric"), format!("is `{name}`, as another signal's is"));
    }
    let mut within = Within { path: "spec.slo", errors };
    let inner = |name: &str| format!("signals[{index}].{name}");
    within.number(&inner("minCoverage"), signal.min_coverage, 0.0, 1.0);
    within.whole(&inner("maxAgeSeconds"), signal.max_age_seconds, 1, i32::MAX);
    if signal.on_unknown.as_ref().is_some_and(|it| it.down == UnknownRule::AssumeLimit) {
        let detail = "is `assumeLimit` and has to be `hold` or `ignore`";
        errors.invalid(field("onUnknown.down"), detail);
    }
    if signal.role == SloRole::Part
        && signal.on_unknown.as_ref().is_some_and(|it| it.up == UnknownRule::AssumeLimit)
    {
        let detail = "is `assumeLimit`, and a part has none: it has to be `hold` or `ignore`";
        errors.invalid(field("onUnknown.up"), detail);
    }
    offered::of_a_demand(index, signal, slo, &Names(metrics), errors);
    let limit = names.iter().find(|metric| metric.name() == name).and_then(limit_of);
    only_of(SloRole::Trigger, signal, signal.release.as_ref(), &field("release"), errors);
    only_of(SloRole::Guard, signal, signal.hard_limit.as_ref(), &field("hardLimit"), errors);
    if let (Some(release), Some(limit)) = (&signal.release, limit)
        && release.milli() >= limit
    {
        let detail = format!("is `{release}` and has to be less than the metric's target");
        errors.invalid(field("release"), detail);
    }
    if let (Some(hard), Some(limit)) = (&signal.hard_limit, limit)
        && hard.milli() < limit
    {
        let detail = format!("is `{hard}` and has to be at least the metric's target");
        errors.invalid(field("hardLimit"), detail);
    }
}

/// The metrics of the policy, by name.
struct Names<'a>(&'a [MetricSpec]);

impl Names<'_> {
    /// Whether there is exactly one of this name; says so otherwise.
    fn has(&self, name: &str, field: String, errors: &mut Errors) -> bool {
        let metrics: Vec<Metric> = self.0.iter().map(Metric::from_spec).collect();
        let known: Vec<&str> = metrics.iter().map(Metric::name).collect();
        match known.iter().filter(|known| **known == name).count() {
            0 => errors.not_supported(field, name, &known),
            1 => return true,
            _ => errors.invalid(field, format!("is `{name}`, as several metrics are")),
        }
        false
    }

    /// The same of one that stands beside a demand, and is not the demand itself.
    fn other_than(&self, own: &str, name: &str, field: String, errors: &mut Errors) {
        if name == own {
            let detail = format!("is `{name}`, the demand itself: name what stands beside it");
            errors.invalid(field, detail);
        } else {
            self.has(name, field, errors);
        }
    }
}

/// A part that nothing is made of says nothing.
fn parts_are_named(slo: &SloSpec, errors: &mut Errors) {
    for (index, signal) in slo.signals.iter().enumerate() {
        let name = signal.metric.as_str();
        let of_demand = |other: &SloSignalSpec| {
            other.offered.as_ref().is_some_and(|it| it.parts().any(|(_, part)| part == name))
                || other.learned.as_ref().is_some_and(|it| it.queue == name)
        };
        let of_model = slo.service_model.as_ref();
        let of_model = of_model.is_some_and(|it| it.parts().any(|(_, part)| part == name));
        let of_budget = slo.error_budget.as_ref().is_some_and(|it| it.attained == name);
        let is_named = of_model || of_budget || slo.signals.iter().any(of_demand);
        if signal.role == SloRole::Part && !is_named {
            let detail = format!(
                "is `part`, and nothing is made of `{name}`: name it in a demand's `offered` or \
                 `learned`, in `serviceModel` or in `errorBudget`, or leave it out"
            );
            errors.invalid(format!("spec.slo.signals[{index}].role"), detail);
        }
    }
}

fn limit_of(metric: &Metric) -> Option<i64> {
    match metric.target() {
        Target::AverageValue { milli } | Target::Value { milli } => Some(milli),
        _ => None,
    }
}

fn only_of(
    role: SloRole,
    signal: &SloSignalSpec,
    given: Option<&Quantity>,
    field: &str,
    errors: &mut Errors,
) {
    if given.is_some() && signal.role != role {
        let (own, role) = (word(signal.role), word(role));
        let detail = format!("is for the role `{role}`, and this one's is `{own}`");
        errors.forbidden(String::from(field), detail);
    }
}

const fn word(role: SloRole) -> &'static str {
    match role {
        SloRole::Trigger => "trigger",
        SloRole::Demand => "demand",
        SloRole::Latency => "latency",
        SloRole::Guard => "guard",
        SloRole::Part => "part",
    }
}

/// A load is shared by the replicas; a latency and a guard are not.
fn target(index: usize, metric: &MetricSpec, slo: &SloSpec, errors: &mut Errors) {
    let read = Metric::from_spec(metric);
    let own = slo.signals.iter().find(|own| own.metric == read.name());
    let role = own.map_or(SloRole::Demand, |own| own.role);
    let name = read.name();
    let (is_average, is_value, utilization) = match read.target() {
        Target::AverageValue { .. } => (true, false, false),
        Target::Value { .. } => (false, true, false),
        Target::Utilization { .. } => (false, false, true),
        Target::Unusable => return, // told already
    };
    let is_whole = matches!(read.source(), MetricSource::External | MetricSource::Object);
    let problem = if utilization {
        Some("is a share of the request, and `strategy: slo` takes an `averageValue`")
    } else if role == SloRole::Demand && !is_average {
        Some("is a `value`, and a demand takes an `averageValue`: the load of one replica")
    } else if matches!(role, SloRole::Latency | SloRole::Guard) && is_whole && !is_value {
        Some("is an `averageValue`, and a latency or guard of the whole service takes a `value`")
    } else {
        None
    };
    if let Some(problem) = problem {
        errors.invalid(format!("spec.metrics[{index}]"), format!("`{name}`: its target {problem}"));
    }
}

/// Something has to say how many.
fn has_a_size(slo: &SloSpec, metrics: &[MetricSpec], errors: &mut Errors) {
    if metrics.is_empty() {
        let detail = "is missing: `strategy: slo` needs a load to decide by, such as the requests in \
                      flight with what one replica serves at once";
        errors.required(String::from("spec.metrics"), detail);
        return;
    }
    let says_how_many = |metric: &MetricSpec| {
        let read = Metric::from_spec(metric);
        let own = slo.signals.iter().find(|own| own.metric == read.name());
        matches!(own.map_or(SloRole::Demand, |own| own.role), SloRole::Demand | SloRole::Latency)
    };
    if !metrics.iter().any(says_how_many) {
        let detail = "are triggers and guards, and none says how many: give one the role `demand` or \
                      `latency`";
        errors.invalid(String::from("spec.slo.signals"), detail);
    }
}
