//! The fleets of the simulator's measurements: replicas that stay as many as they are.

use trimtab_engine::Policy;
use trimtab_sim::metrics::Bindings;
use trimtab_sim::{
    Cluster, ClusterSpec, Objective, Scenario, ServiceProfile, Simulated, Simulation, Unwatched,
    Workload,
};

/// As many replicas, whatever happens; the queue is looked at all the same.
fn spec(replicas: u32) -> String {
    format!(
        r#"{{
            "scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
            "minReplicas": {replicas}, "maxReplicas": {replicas},
            "metrics": [{{"type": "Pods", "pods": {{"metric": {{"name": "requests_waiting"}},
                "target": {{"type": "AverageValue", "averageValue": "4"}}}}}}]
        }}"#
    )
}

/// Requests a second for each replica: two thirds of what it can do.
const EACH: f64 = 6.0;

/// Requests a second of the scenario as it is.
const STEADY: f64 = 40.0;

/// So many replicas of the 8B profile on A100s.
pub struct Fleet {
    replicas: u32,
    policy: Policy,
    bindings: Bindings,
    /// What it promises.
    pub objectives: Vec<Objective>,
    /// How long serving takes.
    pub profile: ServiceProfile,
    cluster: Cluster,
}

impl Fleet {
    /// The fleet.
    #[expect(clippy::expect_used, reason = "the inputs are sound with any count")]
    pub fn of(replicas: u32) -> Self {
        let profile = ServiceProfile::named("llama-3.1-8b-a100").expect("the profile is built in");
        let policy = crate::policy(&spec(replicas));
        Self {
            replicas,
            bindings: Bindings::new(&policy, &[]).expect("the metric is a signal"),
            policy,
            objectives: vec!["ttft<=2s@99%".parse().expect("an objective")],
            cluster: ClusterSpec::default().check(&profile).expect("the default cluster"),
            profile,
        }
    }

    /// Requests as in a published conversation trace, six a second for each replica.
    #[expect(clippy::expect_used, reason = "the scenario is built in")]
    pub fn steady(&self, requests: f64) -> Scenario {
        let scenario = Scenario::named("steady", 1).expect("the scenario is built in");
        let rate = EACH * f64::from(self.replicas);
        scenario.with_rate_scale(rate / STEADY).with_duration_seconds(requests / rate)
    }

    /// Simulates, with a timeline of this step or without.
    #[expect(clippy::expect_used, reason = "the inputs are sound")]
    pub fn simulate(&self, workload: &dyn Workload, step_seconds: Option<f64>) -> Simulated {
        let simulation = Simulation {
            profile: &self.profile,
            cluster: &self.cluster,
            objectives: &self.objectives,
            initial_replicas: self.replicas,
            seed: 1,
            step_seconds,
        };
        simulation.run(workload, &self.policy, &self.bindings, &mut Unwatched).expect("it runs")
    }
}
