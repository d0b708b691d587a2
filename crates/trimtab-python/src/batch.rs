//! `Batch`: the states of many workloads of one policy, and `Decisions`, what was decided for them, in columns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use rayon::prelude::*;
use trimtab_engine::{self as engine, Outcome, ScaleReason, ScaleUpdate};

use crate::column::{self, Piece};
use crate::columns::{Columns, Scratch, Times, one_a_row, taken};
use crate::error::{Fault, Kind};
use crate::plain;
use crate::policy::Policy;
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
}

impl Batch {
    fn of(policy: Policy, states: Vec<engine::State>) -> Self {
        Self(Mutex::new(Inner { policy, states }))
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
            Ok(decide(&policy, &mut inner.states, &columns, applied))
        });
        Ok(Decisions { names: names(&policy), ..done.map_err(refused)? })
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

fn decide(
    policy: &Policy,
    states: &mut [engine::State],
    columns: &Columns,
    applied: bool,
) -> Decisions {
    let rows = states.len();
    let mut done = Decisions {
        names: Vec::new(),
        current: vec![0; rows],
        desired: vec![0; rows],
        outcome: vec![0; rows],
        reason: vec![0; rows],
        metric: vec![NONE; rows],
        changes: vec![false; rows],
    };
    let engine = policy.engine();
    let outputs = done
        .current
        .par_chunks_mut(CHUNK)
        .zip(done.desired.par_chunks_mut(CHUNK))
        .zip(done.outcome.par_chunks_mut(CHUNK))
        .zip(done.reason.par_chunks_mut(CHUNK))
        .zip(done.metric.par_chunks_mut(CHUNK))
        .zip(done.changes.par_chunks_mut(CHUNK));
    states.par_chunks_mut(CHUNK).zip(outputs).enumerate().for_each(
        |(chunk, (states, (((((current, desired), outcome), reason), metric), changes)))| {
            let mut scratch = Scratch::new(columns);
            let first = chunk * CHUNK;
            let outputs = current.iter_mut().zip(desired).zip(outcome).zip(reason).zip(metric);
            let rows = states.iter_mut().zip(outputs.zip(changes)).enumerate();
            for (index, (state, (((((current, desired), outcome), reason), metric), changes))) in
                rows
            {
                let seen = scratch.fill(columns, first + index);
                let (decision, mut after) = engine::decide(engine, std::mem::take(state), seen);
                if applied {
                    after = engine::settle(engine, after, &decision, ScaleUpdate::Applied);
                }
                *state = after;
                *current = decision.current_replicas;
                *desired = decision.desired_replicas;
                *outcome = outcome_code(decision.outcome);
                *reason = reason_code(decision.reason);
                *metric = decision.metric.and_then(|at| i32::try_from(at).ok()).unwrap_or(NONE);
                *changes = decision.scale_to.is_some();
            }
        },
    );
    done
}

/// No metric.
const NONE: i32 = -1;

/// What was decided for many workloads, one a row.
///
/// Columns are lists; `to_numpy`, `to_pandas`, `to_polars` and `to_arrow` give them without a Python object
/// per row.
#[pyclass(frozen, module = "trimtab")]
pub(crate) struct Decisions {
    names: Vec<String>,
    current: Vec<i32>,
    desired: Vec<i32>,
    outcome: Vec<u8>,
    reason: Vec<u8>,
    metric: Vec<i32>,
    changes: Vec<bool>,
}

/// In the order of their codes.
const OUTCOMES: [Outcome; 9] = [
    Outcome::Decided,
    Outcome::PartiallyDecided,
    Outcome::Enforced,
    Outcome::MetricsUnknown,
    Outcome::SelectorUnusable,
    Outcome::ScaleUnavailable,
    Outcome::Disabled,
    Outcome::Paused,
    Outcome::NotDue,
];

const REASONS: [ScaleReason; 9] = [
    ScaleReason::AboveMax,
    ScaleReason::BelowMin,
    ScaleReason::MetricAbove,
    ScaleReason::AllMetricsBelow,
    ScaleReason::Override,
    ScaleReason::None,
    ScaleReason::Initial,
    ScaleReason::Schedule,
    ScaleReason::Forecast,
];

fn outcome_code(outcome: Outcome) -> u8 {
    code(&OUTCOMES, &outcome)
}

fn reason_code(reason: ScaleReason) -> u8 {
    code(&REASONS, &reason)
}

/// Behind the last one stands what a later engine says.
fn code<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|other| other == one).unwrap_or(all.len());
    u8::try_from(place).unwrap_or(u8::MAX)
}

fn words<T: serde::Serialize>(all: &[T]) -> Vec<String> {
    all.iter().map(plain::word).chain([String::from("unknown")]).collect()
}

impl Decisions {
    fn told(codes: &[u8], words: &[String]) -> Vec<String> {
        let word = |code: &u8| words.get(usize::from(*code)).cloned().unwrap_or_default();
        codes.iter().map(word).collect()
    }

    fn frame<'py>(slf: &Bound<'py, Self>, package: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import("trimtab._frames")?.getattr("decisions_as")?.call1((slf, package))
    }
}

#[pymethods]
impl Decisions {
    fn __len__(&self) -> usize {
        self.current.len()
    }

