//! The fleet of the simulator's measurements: ten replicas that stay ten.

use trimtab_engine::Policy;
use trimtab_sim::metrics::Bindings;
use trimtab_sim::{
    Cluster, ClusterSpec, Objective, Scenario, ServiceProfile, Simulated, Simulation, Unwatched,
    Workload,
};

/// Ten replicas, whatever happens; the queue is looked at all the same.
const TEN: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    "minReplicas": 10, "maxReplicas": 10,
    "metrics": [{"type": "Pods", "pods": {"metric": {"name": "requests_waiting"},
        "target": {"type": "AverageValue", "averageValue": "4"}}}]
}"#;

/// Ten replicas of the 8B profile on A100s.
pub struct Fleet {
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
    #[expect(clippy::expect_used, reason = "the inputs are constants")]
    pub fn ten() -> Self {
        let profile = ServiceProfile::named("llama-3.1-8b-a100").expect("the profile is built in");
        let policy = crate::policy(TEN);
        Self {
            bindings: Bindings::new(&policy, &[]).expect("the metric is a signal"),
            policy,
            objectives: vec!["ttft<=2s@99%".parse().expect("an objective")],
            cluster: ClusterSpec::default().check(&profile).expect("the default cluster"),
            profile,
        }
    }

    /// Requests as in a published conversation trace, 60 a second: two thirds of what ten replicas can do.
    #[expect(clippy::expect_used, reason = "the scenario is built in")]
    pub fn steady(&self, requests: f64) -> Scenario {
        let scenario = Scenario::named("steady", 1).expect("the scenario is built in");
        scenario.with_rate_scale(1.5).with_duration_seconds(requests / 60.0)
    }

    /// Simulates, with a timeline of this step or without.
    #[expect(clippy::expect_used, reason = "the inputs are sound")]
    pub fn simulate(&self, workload: &dyn Workload, step_seconds: Option<f64>) -> Simulated {
        let simulation = Simulation {
            profile: &self.profile,
            cluster: &self.cluster,
            objectives: &self.objectives,
            initial_replicas: 10,
            seed: 1,
            step_seconds,
        };
        simulation.run(workload, &self.policy, &self.bindings, &mut Unwatched).expect("it runs")
    }
}
