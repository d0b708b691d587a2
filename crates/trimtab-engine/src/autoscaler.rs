//! A policy with its state: the common case in one value.

use crate::deadline::next_deadline;
use crate::decide::{decide, decide_traced};
use crate::decision::Decision;
use crate::observation::Observation;
use crate::policy::Policy;
use crate::settle::{ScaleUpdate, settle};
use crate::state::State;
use trimtab_metric::Timestamp;

/// A policy and the state of one workload that it scales.
///
/// ```
/// use trimtab_engine::{
///     Autoscaler, MetricReading, Observation, Policy, PolicySpec, Scale, ScaleUpdate,
/// };
/// use trimtab_metric::Timestamp;
///
/// let spec: PolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10,
///         "metrics": [{"type": "External", "external": {
///             "metric": {"name": "requests_in_flight"},
///             "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
/// )?;
/// let mut autoscaler = Autoscaler::new(Policy::new(spec)?);
/// let mut replicas = 1;
/// for (second, in_flight) in [(0, 5_000), (15, 30_000), (30, 30_000)] {
///     let observation = Observation {
///         readings: vec![MetricReading::Totals(vec![in_flight])],
///         ..Observation::new(Timestamp::from_secs(second), Scale::steady(replicas))
///     };
///     let decision = autoscaler.decide(&observation);
///     if let Some(wanted) = decision.scale_to {
///         replicas = wanted; // write it to the target
///         autoscaler.settle(&decision, ScaleUpdate::Applied);
///     }
/// }
/// assert_eq!(replicas, 4);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Autoscaler {
    policy: Policy,
    state: State,
}

impl Autoscaler {
    /// Starts without history.
    pub fn new(policy: Policy) -> Self {
        let state = State::for_policy(&policy);
        Self { policy, state }
    }

    /// Goes on from a state, such as one that was stored before a restart.
    pub fn with_state(policy: Policy, state: State) -> Self {
        Self { policy, state }
    }

    /// As [`decide()`](crate::decide()).
    pub fn decide(&mut self, observation: &Observation) -> Decision {
        self.step(observation, decide)
    }

    /// As [`decide_traced`].
    pub fn decide_traced(&mut self, observation: &Observation) -> Decision {
        self.step(observation, decide_traced)
    }

    fn step(
        &mut self,
        observation: &Observation,
        decide: fn(&Policy, State, &Observation) -> (Decision, State),
    ) -> Decision {
        let (decision, state) = decide(&self.policy, core::mem::take(&mut self.state), observation);
        self.state = state;
        decision
    }

    /// As [`settle()`](crate::settle()): what became of the last decision.
    pub fn settle(&mut self, decision: &Decision, update: ScaleUpdate) {
        self.state = settle(&self.policy, core::mem::take(&mut self.state), decision, update);
    }

    /// As [`next_deadline`].
    pub fn next_deadline(&self, observation: &Observation) -> Option<Timestamp> {
        next_deadline(&self.policy, &self.state, observation)
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// From now on decides by another policy. The history stays: the windows and limits of the new
    /// policy apply to it.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// What is remembered; store it to survive a restart.
    pub fn state(&self) -> &State {
        &self.state
    }
}
