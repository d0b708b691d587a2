//! `Policy`: a checked policy with the name that its document gave it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde_json::{Value, json};
use trimtab_cli::policy_yaml;
use trimtab_engine as engine;
use trimtab_manifest::{
    Comments, HostSpec, Metadata, PolicyDocument, PolicyKind, ScalingPolicySpec, Source,
    read_policies, to_yaml,
};
use trimtab_sim::sweep::{read_field, set_field};

use crate::decision::escaped;
use crate::error::{Fault, Kind};
use crate::plain;

/// What should be: a checked policy. It exists, so it is valid.
///
/// Made from a `ScalingPolicy` or a HorizontalPodAutoscaler, as YAML, JSON or a dict. It does not
/// change; `with_fields` gives another one. Equal policies are equal in all that they say, and
/// `digest` is the fingerprint that stands in decision logs.
///
/// >>> import trimtab
/// >>> policy = trimtab.Policy.from_dict({
/// ...     "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
/// ...     "metadata": {"name": "web"},
/// ...     "spec": {
/// ...         "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
/// ...         "maxReplicas": 10}})
/// >>> policy.min_replicas, policy.max_replicas, policy.metrics
/// (1, 10, ('cpu',))
/// >>> policy.with_fields({"maxReplicas": 20}).max_replicas
/// 20
#[pyclass(frozen, module = "trimtab", from_py_object)]
#[derive(Clone)]
pub(crate) struct Policy(pub(crate) Arc<Named>);

/// A policy, its document's head, and what it says to whoever carries decisions out.
pub(crate) struct Named {
    pub(crate) policy: engine::Policy,
    host: HostSpec,
    pub(crate) metadata: Metadata,
    pub(crate) kind: PolicyKind,
}

impl Policy {
    pub(crate) fn new(policy: engine::Policy, metadata: Metadata, kind: PolicyKind) -> Self {
        Self(Arc::new(Named { policy, host: HostSpec::default(), metadata, kind }))
    }

    /// Another policy in the same document.
    pub(crate) fn with(&self, policy: engine::Policy) -> Self {
        let Named { policy: _, host, metadata, kind } = &*self.0;
        let (host, metadata, kind) = (host.clone(), metadata.clone(), *kind);
        Self(Arc::new(Named { policy, host, metadata, kind }))
    }

    pub(crate) fn engine(&self) -> &engine::Policy {
        &self.0.policy
    }

    /// The name of the metric at a place; behind the last one is `keda`'s composite.
    pub(crate) fn metric_name(&self, index: u32) -> Option<String> {
        let metric = usize::try_from(index).ok().and_then(|at| self.engine().metrics().get(at));
        metric.map(|metric| metric.name().to_owned())
    }

    fn of_document(document: PolicyDocument) -> Self {
        let PolicyDocument { policy, host, metadata, kind, .. } = document;
        Self(Arc::new(Named { policy, host, metadata, kind }))
    }

    fn whole(&self) -> ScalingPolicySpec {
        ScalingPolicySpec { policy: self.engine().spec().clone(), host: self.0.host.clone() }
    }

    fn spec_document(&self) -> PyResult<Value> {
        serde_json::to_value(self.whole()).map_err(|error| PyTypeError::new_err(error.to_string()))
    }
}

/// All policies of a source.
fn all(py: Python<'_>, bytes: &[u8], file: Option<&str>) -> PyResult<Vec<Policy>> {
    let refused = |error| {
        let mut fault = Fault::of_document(&error, file);
        if file.is_none() && looks_like_path(bytes) {
            let help = "`Policy.from_file` reads a file";
            fault.text = fault.text.map(|text| format!("{text}\n  = help: {help}"));
            fault.help = Some(help.to_owned());
        }
        fault.raise(py, Kind::Policy)
    };
    let name = file.unwrap_or("<policy>");
    let read =
        py.detach(|| Source::from_bytes(name, bytes).and_then(|source| read_policies(&source)));
    Ok(read.map_err(refused)?.policies.into_iter().map(Policy::of_document).collect())
}

/// The name of a file where its text should be.
fn looks_like_path(text: &[u8]) -> bool {
    let ends = |ending: &str| text.ends_with(ending.as_bytes());
    !text.contains(&b'\n') && [".yaml", ".yml", ".json"].into_iter().any(ends)
}

