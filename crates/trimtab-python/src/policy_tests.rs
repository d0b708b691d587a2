//! Policy tests: which there are in a file, and what comes of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use trimtab_cli::backtest_case;
use trimtab_engine::Policy;
use trimtab_manifest::{Colour, Limits, ManifestError, Source};
use trimtab_test::{
    BacktestCase, FileResult, Host, Test, TestFile, TestLimits, TestResult, read_within, run_with,
};

use crate::error::{Fault, Kind};
use crate::watched::{Course, watched};

/// The tests of a file.
#[pyfunction]
pub(crate) fn _list_tests<'py>(py: Python<'py>, file: &str) -> PyResult<Bound<'py, PyList>> {
    let read = load(py, file)?;
    let tests = PyList::empty(py);
    for (_, test) in read.tests() {
        tests.append(described(py, &read, test)?)?;
    }
    Ok(tests)
}

/// What comes of the tests of a file, or of those of these numbers.
#[pyfunction]
#[pyo3(signature = (file, numbers, backtests))]
pub(crate) fn _run_tests<'py>(
    py: Python<'py>,
    file: &str,
    numbers: Option<Vec<usize>>,
    backtests: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let read = load(py, file)?;
    let course = Arc::new(Course::default());
    let mut host = PythonHost {
        file: Path::new(file),
        numbers,
        backtests,
        stopped: Arc::clone(&course.stopped),
    };
    let done = watched(py, &course, None, || run_with(&read, &mut host, &TestLimits::default()))?;
    shown(py, &read, &done)
}

/// Reads a test file, and the policies that it names from beside it.
fn load(py: Python<'_>, file: &str) -> PyResult<TestFile> {
    let bytes = std::fs::read(file)?;
    let refused =
        |error: ManifestError| Fault::of_document(&error, Some(file)).raise(py, Kind::Manifest);
    let limits = TestLimits::default();
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let mut beside = |name: &str| -> Result<Source, String> {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        let most = Limits::default().max_bytes;
        if bytes.len() > most {
            return Err(format!("it has more than {most} bytes"));
        }
        let shown = path.display().to_string();
        Source::from_bytes(shown, &bytes).map_err(|error| error.to_string())
    };
    py.detach(|| read_within(&Source::from_bytes(file, &bytes)?, &mut beside, &limits))
        .map_err(refused)
}

struct PythonHost<'a> {
    file: &'a Path,
    numbers: Option<Vec<usize>>,
    backtests: bool,
    stopped: Arc<AtomicBool>,
}

impl Host for PythonHost<'_> {
    fn backtest(
        &mut self,
        policy: &Policy,
        case: &BacktestCase,
    ) -> Option<Result<Vec<f64>, String>> {
        self.backtests.then(|| backtest_case(self.file, policy, case, &self.stopped))
    }

    fn wants(&mut self, test: &Test) -> bool {
        // What is left after an interrupt is not begun.
        !self.stopped.load(Ordering::Relaxed)
            && self.numbers.as_ref().is_none_or(|numbers| numbers.contains(&test.number))
    }
}

fn described<'py>(py: Python<'py>, file: &TestFile, test: &Test) -> PyResult<Bound<'py, PyDict>> {
    let one = PyDict::new(py);
    one.set_item("name", &test.name)?;
    one.set_item("number", test.number)?;
    one.set_item("line", file.source.position(test.place.start).line)?;
    one.set_item("has_backtest", !test.backtests.is_empty())?;
    Ok(one)
}

fn shown<'py>(py: Python<'py>, file: &TestFile, done: &FileResult) -> PyResult<Bound<'py, PyDict>> {
    let tests = PyList::empty(py);
    for result in &done.tests {
        let test = file.tests().find(|(_, test)| test.number == result.number);
        if let Some((_, test)) = test {
            tests.append(result_of(py, file, test, result)?)?;
        }
    }
    let warnings = file.warnings.iter().map(|warning| warning.render(&file.source, Colour::Never));
    let ran = PyDict::new(py);
    ran.set_item("tests", tests)?;
    ran.set_item("warnings", warnings.collect::<Vec<_>>())?;
    Ok(ran)
}

fn result_of<'py>(
    py: Python<'py>,
    file: &TestFile,
    test: &Test,
    result: &TestResult,
) -> PyResult<Bound<'py, PyDict>> {
    let failures = PyList::empty(py);
    for failure in &result.failures {
        let diagnostic = &failure.diagnostic;
        let position = file.source.position(diagnostic.span().start);
        let one = PyDict::new(py);
        one.set_item("code", diagnostic.code())?;
        one.set_item("message", diagnostic.message())?;
        one.set_item("line", position.line)?;
        one.set_item("column", position.column)?;
        one.set_item("at", failure.at.map(|at| at.to_string()))?;
        one.set_item("explanation", failure.explanation.as_deref())?;
        one.set_item("text", failure.render(&file.source, Colour::Never))?;
        failures.append(one)?;
    }
    let one = PyDict::new(py);
    one.set_item("test", described(py, file, test)?)?;
    one.set_item("decisions", result.decisions)?;
    one.set_item("failures", failures)?;
    one.set_item("skipped_backtests", result.skipped_backtests)?;
    Ok(one)
}
