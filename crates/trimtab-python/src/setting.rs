//! What policies are compared on, from plain values: objectives, a service profile, a cluster, lead times.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use trimtab_manifest::{Limits, Source, from_str};
use trimtab_sim::cluster::Delay;
use trimtab_sim::metrics::{BindError, Bindings};
use trimtab_sim::{
    Candidate, Cluster, ClusterSpec, InvalidCluster, InvalidProfile, Objective, Plan,
    ServiceProfile, Site, Workload,
};

use crate::error::{Fault, Kind};
use crate::plain;
use crate::policy::{Policy, distinct};

/// What is asked; the keys are those that `trimtab/_simulation.py` gives.
pub(crate) struct Setting<'py> {
    objectives: Vec<String>,
    profile: Bound<'py, PyAny>,
    cluster: Option<Bound<'py, PyAny>>,
    lead_times: Vec<f64>,
    metrics: Vec<(String, String)>,
    seed: u64,
    pub(crate) jobs: usize,
    timelines: bool,
}

impl<'py> Setting<'py> {
    pub(crate) fn read(given: &Bound<'py, PyDict>) -> PyResult<Self> {
        Ok(Self {
            objectives: given.as_any().get_item("objectives")?.extract()?,
            profile: given.as_any().get_item("profile")?,
            cluster: given.as_any().get_item("cluster")?.extract()?,
            lead_times: given.as_any().get_item("lead_times")?.extract()?,
            metrics: given.as_any().get_item("metrics")?.extract()?,
            seed: given.as_any().get_item("seed")?.extract()?,
            jobs: given.as_any().get_item("jobs")?.extract()?,
            timelines: given.as_any().get_item("timelines")?.extract()?,
        })
    }
}

