//! One workload: `decide` and `settle` on values, and `Autoscaler`, which keeps the state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use trimtab_engine::{self as engine, ScaleUpdate};

use crate::decision::Decision;
use crate::observation::{Observation, unfit};
use crate::plain;
use crate::policy::Policy;
use crate::state::State;
use crate::time::datetime;

/// Decide how many replicas there should be.
///
/// Pure: the same arguments give the same decision and state, bit for bit, on every platform. The
/// state that is given stays as it is. Carry out `decision.scale_to`, then tell `settle`.
///
/// Raises `ObservationError` where the observation does not fit the policy.
#[pyfunction]
pub(crate) fn decide(
    py: Python<'_>,
    policy: &Policy,
    state: &State,
    observation: &Observation,
) -> PyResult<(Decision, State)> {
    let (decision, state) =
        step(policy, &state.0, observation).map_err(|error| unfit(py, &error))?;
    Ok((Decision::new(decision, policy), State::new(state)))
}

fn step(
    policy: &Policy,
    state: &engine::State,
    observation: &Observation,
) -> Result<(engine::Decision, engine::State), engine::ObservationError> {
    let seen = observation.resolve(policy)?;
    Ok(engine::decide_traced(policy.engine(), state.clone(), &seen))
}

/// Take note of what became of a decision: `"applied"` or `"rejected"`. Rate limits count the
/// changes that are noted here.
#[pyfunction]
#[pyo3(signature = (policy, state, decision, update="applied"))]
pub(crate) fn settle(
    policy: &Policy,
    state: &State,
    decision: &Decision,
    update: &str,
) -> PyResult<State> {
    let update = scale_update(update)?;
    let state = (*state.0).clone();
    Ok(State::new(engine::settle(policy.engine(), state, &decision.engine, update)))
}

/// Say when to decide next at the latest, if the policy does; seen from this observation.
#[pyfunction]
pub(crate) fn next_deadline<'py>(
    py: Python<'py>,
    policy: &Policy,
    state: &State,
    observation: &Observation,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let seen = observation.resolve(policy).map_err(|error| unfit(py, &error))?;
    let deadline = engine::next_deadline(policy.engine(), &state.0, &seen);
    deadline.map(|time| datetime(py, time)).transpose()
}

fn scale_update(word: &str) -> PyResult<ScaleUpdate> {
    match word {
        "applied" => Ok(ScaleUpdate::Applied),
        "rejected" => Ok(ScaleUpdate::Rejected),
        other => Err(PyValueError::new_err(format!(
            "`{other}` is nothing that becomes of a change: `applied` and `rejected` are"
        ))),
    }
}

/// A policy and the state of one workload that it scales. Threads may share it: each decision goes
/// on from the one before.
///
/// >>> import trimtab
/// >>> policy = trimtab.Policy.from_yaml('''
/// ... apiVersion: autoscaling/v2
/// ... kind: HorizontalPodAutoscaler
/// ... metadata: {name: llm}
/// ... spec:
/// ...   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
/// ...   maxReplicas: 10
/// ...   metrics:
/// ...   - type: External
/// ...     external:
/// ...       metric: {name: requests_in_flight}
/// ...       target: {type: AverageValue, averageValue: 8}
/// ... ''')
/// >>> autoscaler = trimtab.Autoscaler(policy)
/// >>> replicas = 1
/// >>> for second, in_flight in [(0, 5), (15, 30), (30, 30)]:
/// ...     decision = autoscaler.decide(trimtab.Observation(
/// ...         second, replicas=replicas, readings={"requests_in_flight": in_flight}))
/// ...     if decision.scale_to is not None:
/// ...         replicas = decision.scale_to
/// ...         autoscaler.settle(decision)
/// >>> replicas
/// 4
#[pyclass(frozen, module = "trimtab")]
pub(crate) struct Autoscaler(Mutex<Inner>);

struct Inner {
    policy: Policy,
    state: Arc<engine::State>,
}

impl Autoscaler {
    /// Nothing of Python runs while it is held, so that nobody waits for it with the interpreter's lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Autoscaler {
    #[new]
    #[pyo3(signature = (policy, state=None))]
    fn new(policy: &Policy, state: Option<&State>) -> Self {
        let fresh = || Arc::new(engine::State::for_policy(policy.engine()));
        let state = state.map_or_else(fresh, |state| Arc::clone(&state.0));
        Self(Mutex::new(Inner { policy: policy.clone(), state }))
    }

    /// The policy; may be set, and the history stays.
    #[getter]
    fn policy(&self) -> Policy {
        self.lock().policy.clone()
    }

    #[setter]
    fn set_policy(&self, policy: &Policy) {
        self.lock().policy = policy.clone();
    }

    /// What is remembered; store it to survive a restart.
    #[getter]
    fn state(&self) -> State {
        State(Arc::clone(&self.lock().state))
    }

    /// Decide, and remember it.
    fn decide(&self, py: Python<'_>, observation: &Observation) -> PyResult<Decision> {
        let mut inner = self.lock();
        let decided = step(&inner.policy, &inner.state, observation).map(|(decision, state)| {
            inner.state = Arc::new(state);
            Decision::new(decision, &inner.policy)
        });
        drop(inner);
        decided.map_err(|error| unfit(py, &error))
    }

    /// Take note of what became of the last decision: `"applied"` or `"rejected"`.
    #[pyo3(signature = (decision, update="applied"))]
    fn settle(&self, decision: &Decision, update: &str) -> PyResult<()> {
        let update = scale_update(update)?;
        let mut inner = self.lock();
        let state = (*inner.state).clone();
        let state = engine::settle(inner.policy.engine(), state, &decision.engine, update);
        inner.state = Arc::new(state);
        Ok(())
    }

    /// Say when to decide next at the latest, if the policy does.
    fn next_deadline<'py>(
        &self,
        py: Python<'py>,
        observation: &Observation,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (policy, state) = {
            let inner = self.lock();
            (inner.policy.clone(), State(Arc::clone(&inner.state)))
        };
        next_deadline(py, &policy, &state, observation)
    }

    fn __repr__(&self) -> String {
        let inner = self.lock();
        let name = &inner.policy.0.metadata.name;
        format!("<Autoscaler: policy '{name}', state {}>", inner.state.digest())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<plain::Reduced<'py, (Policy, State)>> {
        Ok((py.get_type::<Self>().into_any(), (self.policy(), self.state())))
    }
}
