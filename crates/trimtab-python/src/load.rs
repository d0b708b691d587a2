//! `Scenario` and `Trace`: what arrives.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use trimtab_metric::Span;
use trimtab_sim::{
    self as sim, Requests, TokenLength, TokenLengths, TraceFormat, TraceOptions, Workload,
    WorkloadError,
};

use crate::again::{Again, Argument, Reduced};
use crate::error::{Fault, Kind, workload_error};
use crate::plain;
use crate::watched::Course;

/// What was asked besides a name, in words.
type Details = Vec<(String, String)>;

/// Generated requests: a named shape of a day, a week, a ramp, a flash crowd.
///
/// `Scenario.names()` lists them. `duration` is in seconds; tokens are the median and the 95th
/// percentile, or one number for all. The same seed gives the same requests.
///
/// >>> import trimtab
/// >>> trimtab.Scenario("steady", duration=3600).duration
/// 3600.0
#[pyclass(frozen, module = "trimtab", from_py_object)]
#[derive(Clone)]
pub(crate) struct Scenario(sim::Scenario, Details, Again);

#[pymethods]
impl Scenario {
    #[new]
    #[pyo3(signature = (
        name="diurnal", *, seed=1, duration=None, rate_scale=1.0, interarrival_cv=None,
        input_tokens=None, output_tokens=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are given by name")]
    fn new(
        py: Python<'_>,
        name: &str,
        seed: u64,
        duration: Option<f64>,
        rate_scale: f64,
        interarrival_cv: Option<f64>,
        input_tokens: Option<&Bound<'_, PyAny>>,
        output_tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let Some(mut scenario) = sim::Scenario::named(name, seed) else {
            let names: Vec<String> =
                sim::Scenario::names().map(|name| format!("`{name}`")).collect();
            let help = Some(format!("there is {}", names.join(", ")));
            let fault = Fault { help, ..Fault::new(format!("there is no scenario `{name}`")) };
            return Err(fault.raise(py, Kind::Trace));
        };
        let mut details = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            details.extend(value.map(|value| (name.to_owned(), value)));
        };
        scenario = scenario.with_rate_scale(rate_scale);
        add("rate scale", other_than_one(rate_scale));
        if let Some(duration) = duration {
            scenario = scenario.with_duration_seconds(duration);
            add(
                "duration of scenarios",
                Span::from_secs_f64(duration).map(|span| span.to_string()),
            );
        }
        if let Some(cv) = interarrival_cv {
            scenario = scenario.with_interarrival_cv(cv);
            add("variation of the gaps between arrivals", Some(cv.to_string()));
        }
        if let Some(tokens) = lengths(py, input_tokens, output_tokens)? {
            scenario = scenario.with_tokens(tokens);
            add("input tokens", input_tokens.map(|_| in_words(tokens.input)));
            add("output tokens", output_tokens.map(|_| in_words(tokens.output)));
        }
        // A number out of its range shows now.
        drop(scenario.requests().map_err(|error| workload_error(py, &error))?);
        let again = Again::default()
            .with("seed", Some(Argument::Whole(seed)))
            .with("duration", duration.map(Argument::Number))
            .with("rate_scale", Some(Argument::Number(rate_scale)))
            .with("interarrival_cv", interarrival_cv.map(Argument::Number))
            .with_lengths("input_tokens", input_tokens)?
            .with_lengths("output_tokens", output_tokens)?;
        Ok(Self(scenario, details, again))
    }

    /// List the names of all scenarios.
    #[staticmethod]
    fn names() -> Vec<&'static str> {
        sim::Scenario::names().collect()
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// How many seconds it lasts.
    #[getter]
    fn duration(&self) -> f64 {
        self.0.duration_seconds()
    }

    /// List the requests, in columns: `seconds`, `input_tokens`, `output_tokens`.
    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        columns(py, &self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, String>> {
        self.2.reduce(py, "scenario", self.name().to_owned())
    }

    fn __repr__(&self) -> String {
        format!("<Scenario '{}': {} s>", self.name(), self.duration())
    }
}

