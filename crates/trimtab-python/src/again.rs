//! What was asked of a load, so that another process can ask it again.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What `pickle` wants to know: a function of `trimtab._restore`, with what comes first and the arguments.
pub(crate) type Reduced<'py, A> = (Bound<'py, PyAny>, (A, Bound<'py, PyDict>));

/// Keyword arguments as plain values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Again(Vec<(&'static str, Argument)>);

/// A value of one of them.
#[derive(Clone, Debug, IntoPyObject)]
pub(crate) enum Argument {
    Whole(u64),
    Number(f64),
    Flag(bool),
    Text(String),
    Pair((f64, f64)),
}

impl Again {
    /// With an argument, unless it was left out.
    pub(crate) fn with(mut self, name: &'static str, value: Option<Argument>) -> Self {
        self.0.extend(value.map(|value| (name, value)));
        self
    }

    /// With lengths of tokens: a median and a 95th percentile, or one number for both.
    pub(crate) fn with_lengths(
        self,
        name: &'static str,
        given: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let read = |given: &Bound<'_, PyAny>| match given.extract::<f64>() {
            Ok(number) => Ok(Argument::Number(number)),
            Err(_) => given.extract::<(f64, f64)>().map(Argument::Pair),
        };
        Ok(self.with(name, given.map(read).transpose()?))
    }

    /// For `__reduce__`.
    pub(crate) fn reduce<'py, A>(
        &self,
        py: Python<'py>,
        function: &str,
        first: A,
    ) -> PyResult<Reduced<'py, A>> {
        let arguments = PyDict::new(py);
        for (name, value) in &self.0 {
            arguments.set_item(name, value.clone())?;
        }
        Ok((py.import("trimtab._restore")?.getattr(function)?, (first, arguments)))
    }
}
