//! `Observation`: everything seen at one instant, from plain Python values.

use std::collections::BTreeMap;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};
use trimtab_engine::{
    self as engine, ObservationRecord, PodRecord, PodSample, Readiness, ReadingRecord,
    ReadyCondition, Selector, Unavailable,
};
use trimtab_metric::{ParseQuantityError, Quantity};

use crate::amount;
use crate::error::{Fault, Kind};
use crate::plain;
use crate::policy::Policy;
use crate::time::{datetime, timestamp};

/// Everything seen at one instant, with names; a policy decides on it.
///
/// `time` is seconds since 1970, text as RFC 3339 has it, or a `datetime`. `replicas` is the count
/// that was last asked for, `status_replicas` how many there are. `pods` are names of pods that
/// are ready, or dicts as in observation files. `readings` has what was read of each metric:
///
/// - a number, or text such as `"250m"`: the value; text is exact, as everywhere in Kubernetes;
/// - a list: the values of the series of an External metric;
/// - a dict: the value of each pod, by its name;
/// - `"missing"` or `None`, `"stale"`, `"failed"`, `"invalid"`: why there is none. NaN and
///   infinities are invalid: what is not known is never a number.
///
/// It may also be a list of dicts as in observation files. A metric without a reading is missing.
///
/// >>> import trimtab
/// >>> seen = trimtab.Observation(
/// ...     "2026-11-24T10:00:00Z", replicas=2, pods=["a", "b"],
/// ...     readings={"requests_waiting": {"a": 6, "b": 7.5}, "queue": float("nan")})
/// >>> seen.to_dict()["readings"][1]
/// {'metric': 'queue', 'unavailable': 'invalid'}
#[pyclass(frozen, module = "trimtab")]
pub(crate) struct Observation(ObservationRecord);

impl Observation {
    /// What the policy reads of it.
    pub(crate) fn resolve(
        &self,
        policy: &Policy,
    ) -> Result<engine::Observation, engine::ObservationError> {
        self.0.resolve(policy.engine())
    }
}

/// An observation that does not fit a policy.
pub(crate) fn unfit(py: Python<'_>, error: &engine::ObservationError) -> PyErr {
    Fault::new(error.to_string()).raise(py, Kind::Observation)
}

#[pymethods]
impl Observation {
    #[new]
    #[pyo3(signature = (
        time, *, replicas=None, status_replicas=None, selector="ok", pods=None, pod_metrics=None,
        readings=None, warm=None, supply=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are the fields, and given by name")]
    fn new(
        time: &Bound<'_, PyAny>,
        replicas: Option<i32>,
        status_replicas: Option<i32>,
        selector: &str,
        pods: Option<&Bound<'_, PyAny>>,
        pod_metrics: Option<&Bound<'_, PyAny>>,
        readings: Option<&Bound<'_, PyAny>>,
        warm: Option<&Bound<'_, PyAny>>,
        supply: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = time.py();
        let kind = Kind::Observation;
        let selector = match selector {
            "ok" => Selector::Ok,
            "empty" => Selector::Empty,
            "invalid" => Selector::Invalid,
            "ambiguous" => Selector::Ambiguous,
            other => {
                let fault = Fault {
                    help: Some("`ok`, `empty`, `invalid` and `ambiguous` are".into()),
                    field: Some("selector".into()),
                    ..Fault::new(format!("`{other}` is no state of a selector"))
                };
                return Err(fault.raise(py, kind));
            }
        };
        Ok(Self(ObservationRecord {
            time: timestamp(time)?,
            replicas,
            status_replicas,
            selector,
            pods: pods.map_or_else(|| Ok(Vec::new()), read_pods)?,
            pod_metrics: pod_metrics
                .map(|value| plain::typed(value, "pod_metrics", kind))
                .transpose()?,
            readings: readings.map_or_else(|| Ok(Vec::new()), read_readings)?,
            warm: warm.map(|value| plain::typed(value, "warm", kind)).transpose()?,
            supply: supply.map(|value| plain::typed(value, "supply", kind)).transpose()?,
        }))
    }