/// Recorded requests, or requests made from a recorded rate.
///
/// A file is CSV or JSON, packed by gzip or not; how it begins tells which of the formats of
/// `trimtab backtest` it has. `from_columns` takes the same columns from memory:
/// `timestamp_s`, `input_tokens` and `output_tokens` for requests, or `window_start_s` and
/// `rate_rps` for a rate. `rate_scale` multiplies the requests, `time_scale` their times.
///
/// >>> import trimtab
/// >>> trace = trimtab.Trace.from_columns({
/// ...     "timestamp_s": [0.5, 2], "input_tokens": [300, 150], "output_tokens": [20, 80]})
/// >>> trace.format, trace.requests()["seconds"]
/// ('requests', [0.5, 2.0])
#[pyclass(frozen, module = "trimtab", from_py_object)]
#[derive(Clone)]
pub(crate) struct Trace(sim::Trace, Details, Again);

/// What can be asked of a trace beside where it is.
struct Asked<'py> {
    seed: u64,
    rate_scale: f64,
    time_scale: f64,
    interarrival_cv: Option<f64>,
    input_tokens: Option<Bound<'py, PyAny>>,
    output_tokens: Option<Bound<'py, PyAny>>,
    skip_zero_tokens: bool,
    spread: Option<bool>,
}

impl Asked<'_> {
    fn details(&self, options: &TraceOptions) -> Details {
        let mut details = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            details.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("rate scale", other_than_one(options.rate_scale));
        add("time scale", other_than_one(options.time_scale));
        let cv = options.interarrival_cv.map(|cv| cv.to_string());
        add("variation of the gaps between arrivals", cv);
        if let Some(tokens) = options.tokens {
            add("input tokens", self.input_tokens.as_ref().map(|_| in_words(tokens.input)));
            add("output tokens", self.output_tokens.as_ref().map(|_| in_words(tokens.output)));
        }
        let skipped = options.skip_zero_tokens.then(|| String::from("left out"));
        add("requests without tokens", skipped);
        let spread = options.spread.map(|spread| if spread { "spread" } else { "as they are" });
        add("requests with one timestamp", spread.map(str::to_owned));
        details
    }

    fn again(&self, name: &str) -> PyResult<Again> {
        Again::default()
            .with("name", Some(Argument::Text(name.to_owned())))
            .with("seed", Some(Argument::Whole(self.seed)))
            .with("rate_scale", Some(Argument::Number(self.rate_scale)))
            .with("time_scale", Some(Argument::Number(self.time_scale)))
            .with("interarrival_cv", self.interarrival_cv.map(Argument::Number))
            .with("skip_zero_tokens", Some(Argument::Flag(self.skip_zero_tokens)))
            .with("spread", self.spread.map(Argument::Flag))
            .with_lengths("input_tokens", self.input_tokens.as_ref())?
            .with_lengths("output_tokens", self.output_tokens.as_ref())
    }

    fn options(&self, py: Python<'_>) -> PyResult<TraceOptions> {
        Ok(TraceOptions {
            rate_scale: self.rate_scale,
            time_scale: self.time_scale,
            seed: self.seed,
            interarrival_cv: self.interarrival_cv,
            tokens: lengths(py, self.input_tokens.as_ref(), self.output_tokens.as_ref())?,
            skip_zero_tokens: self.skip_zero_tokens,
            spread: self.spread,
        })
    }
}

impl Trace {
    fn of_bytes(py: Python<'_>, name: &str, bytes: Vec<u8>, asked: &Asked<'_>) -> PyResult<Self> {
        let options = asked.options(py)?;
        let trace = py.detach(|| sim::Trace::from_bytes(name, bytes, &options));
        let trace = trace.map_err(|error| workload_error(py, &error))?;
        let again = asked.again(trace.name())?;
        Ok(Self(trace, asked.details(&options), again))
    }
}

