//! `evaluate`: a policy on recorded load, open loop.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab_cli::{EvaluateError, Load, Server, Trial};
use trimtab_engine::Decision;

use crate::error::{Fault, Kind};
use crate::plain;
use crate::policy::Policy;
use crate::time::span;
use crate::watched::{Course, watched};

/// What is asked; the keys are those that `trimtab/_simulation.py` gives.
struct Asked {
    requests: bool,
    sync: Option<f64>,
    replicas: Option<i32>,
    rate_scale: f64,
    maps: Vec<(String, String)>,
    server: Server,
}

/// A row per decision.
#[derive(Default)]
struct Rows {
    seconds: Vec<f64>,
    current: Vec<i32>,
    desired: Vec<i32>,
    outcome: Vec<String>,
    reason: Vec<String>,
    metric: Vec<Option<String>>,
}

/// The report as JSON, and the decisions in columns. Without a text the load is that of the file.
#[pyfunction]
#[pyo3(signature = (policy, path, text, setting))]
pub(crate) fn _evaluate<'py>(
    py: Python<'py>,
    policy: &Policy,
    path: &str,
    text: Option<String>,
    setting: &Bound<'py, PyDict>,
) -> PyResult<(String, Bound<'py, PyDict>)> {
    let asked = Asked::read(setting)?;
    let sync = asked.sync.map(|seconds| span(seconds, "time between decisions")).transpose()?;
    let Asked { requests, replicas, rate_scale, maps, server, .. } = asked;
    let course = Arc::new(Course::default());
    let work = || -> Result<(String, Rows), EvaluateError> {
        let load = match text {
            Some(text) if requests => Load::requests_of(path, text.into_bytes(), server),
            Some(text) => Load::series_of(path, text.into_bytes()),
            None if requests => Load::requests(Path::new(path), server)?,
            None => Load::series(Path::new(path))?,
        };
        let trial = Trial { load, sync, replicas, maps, rate_scale };
        let mut rows = Rows::default();
        let (name, kind) = (&policy.0.metadata.name, policy.0.kind);
        let stopped = Arc::clone(&course.stopped);
        let done = trial.run(name, kind, policy.engine(), |decision| {
            rows.take(decision, policy);
            !stopped.load(Ordering::Relaxed)
        })?;
        let report = done.to_json().map_err(|error| EvaluateError {
            message: error.to_string(),
            file: None,
            line: None,
            help: None,
        })?;
        Ok((report, rows))
    };
    let done = watched(py, &course, None, work)?;
    let (report, rows) = done.map_err(|error| {
        let EvaluateError { message, file, line, help } = error;
        Fault { file, line, help, ..Fault::new(message) }.raise(py, Kind::Trace)
    })?;
    Ok((report, rows.columns(py)?))
}

impl Asked {
    fn read(setting: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut asked = Self {
            requests: false,
            sync: None,
            replicas: None,
            rate_scale: 1.0,
            maps: Vec::new(),
            server: Server::default(),
        };
        for item in setting.items() {
            let (key, value): (String, Bound<'_, PyAny>) = item.extract()?;
            match key.as_str() {
                "requests" => asked.requests = value.extract()?,
                "sync" => asked.sync = value.extract()?,
                "replicas" => asked.replicas = value.extract()?,
                "rate_scale" => asked.rate_scale = value.extract()?,
                "maps" => asked.maps = value.extract()?,
                "seconds_per_input_token" => {
                    asked.server.measured = None;
                    asked.server.seconds_per_input_token = not_negative(&key, &value)?;
                }
                "seconds_per_output_token" => {
                    asked.server.measured = None;
                    asked.server.seconds_per_output_token = not_negative(&key, &value)?;
                }
                "max_concurrency" => asked.server.max_concurrency = at_least_one(&key, &value)?,
                "kv_tokens" => asked.server.kv_tokens = at_least_one(&key, &value)?.into(),
                other => {
                    let help = "`seconds_per_input_token`, `seconds_per_output_token`, \
                                `max_concurrency` and `kv_tokens` are";
                    let message = format!("`{other}` is nothing that a server has: {help}");
                    return Err(pyo3::exceptions::PyTypeError::new_err(message));
                }
            }
        }
        Ok(asked)
    }
}

fn not_negative(key: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    let number: f64 = value.extract()?;
    if number.is_finite() && number >= 0.0 {
        return Ok(number);
    }
    let message = format!("`{key}` is `{number}`, and has to be 0 or more");
    Err(pyo3::exceptions::PyValueError::new_err(message))
}

fn at_least_one(key: &str, value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let number: u32 = value.extract()?;
    if number >= 1 {
        return Ok(number);
    }
    let message = format!("`{key}` is 0, and has to be 1 or more");
    Err(pyo3::exceptions::PyValueError::new_err(message))
}

impl Rows {
    fn take(&mut self, decision: &Decision, policy: &Policy) {
        self.seconds.push(decision.at.as_millis() as f64 / 1000.0);
        self.current.push(decision.current_replicas);
        self.desired.push(decision.desired_replicas);
        self.outcome.push(plain::word(&decision.outcome));
        self.reason.push(plain::word(&decision.reason));
        self.metric.push(decision.metric.and_then(|index| policy.metric_name(index)));
    }

    fn columns(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let columns = PyDict::new(py);
        columns.set_item("seconds", self.seconds)?;
        columns.set_item("current_replicas", self.current)?;
        columns.set_item("desired_replicas", self.desired)?;
        columns.set_item("outcome", self.outcome)?;
        columns.set_item("reason", self.reason)?;
        columns.set_item("metric", self.metric)?;
        Ok(columns)
    }
}
