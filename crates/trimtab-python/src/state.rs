//! `State`: what one decision hands to the next.

use std::sync::Arc;

use pyo3::prelude::*;
use trimtab_engine as engine;

use crate::error::Kind;
use crate::plain;
use crate::policy::Policy;
use crate::time::datetime;

/// What a workload's decisions remember. A plain value that does not change: it serializes, and a
/// decision made with it after a restart is the one that would have been made without.
///
/// `State()` has no history.
///
/// >>> import trimtab
/// >>> state = trimtab.State()
/// >>> trimtab.State.from_json(state.to_json()) == state
/// True
#[pyclass(frozen, module = "trimtab", from_py_object)]
#[derive(Clone)]
pub(crate) struct State(pub(crate) Arc<engine::State>);

impl State {
    pub(crate) fn new(state: engine::State) -> Self {
        Self(Arc::new(state))
    }
}

#[pymethods]
impl State {
    #[new]
    fn fresh() -> Self {
        Self::new(engine::State::default())
    }

    /// Make a state without history, with room for what the policy will keep.
    #[staticmethod]
    fn for_policy(policy: &Policy) -> Self {
        Self::new(engine::State::for_policy(policy.engine()))
    }

    /// Read what `to_json` wrote.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = plain::bytes_of(text)?;
        Ok(Self::new(plain::stored(text.py(), &bytes, "state")?))
    }

    /// Read what `to_dict` gave.
    #[staticmethod]
    fn from_dict(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self::new(plain::typed(value, "state", Kind::State)?))
    }

    /// The count that was last read.
    #[getter]
    fn current_replicas(&self) -> i32 {
        self.0.status.current_replicas
    }

    /// The count that was last wanted.
    #[getter]
    fn desired_replicas(&self) -> i32 {
        self.0.status.desired_replicas
    }

    /// When the scale was last changed.
    #[getter]
    fn last_scale_time<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.status.last_scale_time.map(|time| datetime(py, time)).transpose()
    }

    /// A fingerprint: equal for equal states, on every platform.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest().to_string()
    }

    /// How much memory it takes.
    #[getter]
    fn size_in_bytes(&self) -> usize {
        self.0.size_in_bytes()
    }

    /// Give it as JSON.
    fn to_json(&self) -> PyResult<String> {
        plain::to_json(&*self.0)
    }

    /// Give it as dicts and lists.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain::to_plain(py, &*self.0)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| self.0 == other.get().0)
    }

    fn __hash__(&self) -> u64 {
        u64::from_str_radix(&self.digest(), 16).unwrap_or_default()
    }

    fn __repr__(&self) -> String {
        let status = &self.0.status;
        let (current, desired) = (status.current_replicas, status.desired_replicas);
        format!("<State: {current} replicas, {desired} wanted, digest {}>", self.digest())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<plain::Reduced<'py, (String,)>> {
        Ok((py.get_type::<Self>().getattr("from_json")?, (self.to_json()?,)))
    }
}