    /// The counts that were read.
    #[getter]
    fn current_replicas(&self) -> Vec<i32> {
        self.current.clone()
    }

    /// The counts that are wanted.
    #[getter]
    fn desired_replicas(&self) -> Vec<i32> {
        self.desired.clone()
    }

    /// What to write to each target's scale; `None` where nothing is to be changed.
    #[getter]
    fn scale_to(&self) -> Vec<Option<i32>> {
        let rows = self.desired.iter().zip(&self.changes);
        rows.map(|(desired, changes)| changes.then_some(*desired)).collect()
    }

    /// How far each decision came.
    #[getter]
    fn outcome(&self) -> Vec<String> {
        Self::told(&self.outcome, &words(&OUTCOMES))
    }

    /// Why each scale is to be changed.
    #[getter]
    fn reason(&self) -> Vec<String> {
        Self::told(&self.reason, &words(&REASONS))
    }

    /// The metric that proposed the most, in each row.
    #[getter]
    fn metric(&self) -> Vec<Option<&str>> {
        let name = |at: &i32| usize::try_from(*at).ok().and_then(|at| self.names.get(at));
        self.metric.iter().map(|at| name(at).map(String::as_str)).collect()
    }

    /// The rows whose scale is to be changed.
    #[getter]
    fn changed(&self) -> Vec<usize> {
        let rows = self.changes.iter().enumerate().filter(|(_, changes)| **changes);
        rows.map(|(row, _)| row).collect()
    }

    /// Give all columns as lists.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        columns.set_item("current_replicas", self.current_replicas())?;
        columns.set_item("desired_replicas", self.desired_replicas())?;
        columns.set_item("scale_to", self.scale_to())?;
        columns.set_item("outcome", self.outcome())?;
        columns.set_item("reason", self.reason())?;
        columns.set_item("metric", self.metric())?;
        Ok(columns)
    }

    /// Give the columns as arrays of numpy.
    fn to_numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::frame(slf, "numpy")
    }

    /// Give a row per workload as a DataFrame of pandas.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::frame(slf, "pandas")
    }

    /// Give a row per workload as a DataFrame of polars.
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::frame(slf, "polars")
    }

    /// Give a row per workload as a table of Arrow.
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::frame(slf, "pyarrow")
    }

    /// Export the table as Arrow data, for whatever package reads that. Needs pyarrow.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        slf: &Bound<'py, Self>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::frame(slf, "pyarrow")?.call_method1("__arrow_c_stream__", (requested_schema,))
    }

    /// The first rows that are to be changed, or else the first rows, and how many there are.
    fn _shown<'py>(
        &self,
        py: Python<'py>,
        most: usize,
    ) -> PyResult<(Vec<Bound<'py, PyDict>>, usize)> {
        let changed = self.changes.iter().filter(|changes| **changes).count();
        let all = if changed == 0 { self.changes.len() } else { changed };
        let is_shown = |row: &usize| changed == 0 || self.changes.get(*row) == Some(&true);
        let row = |row: usize| -> PyResult<Bound<'py, PyDict>> {
            let columns = PyDict::new(py);
            columns.set_item("row", row)?;
            columns.set_item("current_replicas", self.current.get(row))?;
            columns.set_item("desired_replicas", self.desired.get(row))?;
            let word = |codes: &[u8], words: &[String]| {
                codes.get(row).and_then(|code| words.get(usize::from(*code)).cloned())
            };
            columns.set_item("outcome", word(&self.outcome, &words(&OUTCOMES)))?;
            columns.set_item("reason", word(&self.reason, &words(&REASONS)))?;
            let metric = self.metric.get(row).and_then(|at| usize::try_from(*at).ok());
            columns.set_item("metric", metric.and_then(|at| self.names.get(at)))?;
            Ok(columns)
        };
        let shown = (0..self.changes.len()).filter(is_shown).take(most).map(row);
        Ok((shown.collect::<PyResult<_>>()?, all))
    }

    /// The columns as bytes: 32-bit integers, and codes of 8 bits with their words.
    fn _raw<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let bytes = |numbers: &[i32]| -> Vec<u8> {
            numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
        };
        let changes: Vec<u8> = self.changes.iter().map(|changes| u8::from(*changes)).collect();
        let raw = PyDict::new(py);
        raw.set_item("current_replicas", PyBytes::new(py, &bytes(&self.current)))?;
        raw.set_item("desired_replicas", PyBytes::new(py, &bytes(&self.desired)))?;
        raw.set_item("changed", PyBytes::new(py, &changes))?;
        raw.set_item("outcome", PyBytes::new(py, &self.outcome))?;
        raw.set_item("outcomes", words(&OUTCOMES))?;
        raw.set_item("reason", PyBytes::new(py, &self.reason))?;
        raw.set_item("reasons", words(&REASONS))?;
        raw.set_item("metric", PyBytes::new(py, &bytes(&self.metric)))?;
        raw.set_item("metrics", &self.names)?;
        Ok(raw)
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("trimtab._html")?.getattr("decisions")?.call1((slf,))
    }

    fn __repr__(&self) -> String {
        let changes = self.changes.iter().filter(|changes| **changes).count();
        format!("<Decisions: {} rows, {changes} to be changed>", self.current.len())
    }
}
