//! Times: seconds, text or `datetime` come in, `datetime` in UTC goes out.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDateTime, PyDelta, PyFloat, PyInt, PyString};
use trimtab_metric::{Span, Timestamp};

/// A time, as Python has it: seconds since 1970, RFC 3339, or a `datetime`, which is local where it
/// has no zone.
pub(crate) fn timestamp(value: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    if let Ok(seconds) = value.cast::<PyFloat>() {
        return from_seconds(seconds.extract()?);
    }
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        let seconds: i64 = value.extract()?;
        let milli = seconds.checked_mul(1000);
        return milli.map(Timestamp::from_millis).ok_or_else(|| none(&seconds.to_string()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_cow()?;
        return text.parse().map_err(|error| PyValueError::new_err(format!("{error}")));
    }
    if value.is_instance_of::<PyDateTime>() {
        let py = value.py();
        let seconds: f64 = value.call_method0(intern!(py, "timestamp"))?.extract()?;
        return from_seconds(seconds);
    }
    // Numbers of other libraries are numbers too.
    match value.extract::<f64>() {
        Ok(seconds) if !value.is_instance_of::<PyBool>() => from_seconds(seconds),
        _ => {
            let name = value.get_type().name()?;
            Err(PyTypeError::new_err(format!(
                "a time is seconds since 1970, text such as `2026-11-24T10:00:00Z` or a datetime, and no `{name}`"
            )))
        }
    }
}

/// A time in milliseconds since 1970.
#[pyfunction]
pub(crate) fn _milliseconds(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    timestamp(value).map(Timestamp::as_millis)
}

fn from_seconds(seconds: f64) -> PyResult<Timestamp> {
    Timestamp::from_secs_f64(seconds).ok_or_else(|| none(&seconds.to_string()))
}

fn none(text: &str) -> PyErr {
    PyValueError::new_err(format!("`{text}` is no time: seconds since 1970 are"))
}

/// A `datetime` in UTC, exact to the millisecond.
pub(crate) fn datetime(py: Python<'_>, time: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let epoch = EPOCH.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        let module = py.import("datetime")?;
        let utc = module.getattr("timezone")?.getattr("utc")?;
        Ok(module.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?.unbind())
    })?;
    let milli = time.as_millis();
    let (days, rest) = (milli.div_euclid(86_400_000), milli.rem_euclid(86_400_000));
    let beyond = || PyValueError::new_err(format!("no datetime holds the time {time}"));
    let days = i32::try_from(days).map_err(|_| beyond())?;
    let parts = (i32::try_from(rest / 1000), i32::try_from(rest % 1000 * 1000));
    let (Ok(seconds), Ok(micros)) = parts else { return Err(beyond()) };
    let since = PyDelta::new(py, days, seconds, micros, false)?;
    epoch.bind(py).add(since)
}

/// A span of so many seconds.
pub(crate) fn span(seconds: f64, what: &str) -> PyResult<Span> {
    Span::from_secs_f64(seconds)
        .ok_or_else(|| PyValueError::new_err(format!("`{seconds}` is no {what} in seconds")))
}