#[pymethods]
impl Trace {
    #[new]
    #[pyo3(signature = (
        path, *, seed=1, rate_scale=1.0, time_scale=1.0, interarrival_cv=None, input_tokens=None,
        output_tokens=None, skip_zero_tokens=false, spread=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are given by name")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        seed: u64,
        rate_scale: f64,
        time_scale: f64,
        interarrival_cv: Option<f64>,
        input_tokens: Option<Bound<'_, PyAny>>,
        output_tokens: Option<Bound<'_, PyAny>>,
        skip_zero_tokens: bool,
        spread: Option<bool>,
    ) -> PyResult<Self> {
        let asked = Asked {
            seed,
            rate_scale,
            time_scale,
            interarrival_cv,
            input_tokens,
            output_tokens,
            skip_zero_tokens,
            spread,
        };
        let options = asked.options(py)?;
        let trace = py.detach(|| sim::Trace::open(&path, &options));
        let trace = trace.map_err(|error| workload_error(py, &error))?;
        let again = asked.again(trace.name())?;
        Ok(Self(trace, asked.details(&options), again))
    }

    /// Make a trace of columns: a mapping of names to values, or a DataFrame.
    #[staticmethod]
    #[pyo3(signature = (
        columns, *, name="trace", seed=1, rate_scale=1.0, time_scale=1.0, interarrival_cv=None,
        input_tokens=None, output_tokens=None, skip_zero_tokens=false, spread=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are given by name")]
    fn from_columns(
        columns: &Bound<'_, PyAny>,
        name: &str,
        seed: u64,
        rate_scale: f64,
        time_scale: f64,
        interarrival_cv: Option<f64>,
        input_tokens: Option<Bound<'_, PyAny>>,
        output_tokens: Option<Bound<'_, PyAny>>,
        skip_zero_tokens: bool,
        spread: Option<bool>,
    ) -> PyResult<Self> {
        let py = columns.py();
        let asked = Asked {
            seed,
            rate_scale,
            time_scale,
            interarrival_cv,
            input_tokens,
            output_tokens,
            skip_zero_tokens,
            spread,
        };
        let text: String = csv(columns)?;
        Self::of_bytes(py, name, text.into_bytes(), &asked)
    }

    /// Make a trace of the answer of Prometheus to a range query, in requests per second: a dict, or
    /// its JSON.
    #[staticmethod]
    #[pyo3(signature = (
        answer, *, name="trace", seed=1, rate_scale=1.0, time_scale=1.0, interarrival_cv=None,
        input_tokens=None, output_tokens=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are given by name")]
    fn from_prometheus(
        answer: &Bound<'_, PyAny>,
        name: &str,
        seed: u64,
        rate_scale: f64,
        time_scale: f64,
        interarrival_cv: Option<f64>,
        input_tokens: Option<Bound<'_, PyAny>>,
        output_tokens: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = answer.py();
        let bytes = match answer.cast::<PyDict>() {
            Ok(answer) => plain::to_json(&plain::document(answer)?)?.into_bytes(),
            Err(_) => plain::bytes_of(answer)?,
        };
        let asked = Asked {
            seed,
            rate_scale,
            time_scale,
            interarrival_cv,
            input_tokens,
            output_tokens,
            skip_zero_tokens: false,
            spread: None,
        };
        Self::of_bytes(py, name, bytes, &asked)
    }

    /// Make a trace of what a file would have.
    #[staticmethod]
    #[pyo3(signature = (
        text, *, name="trace", seed=1, rate_scale=1.0, time_scale=1.0, interarrival_cv=None,
        input_tokens=None, output_tokens=None, skip_zero_tokens=false, spread=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are given by name")]
    fn from_text(
        text: &Bound<'_, PyAny>,
        name: &str,
        seed: u64,
        rate_scale: f64,
        time_scale: f64,
        interarrival_cv: Option<f64>,
        input_tokens: Option<Bound<'_, PyAny>>,
        output_tokens: Option<Bound<'_, PyAny>>,
        skip_zero_tokens: bool,
        spread: Option<bool>,
    ) -> PyResult<Self> {
        let py = text.py();
        let asked = Asked {
            seed,
            rate_scale,
            time_scale,
            interarrival_cv,
            input_tokens,
            output_tokens,
            skip_zero_tokens,
            spread,
        };
        Self::of_bytes(py, name, plain::bytes_of(text)?, &asked)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// The format: `requests`, `rates`, `azure`, `burstgpt`, `mooncake` or `prometheus`.
    #[getter]
    fn format(&self) -> &'static str {
        match self.0.format() {
            TraceFormat::Requests => "requests",
            TraceFormat::Rates => "rates",
            TraceFormat::Azure => "azure",
            TraceFormat::BurstGpt => "burstgpt",
            TraceFormat::Mooncake => "mooncake",
            TraceFormat::Prometheus => "prometheus",
        }
    }

    /// List the requests, in columns: `seconds`, `input_tokens`, `output_tokens`.
    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        columns(py, &self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, Bound<'py, PyBytes>>> {
        // The file may not be there, where it is made again.
        let bytes = self.0.bytes().map_err(|error| workload_error(py, &error))?;
        self.2.reduce(py, "trace", PyBytes::new(py, &bytes))
    }

    fn __repr__(&self) -> String {
        format!("<Trace '{}': {}>", self.name(), self.format())
    }
}

