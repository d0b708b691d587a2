//! The same series through `decide`, with a policy, a state and observations.
//!
//! A user's own policy is code, so series of `custom` mode can't come this way. An observation's amounts
//! are thousandths and its times milliseconds, and recorded totals are finer: of the nearest thousandths
//! one has to lead to the recorded decision. Where there are reports, their samples have to as well.

use std::collections::BTreeSet;

use trimtab_engine::strategy::ray_serve::{Reports, Sample};
use trimtab_engine::{
    Decision, ExternalMetricSource, Finite, MetricIdentifier, MetricReading, MetricSpec,
    MetricStatus, MetricTarget, Observation, ObservationRecord, Point, Policy, PolicySpec,
    RayServeSpec, ReadingRecord, Scale, Selector, State, StrategyName, StrategyState, Unavailable,
    decide, decide_traced,
};
use trimtab_metric::{Quantity, Timestamp};

use super::super::case::Checks;
use super::form::{Case, Input, Output};
use super::near;

/// What the policy calls its metric.
const METRIC: &str = "ongoing_requests";

/// A deployment under `decide`.
pub(super) struct Deployment {
    policy: Policy,
    state: State,
}

impl Deployment {
    /// Registers it: the count to begin with is decided without any reading.
    pub(super) fn new(case: &Case, checks: &mut Checks) -> Result<Self, String> {
        let policy = policy(case)?;
        let start = case.steps.first().map_or(0.0, |step| step.input.t);
        let observation = Observation::new(at(start)?, Scale::steady(case.target_before_register));
        let (decision, state) = decide(&policy, State::default(), &observation);
        let field = "target_after_register by `decide`";
        checks.equal(field, &case.target_after_register, &decision.desired_replicas);
        Ok(Self { policy, state })
    }

    /// One tick. `reports` are those of the sources, where they were recorded.
    pub(super) fn tick(
        &mut self,
        input: &Input,
        expected: &Output,
        reports: Option<&mut Reports>,
        field: impl Fn(&str) -> String,
        checks: &mut Checks,
    ) -> Result<(), String> {
        let now = at(input.t)?;
        let scale = Scale { spec_replicas: input.target, status_replicas: input.running };
        let observation =
            |reading| Observation { readings: vec![reading], ..Observation::new(now, scale) };
        let seen = (expected.decision, expected.counter);
        let (mut first, mut right) = (None, None);
        for reading in totals(expected.total) {
            let (decision, after) = decide(&self.policy, self.state.clone(), &observation(reading));
            let got = (decision.desired_replicas, counter(&after));
            first.get_or_insert(got);
            if got == seen {
                right = Some(after);
                break;
            }
        }
        let reading = totals(expected.total).next();
        let record = record(now, scale, reading.as_ref());
        checks.log(&self.policy, &self.state, &record, None)?;
        let name = field("decision and counter by `decide`");
        checks.equal(name, &seen, &first.filter(|_| right.is_none()).unwrap_or(seen));
        if let Some(reports) = reports {
            let running: BTreeSet<&str> = input.running_ids.iter().map(String::as_str).collect();
            let series = series(&reports.sources(input.t, &running))?;
            let observation = observation(MetricReading::Series(series));
            let (decision, after) = decide_traced(&self.policy, self.state.clone(), &observation);
            let total = load(&decision).unwrap_or(f64::NAN);
            // Told to the nearest thousandth.
            if (total - expected.total).abs() > 0.000_501 && !near(total, expected.total) {
                checks.equal(field("total by `decide`"), &expected.total, &total);
            }
            let got = (decision.desired_replicas, counter(&after));
            checks.equal(field("decision and counter by samples"), &seen, &got);
        }
        self.state = right.unwrap_or_default();
        Ok(())
    }
}