    /// Read an observation from dicts and lists, as observation files have it.
    #[staticmethod]
    fn from_dict(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(plain::typed(value, "observation", Kind::Observation)?))
    }

    /// Read an observation from JSON or YAML, as observation files have it.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = plain::bytes_of(text)?;
        Ok(Self(plain::from_text(text.py(), &bytes, "observation", Kind::Observation)?))
    }

    /// When.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.0.time)
    }

    /// The count that was last asked for; `None` where it could not be read.
    #[getter]
    fn replicas(&self) -> Option<i32> {
        self.0.replicas
    }

    /// How many there are.
    #[getter]
    fn status_replicas(&self) -> Option<i32> {
        self.0.status_replicas.or(self.0.replicas)
    }

    /// Give it as dicts and lists.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain::to_plain(py, &self.0)
    }

    /// Give it as JSON, one line of a file that `trimtab evaluate` reads.
    fn to_json(&self) -> PyResult<String> {
        plain::to_json(&self.0)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| self.0 == other.get().0)
    }

    fn __repr__(&self) -> String {
        let ObservationRecord { time, replicas, readings, .. } = &self.0;
        let replicas = replicas.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
        let names: Vec<&str> = readings.iter().map(|reading| reading.metric.as_str()).collect();
        format!("<Observation {time}: {replicas} replicas, readings of {names:?}>")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<plain::Reduced<'py, (String,)>> {
        Ok((py.get_type::<Self>().getattr("_restore")?, (self.to_json()?,)))
    }

    #[staticmethod]
    fn _restore(py: Python<'_>, text: &str) -> PyResult<Self> {
        Ok(Self(plain::stored(py, text.as_bytes(), "observation")?))
    }
}

/// Names of pods that are ready, or dicts.
fn read_pods(pods: &Bound<'_, PyAny>) -> PyResult<Vec<PodRecord>> {
    let one = |pod: &Bound<'_, PyAny>| match pod.cast::<PyString>() {
        Ok(name) => Ok(PodRecord {
            name: name.to_cow()?.into_owned(),
            ready: Some(ReadyCondition { status: Readiness::True, last_transition_time: None }),
            ..PodRecord::default()
        }),
        Err(_) => plain::typed(pod, "pod", Kind::Observation),
    };
    items(pods, "pods")?.iter().map(|pod| one(&pod)).collect()
}

