//! Ray Serve, by a config file and by a `RayService`: its counts averaged over the look-back period, its
//! policy and its bounds, with settings that are written here.

use trimtab_engine::strategy::ray_serve::{
    Limits, Load, Parameters, Replicas, Sample, Streak, TimeUnit, aggregate, propose,
};
use trimtab_engine::{ObservationRecord, PodRecord, RayServeAggregation, Readiness};

use super::{Case, Peer, follow};

/// Ray Serve's rule with the settings of a deployment.
struct RayServe {
    parameters: Parameters,
    limits: Limits,
    look_back_seconds: f64,
    streak: Streak,
    registered: bool,
}

impl RayServe {
    /// Ray's defaults for these bounds, a target of 2 among them.
    fn new(min: i32, max: i32) -> Self {
        Self {
            parameters: Parameters {
                target_ongoing_requests: 2.0,
                upscaling_factor: 1.0,
                downscaling_factor: 1.0,
                upscale_delay: 30.0,
                downscale_delay: 600.0,
                downscale_to_zero_delay: 600.0,
                gang_size: 1,
                min_replicas: min,
            },
            limits: Limits { lower: min, upper: max, initial: None },
            look_back_seconds: 30.0,
            streak: Streak::default(),
            registered: false,
        }
    }

    /// The ongoing requests; nothing where they cannot be had.
    fn ongoing(&self, seen: &ObservationRecord) -> Option<f64> {
        let sources = seen.readings.first()?.series.as_ref()?;
        let of_a_source = |points: &Vec<(_, _)>| -> Vec<Sample> {
            let sample = |(at, value): &(trimtab_metric::Timestamp, trimtab_metric::Quantity)| {
                Sample { at: at.as_millis() as f64, value: value.approx_f64() }
            };
            let samples: Vec<Sample> = points.iter().map(sample).collect();
            // A source drops what was too old when it last counted.
            let newest = samples.last().map_or(0.0, |sample| sample.at);
            let is_kept = |sample: &Sample| sample.at > newest - self.look_back_seconds * 1000.0;
            samples.into_iter().filter(is_kept).collect()
        };
        let sources: Vec<Vec<Sample>> = sources.values().map(of_a_source).collect();
        let now = seen.time.as_millis() as f64;
        let mean = aggregate(&sources, now, TimeUnit::Milliseconds, RayServeAggregation::Mean);
        Some(mean.unwrap_or(0.0))
    }
}

impl Peer for RayServe {
    fn step(&mut self, seen: &ObservationRecord) -> i32 {
        let current = seen.replicas.unwrap();
        let is_new = !std::mem::replace(&mut self.registered, true);
        let begins_with = self.limits.register(current);
        if is_new && begins_with != current {
            return begins_with;
        }
        let Some(requests) = self.ongoing(seen) else { return current };
        let replicas = Replicas { running: running(seen), target: current };
        let now = seen.time.as_millis() as f64 / 1000.0;
        let load = Load::Requests(requests);
        let (proposal, streak) = propose(&self.parameters, replicas, load, now, self.streak);
        self.streak = streak;
        self.limits.bound(proposal.replicas)
    }
}

fn running(seen: &ObservationRecord) -> i32 {
    let runs = |pod: &&PodRecord| {
        let ready = pod.ready.is_some_and(|ready| ready.status == Readiness::True);
        ready && !pod.terminating
    };
    match seen.pods.len() {
        0 => seen.status_replicas.unwrap(),
        _ => i32::try_from(seen.pods.iter().filter(runs).count()).unwrap(),
    }
}

fn chat() -> RayServe {
    let mut ray = RayServe::new(1, 16);
    ray.parameters.target_ongoing_requests = 24.0;
    ray.parameters.upscale_delay = 10.0;
    ray.parameters.downscale_delay = 900.0;
    ray.parameters.downscale_to_zero_delay = 900.0;
    ray.parameters.downscaling_factor = 0.5;
    ray.limits.initial = Some(2);
    ray.look_back_seconds = 20.0;
    ray
}

#[test]
fn with_settings_of_its_own() {
    let case = Case {
        manifest: "ray-serve.yaml",
        policy: "chat-chatmodel",
        metrics: &[],
        reaches: (1, 16),
    };
    follow(&case, &mut chat());
}

#[test]
fn by_default() {
    let case = Case {
        manifest: "ray-serve.yaml",
        policy: "chat-embedder",
        metrics: &[],
        reaches: (1, 100),
    };
    follow(&case, &mut RayServe::new(1, 100));
}

#[test]
fn a_model_of_a_ray_service() {
    let mut ray = RayServe::new(0, 8);
    ray.parameters.target_ongoing_requests = 32.0;
    ray.parameters.downscale_to_zero_delay = 1800.0;
    let case = Case {
        manifest: "ray-service.yaml",
        policy: "qwen-llm-qwen3-32b",
        metrics: &[],
        reaches: (0, 8),
    };
    follow(&case, &mut ray);
}

/// From 0 by `upscaling_factor` at a time, a third of the way.
#[test]
fn a_model_of_a_composition() {
    let mut ray = RayServe::new(0, 200);
    ray.parameters.target_ongoing_requests = 1.0;
    ray.parameters.upscaling_factor = 0.3;
    ray.parameters.downscaling_factor = 0.3;
    ray.parameters.upscale_delay = 3.0;
    ray.parameters.downscale_delay = 60.0;
    ray.parameters.downscale_to_zero_delay = 60.0;
    ray.limits.initial = Some(0);
    ray.look_back_seconds = 10.0;
    let case = Case {
        manifest: "ray-serve-composition.yaml",
        policy: "heavyload",
        metrics: &[],
        reaches: (0, 200),
    };
    follow(&case, &mut ray);
}
