//! `Decision` and `Condition`: what was decided, and why.

use pyo3::prelude::*;
use trimtab_engine as engine;

use crate::error::Kind;
use crate::plain;
use crate::policy::Policy;
use crate::time::datetime;

/// What was decided, and why. It is always traced: `explain()` has the steps in words.
///
/// Carry out `scale_to` where it is not `None`, then tell `settle` what became of it.
#[pyclass(frozen, module = "trimtab")]
pub(crate) struct Decision {
    pub(crate) engine: engine::Decision,
    /// The name of the metric that proposed the most.
    metric: Option<String>,
}

impl Decision {
    pub(crate) fn new(engine: engine::Decision, policy: &Policy) -> Self {
        let metric = engine.metric.and_then(|index| policy.metric_name(index));
        Self { engine, metric }
    }

    /// Read back: its names are those of its trace.
    fn of_stored(engine: engine::Decision) -> Self {
        let own = engine.metrics().find(|step| Some(step.index) == engine.metric);
        let metric = own.map(|step| step.name.clone());
        Self { engine, metric }
    }
}

#[pymethods]
impl Decision {
    /// Read what `to_dict` gave.
    #[staticmethod]
    fn from_dict(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self::of_stored(plain::typed(value, "decision", Kind::State)?))
    }

    /// Read what `to_json` or `trimtab decide --json` wrote.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = plain::bytes_of(text)?;
        Ok(Self::of_stored(plain::stored(text.py(), &bytes, "decision")?))
    }

    /// The time of the observation.
    #[getter]
    fn at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.engine.at)
    }

    /// The count that was read; the last known one where it could not be read.
    #[getter]
    fn current_replicas(&self) -> i32 {
        self.engine.current_replicas
    }

    /// The count that is wanted.
    #[getter]
    fn desired_replicas(&self) -> i32 {
        self.engine.desired_replicas
    }

    /// What to write to the target's scale; `None` where nothing is to be changed.
    #[getter]
    fn scale_to(&self) -> Option<i32> {
        self.engine.scale_to
    }

    /// How far it came: `decided`, `partiallyDecided`, `enforced`, `metricsUnknown`,
    /// `selectorUnusable`, `scaleUnavailable`, `disabled`, `paused` or `notDue`.
    #[getter]
    fn outcome(&self) -> String {
        plain::word(&self.engine.outcome)
    }

    /// Why the scale is to be changed: `aboveMax`, `belowMin`, `metricAbove`, `allMetricsBelow`,
    /// `override`, `initial`, `schedule`, `forecast` or `none`.
    #[getter]
    fn reason(&self) -> String {
        plain::word(&self.engine.reason)
    }

    /// The metric that proposed the largest count.
    #[getter]
    fn metric(&self) -> Option<&str> {
        self.metric.as_deref()
    }

    /// Its place in the policy; behind the last is the composite metric of `keda`.
    #[getter]
    fn metric_index(&self) -> Option<u32> {
        self.engine.metric
    }

    /// What comes from the warm pool and goes to it, if the policy has one.
    #[getter]
    fn warm<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.engine.warm.as_ref().map(|plan| plain::to_plain(py, plan)).transpose()
    }

    /// Who leaves, if the policy has `retire`.
    #[getter]
    fn retire<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.engine.retire.as_ref().map(|plan| plain::to_plain(py, plan)).transpose()
    }

    /// The count over the node pools, where the policy has `supply`.
    #[getter]
    fn supply<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.engine.supply.as_ref().map(|plan| plain::to_plain(py, plan)).transpose()
    }

    /// The conditions, before the change was carried out.
    #[getter]
    fn conditions(&self) -> Vec<Condition> {
        let named = |(condition, message): (engine::Condition, String)| Condition {
            metric: condition.metric().and_then(|index| self.name_of(index)),
            engine: condition,
            message,
        };
        let told = self.engine.messages();
        told.map(|(condition, message)| named((*condition, message.to_string()))).collect()
    }

    /// The steps that made it, as dicts: `stage`, `from`, `to` and `rule`.
    #[getter]
    fn trace<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain::to_plain(py, &self.engine.trace.as_deref().unwrap_or_default())
    }

    /// Give the decision in words: a headline, the steps as a table, the conditions.
    fn explain(&self) -> String {
        self.engine.explain().to_string()
    }

    /// Give it as dicts and lists.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain::to_plain(py, &self.engine)
    }

    /// Give it as JSON, as `trimtab decide --json` does.
    fn to_json(&self) -> PyResult<String> {
        plain::to_json(&self.engine)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| self.engine == other.get().engine)
    }

    fn __repr__(&self) -> String {
        let text = self.explain();
        format!("<Decision {}>", text.lines().next().unwrap_or_default())
    }

    fn __str__(&self) -> String {
        self.explain()
    }

    fn _repr_html_(&self) -> String {
        let text = escaped(&self.explain());
        let (headline, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let rest = rest.replace("&lt;- decided", "<b>&lt;- decided</b>");
        format!("<div class=\"trimtab-decision\"><b>{headline}</b><pre>{rest}</pre></div>")
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<plain::Reduced<'py, (String, Option<&str>)>> {
        let restore = py.get_type::<Self>().getattr("_restore")?;
        Ok((restore, (self.to_json()?, self.metric())))
    }

    #[staticmethod]
    #[pyo3(signature = (text, metric))]
    fn _restore(py: Python<'_>, text: &str, metric: Option<String>) -> PyResult<Self> {
        let engine = plain::stored(py, text.as_bytes(), "decision")?;
        Ok(Self { engine, metric })
    }
}

impl Decision {
    fn name_of(&self, index: u32) -> Option<String> {
        let own = self.engine.metrics().find(|step| step.index == index);
        own.map(|step| step.name.clone())
    }
}

/// Something to know about a decision, as Kubernetes has conditions.
#[pyclass(frozen, module = "trimtab")]
pub(crate) struct Condition {
    engine: engine::Condition,
    message: String,
    metric: Option<String>,
}

#[pymethods]
impl Condition {
    /// What it is about, such as `ScalingLimited`.
    #[getter]
    fn r#type(&self) -> String {
        plain::word(&self.engine.type_)
    }

    /// Whether it holds: `True`, `False` or `Unknown`.
    #[getter]
    fn status(&self) -> String {
        plain::word(&self.engine.status)
    }

    /// Why, in one word.
    #[getter]
    fn reason(&self) -> String {
        plain::word(&self.engine.reason)
    }

    /// Why, in a sentence.
    #[getter]
    fn message(&self) -> &str {
        &self.message
    }

    /// The metric that it is about, if it is about one.
    #[getter]
    fn metric(&self) -> Option<&str> {
        self.metric.as_deref()
    }

    /// Since when the status is what it is.
    #[getter]
    fn last_transition_time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.engine.last_transition_time)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| self.engine == other.get().engine)
    }

    fn __repr__(&self) -> String {
        let (type_, status, reason) = (self.r#type(), self.status(), self.reason());
        format!("<Condition {type_}={status} ({reason}): {}>", self.message)
    }
}

/// Text as HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
