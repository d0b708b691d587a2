//! What is imported decides as the peer does: a manifest is imported and backtested with every decision
//! recorded, and a driver that was told the manifest's settings by hand is led over the same
//! observations with the peer's rules.
//!
//! A further kind is a driver that implements [`Peer`] and a call of [`follow`] for each manifest.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lint spares tests and not what they call"
)]

mod hpa;
mod keda;
#[path = "../../../trimtab-engine/tests/keda_oracle/oracle.rs"]
#[expect(dead_code, reason = "no manifest here has all that KEDA has")]
mod keda_oracle;
mod knative;
mod ray_serve;

use std::path::Path;

use trimtab_engine::{DecisionRecord, ObservationRecord};
use trimtab_manifest::{ImportedPolicy, Source, import};
use trimtab_sim::cluster::{Delay, Metrics};
use trimtab_sim::metrics::Bindings;
use trimtab_sim::{
    Candidate, ClusterSpec, Moment, Plan, Request, Requests, ServiceProfile, Site, Workload,
    WorkloadError,
};

/// An autoscaler that was set up by hand.
trait Peer {
    /// The count after a look, carried out at once; the present one if nothing is decided.
    fn step(&mut self, seen: &ObservationRecord) -> i32;
}

/// A manifest, the policy of it that is followed, and what its metrics are in the simulation.
struct Case<'a> {
    manifest: &'a str,
    policy: &'a str,
    metrics: &'a [(&'a str, &'a str)],
    /// What has to have happened, so that it was a test: the least and the largest count.
    reaches: (i32, i32),
}

/// That the imported policy decides, step by step, what the peer decides.
fn follow(case: &Case<'_>, peer: &mut dyn Peer) {
    follow_where_scrapes_are_lost(0.0, case, peer);
}

/// The same where a scrape is lost with this chance.
fn follow_where_scrapes_are_lost(chance: f64, case: &Case<'_>, peer: &mut dyn Peer) {
    let records = backtest(case, chance);
    for (step, record) in records.iter().enumerate() {
        let expected = peer.step(&record.observation);
        let decided = record.decision.desired_replicas;
        assert_eq!(
            decided, expected,
            "{}: decision {step}, at {:?}",
            case.manifest, record.observation.time
        );
    }
    let failed = |record: &DecisionRecord| {
        record.observation.readings.iter().any(|reading| reading.unavailable.is_some())
    };
    let failed = records.iter().filter(|record| failed(record)).count();
    assert!(chance == 0.0 || failed >= 10, "{}: only {failed} failed reads", case.manifest);
    let counts = records.iter().map(|record| record.decision.desired_replicas);
    let reached = (counts.clone().min().unwrap(), counts.max().unwrap());
    assert_eq!(reached, case.reaches, "{}: {} decisions", case.manifest, records.len());
}

fn backtest(case: &Case<'_>, lost_scrapes: f64) -> Vec<DecisionRecord> {
    let policy = imported(case).policy;
    let pairs =
        case.metrics.iter().map(|(metric, signal)| (metric.to_string(), signal.to_string()));
    let bindings = Bindings::new(&policy, &pairs.collect::<Vec<_>>()).unwrap();
    let candidate = Candidate {
        name: case.policy.to_owned(),
        tuning: Default::default(),
        policy,
        bindings,
        to_beat: None,
    };
    let mut records = Vec::new();
    plan(lost_scrapes)
        .record(&candidate, &mut |record| {
            records.push(record.clone());
            Ok(())
        })
        .unwrap();
    records
}

fn imported(case: &Case<'_>) -> ImportedPolicy {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/manifests").join(case.manifest);
    let text = std::fs::read_to_string(path).unwrap();
    let mut imported = import(&Source::new(case.manifest, text)).unwrap();
    imported.policies.retain(|policy| policy.metadata.name == case.policy);
    imported.policies.pop().unwrap_or_else(|| panic!("{} has no {}", case.manifest, case.policy))
}

/// Two bursts with an hour between them, on replicas that take a minute and a half to start.
fn plan(lost_scrapes: f64) -> Plan {
    let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
    let metrics = Metrics { loss_probability: lost_scrapes, ..Metrics::default() };
    let spec = ClusterSpec { metrics, ..ClusterSpec::default() };
    let cluster = spec.check(&profile).unwrap();
    let cluster = cluster.with_lead_time(Delay::fixed(90.0).unwrap());
    Plan {
        profile,
        objectives: vec!["ttft<=2s@99%".parse().unwrap()],
        seed: 7,
        workloads: vec![Box::new(Bursts)],
        sites: vec![Site { lead_time: cluster.lead_time_text(), cluster }],
        candidates: Vec::new(),
        timelines: false,
        details: Vec::new(),
    }
}

struct Bursts;

impl Workload for Bursts {
    fn name(&self) -> &str {
        "bursts"
    }

    fn requests(&self) -> Result<Requests, WorkloadError> {
        let burst = |start: f64, seconds: u32, per_second: u32| {
            (0..seconds * per_second).map(move |number| Request {
                arrival: Moment::from_seconds(start + f64::from(number) / f64::from(per_second)),
                input_tokens: 800,
                output_tokens: 150,
            })
        };
        Ok(Box::new(burst(10.0, 300, 8).chain(burst(4000.0, 300, 40)).map(Ok)))
    }
}
