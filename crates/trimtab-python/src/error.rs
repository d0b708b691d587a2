//! What went wrong, as the exceptions of `trimtab.errors`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use trimtab_manifest::ManifestError;
use trimtab_sim::WorkloadError;

/// The classes of `trimtab.errors`.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Kind {
    Policy,
    Manifest,
    Observation,
    State,
    Trace,
    Simulation,
}

impl Kind {
    fn class_name(self) -> &'static str {
        match self {
            Self::Policy => "PolicyError",
            Self::Manifest => "ManifestError",
            Self::Observation => "ObservationError",
            Self::State => "StateError",
            Self::Trace => "TraceError",
            Self::Simulation => "SimulationError",
        }
    }
}

/// What is known of an error. What is not known is absent.
#[derive(Default)]
pub(crate) struct Fault {
    pub(crate) message: String,
    /// What people read, where that is more than the message.
    pub(crate) text: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) field: Option<String>,
    pub(crate) help: Option<String>,
    /// All that is wrong, where that is more than one thing.
    pub(crate) problems: Vec<Problem>,
}

/// Message, line, column, field, help.
pub(crate) type Problem = (String, Option<u64>, Option<u64>, Option<String>, Option<String>);

impl Fault {
    /// One that is nothing but its message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// A document that is refused. It has lines; a file only where it was read from one.
    pub(crate) fn of_document(error: &ManifestError, file: Option<&str>) -> Self {
        let problems = error.problems().iter().map(|problem| {
            let position = problem.position();
            let count = |number: usize| u64::try_from(number).ok();
            (
                problem.message().to_owned(),
                count(position.line),
                count(position.column),
                problem.field().map(str::to_owned),
                problem.help().map(str::to_owned),
            )
        });
        let problems: Vec<Problem> = problems.collect();
        let (message, line, column, field, help) = problems.first().cloned().unwrap_or_default();
        let file = file.map(str::to_owned);
        Self { message, text: Some(error.to_string()), file, line, column, field, help, problems }
    }

    /// The same of a text that the caller never saw: the fields tell the places.
    pub(crate) fn without_lines(self) -> Self {
        let problems = self.problems.into_iter();
        let problems =
            problems.map(|(message, _, _, field, help)| (message, None, None, field, help));
        Self { line: None, column: None, problems: problems.collect(), ..self }
    }

    /// The exception of this class.
    pub(crate) fn raise(self, py: Python<'_>, kind: Kind) -> PyErr {
        match self.build(py, kind) {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }

    fn build(self, py: Python<'_>, kind: Kind) -> PyResult<Bound<'_, PyAny>> {
        static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
        let module = MODULE.get_or_try_init(py, || py.import("trimtab.errors").map(Bound::unbind));
        let class = module?.bind(py).getattr(kind.class_name())?;
        let text = self.text.unwrap_or_else(|| {
            let place = match (&self.file, self.line) {
                (Some(file), Some(line)) => format!("\n --> {file}:{line}"),
                (Some(file), None) => format!("\n --> {file}"),
                (None, _) => String::new(),
            };
            let help = self.help.as_ref().map(|help| format!("\n  = help: {help}"));
            format!("{}{place}{}", self.message, help.unwrap_or_default())
        });
        let known = PyDict::new(py);
        known.set_item("text", text)?;
        known.set_item("file", self.file)?;
        known.set_item("line", self.line)?;
        known.set_item("column", self.column)?;
        known.set_item("field", self.field)?;
        known.set_item("help", self.help)?;
        known.set_item("problems", PyTuple::new(py, self.problems)?)?;
        class.call((self.message,), Some(&known))
    }
}

/// A load that can't be used.
pub(crate) fn workload_error(py: Python<'_>, error: &WorkloadError) -> PyErr {
    Fault {
        message: error.message.clone(),
        file: Some(error.source_name.to_string()),
        line: error.line,
        help: error.help.clone(),
        ..Fault::default()
    }
    .raise(py, Kind::Trace)
}
