//! A forecast with a season in a closed loop: a jump that recurs finds the replicas ready.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[expect(dead_code, reason = "for other tests")]
mod support;

use support::{cluster, policy};
use trimtab_sim::cluster::Delay;
use trimtab_sim::{Scenario, ServiceProfile, Simulation, Unwatched};

const LEAD_TIME: f64 = 240.0;

/// A load that comes and goes every half an hour, seen through Prometheus: the share within 2 s.
fn five_hours(anticipate: &str) -> f64 {
    let (policy, bindings) = policy(&format!(
        "strategy: hpa\nminReplicas: 2\nmaxReplicas: 20\n\
         behavior: {{scaleUp: {{stabilizationWindowSeconds: 0, \
         policies: [{{type: Pods, value: 8, periodSeconds: 15}}]}}}}\n\
         metrics:\n\
         - {{type: External, external: {{metric: {{name: requests_per_second}}, \
         target: {{type: AverageValue, averageValue: 7}}}}}}\n{anticipate}"
    ));
    let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
    let cluster = cluster(&profile, "{}").with_lead_time(Delay::fixed(LEAD_TIME).unwrap());
    let load = Scenario::named("on-off", 1).unwrap().with_duration_seconds(18_000.0);
    let objectives = ["ttft<=2s@99%".parse().unwrap()];
    let simulation = Simulation {
        profile: &profile,
        cluster: &cluster,
        initial_replicas: cluster.initial_replicas(&policy, 6.0),
        objectives: &objectives,
        seed: 1,
        step_seconds: None,
    };
    let done = simulation.run(&load, &policy, &bindings, &mut Unwatched).unwrap();
    done.attainment.first().unwrap().share
}

/// Of ten jumps the first ones are late, since the season is learned from them; without a season all are. Where a
/// jump was asked for a step late, it was 78 %.
#[test]
fn a_jump_that_recurs_is_met_once_it_was_seen() {
    let late = five_hours("");
    let forecast = "anticipate: {leadTimeSeconds: 240, forecast: {metric: requests_per_second, seasonSeconds: 1800}}";
    let ready = five_hours(forecast);
    assert!(late < 0.8, "{late}");
    assert!(ready > 0.9, "{ready}, and {late} without");
}
