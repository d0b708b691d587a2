//! Workloads, policies, clusters and fleets for tests that simulate.

use trimtab_engine::{DecisionRecord, Policy};
use trimtab_manifest::{Limits, Source, from_str, read_policies};
use trimtab_sim::cluster::Delay;
use trimtab_sim::metrics::Bindings;
use trimtab_sim::{
    Cluster, ClusterSpec, DecodeTime, Moment, Objective, PrefillTime, Request, Requests,
    ServiceProfile, Simulated, Simulation, SimulationError, Unwatched, Watch, Workload,
    WorkloadError,
};

/// What serves where nothing is said of it.
pub(crate) fn a100() -> ServiceProfile {
    ServiceProfile::named("llama-3.1-8b-a100").unwrap()
}

/// A server that can be followed by hand: a millisecond for each token of a prompt, a second for each one that is
/// generated, however many are served at once.
pub(crate) fn a_second_a_token() -> ServiceProfile {
    ServiceProfile {
        prefill: PrefillTime { c0_ms: 0.0, c1_ms: 1.0, c2_ms: 0.0 },
        decode: DecodeTime { a_ms: 1000.0, b_ms: 0.0, c_ms: 0.0 },
        kv_tokens: 100_000,
        max_sequences: 16,
        max_batched_tokens: 100_000,
        ..a100()
    }
}

/// Requests as they are written down.
#[derive(Clone, Debug)]
pub(crate) struct Listed(pub(crate) Vec<Request>);

impl Workload for Listed {
    fn name(&self) -> &str {
        "listed"
    }

    fn requests(&self) -> Result<Requests, WorkloadError> {
        Ok(Box::new(self.0.clone().into_iter().map(Ok)))
    }
}

/// A request at so many seconds.
pub(crate) fn request(seconds: f64, input_tokens: u32, output_tokens: u32) -> Request {
    Request { arrival: Moment::from_seconds(seconds), input_tokens, output_tokens }
}

/// A policy with these lines in its spec, and what its metrics take.
pub(crate) fn policy(spec: &str) -> (Policy, Bindings) {
    let lines: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!(
        "apiVersion: trimtab.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {{name: llm}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}\n{lines}"
    );
    let mut read = read_policies(&Source::new("policy.yaml", text)).unwrap();
    let policy = read.policies.remove(0).policy;
    let bindings = Bindings::new(&policy, &[]).unwrap();
    (policy, bindings)
}

/// A cluster for this profile, as it is written in a file.
pub(crate) fn cluster(profile: &ServiceProfile, text: &str) -> Cluster {
    let spec: ClusterSpec =
        from_str(&Source::new("cluster.yaml", text), &Limits::default()).unwrap();
    spec.check(profile).unwrap()
}

/// Replicas in a cluster under a policy.
pub(crate) struct Fleet {
    profile: ServiceProfile,
    cluster: Cluster,
    policy: Policy,
    bindings: Bindings,
    objectives: Vec<Objective>,
    /// What the first replicas are for, in requests per second.
    rate: f64,
    step_seconds: Option<f64>,
}

impl Fleet {
    /// One that begins with as many as its policy has at least, and promises nothing.
    pub(crate) fn new(profile: ServiceProfile, cluster_text: &str, policy_text: &str) -> Self {
        let (policy, bindings) = policy(policy_text);
        let cluster = cluster(&profile, cluster_text);
        let (objectives, rate, step_seconds) = (Vec::new(), 0.0, None);
        Self { profile, cluster, policy, bindings, objectives, rate, step_seconds }
    }

    /// The same, and each replica takes so long to start.
    pub(crate) fn with_lead_time(mut self, seconds: f64) -> Self {
        self.cluster = self.cluster.with_lead_time(Delay::fixed(seconds).unwrap());
        self
    }

    /// The same, with what is promised.
    pub(crate) fn promising(mut self, objective: &str) -> Self {
        self.objectives.push(objective.parse().unwrap());
        self
    }

    /// The same, with replicas for so many requests per second from the first moment on.
    pub(crate) fn ready_for(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// The same, and a timeline is kept in such steps.
    pub(crate) fn in_steps(mut self, seconds: f64) -> Self {
        self.step_seconds = Some(seconds);
        self
    }

    /// What comes of a load.
    pub(crate) fn run(&self, load: &dyn Workload) -> Result<Simulated, SimulationError> {
        self.watched(load, &mut Unwatched)
    }

    /// The same, beside somebody who watches.
    pub(crate) fn watched(
        &self,
        load: &dyn Workload,
        watch: &mut dyn Watch,
    ) -> Result<Simulated, SimulationError> {
        let simulation = Simulation {
            profile: &self.profile,
            cluster: &self.cluster,
            objectives: &self.objectives,
            initial_replicas: self.cluster.initial_replicas(&self.policy, self.rate),
            seed: 1,
            step_seconds: self.step_seconds,
        };
        simulation.run(load, &self.policy, &self.bindings, watch)
    }

    /// The policy under which it is.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// Keeps every decision.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Vec<DecisionRecord>);

impl Watch for Kept {
    fn proceeds(&mut self, _: u64) -> bool {
        true
    }

    fn wants_records(&self) -> bool {
        true
    }

    fn decided(&mut self, record: &DecisionRecord) -> std::io::Result<()> {
        self.0.push(record.clone());
        Ok(())
    }
}

/// Replica-seconds in which any was ready.
pub(crate) fn ready(done: &Simulated) -> f64 {
    done.replica_seconds.busy + done.replica_seconds.idle
}

#[track_caller]
pub(crate) fn assert_seconds(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} s, expected {expected} s");
}
