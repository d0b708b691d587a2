//! `Batch`: the states of many workloads of one policy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use rayon::prelude::*;
use trimtab_engine::{self as engine, Decision, ScaleUpdate};

use crate::column::{self, Piece};
use crate::columns::{Columns, Scratch, Times, one_a_row, taken};
use crate::decisions::{Decisions, Row};
use crate::error::{Fault, Kind};
use crate::plain;
use crate::policy::Policy;
use crate::rows::{Rows, Spare};
use crate::state::State;
use crate::time::timestamp;

/// Rows that one thread takes at a time.
const CHUNK: usize = 4096;

/// The states of many workloads of one policy, one a row.
#[pyclass(frozen, module = "trimtab._core")]
pub(crate) struct Batch(Mutex<Inner>);

struct Inner {
    policy: Policy,
    states: Vec<engine::State>,
    spare: Spare,
}

impl Batch {
    fn of(policy: Policy, states: Vec<engine::State>) -> Self {
        Self(Mutex::new(Inner { policy, states, spare: Spare::default() }))
    }

    /// Held only where the interpreter's lock is not.
    fn with<T: Send>(&self, py: Python<'_>, look: impl FnOnce(&mut Inner) -> T + Send) -> T {
        py.detach(|| look(&mut self.lock()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Batch {
    #[new]
    fn new(py: Python<'_>, policy: &Policy, count: usize) -> Self {
        let states = py.detach(|| {
            let fresh = engine::State::for_policy(policy.engine());
            (0..count).into_par_iter().map(|_| fresh.clone()).collect()
        });
        Self::of(policy.clone(), states)
    }

    /// Go on from these states.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "extracted from a list")]
    fn from_states(policy: &Policy, states: Vec<State>) -> Self {
        Self::of(policy.clone(), states.iter().map(|state| (*state.0).clone()).collect())
    }

    /// The policy; may be set, and the history stays.
    #[getter]
    fn policy(&self, py: Python<'_>) -> Policy {
        self.with(py, |inner| inner.policy.clone())
    }

    #[setter]
    fn set_policy(&self, py: Python<'_>, policy: Policy) {
        self.with(py, |inner| inner.policy = policy);
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.with(py, |inner| inner.states.len())
    }

    /// Give the state of one workload.
    fn state(&self, py: Python<'_>, row: isize) -> PyResult<State> {
        let found = self.with(py, |inner| {
            let row = place(row, inner.states.len())?;
            inner.states.get(row).cloned()
        });
        found.map(State::new).ok_or_else(|| no_row(row))
    }

    /// Set the state of one workload.
    fn set_state(&self, py: Python<'_>, row: isize, state: &State) -> PyResult<()> {
        let state = (*state.0).clone();
        let set = self.with(py, move |inner| {
            let row = place(row, inner.states.len())?;
            inner.states.get_mut(row).map(|slot| *slot = state)
        });
        set.ok_or_else(|| no_row(row))
    }

    /// How much memory the states take.
    fn size_in_bytes(&self, py: Python<'_>) -> usize {
        self.with(py, |inner| inner.states.iter().map(engine::State::size_in_bytes).sum())
    }

    /// Decide for every row. The interpreter is free meanwhile, and rows are decided in parallel: each depends on its own
    /// state alone, so that the result is the same whatever the threads.
    fn _decide(
        &self,
        py: Python<'_>,
        time: &Bound<'_, PyAny>,
        replicas: Vec<Piece<'_>>,
        status_replicas: Option<Vec<Piece<'_>>>,
        readings: &Bound<'_, PyDict>,
        applied: bool,
    ) -> PyResult<Decisions> {
        let (policy, rows) = self.with(py, |inner| (inner.policy.clone(), inner.states.len()));
        let counts = |pieces: &[Piece<'_>], name| {
            let counts = column::integers(pieces, name)?;
            one_a_row(counts.len(), name, rows).map(|()| counts)
        };
        let times = match time.cast::<PyList>() {
            Ok(pieces) => {
                let each = column::milliseconds(&pieces.extract::<Vec<Piece<'_>>>()?, "time")?;
                one_a_row(each.len(), "time", rows)?;
                Times::Each(each)
            }
            Err(_) => Times::One(timestamp(time)?),
        };
        let columns = Columns {
            times,
            replicas: counts(&replicas, "replicas")?,
            status: status_replicas.map(|it| counts(&it, "status_replicas")).transpose()?,
            metrics: taken(policy.engine(), readings, rows)?,
        };
        let refused = |message: String| Fault::new(message).raise(py, Kind::Observation);
        py.detach(|| columns.check()).map_err(refused)?;
        let done = self.with(py, |inner| {
            if inner.states.len() != rows {
                return Err("the workloads changed while their columns were read".to_owned());
            }
            let (policy, states) = (policy.engine(), &mut inner.states);
            let done = inner.spare.take(rows);
            // Two loops, as a state that is moved one way or another is copied once more.
            Ok(if applied {
                decide(policy, states, &columns, done, |state, decision| {
                    engine::settle(policy, state, decision, ScaleUpdate::Applied)
                })
            } else {
                decide(policy, states, &columns, done, |state, _| state)
            })
        });
        Ok(Decisions::new(names(&policy), done.map_err(refused)?))
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<plain::Reduced<'py, (Policy, Bound<'py, PyBytes>)>> {
        let (policy, text) =
            self.with(py, |inner| (inner.policy.clone(), serde_json::to_vec(&inner.states)));
        let text = text.map_err(|error| Fault::new(error.to_string()).raise(py, Kind::State))?;
        let restore = py.get_type::<Self>().getattr("_restore")?;
        Ok((restore, (policy, PyBytes::new(py, &text))))
    }

    #[staticmethod]
    fn _restore(py: Python<'_>, policy: Policy, text: &[u8]) -> PyResult<Self> {
        Ok(Self::of(policy, plain::stored(py, text, "states")?))
    }
}

/// A row as Python counts: from the end where it is negative.
fn place(row: isize, rows: usize) -> Option<usize> {
    if row >= 0 { usize::try_from(row).ok() } else { rows.checked_sub(row.unsigned_abs()) }
}

fn no_row(row: isize) -> PyErr {
    PyIndexError::new_err(format!("there is no row {row}"))
}

fn names(policy: &Policy) -> Vec<String> {
    policy.engine().metrics().iter().map(|metric| metric.name().to_owned()).collect()
}

/// Decides for each state, and leaves there what `then` makes of the one after.
fn decide(
    policy: &engine::Policy,
    states: &mut [engine::State],
    columns: &Columns,
    mut done: Rows,
    then: impl Fn(engine::State, &Decision) -> engine::State + Sync,
) -> Rows {
    let chunks = states.par_chunks_mut(CHUNK).zip(done.par_chunks_mut(CHUNK));
    chunks.enumerate().for_each(|(chunk, (states, done))| {
        let mut scratch = Scratch::new(columns);
        for (row, (state, done)) in (chunk * CHUNK..).zip(states.iter_mut().zip(done)) {
            // Decision and state stay where they were made: taken apart, each would be copied once more.
            let decided = engine::decide(policy, std::mem::take(state), scratch.fill(columns, row));
            *done = Row::of(&decided.0);
            *state = then(decided.1, &decided.0);
        }
    });
    done
}
