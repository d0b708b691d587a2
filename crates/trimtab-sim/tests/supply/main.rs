//! What holds of the nodes, whatever is asked of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

mod cases;
mod laws;
mod recordings;

use trimtab_sim::cluster::{AvailabilitySpec, AvailabilityStep, Delay, PoolSpec, SpotSpec, Start};
use trimtab_sim::supply::Supply;
use trimtab_sim::{Cluster, ClusterSpec, Moment, ServiceProfile};

/// Replicas of four GPUs.
fn profile() -> ServiceProfile {
    ServiceProfile::named("llama-3.1-70b-a100x4").unwrap()
}

fn checked(spec: &ClusterSpec) -> Cluster {
    spec.check(&profile()).unwrap()
}

fn at(seconds: f64) -> Moment {
    Moment::from_seconds(seconds)
}

fn fixed(seconds: f64) -> Delay {
    Delay::fixed(seconds).unwrap()
}

/// Every phase takes a time that tells it from the sums of others.
fn phases() -> Start {
    Start {
        node_launch: fixed(1000.0),
        image_pull: fixed(100.0),
        weight_load: fixed(30.0),
        cached_weight_load: fixed(10.0),
        engine_warm_up: fixed(1.0),
        ..Start::default()
    }
}

fn spec(pools: Vec<PoolSpec>) -> ClusterSpec {
    ClusterSpec { start: phases(), pools, ..ClusterSpec::default() }
}

fn supply(pools: Vec<PoolSpec>) -> Supply {
    Supply::new(&checked(&spec(pools)), &profile(), 1)
}

fn spot(notice_seconds: f64, steps: &[(f64, u32)], repeat_seconds: Option<f64>) -> SpotSpec {
    let step = |&(at_seconds, nodes): &(f64, u32)| AvailabilityStep { at_seconds, nodes };
    let steps = Some(steps.iter().map(step).collect());
    let availability = AvailabilitySpec { steps, repeat_seconds, ..AvailabilitySpec::default() };
    SpotSpec { notice_seconds, availability }
}
