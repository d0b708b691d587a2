//! Plain Python values (dicts, lists, text, numbers) into documents, and documents into plain values.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use trimtab_manifest::{Limits, Source, from_str};

use crate::error::{Fault, Kind};

/// Deeper than any document, and shallow enough for every stack.
const DEEPEST: usize = 64;

/// Limits of what is read at once: an observation of some thousand pods, a state whose lists are full.
pub(crate) const LARGEST: usize = 16 << 20;
const MOST_VALUES: usize = 1_000_000;

/// How `pickle` makes a value again: what to call, and with what.
pub(crate) type Reduced<'py, T> = (Bound<'py, PyAny>, T);

/// A plain Python value as a document. `datetime`s become text; no number may be NaN or infinite.
pub(crate) fn document(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    read(value, &mut Vec::new())
}

/// Where in the value one is: keys and places.
type Path = Vec<String>;

fn read(value: &Bound<'_, PyAny>, path: &mut Path) -> PyResult<Value> {
    if path.len() > DEEPEST {
        return Err(PyValueError::new_err(format!("it is nested deeper than {DEEPEST} levels")));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::String(text.to_cow()?.into_owned()));
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        return whole(value, path);
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return float(number.extract()?, path);
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return mapping(&dict.items(), path);
    }
    if let Ok(list) = value.cast::<PyList>() {
        return sequence(list.to_tuple(), path);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return sequence(tuple.clone(), path);
    }
    if value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>() {
        return Err(wrong(value, path));
    }
    if let Ok(dict) = value.cast::<PyMapping>() {
        return mapping(&dict.items()?, path);
    }
    other(value, path)
}

/// Numbers of other libraries, and times.
fn other(value: &Bound<'_, PyAny>, path: &Path) -> PyResult<Value> {
    if value.hasattr("isoformat")? {
        return Ok(Value::String(value.call_method0("isoformat")?.extract()?));
    }
    if value.hasattr("__index__")? {
        return whole(&value.call_method0("__index__")?, path);
    }
    if value.hasattr("__float__")? {
        return float(value.extract()?, path);
    }
    Err(wrong(value, path))
}

fn whole(value: &Bound<'_, PyAny>, path: &Path) -> PyResult<Value> {
    if let Ok(number) = value.extract::<i64>() {
        return Ok(Value::Number(number.into()));
    }
    if let Ok(number) = value.extract::<u64>() {
        return Ok(Value::Number(number.into()));
    }
    Err(PyValueError::new_err(format!("{}a whole number beyond 64 bits", at(path))))
}

fn float(number: f64, path: &Path) -> PyResult<Value> {
    Number::from_f64(number).map(Value::Number).ok_or_else(|| {
        PyValueError::new_err(format!("{}`{number}` is no number that a document has", at(path)))
    })
}

/// From a list of pairs, which is nobody else's: what is read can't change on the way.
fn mapping(items: &Bound<'_, PyList>, path: &mut Path) -> PyResult<Value> {
    let mut map = Map::new();
    for item in items.to_tuple() {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let Ok(key) = key.cast::<PyString>() else {
            let name = key.get_type().name()?;
            let place = at(path);
            return Err(PyTypeError::new_err(format!("{place}a key is a `{name}`, and no text")));
        };
        let key = key.to_cow()?.into_owned();
        path.push(key.clone());
        let value = read(&value, path)?;
        path.pop();
        map.insert(key, value);
    }
    Ok(Value::Object(map))
}

fn sequence(items: Bound<'_, PyTuple>, path: &mut Path) -> PyResult<Value> {
    let mut values = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        path.push(index.to_string());
        values.push(read(&item, path)?);
        path.pop();
    }
    Ok(Value::Array(values))
}

fn wrong(value: &Bound<'_, PyAny>, path: &Path) -> PyErr {
    match value.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("{}a `{name}` is no plain value", at(path))),
        Err(error) => error,
    }
}

fn at(path: &Path) -> String {
    if path.is_empty() { String::new() } else { format!("`{}`: ", path.join(".")) }
}

/// A typed value from a plain one.
pub(crate) fn typed<T: DeserializeOwned>(
    value: &Bound<'_, PyAny>,
    what: &str,
    kind: Kind,
) -> PyResult<T> {
    let document = document(value)?;
    // A list would do for a mapping, in the order of its fields; nobody means that.
    if document.is_object()
        || document.as_array().is_some_and(|items| items.iter().all(Value::is_object))
    {
        return from_document(value.py(), document, what, kind);
    }
    let name = value.get_type().name()?;
    Err(PyTypeError::new_err(format!("{what} is a dict, or a list of dicts, and no `{name}`")))
}

/// A typed value from a document. What is wrong is told as of a file: with the line, as JSON has it.
pub(crate) fn from_document<T: DeserializeOwned>(
    py: Python<'_>,
    document: Value,
    what: &str,
    kind: Kind,
) -> PyResult<T> {
    let again = document.clone();
    serde_json::from_value(document).map_err(|error| {
        let text = serde_json::to_string_pretty(&again).unwrap_or_default();
        let source = Source::new(format!("<{what}>"), text);
        match from_str::<T>(&source, &limits()) {
            Err(refused) => Fault::of_document(&refused, None).without_lines().raise(py, kind),
            Ok(_) => Fault::new(error.to_string()).raise(py, kind),
        }
    })
}

/// What was once written as JSON.
pub(crate) fn stored<T: DeserializeOwned>(py: Python<'_>, text: &[u8], what: &str) -> PyResult<T> {
    // What a release wrote it reads; only what it can't is worth the search for the place.
    match serde_json::from_slice(text) {
        Ok(value) => Ok(value),
        Err(_) => from_text(py, text, what, Kind::State),
    }
}

/// A typed value from JSON, or YAML.
pub(crate) fn from_text<T: DeserializeOwned>(
    py: Python<'_>,
    text: &[u8],
    what: &str,
    kind: Kind,
) -> PyResult<T> {
    let refused = |error| Fault::of_document(&error, None).raise(py, kind);
    let source = Source::from_bytes(format!("<{what}>"), text).map_err(refused)?;
    from_str(&source, &limits()).map_err(refused)
}

fn limits() -> Limits {
    Limits::default().with_max_bytes(LARGEST).with_max_nodes(MOST_VALUES)
}

/// The bytes of a `str` or of `bytes`.
pub(crate) fn bytes_of(text: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(text) = text.cast::<PyString>() {
        return Ok(text.to_cow()?.as_bytes().to_vec());
    }
    match text.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes().to_vec()),
        Err(_) => {
            let name = text.get_type().name()?;
            Err(PyTypeError::new_err(format!("a text is a `str` or `bytes`, and no `{name}`")))
        }
    }
}

/// A value as dicts, lists, text and numbers.
pub(crate) fn to_plain<'py, T: Serialize>(
    py: Python<'py>,
    value: &T,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(pythonize::pythonize(py, value)?)
}

/// A value as JSON.
pub(crate) fn to_json<T: Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// A word of an enum, as documents write it.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
