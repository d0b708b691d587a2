//! Embeds the engine: reads a policy, observes a service whose queue grows, and scales it.
//!
//! `cargo run --package trimtab-examples --example embed`

use std::error::Error;
use std::io::{self, Write};

use trimtab::manifest::{Source, read_policies};
use trimtab::metric::Timestamp;
use trimtab::{
    Autoscaler, MetricReading, Observation, PodReadings, PodRow, PodTable, Readiness, Scale,
    ScaleUpdate,
};

fn main() -> Result<(), Box<dyn Error>> {
    let file = Source::new("hpa.yaml", include_str!("llm-inference/hpa.yaml"));
    let document = read_policies(&file)?.policies.swap_remove(0);
    let mut autoscaler = Autoscaler::new(document.policy);

    let mut replicas = 2;
    for (second, waiting) in [(0, 3), (15, 18), (30, 31), (45, 44), (60, 40), (75, 26), (90, 25)] {
        // Observe: every replica is ready, and the requests that wait are spread over them. The
        // policy's second metric, the KV cache, is not read: without it nothing is scaled down.
        let (mut pods, mut queue) = (PodTable::default(), PodReadings::default());
        for _ in 0..replicas {
            pods.push(PodRow { readiness: Readiness::True, ..PodRow::default() });
            queue.push_milli(waiting * 1000 / i64::from(replicas));
        }
        let observation = Observation {
            pods,
            readings: vec![MetricReading::PerPod(queue)],
            ..Observation::new(Timestamp::from_secs(second), Scale::steady(replicas))
        };
        // Decide, carry it out, settle.
        let decision = autoscaler.decide_traced(&observation);
        if let Some(wanted) = decision.scale_to {
            writeln!(io::stdout(), "{}", decision.explain())?;
            replicas = wanted;
            autoscaler.settle(&decision, ScaleUpdate::Applied);
        }
    }
    Ok(())
}
