//! `Decisions`: what was decided for many workloads, in columns.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use trimtab_engine::{Decision, Outcome, ScaleReason};

use crate::plain;
use crate::rows::Rows;

/// What was decided for many workloads, one a row.
///
/// Columns are lists; `to_numpy`, `to_pandas`, `to_polars` and `to_arrow` give them without a Python object
/// per row.
#[pyclass(frozen, module = "trimtab")]
pub(crate) struct Decisions {
    names: Vec<String>,
    rows: Rows,
}

/// What was decided for one workload.
#[derive(Copy, Clone, Default)]
pub(crate) struct Row {
    current: i32,
    desired: i32,
    /// The place of the metric that proposed the most, or [`NONE`].
    metric: i32,
    /// The place in [`OUTCOMES`].
    outcome: u8,
    /// The place in [`REASONS`].
    reason: u8,
    /// The scale is to be changed.
    changes: bool,
}

/// No metric.
const NONE: i32 = -1;

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

impl Row {
    pub(crate) fn of(decision: &Decision) -> Self {
        Self {
            current: decision.current_replicas,
            desired: decision.desired_replicas,
            metric: decision.metric.and_then(|at| i32::try_from(at).ok()).unwrap_or(NONE),
            outcome: code(&OUTCOMES, &decision.outcome),
            reason: code(&REASONS, &decision.reason),
            changes: decision.scale_to.is_some(),
        }
    }

    fn scale_to(&self) -> Option<i32> {
        self.changes.then_some(self.desired)
    }

    fn metric<'a>(&self, names: &'a [String]) -> Option<&'a str> {
        usize::try_from(self.metric).ok().and_then(|at| names.get(at)).map(String::as_str)
    }
}

/// Behind the last one stands what a later engine says.
fn code<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|other| other == one).unwrap_or(all.len());
    u8::try_from(place).unwrap_or(u8::MAX)
}

fn words<T: serde::Serialize>(all: &[T]) -> Vec<String> {
    all.iter().map(plain::word).chain([String::from("unknown")]).collect()
}

fn word(words: &[String], code: u8) -> &str {
    words.get(usize::from(code)).map_or("", String::as_str)
}

impl Decisions {
    pub(crate) fn new(names: Vec<String>, rows: Rows) -> Self {
        Self { names, rows }
    }

    fn column<T>(&self, of: impl Fn(&Row) -> T) -> Vec<T> {
        self.rows.iter().map(of).collect()
    }

    fn changes(&self) -> usize {
        self.rows.iter().filter(|row| row.changes).count()
    }

    fn frame<'py>(slf: &Bound<'py, Self>, package: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import("trimtab._frames")?.getattr("decisions_as")?.call1((slf, package))
    }
}

#[pymethods]
impl Decisions {
    fn __len__(&self) -> usize {
        self.rows.len()
    }

    /// The counts that were read.
    #[getter]
    fn current_replicas(&self) -> Vec<i32> {
        self.column(|row| row.current)
    }

    /// The counts that are wanted.
    #[getter]
    fn desired_replicas(&self) -> Vec<i32> {
        self.column(|row| row.desired)
    }

    /// What to write to each target's scale; `None` where nothing is to be changed.
    #[getter]
    fn scale_to(&self) -> Vec<Option<i32>> {
        self.column(Row::scale_to)
    }

    /// How far each decision came.
    #[getter]
    fn outcome(&self) -> Vec<String> {
        let words = words(&OUTCOMES);
        self.column(|row| word(&words, row.outcome).to_owned())
    }

    /// Why each scale is to be changed.
    #[getter]
    fn reason(&self) -> Vec<String> {
        let words = words(&REASONS);
        self.column(|row| word(&words, row.reason).to_owned())
    }

    /// The metric that proposed the most, in each row.
    #[getter]
    fn metric(&self) -> Vec<Option<&str>> {
        self.column(|row| row.metric(&self.names))
    }

    /// The rows whose scale is to be changed.
    #[getter]
    fn changed(&self) -> Vec<usize> {
        let rows = self.rows.iter().enumerate().filter(|(_, row)| row.changes);
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
        let changed = self.changes();
        let all = if changed == 0 { self.rows.len() } else { changed };
        let (outcomes, reasons) = (words(&OUTCOMES), words(&REASONS));
        let told = |(at, row): (usize, &Row)| -> PyResult<Bound<'py, PyDict>> {
            let columns = PyDict::new(py);
            columns.set_item("row", at)?;
            columns.set_item("current_replicas", row.current)?;
            columns.set_item("desired_replicas", row.desired)?;
            columns.set_item("outcome", word(&outcomes, row.outcome))?;
            columns.set_item("reason", word(&reasons, row.reason))?;
            columns.set_item("metric", row.metric(&self.names))?;
            Ok(columns)
        };
        let rows = self.rows.iter().enumerate();
        let shown = rows.filter(|(_, row)| changed == 0 || row.changes).take(most).map(told);
        Ok((shown.collect::<PyResult<_>>()?, all))
    }

    /// The columns as bytes: 32-bit integers, and codes of 8 bits with their words.
    fn _raw<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let numbers = |of: fn(&Row) -> i32| {
            let bytes: Vec<u8> = self.rows.iter().flat_map(|row| of(row).to_ne_bytes()).collect();
            PyBytes::new(py, &bytes)
        };
        let codes = |of: fn(&Row) -> u8| PyBytes::new(py, &self.column(of));
        let raw = PyDict::new(py);
        raw.set_item("current_replicas", numbers(|row| row.current))?;
        raw.set_item("desired_replicas", numbers(|row| row.desired))?;
        raw.set_item("changed", codes(|row| u8::from(row.changes)))?;
        raw.set_item("outcome", codes(|row| row.outcome))?;
        raw.set_item("outcomes", words(&OUTCOMES))?;
        raw.set_item("reason", codes(|row| row.reason))?;
        raw.set_item("reasons", words(&REASONS))?;
        raw.set_item("metric", numbers(|row| row.metric))?;
        raw.set_item("metrics", &self.names)?;
        Ok(raw)
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("trimtab._html")?.getattr("decisions")?.call1((slf,))
    }

    fn __repr__(&self) -> String {
        format!("<Decisions: {} rows, {} to be changed>", self.rows.len(), self.changes())
    }
}
