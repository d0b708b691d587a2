//! Family `knative_kpa`: the averages of two windows, and what the autoscaler makes of them.

use serde::Deserialize;
use trimtab_engine::KnativeAggregation;
use trimtab_engine::strategy::knative::{
    AutoscalerSettings, AutoscalerState, Buckets, Proposal, Tick,
};
use trimtab_metric::{Span, Timestamp};

use super::super::case::Checks;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Case {
    #[serde(rename = "id")]
    _id: String,
    mode: Mode,
    #[serde(default)]
    aggregation: Option<Aggregation>,
    /// Whether an empty window is no data.
    #[serde(default)]
    scrape_target: Option<bool>,
    start_ms: i64,
    start_ready: i32,
    spec: Spec,
    steps: Vec<Step>,
}

#[derive(Copy, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Direct,
    Bucketed,
}

#[derive(Copy, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Aggregation {
    Linear,
    WeightedExponential,
}

#[derive(Copy, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    max_scale_up_rate: f64,
    max_scale_down_rate: f64,
    metric: Metric,
    target: f64,
    total: f64,
    target_burst_capacity: f64,
    panic_threshold: f64,
    stable_window_s: i64,
    panic_window_s: i64,
    scale_down_delay_s: i64,
    reachable: bool,
    activation_scale: i32,
}

#[derive(Copy, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Metric {
    Concurrency,
    Rps,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "in")]
    input: Input,
    out: Output,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    t_ms: i64,
    /// Time, concurrency and the proxied part of it, requests and the proxied ones of them.
    #[serde(default)]
    samples: Vec<(i64, f64, f64, f64, f64)>,
    #[serde(default)]
    stable_in: Option<f64>,
    #[serde(default)]
    panic_in: Option<f64>,
    ready: i32,
    #[serde(default)]
    ready_err: Option<ReadyError>,
    #[serde(default)]
    metric_err: bool,
    #[serde(default)]
    spec_update: Option<Spec>,
}

#[derive(Copy, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReadyError {
    NotFound,
    Other,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    valid: bool,
    desired: i32,
    ebc: i32,
    stable: f64,
    panic: f64,
    panic_mode: bool,
    panic_at_ms: Option<i64>,
    max_panic_pods: i32,
}

pub(in super::super) fn check(case: &Case, checks: &mut Checks) -> Result<(), String> {
    let mut settings = case.spec.settings();
    let start = Timestamp::from_millis(case.start_ms);
    let mut state = AutoscalerState::new(&settings, start, case.start_ready);
    let mut windows = Windows::of(case)?;
    for (index, step) in case.steps.iter().enumerate() {
        let field = |name: &str| format!("steps[{index}].{name}");
        let (input, expected) = (&step.input, &step.out);
        if let Some(spec) = &input.spec_update {
            settings = spec.settings();
        }
        let now = Timestamp::from_millis(input.t_ms);
        let averages = windows.averages(input)?;
        let readable = !input.metric_err && input.ready_err != Some(ReadyError::Other);
        let seen = averages.filter(|_| readable);
        checks.equal(field("valid"), &expected.valid, &seen.is_some());
        let (stable, panic) = seen.unwrap_or_default();
        close(field("stable"), expected.stable, stable, checks);
        close(field("panic"), expected.panic, panic, checks);
        let proposal = seen.map(|_| {
            let ready = if input.ready_err.is_some() { 0 } else { input.ready };
            // Of the recorded averages: the last bit of a sum must not turn a ceiling.
            let tick = Tick { now, ready, stable: expected.stable, panic: expected.panic };
            state.tick(&settings, &tick)
        });
        compare(expected, proposal, &state, &field, checks);
    }
    Ok(())
}

fn compare(
    expected: &Output,
    proposal: Option<Proposal>,
    state: &AutoscalerState,
    field: &impl Fn(&str) -> String,
    checks: &mut Checks,
) {
    let (desired, burst) =
        proposal.map_or((0, 0), |proposal| (proposal.replicas, proposal.excess_burst_capacity));
    checks.equal(field("desired"), &expected.desired, &desired);
    checks.equal(field("ebc"), &expected.ebc, &burst);
    let panic_at = state.panic_at().map(Timestamp::as_millis);
    checks.equal(field("panic_mode"), &expected.panic_mode, &panic_at.is_some());
    checks.equal(field("panic_at_ms"), &expected.panic_at_ms, &panic_at);
    checks.equal(field("max_panic_pods"), &expected.max_panic_pods, &state.max_panic_replicas());
}

/// Averages agree to six digits: how a sum is rounded is left to each side.
fn close(field: String, expected: f64, got: f64, checks: &mut Checks) {
    let agrees = (expected - got).abs() <= 1e-6 * expected.abs();
    checks.equal(field, &expected, if agrees { &expected } else { &got });
}

/// The windows of a series: none where the averages are given.
struct Windows(Option<Averaged>);

struct Averaged {
    aggregation: KnativeAggregation,
    metric: Metric,
    scraped: bool,
    stable: Buckets,
    panic: Buckets,
}

impl Windows {
    fn of(case: &Case) -> Result<Self, String> {
        if matches!(case.mode, Mode::Direct) {
            return Ok(Self(None));
        }
        let aggregation = match case.aggregation.ok_or("a bucketed series has no `aggregation`")? {
            Aggregation::Linear => KnativeAggregation::Linear,
            Aggregation::WeightedExponential => KnativeAggregation::WeightedExponential,
        };
        let buckets = |seconds: i64| {
            let most = Buckets::MOST_SECONDS;
            let seconds = u16::try_from(seconds).ok().filter(|it| (1..=most).contains(it));
            seconds.map(Buckets::new).ok_or(format!("a window is not 1 to {most} s long"))
        };
        Ok(Self(Some(Averaged {
            aggregation,
            metric: case.spec.metric,
            scraped: case.scrape_target.unwrap_or(false),
            stable: buckets(case.spec.stable_window_s)?,
            panic: buckets(case.spec.panic_window_s)?,
        })))
    }

    /// The averages of a step, after its samples; `None` is no data.
    fn averages(&mut self, input: &Input) -> Result<Option<(f64, f64)>, String> {
        let Some(windows) = &mut self.0 else {
            let given = input.stable_in.zip(input.panic_in);
            return given.map(Some).ok_or_else(|| "a direct step has no averages".to_owned());
        };
        for &(at, concurrency, proxied, requests, proxied_requests) in &input.samples {
            let value = match windows.metric {
                Metric::Concurrency => concurrency - proxied,
                Metric::Rps => requests - proxied_requests,
            };
            windows.stable.record(Timestamp::from_millis(at), value);
            windows.panic.record(Timestamp::from_millis(at), value);
        }
        let now = Timestamp::from_millis(input.t_ms);
        if windows.scraped && windows.stable.is_empty(now) {
            return Ok(None);
        }
        let average = |buckets: &Buckets| buckets.average(windows.aggregation, now);
        Ok(Some((average(&windows.stable), average(&windows.panic))))
    }
}

impl Spec {
    fn settings(&self) -> AutoscalerSettings {
        AutoscalerSettings {
            max_scale_up_rate: self.max_scale_up_rate,
            max_scale_down_rate: self.max_scale_down_rate,
            target: self.target,
            total: self.total,
            target_burst_capacity: self.target_burst_capacity,
            panic_threshold: self.panic_threshold,
            stable_window: Span::from_secs(self.stable_window_s),
            scale_down_delay: Span::from_secs(self.scale_down_delay_s),
            reachable: self.reachable,
            activation_scale: self.activation_scale,
        }
    }
}
