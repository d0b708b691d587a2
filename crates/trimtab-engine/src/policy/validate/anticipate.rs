//! The rules for `schedules` and `anticipate`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Errors;
use super::strategy::Within;
use crate::policy::anticipate::{MOST_SLOTS, lead_time_seconds, load_of_one};
use crate::policy::{AnticipateSpec, ForecastSpec, Metric, PolicySpec, ScheduleSpec};

pub(super) fn anticipate(spec: &PolicySpec, errors: &mut Errors) {
    for (index, schedule) in spec.schedules.iter().enumerate() {
        let earlier = spec.schedules.iter().take(index);
        if earlier.into_iter().any(|other| other.name == schedule.name) {
            let detail = format!("is `{}`, as another schedule's is", schedule.name);
            errors.invalid(format!("spec.schedules[{index}].name"), detail);
        }
        one_schedule(&format!("spec.schedules[{index}]"), schedule, spec, errors);
    }
    if let Some(given) = spec.anticipate.as_deref() {
        settings(given, spec, errors);
    }
}

fn one_schedule(path: &str, schedule: &ScheduleSpec, spec: &PolicySpec, errors: &mut Errors) {
    if schedule.name.is_empty() {
        errors.required(format!("{path}.name"), "is missing: the trace calls the window by it");
    }
    if let Err((field, text, problem)) = schedule.compile() {
        errors.invalid(format!("{path}.{field}"), format!("is `{text}`: {problem}"));
    }
    match (&schedule.end, schedule.duration_seconds) {
        (Some(_), Some(_)) => {
            let detail =
                "is given beside `end`: a window closes by one of them, leave the other out";
            errors.forbidden(format!("{path}.durationSeconds"), detail);
        }
        (None, None) => {
            let detail = "is missing: set it to when the window closes, or set `durationSeconds`";
            errors.required(format!("{path}.end"), detail);
        }
        _ => {}
    }
    if let Some(seconds) = schedule.duration_seconds.filter(|seconds| *seconds < 1) {
        let detail = format!("is {seconds} and has to be at least 1");
        errors.invalid(format!("{path}.durationSeconds"), detail);
    }
    bounds(path, schedule, spec, errors);
}

/// What a window asks for stays within what the policy allows.
fn bounds(path: &str, schedule: &ScheduleSpec, spec: &PolicySpec, errors: &mut Errors) {
    let least = spec.min_replicas.unwrap_or(1);
    let most = if spec.max_replicas > 0 { spec.max_replicas } else { i32::MAX };
    let (min, max) = (schedule.min_replicas, schedule.max_replicas);
    if min.is_none() && max.is_none() {
        let detail = "is missing, as `maxReplicas` is: a window sets one of them or both";
        errors.required(format!("{path}.minReplicas"), detail);
    }
    for (name, value) in [("minReplicas", min), ("maxReplicas", max)] {
        let Some(value) = value.filter(|value| least <= most && !(least..=most).contains(value))
        else {
            continue;
        };
        let detail = if most == i32::MAX {
            format!("is {value} and has to be at least the policy's `minReplicas`, {least}")
        } else {
            format!("is {value} and has to be within the policy's bounds, {least} to {most}")
        };
        errors.invalid(format!("{path}.{name}"), detail);
    }
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        let detail = format!("is {max} and has to be at least the window's `minReplicas`, {min}");
        errors.invalid(format!("{path}.maxReplicas"), detail);
    }
}

fn settings(given: &AnticipateSpec, spec: &PolicySpec, errors: &mut Errors) {
    let mut within = Within { path: "spec.anticipate", errors };
    within.whole("leadTimeSeconds", given.lead_time_seconds, 1, 3600);
    within.number("creditFactor", given.credit_factor, 1.0, f64::MAX);
    within.whole("overdueAfterSeconds", given.overdue_after_seconds, 1, i32::MAX);
    if let Some(learn) = &given.learn_lead_time {
        within.share("learnLeadTime.quantile", learn.quantile);
        within.whole("learnLeadTime.minSeconds", learn.min_seconds, 1, 3600);
        let least = learn.min_seconds.unwrap_or(1).clamp(1, 3600);
        within.whole("learnLeadTime.maxSeconds", learn.max_seconds, least, 3600);
    }
    if !given.starting_credit {
        let needs = [
            ("creditFactor", given.credit_factor.is_some()),
            ("overdueAfterSeconds", given.overdue_after_seconds.is_some()),
        ];
        for (name, _) in needs.into_iter().filter(|(_, given)| *given) {
            let detail = "is for `startingCredit: true`: set that, or leave it out";
            errors.forbidden(format!("spec.anticipate.{name}"), detail);
        }
    }
    if let Some(given) = &given.forecast {
        forecast(given, spec, errors);
    }
}

fn forecast(given: &ForecastSpec, spec: &PolicySpec, errors: &mut Errors) {
    let field = |name: &str| format!("spec.anticipate.forecast.{name}");
    let mut within = Within { path: "spec.anticipate.forecast", errors };
    within.number("quantile", given.quantile, 0.0, 1.0);
    within.whole("stepSeconds", given.step_seconds, 1, 86_400);
    within.whole("seasonSeconds", given.season_seconds, 2, 31 * 86_400);
    metric(given, spec, errors);
    if let Some(season) = given.season_seconds.filter(|season| *season > 0) {
        let step = given.step(lead_time_seconds(spec));
        let slots = season / step;
        if season % step != 0 || !(2..=MOST_SLOTS).contains(&slots) {
            let detail = format!(
                "is {season}, with steps of {step}, and has to be 2 to {MOST_SLOTS} whole steps"
            );
            errors.invalid(field("seasonSeconds"), detail);
        }
    } else {
        for model in given.models.iter().filter(|model| model.is_seasonal()) {
            let detail = format!(
                "has `{}`, which needs `seasonSeconds`: set it, or leave the model out",
                model.as_str()
            );
            errors.invalid(field("models"), detail);
        }
    }
}

/// What is forecast is one of the metrics, and a load that replicas share.
fn metric(given: &ForecastSpec, spec: &PolicySpec, errors: &mut Errors) {
    let field = String::from("spec.anticipate.forecast.metric");
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    let read: Vec<Metric> = metrics.iter().map(Metric::from_spec).collect();
    let known: Vec<&str> = read.iter().map(Metric::name).collect();
    let named = |metric: &&Metric| metric.name() == given.metric;
    match read.iter().filter(named).count() {
        0 => errors.not_supported(field, &given.metric, &known),
        1 if metrics
            .iter()
            .zip(&read)
            .any(|(spec, read)| named(&read) && load_of_one(spec).is_none()) =>
        {
            let detail = format!(
                "is `{}`, whose target is no `averageValue`: the load of one replica is needed to say \
                 how many a forecast load takes",
                given.metric
            );
            errors.invalid(field, detail);
        }
        1 => {}
        _ => errors.invalid(field, format!("is `{}`, as several metrics are", given.metric)),
    }
}
