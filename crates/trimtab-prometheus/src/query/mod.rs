//! What is asked about a workload: a query for each of its policy's metrics.

#[cfg(feature = "client")]
pub(crate) mod lint;
#[cfg(feature = "client")]
pub(crate) mod reading;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

#[cfg(feature = "client")]
pub use lint::{Finding, Rule};

use crate::SpecError;
use crate::preset::{Preset, PresetArgs};
use crate::promql::Outline;

/// What is asked about a workload: a query for each of its policy's metrics.
///
/// ```
/// use trimtab_prometheus::QueriesSpec;
///
/// let queries: QueriesSpec = serde_json::from_str(
///     r#"{
///         "preset": "vllm",
///         "matchers": "namespace=\"inference\"",
///         "metrics": [{"metric": "requests_per_second", "query": "sum(rate(gateway_requests_total[1m]))"}]
///     }"#,
/// )?;
/// let queries = queries.resolve()?;
/// assert!(queries.iter().any(|query| query.metric == "vllm:num_requests_waiting"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueriesSpec {
    /// The queries of a well-known server, for those metrics of the policy that have its names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// What stands in the braces of a preset's selectors: `namespace="inference",pod=~"llm-.*"`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub matchers: String,
    /// The window of a preset's rates. Default 2 min.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<Span>,
    /// The label that names the pod, where a metric has one value per pod. Default `pod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_label: Option<String>,
    /// How old the newest sample that a query reads may be. 0: any age that Prometheus takes for present, which is up to 5 min.
    /// Default 2 min.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<Span>,
    /// How often the servers are scraped, for what is said about queries. Default 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrape_interval_seconds: Option<Span>,
    /// The requests or sessions that a pod is serving, by pod: what makes draining exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlightQuery>,
    /// Queries by metric. One of the name of a preset's takes its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricQuery>,
}

/// The query of one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricQuery {
    /// The metric's name in the policy.
    pub metric: String,
    /// The container, where the policy has that resource for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What is asked, in PromQL.
    pub query: String,
    /// How series belong to pods, for a metric with a value per pod. Default: by the label `pod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_replica: Option<PerReplica>,
    /// What becomes of several series where one value is wanted: of one pod, or of a metric that has one value. Default: for
    /// `External` metrics each is a value of its own, as the HPA has it; else several are an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
    /// As [`QueriesSpec::max_age_seconds`], for this query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<Span>,
}

/// How series belong to pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PerReplica {
    /// The label that names the pod.
    pub label: String,
}

/// What becomes of several values where one is wanted.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Aggregate {
    /// They are added.
    Sum,
    /// The highest counts.
    Max,
    /// The lowest counts.
    Min,
    /// Their mean counts.
    Mean,
}

/// The query for what pods are serving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InFlightQuery {
    /// What is asked, in PromQL: a series per pod.
    pub query: String,
    /// How series belong to pods. Default: by [`QueriesSpec::pod_label`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_replica: Option<PerReplica>,
}

/// How old samples may be unless it is said.
#[cfg(feature = "client")]
pub(crate) const MAX_AGE: Span = Span::from_secs(120);
pub(crate) const POD_LABEL: &str = "pod";

#[cfg(feature = "client")]
impl Aggregate {
    /// The one value of several, NaN for none.
    pub(crate) fn of(self, values: &[f64]) -> f64 {
        let sum: f64 = values.iter().sum();
        let pick = |better: fn(f64, f64) -> bool| {
            let mut picked = f64::NAN;
            for value in values {
                // What is not a number is not passed over.
                if value.is_nan() {
                    return f64::NAN;
                }
                if picked.is_nan() || better(*value, picked) {
                    picked = *value;
                }
            }
            picked
        };
        match self {
            _ if values.is_empty() => f64::NAN,
            Self::Sum => sum,
            Self::Mean => sum / values.len() as f64,
            Self::Max => pick(|value, picked| value > picked),
            Self::Min => pick(|value, picked| value < picked),
        }
    }
}

impl QueriesSpec {
    /// All queries: those given, then those of the preset whose metrics are not among them.
    ///
    /// # Errors
    ///
    /// [`SpecError`] when the spec can't be meant.
    pub fn resolve(&self) -> Result<Vec<MetricQuery>, SpecError> {
        let mut queries = self.metrics.clone();
        for (index, query) in queries.iter().enumerate() {
            check(query)?;
            let same = |other: &MetricQuery| {
                other.metric == query.metric && other.container == query.container
            };
            if queries.iter().take(index).any(same) {
                let metric = &query.metric;
                return Err(SpecError::new(format!("`metrics` has `{metric}` twice: keep one")));
            }
        }
        if let Some(preset) = self.preset {
            let args = self.preset_args()?;
            for metric in preset.metrics(&args) {
                if !queries.iter().any(|query| query.metric == metric.query.metric) {
                    queries.push(metric.query);
                }
            }
        } else if !self.matchers.is_empty() {
            return Err(SpecError::new(
                "`matchers` is for the queries of a `preset`, and there is none: write them into the queries",
            ));
        }
        for query in &mut queries {
            query.max_age_seconds = query.max_age_seconds.or(self.max_age_seconds);
            if query.per_replica.is_none()
                && let Some(label) = &self.pod_label
            {
                query.per_replica = Some(PerReplica { label: label.clone() });
            }
        }
        Ok(queries)
    }

