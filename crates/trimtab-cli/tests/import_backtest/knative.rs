//! Knative, by itself and under KServe: its two windows, its autoscaler and its reconciler, with settings
//! that are written here.

use trimtab_engine::KnativeAggregation::Linear;
use trimtab_engine::ObservationRecord;
use trimtab_engine::strategy::knative::{
    AutoscalerSettings, AutoscalerState, Buckets, Revision, ScaleToZeroSettings, Tick,
};
use trimtab_metric::{Span, Timestamp};

use super::{Case, Peer, follow};

/// Knative's rule with the settings of an annotated service.
struct Knative {
    autoscaler: AutoscalerSettings,
    scale_to_zero: ScaleToZeroSettings,
    stable: Buckets,
    panic: Buckets,
    /// From the first look on.
    state: Option<(AutoscalerState, Revision)>,
    taken_until: Option<Timestamp>,
}

impl Knative {
    fn new(panic_seconds: u16, settings: (AutoscalerSettings, ScaleToZeroSettings)) -> Self {
        let (autoscaler, scale_to_zero) = settings;
        let window = autoscaler.stable_window.as_millis() / 1000;
        Self {
            stable: Buckets::new(u16::try_from(window).unwrap()),
            panic: Buckets::new(panic_seconds),
            autoscaler,
            scale_to_zero,
            state: None,
            taken_until: None,
        }
    }

    /// Samples that were not there before.
    fn take(&mut self, seen: &ObservationRecord) {
        for (at, value) in
            seen.readings[0].series.iter().flat_map(|sources| sources.values()).flatten()
        {
            if self.taken_until.is_none_or(|until| *at > until) {
                self.stable.record(*at, value.approx_f64());
                self.panic.record(*at, value.approx_f64());
            }
        }
        self.taken_until = Some(seen.time);
    }
}

impl Peer for Knative {
    fn step(&mut self, seen: &ObservationRecord) -> i32 {
        let now = seen.time;
        let current = seen.replicas.unwrap();
        let is_ready = |pod: &&trimtab_engine::PodRecord| {
            let ready =
                pod.ready.is_some_and(|ready| ready.status == trimtab_engine::Readiness::True);
            ready && !pod.terminating
        };
        let ready = match seen.pods.len() {
            0 => seen.status_replicas.unwrap(),
            _ => i32::try_from(seen.pods.iter().filter(is_ready).count()).unwrap(),
        };
        self.take(seen);
        let new = || (AutoscalerState::new(&self.autoscaler, now, ready), Revision::new(now));
        let (autoscaler, revision) = self.state.get_or_insert_with(new);
        if self.stable.is_empty(now) && self.autoscaler.target_burst_capacity != -1.0 {
            return current;
        }
        let (stable, panic) = (self.stable.average(Linear, now), self.panic.average(Linear, now));
        let tick = Tick { now, ready, stable, panic };
        let proposal = autoscaler.tick(&self.autoscaler, &tick);
        let (wanted, burst) = (proposal.replicas, proposal.excess_burst_capacity);
        let verdict = revision.reconcile(&self.scale_to_zero, now, ready, wanted, burst);
        verdict.replicas.filter(|_| verdict.fate.is_applied()).unwrap_or(current)
    }
}

/// Knative's defaults, for a target that stands for the whole of what a replica may have.
fn defaults(total: f64) -> (AutoscalerSettings, ScaleToZeroSettings) {
    let stable_window = Span::from_secs(60);
    let autoscaler = AutoscalerSettings {
        max_scale_up_rate: 1000.0,
        max_scale_down_rate: 2.0,
        target: total * 0.7,
        total,
        target_burst_capacity: 211.0,
        panic_threshold: 2.0,
        stable_window,
        scale_down_delay: Span::ZERO,
        reachable: true,
        activation_scale: 1,
    };
    let scale_to_zero = ScaleToZeroSettings {
        min_scale: 0,
        max_scale: 0,
        initial_scale: 1,
        reachable: true,
        enabled: true,
        stable_window,
        progress_deadline: Span::from_secs(600),
        target_burst_capacity: 211.0,
        grace_period: Span::from_secs(30),
        pod_retention: Span::ZERO,
    };
    (autoscaler, scale_to_zero)
}

#[test]
fn by_default() {
    let mut knative = Knative::new(6, defaults(10.0));
    let case = Case {
        manifest: "knative-autoscale-go.yaml",
        policy: "autoscale-go",
        metrics: &[],
        reaches: (0, 564),
    };
    follow(&case, &mut knative);
}

#[test]
fn with_every_annotation() {
    // 24 requests are the target, and containerConcurrency says 16; 80 % of that.
    let (autoscaler, scale_to_zero) = defaults(16.0);
    let stable_window = Span::from_secs(120);
    let autoscaler = AutoscalerSettings {
        max_scale_up_rate: 10.0,
        target: 16.0 * 0.8,
        target_burst_capacity: -1.0,
        panic_threshold: 1.5,
        stable_window,
        scale_down_delay: Span::from_secs(15 * 60),
        activation_scale: 2,
        ..autoscaler
    };
    let scale_to_zero = ScaleToZeroSettings {
        max_scale: 12,
        stable_window,
        progress_deadline: Span::from_secs(1200),
        target_burst_capacity: -1.0,
        grace_period: Span::from_secs(45),
        pod_retention: Span::from_secs(10 * 60 + 30),
        ..scale_to_zero
    };
    // A panic window of 20 % of 2 min.
    let mut knative = Knative::new(24, (autoscaler, scale_to_zero));
    let case = Case { manifest: "knative.yaml", policy: "llama", metrics: &[], reaches: (0, 12) };
    follow(&case, &mut knative);
}

#[test]
fn a_predictor_of_kserve() {
    let (autoscaler, scale_to_zero) = defaults(12.0);
    let autoscaler =
        AutoscalerSettings { scale_down_delay: Span::from_secs(10 * 60), ..autoscaler };
    let scale_to_zero = ScaleToZeroSettings { max_scale: 6, ..scale_to_zero };
    let mut knative = Knative::new(6, (autoscaler, scale_to_zero));
    let case = Case {
        manifest: "kserve-knative.yaml",
        policy: "gemma-predictor",
        metrics: &[],
        reaches: (0, 6),
    };
    follow(&case, &mut knative);
}

#[test]
fn a_transformer_of_kserve() {
    let (autoscaler, scale_to_zero) = defaults(50.0);
    let autoscaler =
        AutoscalerSettings { scale_down_delay: Span::from_secs(10 * 60), ..autoscaler };
    let scale_to_zero = ScaleToZeroSettings { min_scale: 2, ..scale_to_zero };
    let mut knative = Knative::new(6, (autoscaler, scale_to_zero));
    let case = Case {
        manifest: "kserve-knative.yaml",
        policy: "gemma-transformer",
        metrics: &[],
        reaches: (2, 2),
    };
    follow(&case, &mut knative);
}

#[test]
fn kserve_by_concurrency() {
    let (autoscaler, scale_to_zero) = defaults(1.0);
    let scale_to_zero = ScaleToZeroSettings { min_scale: 1, ..scale_to_zero };
    let mut knative = Knative::new(6, (autoscaler, scale_to_zero));
    let case = Case {
        manifest: "kserve-concurrency.yaml",
        policy: "flowers-sample-predictor",
        metrics: &[],
        reaches: (1, 3686),
    };
    follow(&case, &mut knative);
}