fn other_than_one(factor: f64) -> Option<String> {
    (factor != 1.0).then(|| factor.to_string())
}

fn in_words(length: TokenLength) -> String {
    format!("median {:.0}, mean {:.0}", length.median(), length.mean())
}

/// Tokens as a median and a 95th percentile, or one number for all.
fn lengths(
    py: Python<'_>,
    input: Option<&Bound<'_, PyAny>>,
    output: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<TokenLengths>> {
    let one = |given: &Bound<'_, PyAny>| -> PyResult<TokenLength> {
        let (median, p95) = match given.extract::<f64>() {
            Ok(number) => (number, number),
            Err(_) => given.extract::<(f64, f64)>()?,
        };
        TokenLength::from_median_and_p95(median, p95).ok_or_else(|| {
            let message = format!("`{median}, {p95}` is no median and 95th percentile of tokens");
            let help = format!("from 1 to {}, and the larger one last", TokenLength::MAX);
            Fault { help: Some(help), ..Fault::new(message) }.raise(py, Kind::Trace)
        })
    };
    if input.is_none() && output.is_none() {
        return Ok(None);
    }
    let usual = TokenLengths::default();
    Ok(Some(TokenLengths {
        input: input.map_or(Ok(usual.input), one)?,
        output: output.map_or(Ok(usual.output), one)?,
    }))
}

/// Columns as a file would have them; times from the first on, as a load has them.
fn csv(columns: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = columns.py();
    let relative = PyDict::new(py);
    relative.set_item("relative", true)?;
    py.import("trimtab._csv")?.getattr("csv_of")?.call((columns,), Some(&relative))?.extract()
}

/// All requests, in columns.
fn columns<'py>(py: Python<'py>, workload: &dyn Workload) -> PyResult<Bound<'py, PyDict>> {
    const MOST: usize = 100_000_000;
    let read = py.detach(|| -> Result<_, WorkloadError> {
        let (mut seconds, mut input, mut output) = (Vec::new(), Vec::new(), Vec::new());
        for request in workload.requests()?.take(MOST) {
            let request = request?;
            seconds.push(request.arrival.seconds());
            input.push(request.input_tokens);
            output.push(request.output_tokens);
        }
        Ok((seconds, input, output))
    });
    let (seconds, input, output) = read.map_err(|error| workload_error(py, &error))?;
    if seconds.len() == MOST {
        return Err(PyValueError::new_err(format!("there are more than {MOST} requests")));
    }
    let columns = PyDict::new(py);
    columns.set_item("seconds", seconds)?;
    columns.set_item("input_tokens", input)?;
    columns.set_item("output_tokens", output)?;
    Ok(columns)
}

/// Either of them.
pub(crate) fn workload(
    load: &Bound<'_, PyAny>,
    course: &Arc<Course>,
) -> PyResult<Box<dyn Workload>> {
    let course = Arc::clone(course);
    if let Ok(scenario) = load.cast::<Scenario>() {
        return Ok(Box::new(Stoppable { inner: scenario.get().0.clone(), course }));
    }
    if let Ok(trace) = load.cast::<Trace>() {
        return Ok(Box::new(Stoppable { inner: trace.get().0.clone(), course }));
    }
    let name = load.get_type().name()?;
    Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "a load is a Scenario or a Trace, and no `{}`",
        name.cast::<PyString>()?.to_cow()?
    )))
}

/// What was asked of loads besides their names, for the report.
pub(crate) fn details(loads: &[Bound<'_, PyAny>]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for load in loads {
        let own = match (load.cast::<Scenario>(), load.cast::<Trace>()) {
            (Ok(scenario), _) => scenario.get().1.clone(),
            (_, Ok(trace)) => trace.get().1.clone(),
            _ => Vec::new(),
        };
        all.extend(own.into_iter().filter(|detail| !all.contains(detail)).collect::<Vec<_>>());
    }
    all
}

/// A workload that ends early once it is to; what comes of it then is thrown away.
struct Stoppable<W> {
    inner: W,
    course: Arc<Course>,
}

impl<W: Workload> Workload for Stoppable<W> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn requests(&self) -> Result<Requests, WorkloadError> {
        let course = Arc::clone(&self.course);
        Ok(Box::new(self.inner.requests()?.take_while(move |_| !course.is_stopped())))
    }
}