    fn preset_args(&self) -> Result<PresetArgs, SpecError> {
        let window = self.window_seconds.unwrap_or(PresetArgs::default().window);
        if window < Span::from_secs(1) {
            return Err(SpecError::new(format!(
                "`windowSeconds` is {window}: a window has several scrapes, such as 120"
            )));
        }
        let matchers = self.matchers.trim().trim_matches(['{', '}']).trim_end_matches(',');
        if !is_plain_matchers(matchers) {
            return Err(SpecError::new(format!(
                "`matchers` is `{}`: write what stands between braces, such as `namespace=\"inference\"`",
                self.matchers
            )));
        }
        let pod_label = self.pod_label.clone().unwrap_or_else(|| String::from(POD_LABEL));
        Ok(PresetArgs { matchers: String::from(matchers), window, pod_label })
    }

    /// How often servers are scraped.
    #[cfg(feature = "client")]
    pub(crate) fn scrape_interval(&self) -> Span {
        self.scrape_interval_seconds.unwrap_or(Span::from_secs(15))
    }
}

fn check(query: &MetricQuery) -> Result<(), SpecError> {
    let metric = &query.metric;
    if query.query.trim().is_empty() {
        return Err(SpecError::new(format!("the `query` of `{metric}` is empty")));
    }
    if query.per_replica.as_ref().is_some_and(|per| per.label.is_empty()) {
        return Err(SpecError::new(format!(
            "the `perReplica` of `{metric}` has an empty `label`: name the one that holds the pod"
        )));
    }
    match query.max_age_seconds {
        Some(age) if age < Span::ZERO => Err(SpecError::new(format!(
            "the `maxAgeSeconds` of `{metric}` is {age}: it is 0 or more"
        ))),
        _ => Ok(()),
    }
}

/// Whether a text can stand between braces without ending them.
fn is_plain_matchers(text: &str) -> bool {
    let selector = format!("x{{{text}}}");
    let outline = Outline::of(&selector);
    let whole = outline.selectors.first().is_some_and(|first| first.text == selector);
    whole && (text.is_empty() || text.contains('='))
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    #[test]
    fn several_values_where_one_is_wanted() {
        let values = [3.0, 1.0, 2.0];
        let all = [Aggregate::Sum, Aggregate::Max, Aggregate::Min, Aggregate::Mean];
        assert_eq!(all.map(|how| how.of(&values)), [6.0, 3.0, 1.0, 2.0]);
        assert!(all.iter().all(|how| how.of(&[]).is_nan()));
        assert!(all.iter().all(|how| how.of(&[1.0, f64::NAN, 2.0]).is_nan()));
    }

    #[test]
    fn a_query_of_ones_own_takes_the_place_of_a_presets() {
        let own = MetricQuery {
            metric: String::from("vllm:num_requests_waiting"),
            query: String::from("own"),
            ..MetricQuery::default()
        };
        let spec = QueriesSpec {
            preset: Some(Preset::Vllm),
            matchers: String::from("{namespace=\"a\"}"),
            metrics: vec![own.clone()],
            ..QueriesSpec::default()
        };
        let queries = spec.resolve().unwrap();
        assert_eq!(queries[0], own);
        let names: Vec<_> = queries.iter().map(|query| &query.metric).collect();
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        assert!(queries[1..].iter().all(|query| query.query.contains("namespace=\"a\"")));
    }

    #[test]
    fn what_can_not_be_meant() {
        let spec = |change: fn(&mut QueriesSpec)| {
            let mut spec = QueriesSpec { preset: Some(Preset::Vllm), ..QueriesSpec::default() };
            change(&mut spec);
            spec.resolve()
        };
        assert!(spec(|_| ()).is_ok());
        assert!(spec(|spec| spec.matchers = "a=\"}\"".into()).is_ok());
        assert!(spec(|spec| spec.matchers = "a=\"b\"} or up{x=\"y\"".into()).is_err());
        assert!(spec(|spec| spec.matchers = "inference".into()).is_err());
        assert!(spec(|spec| spec.window_seconds = Some(Span::ZERO)).is_err());
        assert!(
            spec(|spec| {
                spec.preset = None;
                spec.matchers = "a=\"b\"".into();
            })
            .is_err()
        );
        let twice = MetricQuery { metric: "a".into(), query: "a".into(), ..MetricQuery::default() };
        let twice = QueriesSpec { metrics: vec![twice.clone(), twice], ..QueriesSpec::default() };
        assert!(twice.resolve().is_err());
    }
}
