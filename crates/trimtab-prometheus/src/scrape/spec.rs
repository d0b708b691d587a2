//! Which pages are read, and what of them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::ReplicasSpec;
use crate::SpecError;
use crate::connect::ConnectSpec;
use crate::preset::{Preset, Take};
use crate::query::Aggregate;

/// Which pages are read, and what of them.
///
/// ```
/// use trimtab_prometheus::ScrapeSpec;
///
/// let spec: ScrapeSpec = serde_json::from_str(
///     r#"{
///         "replicas": {"list": [{"name": "gpu-0", "url": "http://10.0.0.7:8000/metrics"}]},
///         "metrics": [
///             {"metric": "waiting", "take": {"gauge": {"names": ["queue_length"]}}},
///             {"metric": "ttft_p95", "take": {"quantile": {"names": ["ttft_seconds"], "quantile": 0.95}}}
///         ]
///     }"#,
/// )?;
/// assert_eq!(spec.metrics.len(), 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ScrapeSpec {
    /// Where the replicas are.
    pub replicas: ReplicasSpec,
    /// How they are reached.
    pub connect: ConnectSpec,
    /// The longest that one page may take; all of them together have twice that. Default 3 s.
    pub timeout_seconds: Span,
    /// The largest page. Default 8 MiB.
    pub max_bytes: u64,
    /// Pages that are read at a time. Default 32.
    pub max_concurrent: NonZeroU16,
    /// Over what time rates and quantiles are. Default 1 min; never less than two periods of the policy.
    pub window_seconds: Span,
    /// How many percent of the replicas have to answer for a mean, a maximum or a quantile over all. A sum needs all. Default 50.
    pub quorum_percent: u8,
    /// The replicas of the list are the pods that there are, for a target that knows none.
    pub provides_pods: bool,
    /// The metrics of a well-known server, for those of the policy that have its names.
    pub preset: Option<Preset>,
    /// What each replica is serving: what makes draining exact. Default: the preset's.
    pub in_flight: Option<InFlightTake>,
    /// What is made of the pages. One of the name of a preset's takes its place.
    pub metrics: Vec<ScrapeMetric>,
}

/// A metric, and how it is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScrapeMetric {
    /// Its name in the policy.
    pub metric: String,
    /// What is taken from a page.
    pub take: TakeSpec,
    /// What becomes of the replicas' values where one value is wanted. Default: they are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Aggregate>,
}

/// What is taken from a page. Of several names the first that stands there counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TakeSpec {
    /// A gauge as it stands.
    Gauge(GaugeTake),
    /// How fast a counter grows per second.
    Rate(NamesTake),
    /// A quantile of what a histogram was given.
    Quantile(QuantileTake),
    /// The mean of what a histogram or a summary was given.
    Mean(NamesTake),
}

/// A gauge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GaugeTake {
    /// Its names.
    pub names: Vec<String>,
    /// Labels that its series have to have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What becomes of several series of one replica. Default: they are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Aggregate>,
}

/// A counter or a histogram, all series of which are added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamesTake {
    /// Its names; a histogram's without `_bucket`.
    pub names: Vec<String>,
    /// Labels that its series have to have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A quantile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuantileTake {
    /// The histogram's names, without `_bucket`.
    pub names: Vec<String>,
    /// Labels that its series have to have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Which quantile, such as 0.95.
    pub quantile: f64,
}

/// What a replica is serving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InFlightTake {
    /// The gauge's names; its series are added.
    pub names: Vec<String>,
    /// Labels that its series have to have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Default for ScrapeSpec {
    fn default() -> Self {
        Self {
            replicas: ReplicasSpec::default(),
            connect: ConnectSpec::default(),
            timeout_seconds: Span::from_secs(3),
            max_bytes: 8 << 20,
            max_concurrent: NonZeroU16::MIN.saturating_add(31),
            window_seconds: Span::from_secs(60),
            quorum_percent: 50,
            provides_pods: false,
            preset: None,
            in_flight: None,
            metrics: Vec::new(),
        }
    }
}