/// The same as a document has it.
fn record(time: Timestamp, scale: Scale, reading: Option<&MetricReading>) -> ObservationRecord {
    let (value, unavailable) = match reading {
        Some(MetricReading::Totals(values)) => (values.first().copied(), None),
        Some(MetricReading::Unavailable(why)) => (None, Some(*why)),
        _ => (None, Some(Unavailable::Missing)),
    };
    let reading = ReadingRecord {
        metric: METRIC.into(),
        value: value.map(Quantity::from_milli),
        unavailable,
        ..ReadingRecord::default()
    };
    ObservationRecord {
        time,
        replicas: Some(scale.spec_replicas),
        status_replicas: Some(scale.status_replicas),
        selector: Selector::Ok,
        pods: Vec::new(),
        pod_metrics: None,
        readings: vec![reading],
        warm: None,
        supply: None,
    }
}

fn policy(case: &Case) -> Result<Policy, String> {
    let config = &case.config;
    let number = |name: &str, value: f64| Finite::new(value).ok_or(format!("{name} is {value}"));
    let optional = |name: &str, value: Option<f64>| value.map(|it| number(name, it)).transpose();
    let target = config.target_ongoing_requests.to_string();
    let target = MetricTarget {
        type_: "AverageValue".into(),
        average_value: Some(target.parse().map_err(|_| format!("the target is {target}"))?),
        ..MetricTarget::default()
    };
    let metric = MetricIdentifier { name: METRIC.into(), selector: None };
    let to_zero = config.downscale_to_zero_delay_s;
    Ok(Policy::from_stored(PolicySpec {
        strategy: StrategyName::RayServe,
        min_replicas: Some(config.min_replicas),
        max_replicas: config.max_replicas,
        metrics: Some(vec![MetricSpec {
            type_: "External".into(),
            external: Some(ExternalMetricSource { metric, target }),
            ..MetricSpec::default()
        }]),
        ray_serve: Some(Box::new(RayServeSpec {
            initial_replicas: config.initial_replicas,
            upscale_delay_seconds: Some(number("upscale_delay_s", config.upscale_delay_s)?),
            downscale_delay_seconds: Some(number("downscale_delay_s", config.downscale_delay_s)?),
            downscale_to_zero_delay_seconds: optional("downscale_to_zero_delay_s", to_zero)?,
            upscaling_factor: optional("upscaling_factor", config.upscaling_factor)?,
            downscaling_factor: optional("downscaling_factor", config.downscaling_factor)?,
            look_back_period_seconds: optional("look_back_period_s", config.look_back_period_s)?,
            aggregation_function: Some(config.aggregation_function),
            gang_size: Some(case.gang_size),
            target_capacity_percentage: optional("target_capacity", case.target_capacity)?,
            target_capacity_direction: case.target_capacity_direction(),
            ..RayServeSpec::default()
        })),
        ..PolicySpec::default()
    }))
}

/// The total to the nearest thousandth, and to the ones below and above.
fn totals(total: f64) -> impl Iterator<Item = MetricReading> {
    #[expect(clippy::cast_possible_truncation, reason = "a total of requests")]
    let reading = |milli: f64| MetricReading::Totals(vec![milli as i64]);
    let milli = total * 1000.0;
    [milli.round(), milli.floor(), milli.ceil()].into_iter().map(reading)
}

#[expect(clippy::cast_possible_truncation, reason = "a count of requests")]
fn series(sources: &[&[Sample]]) -> Result<Vec<Vec<Point>>, String> {
    let point = |sample: &Sample| {
        Ok(Point { at: at(sample.at)?, milli: (sample.value * 1000.0).round() as i64 })
    };
    sources.iter().map(|samples| samples.iter().map(point).collect()).collect()
}

fn at(seconds: f64) -> Result<Timestamp, String> {
    Timestamp::from_secs_f64(seconds).ok_or_else(|| format!("{seconds} is no time"))
}

fn counter(state: &State) -> i32 {
    match &state.strategy {
        Some(StrategyState::RayServe(memory)) => memory.streak.counter,
        _ => 0,
    }
}

/// What the trace says of the load.
fn load(decision: &Decision) -> Option<f64> {
    let metric = decision.metrics().next()?;
    let trimtab_engine::MetricResult::Measured(measured) = &metric.result else { return None };
    match measured.status {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        MetricStatus::Value { milli } => Some(milli as f64 / 1000.0),
        _ => None,
    }
}