impl Setting<'_> {
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A plan without candidates.
    pub(crate) fn plan(
        &self,
        py: Python<'_>,
        workloads: Vec<Box<dyn Workload>>,
        details: Vec<(String, String)>,
    ) -> PyResult<Plan> {
        let fault = |message: String| Fault::new(message).raise(py, Kind::Simulation);
        if self.objectives.is_empty() {
            return Err(fault("there is no objective".into()));
        }
        if workloads.is_empty() {
            return Err(fault("there is no load".into()));
        }
        let objectives = self.objectives.iter().map(|text| {
            text.parse::<Objective>().map_err(|error| {
                let help = "write it as `ttft<=2s@99%`, `tpot<=50ms` or `e2e<=30s@95%`".into();
                Fault { help: Some(help), ..Fault::new(error.to_string()) }
                    .raise(py, Kind::Simulation)
            })
        });
        let profile = self.profile(py)?;
        let cluster = self.cluster(py, &profile)?;
        let mut details = details;
        if self.lead_times.is_empty() {
            details.extend(cluster.start_details());
        }
        details.extend(cluster.details());
        Ok(Plan {
            objectives: objectives.collect::<PyResult<_>>()?,
            profile,
            seed: self.seed,
            workloads,
            sites: self.sites(py, cluster)?,
            candidates: Vec::new(),
            timelines: self.timelines,
            details,
        })
    }

    fn profile(&self, py: Python<'_>) -> PyResult<ServiceProfile> {
        if let Ok(name) = self.profile.cast::<PyString>() {
            let name = name.to_cow()?;
            return ServiceProfile::named(&name).ok_or_else(|| {
                let names = ServiceProfile::builtin().into_iter();
                let names: Vec<String> =
                    names.map(|profile| format!("`{}`", profile.name)).collect();
                let help = Some(format!("there is {}", names.join(", ")));
                Fault { help, ..Fault::new(format!("there is no profile `{name}`")) }
                    .raise(py, Kind::Simulation)
            });
        }
        let (profile, file): (ServiceProfile, _) = read(&self.profile, "profile")?;
        profile.check().map_err(|invalid: InvalidProfile| {
            let message = format!("`{}` of the profile is out of range", invalid.field());
            let (help, field) = (Some(invalid.rule().to_owned()), Some(invalid.field().to_owned()));
            Fault { file, help, field, ..Fault::new(message) }.raise(py, Kind::Simulation)
        })?;
        Ok(profile)
    }

    fn cluster(&self, py: Python<'_>, profile: &ServiceProfile) -> PyResult<Cluster> {
        let (mut spec, file) = match &self.cluster {
            None => (ClusterSpec::default(), None),
            Some(given) => read(given, "cluster")?,
        };
        if let Some(folder) = file.as_deref().and_then(|file| std::path::Path::new(file).parent()) {
            spec.relative_to(folder);
        }
        spec.check(profile).map_err(|invalid: InvalidCluster| {
            let field = invalid.broken().first().map(|rule| rule.field().to_owned());
            let help = invalid.broken().first().map(|rule| rule.help().to_owned());
            Fault { file, field, help, ..Fault::new(invalid.to_string()) }.raise(py, Kind::Manifest)
        })
    }

    /// The cluster at each of these lead times, or as it is.
    fn sites(&self, py: Python<'_>, cluster: Cluster) -> PyResult<Vec<Site>> {
        if self.lead_times.is_empty() {
            return Ok(vec![Site { lead_time: cluster.lead_time_text(), cluster }]);
        }
        let site = |seconds: &f64| {
            let delay = Delay::fixed(*seconds).map_err(|_| {
                let help = Some("from 0 to 31 years".into());
                let message = format!("`{seconds}` seconds are no time that a start takes");
                Fault { help, ..Fault::new(message) }.raise(py, Kind::Simulation)
            })?;
            let cluster = cluster.clone().with_lead_time(delay);
            Ok(Site { lead_time: cluster.lead_time_text(), cluster })
        };
        self.lead_times.iter().map(site).collect()
    }

    /// Candidates of policies, with the signals of their metrics, and what those were taken for.
    pub(crate) fn bind(
        &self,
        py: Python<'_>,
        tuned: Vec<Tuned>,
        details: &mut Vec<(String, String)>,
    ) -> PyResult<Vec<Candidate>> {
        let mut used = vec![false; self.metrics.len()];
        let mut unknown = None;
        let mut candidates = Vec::new();
        for Tuned { name, tuning, policy } in tuned {
            let mut own = self.metrics.clone();
            let bindings = loop {
                match Bindings::new(&policy, &own) {
                    Ok(bindings) => break bindings,
                    Err(BindError::UnknownMetric { metric, known }) => {
                        own.retain(|(other, _)| *other != metric);
                        unknown = Some(BindError::UnknownMetric { metric, known }.to_string());
                    }
                    Err(error) => {
                        let message = format!("policy `{name}`: {error}");
                        return Err(Fault::new(message).raise(py, Kind::Simulation));
                    }
                }
            };
            for (pair, used) in self.metrics.iter().zip(&mut used) {
                *used |= own.contains(pair);
            }
            let pairs: Vec<String> =
                bindings.iter().map(|(metric, signal)| format!("{metric} is {signal}")).collect();
            let detail = (format!("metrics of {name}"), pairs.join(", "));
            if !details.contains(&detail) {
                details.push(detail);
            }
            candidates.push(Candidate { name, tuning, policy, bindings, to_beat: None });
        }
        match unknown {
            Some(message) if used.contains(&false) => {
                Err(Fault::new(message).raise(py, Kind::Simulation))
            }
            _ => Ok(candidates),
        }
    }
}

/// A policy that takes part, perhaps with fields that a sweep set.
pub(crate) struct Tuned {
    pub(crate) name: String,
    pub(crate) tuning: std::collections::BTreeMap<String, String>,
    pub(crate) policy: trimtab_engine::Policy,
}

/// Policies with their names, each its own.
pub(crate) fn named(py: Python<'_>, policies: &[(String, Policy)]) -> PyResult<()> {
    let fault = |message: &str| Err(Fault::new(message).raise(py, Kind::Simulation));
    if policies.is_empty() {
        return fault("there is no policy");
    }
    if !distinct(policies.iter().map(|(name, _)| name.as_str())) {
        return fault("two policies have one name: give them by names of your own, in a dict");
    }
    Ok(())
}

/// A document as a mapping, or as the name of a file with its bytes; and that name.
fn read<T: serde::de::DeserializeOwned>(
    given: &Bound<'_, PyAny>,
    what: &str,
) -> PyResult<(T, Option<String>)> {
    let Ok(file) = given.cast::<PyTuple>() else {
        return Ok((plain::typed(given, what, Kind::Manifest)?, None));
    };
    let (name, bytes): (String, Bound<'_, PyAny>) = file.extract()?;
    let bytes = bytes.cast::<PyBytes>().map_err(|_| PyTypeError::new_err("a file has bytes"))?;
    let value = Source::from_bytes(name.as_str(), bytes.as_bytes())
        .and_then(|source| from_str(&source, &Limits::default()))
        .map_err(|error| {
            Fault::of_document(&error, Some(&name)).raise(given.py(), Kind::Manifest)
        })?;
    Ok((value, Some(name)))
}
