//! Family `knative_scale_to_zero`: the bounds, and what becomes of a count of 0.

use serde::Deserialize;
use trimtab_engine::strategy::knative::{Fate, Phase, ScaleToZeroSettings, Situation};
use trimtab_metric::Span;

use super::super::case::Checks;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Case {
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "in")]
    input: Input,
    out: Output,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    desired: i32,
    min_scale: i32,
    max_scale: i32,
    initial_scale: i32,
    scale_target_initialized: bool,
    reachable: bool,
    enable_scale_to_zero: bool,
    state: State,
    state_age_s: i64,
    stable_window_s: i64,
    progress_deadline_s: i64,
    target_burst_capacity: f64,
    activator_probe: Probe,
    scale_to_zero_grace_s: i64,
    pod_retention_s: i64,
    proxy_mode: bool,
    proxy_for_s: i64,
}

#[derive(Copy, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
    Inactive,
    Activating,
}

#[derive(Copy, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Probe {
    True,
    False,
    Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    after_bounds: i32,
    desired: i32,
    apply: bool,
    requeue_after_s: Option<i64>,
    async_probe_started: bool,
}

pub(in super::super) fn check(case: &Case, checks: &mut Checks) {
    let (input, expected) = (&case.input, &case.out);
    let settings = input.settings();
    let bounded = settings.bounded(input.desired, input.scale_target_initialized);
    checks.equal("after_bounds", &expected.after_bounds, &bounded);
    let verdict = settings.judge(bounded, &input.situation());
    checks.equal("desired", &expected.desired, &verdict.replicas.unwrap_or(-1));
    checks.equal("apply", &expected.apply, &verdict.fate.is_applied());
    let requeue = verdict.again_after.map(|span| span.as_millis() / 1000);
    checks.equal("requeue_after_s", &expected.requeue_after_s, &requeue);
    let probed = verdict.fate == Fate::NotProxied;
    checks.equal("async_probe_started", &expected.async_probe_started, &probed);
}

impl Input {
    fn settings(&self) -> ScaleToZeroSettings {
        ScaleToZeroSettings {
            min_scale: self.min_scale,
            max_scale: self.max_scale,
            initial_scale: self.initial_scale,
            reachable: self.reachable,
            enabled: self.enable_scale_to_zero,
            stable_window: Span::from_secs(self.stable_window_s),
            progress_deadline: Span::from_secs(self.progress_deadline_s),
            target_burst_capacity: self.target_burst_capacity,
            grace_period: Span::from_secs(self.scale_to_zero_grace_s),
            pod_retention: Span::from_secs(self.pod_retention_s),
        }
    }

    fn situation(&self) -> Situation {
        Situation {
            phase: match self.state {
                State::Active => Phase::Active,
                State::Inactive => Phase::Inactive,
                State::Activating => Phase::Activating,
            },
            phase_age: Span::from_secs(self.state_age_s),
            probed: self.activator_probe == Probe::True,
            proxy_mode: self.proxy_mode,
            // -1: it is not in the path.
            proxied_for: Span::from_secs(self.proxy_for_s.max(0)),
        }
    }
}