impl ScrapeSpec {
    /// The same with the files that it names below `directory`, as [`ConnectSpec::make_relative_to`] has it.
    pub fn make_relative_to(&mut self, directory: &Path) {
        self.connect.make_relative_to(directory);
        self.replicas.targets_file.iter_mut().for_each(|file| *file = directory.join(&*file));
    }

    /// All metrics: those given, then those of the preset that are not among them.
    pub(super) fn resolve(&self) -> Result<Vec<ScrapeMetric>, SpecError> {
        self.check()?;
        let mut metrics = self.metrics.clone();
        for entry in self.preset.iter().flat_map(|preset| preset.entries()) {
            if !metrics.iter().any(|metric| metric.metric == entry.name) {
                let replicas = match entry.take {
                    Take::Gauge { series, .. } => Some(series),
                    _ => None,
                };
                let (metric, take) = (String::from(entry.name), TakeSpec::of(entry.take));
                metrics.push(ScrapeMetric { metric, take, replicas });
            }
        }
        Ok(metrics)
    }

    /// What each replica is serving.
    pub(super) fn in_flight_take(&self) -> Option<TakeSpec> {
        match &self.in_flight {
            Some(InFlightTake { names, labels }) => Some(TakeSpec::Gauge(GaugeTake {
                names: names.clone(),
                labels: labels.clone(),
                series: Some(Aggregate::Sum),
            })),
            None => self.preset.and_then(Preset::in_flight).map(TakeSpec::of),
        }
    }

    fn check(&self) -> Result<(), SpecError> {
        if self.timeout_seconds < Span::from_millis(100) {
            let given = self.timeout_seconds;
            return Err(SpecError::new(format!(
                "`timeoutSeconds` is {given}: give a page 0.1 or more, such as 3"
            )));
        }
        if self.window_seconds < Span::from_secs(1) {
            let given = self.window_seconds;
            return Err(SpecError::new(format!(
                "`windowSeconds` is {given}: it is 1 or more, such as 60"
            )));
        }
        if !(1..=100).contains(&self.quorum_percent) {
            let given = self.quorum_percent;
            return Err(SpecError::new(format!("`quorumPercent` is {given}: it is 1 to 100")));
        }
        for (index, ScrapeMetric { metric, take, .. }) in self.metrics.iter().enumerate() {
            if self.metrics.iter().take(index).any(|other| other.metric == *metric) {
                return Err(SpecError::new(format!("`metrics` has `{metric}` twice: keep one")));
            }
            if take.names().is_empty() {
                return Err(SpecError::new(format!("the `names` of `{metric}` are empty")));
            }
            if let TakeSpec::Quantile(QuantileTake { quantile, .. }) = take
                && !(0.0..=1.0).contains(quantile)
            {
                return Err(SpecError::new(format!(
                    "the `quantile` of `{metric}` is {quantile}: it is 0 to 1, such as 0.95"
                )));
            }
        }
        Ok(())
    }
}

impl TakeSpec {
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Gauge(take) => &take.names,
            Self::Rate(take) | Self::Mean(take) => &take.names,
            Self::Quantile(take) => &take.names,
        }
    }

    pub(super) fn labels(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Gauge(take) => &take.labels,
            Self::Rate(take) | Self::Mean(take) => &take.labels,
            Self::Quantile(take) => &take.labels,
        }
    }

    fn of(take: Take) -> Self {
        let owned = |names: &[&str]| names.iter().copied().map(String::from).collect();
        let labels = BTreeMap::new();
        match take {
            Take::Gauge { names, labels, series } => {
                // The tables have one label at most: `name="value"`.
                let pair = labels.split_once('=');
                let pair = pair.map(|(label, value)| (label.into(), value.replace('"', "")));
                let (names, labels) = (owned(names), pair.into_iter().collect());
                Self::Gauge(GaugeTake { names, labels, series: Some(series) })
            }
            Take::Rate { names } => Self::Rate(NamesTake { names: owned(names), labels }),
            Take::Mean { names } => Self::Mean(NamesTake { names: owned(names), labels }),
            Take::Quantile { names, permille } => {
                let (names, quantile) = (owned(names), f64::from(permille) / 1000.0);
                Self::Quantile(QuantileTake { names, labels, quantile })
            }
        }
    }
}