/// The one of them that is asked for.
fn one(
    py: Python<'_>,
    policies: Vec<Policy>,
    name: Option<&str>,
    file: Option<&str>,
) -> PyResult<Policy> {
    let names: Vec<String> =
        policies.iter().map(|policy| format!("`{}`", policy.0.metadata.name)).collect();
    let wanted = |policy: &Policy| name.is_none_or(|name| name == policy.0.metadata.name);
    let mut found: Vec<Policy> = policies.into_iter().filter(wanted).collect();
    let (message, help) = match (found.pop(), found.is_empty(), name) {
        (Some(policy), true, _) => return Ok(policy),
        (None, _, _) => (
            format!("there is no policy `{}` here", name.unwrap_or_default()),
            format!("there is {}", names.join(", ")),
        ),
        (_, _, Some(name)) => (
            format!("there are several policies `{name}` here"),
            String::from("keep each in a file of its own"),
        ),
        (_, _, None) => (
            format!("there are {} policies here", names.len()),
            format!("choose one by `name`: {}", names.join(", ")),
        ),
    };
    let file = file.map(str::to_owned);
    Err(Fault { message, file, help: Some(help), ..Fault::default() }.raise(py, Kind::Policy))
}

fn read_file(path: &std::path::Path) -> PyResult<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).map_err(|error| {
        PyErr::from(std::io::Error::new(error.kind(), format!("{error}: '{}'", path.display())))
    })?;
    Ok((path.display().to_string(), bytes))
}

#[pymethods]
impl Policy {
    /// Read a policy from YAML or JSON; `name` says which one where there are several, and `file` is
    /// what errors call the text.
    #[staticmethod]
    #[pyo3(signature = (text, *, name=None, file=None))]
    fn from_yaml(
        text: &Bound<'_, PyAny>,
        name: Option<&str>,
        file: Option<&str>,
    ) -> PyResult<Self> {
        let py = text.py();
        one(py, all(py, &plain::bytes_of(text)?, file)?, name, file)
    }

    /// Read a policy from a document as dicts and lists.
    #[staticmethod]
    #[pyo3(signature = (document, *, name=None))]
    fn from_dict(document: &Bound<'_, PyAny>, name: Option<&str>) -> PyResult<Self> {
        let py = document.py();
        let document = plain::document(document)?;
        let text = to_yaml(&document, &Comments::default())
            .map_err(|error| Fault::new(error.to_string()).raise(py, Kind::Policy))?;
        let source = Source::new("<policy>", text);
        let policies = read_policies(&source).map_err(|error| {
            Fault::of_document(&error, None).without_lines().raise(py, Kind::Policy)
        })?;
        one(py, policies.policies.into_iter().map(Self::of_document).collect(), name, None)
    }

    /// Read a policy from a file.
    #[staticmethod]
    #[pyo3(signature = (path, *, name=None))]
    fn from_file(py: Python<'_>, path: PathBuf, name: Option<&str>) -> PyResult<Self> {
        let (file, bytes) = read_file(&path)?;
        one(py, all(py, &bytes, Some(&file))?, name, Some(&file))
    }

    /// Read all policies of a text.
    #[staticmethod]
    #[pyo3(signature = (text, *, file=None))]
    fn all_from_yaml(text: &Bound<'_, PyAny>, file: Option<&str>) -> PyResult<Vec<Self>> {
        all(text.py(), &plain::bytes_of(text)?, file)
    }

    /// Read all policies of a file.
    #[staticmethod]
    fn all_from_file(py: Python<'_>, path: PathBuf) -> PyResult<Vec<Self>> {
        let (file, bytes) = read_file(&path)?;
        all(py, &bytes, Some(&file))
    }

    /// What the document is called.
    #[getter]
    fn name(&self) -> &str {
        &self.0.metadata.name
    }

    /// Its namespace, if it says one.
    #[getter]
    fn namespace(&self) -> Option<&str> {
        self.0.metadata.namespace.as_deref()
    }

    /// Its labels.
    #[getter]
    fn labels(&self) -> BTreeMap<String, String> {
        self.0.metadata.labels.clone()
    }

    /// Its annotations.
    #[getter]
    fn annotations(&self) -> BTreeMap<String, String> {
        self.0.metadata.annotations.clone()
    }