/// By the names of the metrics, or dicts.
fn read_readings(readings: &Bound<'_, PyAny>) -> PyResult<Vec<ReadingRecord>> {
    let Some(pairs) = pairs_of(readings)? else {
        let one = |reading: Bound<'_, PyAny>| plain::typed(&reading, "reading", Kind::Observation);
        return items(readings, "readings")?.iter().map(one).collect();
    };
    let mut records = Vec::with_capacity(pairs.len());
    for pair in pairs.iter() {
        let (metric, given): (String, Bound<'_, PyAny>) = pair.extract()?;
        records.push(read_reading(metric, &given)?);
    }
    Ok(records)
}

/// What was read of one metric.
fn read_reading(metric: String, given: &Bound<'_, PyAny>) -> PyResult<ReadingRecord> {
    let none = ReadingRecord { metric, ..ReadingRecord::default() };
    if let Some(pods) = pairs_of(given)? {
        let mut samples = BTreeMap::new();
        for pair in pods.iter() {
            let (pod, value): (String, Bound<'_, PyAny>) = pair.extract()?;
            if let Some(sample) = pod_sample(&none.metric, &value)? {
                samples.insert(pod, sample);
            }
        }
        return Ok(ReadingRecord { pods: Some(samples), ..none });
    }
    if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() {
        let mut values = Vec::new();
        let mut unavailable = None;
        for item in items(given, "values")?.iter() {
            match sample(&none.metric, &item)? {
                Ok(value) => values.push(value),
                Err(why) => unavailable = unavailable.or(Some(why)),
            }
        }
        // What is known of the series counts, as where they are read from.
        let unavailable = unavailable.filter(|_| values.is_empty());
        let values = Some(values).filter(|_| unavailable.is_none());
        return Ok(ReadingRecord { values, unavailable, ..none });
    }
    Ok(match sample(&none.metric, given)? {
        Ok(value) => ReadingRecord { value: Some(value), ..none },
        Err(why) => ReadingRecord { unavailable: Some(why), ..none },
    })
}

/// A pod that has no value has not reported.
fn pod_sample(metric: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<PodSample>> {
    if value.is_instance_of::<PyDict>() {
        return plain::typed(value, "sample", Kind::Observation).map(Some);
    }
    let value = sample(metric, value)?;
    Ok(value.ok().map(|value| PodSample { value, timestamp: None, window: None }))
}

/// An amount, or why there is none.
fn sample(metric: &str, value: &Bound<'_, PyAny>) -> PyResult<Result<Quantity, Unavailable>> {
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(amount::quantity(number.extract()?).ok_or(Unavailable::Invalid));
    }
    if value.is_none() {
        return Ok(Err(Unavailable::Missing));
    }
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_cow()?;
        return match &*text {
            "missing" => Ok(Err(Unavailable::Missing)),
            "stale" => Ok(Err(Unavailable::Stale)),
            "failed" => Ok(Err(Unavailable::Failed)),
            "invalid" => Ok(Err(Unavailable::Invalid)),
            text => parsed(value.py(), metric, text).map(Ok),
        };
    }
    let name = value.get_type().name()?;
    let name = name.to_cow()?;
    // Nothing, as pandas has it.
    if matches!(&*name, "NAType" | "NaTType") {
        return Ok(Err(Unavailable::Missing));
    }
    // An array can look like a number.
    let is_array = value
        .getattr_opt("ndim")?
        .is_some_and(|many| many.extract::<usize>().is_ok_and(|many| many > 0));
    if !value.is_instance_of::<PyBool>() && !is_array {
        if value.is_instance_of::<PyInt>() || value.hasattr("__index__")? {
            return match value.extract::<i64>() {
                Ok(units) => Ok(Ok(Quantity::from_units(units))),
                Err(_) => {
                    let whole = value.call_method0("__index__")?.str()?;
                    parsed(value.py(), metric, &whole.to_cow()?).map(Ok)
                }
            };
        }
        if let Ok(number) = value.extract::<f64>() {
            return Ok(amount::quantity(number).ok_or(Unavailable::Invalid));
        }
    }
    Err(PyTypeError::new_err(format!(
        "the reading of `{metric}` has a `{name}`: a number, a quantity as text, or None is a value, and a list or a dict by pod has them"
    )))
}

fn parsed(py: Python<'_>, metric: &str, text: &str) -> PyResult<Quantity> {
    text.trim().parse().map_err(|error: ParseQuantityError| {
        let fault = Fault {
            field: Some(format!("readings.{metric}")),
            ..Fault::new(format!("the reading of `{metric}`: {error}"))
        };
        fault.raise(py, Kind::Observation)
    })
}

/// The pairs of a mapping; nothing for what is none.
fn pairs_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
    if let Ok(dict) = value.cast::<PyDict>() {
        return Ok(Some(dict.items()));
    }
    if value.is_instance_of::<PyFloat>()
        || value.is_instance_of::<PyInt>()
        || value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyList>()
        || value.is_none()
    {
        return Ok(None);
    }
    value.cast::<PyMapping>().ok().map(|mapping| mapping.items()).transpose()
}

/// The items of a list, which is nobody else's.
fn items<'py>(value: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyTuple>> {
    if let Ok(list) = value.cast::<PyList>() {
        return Ok(list.to_tuple());
    }
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyDict>() {
        let name = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!("`{what}` is a list, and no `{name}`")));
    }
    let items: PyResult<Vec<Bound<'py, PyAny>>> = value.try_iter()?.collect();
    PyTuple::new(value.py(), items?)
}
