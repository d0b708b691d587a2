//! `backtest` and `sweep`, and what comes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab_sim::metrics::Signal;
use trimtab_sim::report::{best_of_each, html, svg, text};
use trimtab_sim::sweep::{Sweep, SweepError};
use trimtab_sim::{self as sim, BacktestError, Plan, ServiceProfile, SimulationError, SurveyError};

use crate::error::{Fault, Kind, workload_error};
use crate::load::{details, workload};
use crate::plain;
use crate::policy::Policy;
use crate::setting::{Setting, Tuned, named};
use crate::tunings::swept;
use crate::watched::{Course, watched};

/// What came of a backtest, as the simulator has it.
#[pyclass(frozen, module = "trimtab._core")]
pub(crate) struct Backtest(sim::Backtest);

#[pymethods]
impl Backtest {
    /// Read what `to_json` wrote.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = plain::bytes_of(text)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let message = format!("it is no backtest: {error}");
            Fault::new(message).raise(text.py(), Kind::Simulation)
        })
    }

    /// Give the whole as JSON.
    fn to_json(&self) -> PyResult<String> {
        plain::to_json(&self.0)
    }

    /// Give the report as one HTML page.
    fn to_html(&self) -> PyResult<String> {
        html(&self.0).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Draw a comparison.
    fn to_svg(&self, comparison: usize) -> PyResult<String> {
        let shown = self.0.comparisons.get(comparison).ok_or_else(|| {
            let count = self.0.comparisons.len();
            PyIndexError::new_err(format!("there are {count} comparisons"))
        })?;
        Ok(svg(shown, &self.0.settings))
    }

    /// Give the table that the command prints.
    fn to_text(&self, width: usize) -> String {
        text(&self.0, width)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| self.0 == other.get().0)
    }
}

/// Compares policies on what arrives.
#[pyfunction]
#[pyo3(signature = (policies, load, setting, progress))]
pub(crate) fn _backtest(
    py: Python<'_>,
    policies: Vec<(String, Policy)>,
    load: Vec<Bound<'_, PyAny>>,
    setting: &Bound<'_, PyDict>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Backtest> {
    let setting = Setting::read(setting)?;
    named(py, &policies)?;
    let course = Arc::new(Course::default());
    let mut plan = planned(py, &setting, &load, &course)?;
    let as_they_are = policies.into_iter().map(|(name, policy)| Tuned {
        name,
        tuning: BTreeMap::new(),
        policy: policy.engine().clone(),
    });
    plan.candidates = setting.bind(py, as_they_are.collect(), &mut plan.details)?;
    let jobs = setting.jobs;
    let done = watched(py, &course, progress, || plan.run(jobs, &*course))?;
    done.map(Backtest).map_err(|error| failed(py, &error))
}

/// Tries tunings of policies on what arrives, and gives the best of each policy per comparison, too.
#[pyfunction]
#[pyo3(signature = (policies, axes, random, load, setting, progress))]
pub(crate) fn _sweep<'py>(
    py: Python<'py>,
    policies: Vec<(String, Policy)>,
    axes: Vec<String>,
    random: Option<usize>,
    load: Vec<Bound<'py, PyAny>>,
    setting: &Bound<'py, PyDict>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Backtest, Vec<Bound<'py, PyDict>>)> {
    let setting = Setting::read(setting)?;
    named(py, &policies)?;
    let sweep = swept(py, &policies, &axes, random, setting.seed())?;
    let course = Arc::new(Course::default());
    let mut plan = planned(py, &setting, &load, &course)?;
    plan.details.extend(tried(&sweep));
    let mut tuned = Vec::new();
    for (name, policy) in &policies {
        let all = sweep.tune(name, policy.engine()).map_err(|error| unswept(py, &error))?;
        tuned.extend(all.into_iter().map(|one| Tuned {
            name: name.clone(),
            tuning: one.tuning,
            policy: one.policy,
        }));
    }
    plan.candidates = setting.bind(py, tuned, &mut plan.details)?;
    let candidates = plan.candidates.clone();
    let jobs = setting.jobs;
    let done = watched(py, &course, progress, || plan.run_sweep(jobs, &*course))?;
    let backtest = done.map_err(|error| failed(py, &error))?;
    let mut best = Vec::new();
    for comparison in &backtest.comparisons {
        let chosen = PyDict::new(py);
        for index in best_of_each(&comparison.runs, &backtest.settings.objectives) {
            let Some(candidate) = candidates.get(index) else { continue };
            let origin = policies.iter().find(|(name, _)| *name == candidate.name);
            let Some((_, origin)) = origin else { continue };
            chosen.set_item(&candidate.name, origin.with(candidate.policy.clone()))?;
        }
        best.push(chosen);
    }
    Ok((Backtest(backtest), best))
}

fn planned(
    py: Python<'_>,
    setting: &Setting<'_>,
    load: &[Bound<'_, PyAny>],
    course: &Arc<Course>,
) -> PyResult<Plan> {
    let workloads = load.iter().map(|load| workload(load, course)).collect::<PyResult<_>>()?;
    setting.plan(py, workloads, details(load))
}

/// What a sweep tried, for the report.
fn tried(sweep: &Sweep) -> Vec<(String, String)> {
    let axes = sweep.axes.iter().map(|axis| {
        let whose = axis.policy().map(|name| format!(" of {name}")).unwrap_or_default();
        (format!("tried {}{whose}", axis.field()), axis.values().join(", "))
    });
    let random = sweep.random.map(|count| (String::from("tried by chance"), count.to_string()));
    axes.chain(random).collect()
}

pub(crate) fn unswept(py: Python<'_>, error: &SweepError) -> PyErr {
    let (field, help) = match error {
        SweepError::Field { error, .. } => {
            (Some(error.field().to_owned()), error.help().map(str::to_owned))
        }
        SweepError::Twice { field, .. } => (Some(field.clone()), None),
        _ => (None, None),
    };
    Fault { field, help, ..Fault::new(error.to_string()) }.raise(py, Kind::Policy)
}

/// Why it did not come to its end.
fn failed(py: Python<'_>, error: &BacktestError) -> PyErr {
    match error {
        BacktestError::Survey(SurveyError::Workload(error))
        | BacktestError::Simulation(SimulationError::Workload(error)) => workload_error(py, error),
        BacktestError::Simulation(SimulationError::Cancelled) => PyKeyboardInterrupt::new_err(()),
        BacktestError::Survey(error) => {
            let help = Some("take a faster profile, or an objective that it can meet".into());
            Fault { help, ..Fault::new(error.to_string()) }.raise(py, Kind::Simulation)
        }
        error => Fault::new(error.to_string()).raise(py, Kind::Simulation),
    }
}

/// The service profiles that are built in.
#[pyfunction]
pub(crate) fn _profiles() -> Vec<String> {
    ServiceProfile::builtin().into_iter().map(|profile| profile.name).collect()
}

/// The signals that a simulated server has.
#[pyfunction]
pub(crate) fn _signals() -> Vec<String> {
    Signal::all().map(|signal| signal.to_string()).collect()
}
