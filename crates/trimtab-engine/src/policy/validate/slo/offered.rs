//! The rules for what a demand's reading leaves out, and for how it learns what a replica takes.

use alloc::format;
use alloc::string::String;

use trimtab_metric::Quantity;

use super::{Errors, Names, Within, word};
use crate::policy::{
    Finite, Metric, MetricSource, MetricSpec, SloCounts, SloLearnedSpec, SloOfferedSpec, SloRole,
    SloSignalSpec, SloSpec,
};
use crate::strategy::slo::SensingState;

/// What belongs to a demand alone.
pub(super) fn of_a_demand(
    index: usize,
    signal: &SloSignalSpec,
    slo: &SloSpec,
    names: &Names<'_>,
    errors: &mut Errors,
) {
    let path = |name: &str| format!("signals[{index}].{name}");
    let given = [("offered", signal.offered.is_some()), ("learned", signal.learned.is_some())];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        if signal.role != SloRole::Demand {
            let detail =
                format!("is for the role `demand`, and this one's is `{}`", word(signal.role));
            errors.forbidden(format!("spec.slo.{}", path(name)), detail);
        }
    }
    if let Some(spec) = &signal.offered {
        offered(&path("offered"), spec, &signal.metric, names, errors);
    }
    if let Some(spec) = &signal.learned {
        learned(&path("learned"), spec, &signal.metric, names, errors);
        if slo.service_model.as_ref().is_some_and(|model| model.rate == signal.metric) {
            let detail = "is for a demand that the service model is not about: leave one of the two \
                          out";
            errors.forbidden(format!("spec.slo.{}", path("learned")), detail);
        }
    }
}

fn offered(path: &str, spec: &SloOfferedSpec, own: &str, names: &Names<'_>, errors: &mut Errors) {
    let field = |name: &str| format!("spec.slo.{path}.{name}");
    for (name, metric) in spec.parts() {
        names.other_than(own, metric, field(name), errors);
    }
    let is_rate = spec.counts != SloCounts::InFlight;
    let counts = match spec.counts {
        SloCounts::InFlight => "inFlight",
        SloCounts::Arrivals => "arrivals",
        SloCounts::Completions => "completions",
    };
    let only = |given: bool, name: &str, fits: bool, what: &str, errors: &mut Errors| {
        if given && !fits {
            let detail = format!(
                "is for a demand that counts {what}, and this one's `counts` is `{counts}`"
            );
            errors.forbidden(field(name), detail);
        }
    };
    let rate = "`arrivals` or `completions`";
    only(spec.waiting.is_some(), "waiting", !is_rate, "`inFlight`", errors);
    only(spec.backlog.is_some(), "backlog", is_rate, rate, errors);
    only(spec.drain_seconds.is_some(), "drainSeconds", is_rate, rate, errors);
    only(spec.residence_seconds.is_some(), "residenceSeconds", !is_rate, "`inFlight`", errors);
    if spec.counts == SloCounts::Completions && spec.backlog.is_none() {
        let detail = "is missing: an overloaded server completes no more than it can, and what comes \
                      beyond that is seen in what waits";
        errors.required(field("backlog"), detail);
    }
    if spec.rejected_per_second.is_some() && !is_rate && spec.residence_seconds.is_none() {
        let detail = "is missing: with `rejectedPerSecond` it makes a number in flight, so set it to how \
                      long a request stays";
        errors.required(field("residenceSeconds"), detail);
    }
    if spec.rejected.is_some() && spec.rejected_per_second.is_some() {
        let detail = "says what `rejected` says: leave one of the two out";
        errors.forbidden(field("rejectedPerSecond"), detail);
    }
    if spec.queue_censored_at.is_some() && spec.waiting.is_none() && spec.backlog.is_none() {
        let detail = "is the most of what waits, and neither `waiting` nor `backlog` tells of that";
        errors.invalid(field("queueCensoredAt"), detail);
    }
    above_zero(spec.censored_at.as_ref(), field("censoredAt"), errors);
    above_zero(spec.queue_censored_at.as_ref(), field("queueCensoredAt"), errors);
    let mut within = Within { path: "spec.slo", errors };
    let inner = |name: &str| format!("{path}.{name}");
    within.above(&inner("residenceSeconds"), spec.residence_seconds, 0.0);
    within.whole(&inner("drainSeconds"), spec.drain_seconds, 0, i32::MAX);
    let growth = spec.censored_growth_percent;
    within.number(&inner("censoredGrowthPercent"), growth, 0.0, f64::MAX);
}

fn learned(path: &str, spec: &SloLearnedSpec, own: &str, names: &Names<'_>, errors: &mut Errors) {
    let field = |name: &str| format!("spec.slo.{path}.{name}");
    names.other_than(own, &spec.queue, field("queue"), errors);
    above_zero(Some(&spec.queue_at), field("queueAt"), errors);
    let percent = spec.target_percent.map(Finite::get);
    if let Some(percent) = percent.filter(|percent| *percent <= 0.0 || *percent > 100.0) {
        let detail = format!("is {percent} and has to be above 0 and at most 100");
        errors.invalid(field("targetPercent"), detail);
    }
}

fn above_zero(quantity: Option<&Quantity>, field: String, errors: &mut Errors) {
    if let Some(quantity) = quantity.filter(|quantity| quantity.signum() <= 0) {
        errors.invalid(field, format!("is `{quantity}` and has to be above 0"));
    }
}

/// What demands remember is bounded by how many of them do.
pub(super) fn not_too_many(slo: &SloSpec, metrics: &[MetricSpec], errors: &mut Errors) {
    let learns = |signal: &SloSignalSpec| {
        signal.learned.is_some() || signal.offered.as_ref().is_some_and(|it| it.backlog.is_some())
    };
    let remembers = |metric: &&MetricSpec| {
        let read = Metric::from_spec(metric);
        let own = slo.signals.iter().find(|own| own.metric == read.name());
        let is_sampled = slo.sampling.is_some()
            && *read.source() == MetricSource::External
            && own.is_none_or(|own| own.role == SloRole::Demand);
        is_sampled || own.is_some_and(learns)
    };
    let (count, most) = (metrics.iter().filter(remembers).count(), SensingState::MOST_DEMANDS);
    if count > most {
        let detail = format!(
            "has {count} demands with `learned`, a `backlog` or `sampling`, which have something to \
             remember: at most {most} may"
        );
        errors.invalid(String::from("spec.slo.signals"), detail);
    }
}