    /// In which form it was written: `ScalingPolicy` or `HorizontalPodAutoscaler`.
    #[getter]
    fn kind(&self) -> &'static str {
        kind_name(self.0.kind)
    }

    /// The strategy that decides.
    #[getter]
    fn strategy(&self) -> String {
        plain::word(&self.engine().spec().strategy)
    }

    /// The least replicas.
    #[getter]
    fn min_replicas(&self) -> i32 {
        self.engine().bounds().min
    }

    /// The most replicas; 2147483647 where there is no limit.
    #[getter]
    fn max_replicas(&self) -> i32 {
        self.engine().bounds().max
    }

    /// The names of the metrics, in the policy's order.
    #[getter]
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine().metrics().iter().map(engine::Metric::name))
    }

    /// Seconds between two decisions, as the strategy has it.
    #[getter]
    fn period(&self) -> f64 {
        self.engine().period().as_secs_f64()
    }

    /// A fingerprint of the spec: equal for equal specs, on every platform.
    #[getter]
    fn digest(&self) -> String {
        self.engine().digest().to_string()
    }

    /// The spec with its defaults filled in, as dicts and lists.
    #[getter]
    fn spec<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain::to_plain(py, self.engine().spec())
    }

    /// Give a field by its path, as text; `None` where it is not set.
    ///
    /// >>> import trimtab
    /// >>> policy = trimtab.Policy.from_yaml('''
    /// ... {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {
    /// ...   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 10}}
    /// ... ''')
    /// >>> policy.get("metrics[0].resource.target.averageUtilization")
    /// '80'
    fn get(&self, field: &str) -> PyResult<Option<String>> {
        read_field(self.engine().spec(), field)
            .map_err(|error| PyKeyError::new_err(error.to_string()))
    }

    /// Give the same policy with other values in some fields, by their paths.
    fn with_fields(&self, py: Python<'_>, fields: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut spec = self.engine().spec().clone();
        for item in fields.items() {
            let (field, value): (String, Bound<'_, PyAny>) = item.extract()?;
            let text = match plain::document(&value)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            spec = set_field(&spec, &field, &text).map_err(|error| {
                let fault = Fault {
                    field: Some(error.field().to_owned()),
                    help: error.help().map(str::to_owned),
                    ..Fault::new(error.message())
                };
                fault.raise(py, Kind::Policy)
            })?;
        }
        let policy = engine::Policy::new(spec).map_err(|invalid| refused(py, &invalid))?;
        Ok(self.with(policy))
    }

    /// Give the document as dicts and lists; `from_dict` reads it back.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut spec = self.spec_document()?;
        let (api_version, kind) = match self.0.kind {
            PolicyKind::HorizontalPodAutoscaler if spec.get("hpa").is_none() => {
                if let Some(fields) = spec.as_object_mut() {
                    fields.remove("strategy");
                }
                ("autoscaling/v2", "HorizontalPodAutoscaler")
            }
            _ => ("trimtab.dev/v1alpha1", "ScalingPolicy"),
        };
        let document = json!({
            "apiVersion": api_version, "kind": kind, "metadata": self.0.metadata, "spec": spec,
        });
        plain::to_plain(py, &document)
    }

    /// Give the document as YAML; `from_yaml` reads it back.
    fn to_yaml(&self) -> PyResult<String> {
        policy_yaml(self.0.kind, &self.0.metadata, &self.whole(), &[])
            .map_err(|error| PyTypeError::new_err(error.to_string()))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let (one, other) = (&*self.0, &*other.get().0);
            (&one.policy, &one.host, &one.metadata) == (&other.policy, &other.host, &other.metadata)
        })
    }

    fn __hash__(&self) -> u64 {
        u64::from_str_radix(&self.digest(), 16).unwrap_or_default()
    }

    fn __repr__(&self) -> String {
        let (name, strategy, digest) = (self.name(), self.strategy(), self.digest());
        let (min, max) = (self.min_replicas(), self.max_replicas());
        format!("<Policy '{name}': {strategy}, {min} to {max} replicas, digest {digest}>")
    }

    fn _repr_html_(&self) -> PyResult<String> {
        let (headline, yaml) = (self.__repr__(), self.to_yaml()?);
        let headline = headline.trim_start_matches('<').trim_end_matches('>');
        Ok(format!("<div><b>{}</b><pre>{}</pre></div>", escaped(headline), escaped(&yaml)))
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<plain::Reduced<'py, (String, String, &'static str)>> {
        let restore = py.get_type::<Self>().getattr("_restore")?;
        let spec = plain::to_json(&self.whole())?;
        let metadata = plain::to_json(&self.0.metadata)?;
        Ok((restore, (spec, metadata, self.kind())))
    }

    #[staticmethod]
    fn _restore(py: Python<'_>, spec: &str, metadata: &str, kind: &str) -> PyResult<Self> {
        let ScalingPolicySpec { policy, host } = plain::stored(py, spec.as_bytes(), "policy")?;
        let metadata = plain::stored(py, metadata.as_bytes(), "metadata")?;
        // It was a policy, perhaps by another release's rules.
        let policy = engine::Policy::from_stored(policy);
        let kind = match kind {
            "HorizontalPodAutoscaler" => PolicyKind::HorizontalPodAutoscaler,
            _ => PolicyKind::ScalingPolicy,
        };
        Ok(Self(Arc::new(Named { policy, host, metadata, kind })))
    }
}

fn kind_name(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
        _ => "ScalingPolicy",
    }
}

/// A policy whose fields do not go together.
fn refused(py: Python<'_>, invalid: &engine::InvalidPolicy) -> PyErr {
    let field = invalid.errors().first().map(|error| error.field().to_owned());
    Fault { field, ..Fault::new(invalid.to_string()) }.raise(py, Kind::Policy)
}

/// Names that tell policies apart have to be each its own.
pub(crate) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = HashSet::new();
    let mut names = names;
    names.all(|name| seen.insert(name))
}
