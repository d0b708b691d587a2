//! What the metrics APIs answer, and what observations make of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use trimtab_engine::{ContainerMetrics, PodMetrics, PodSample, ReadingRecord, ResourceList};
use trimtab_metric::{Quantity, Span, Timestamp};
use trimtab_runtime::SourceError;

/// What was read for a metric.
pub(super) enum Read {
    /// What all resource metrics take their values from.
    Pods(Vec<PodMetrics>),
    /// A reading, without the metric's name; and when its oldest value was measured, where it has
    /// no place for that.
    Metric(ReadingRecord, Option<Timestamp>),
}

/// `PodMetricsList` of `metrics.k8s.io/v1beta1`.
#[derive(Deserialize)]
pub(super) struct PodMetricsList {
    #[serde(default)]
    items: Option<Vec<PodMetricsItem>>,
}

#[derive(Deserialize)]
struct PodMetricsItem {
    metadata: Name,
    #[serde(default)]
    timestamp: Option<Timestamp>,
    #[serde(default)]
    window: Option<String>,
    #[serde(default)]
    containers: Option<Vec<ContainerItem>>,
}

#[derive(Default, Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct ContainerItem {
    name: String,
    #[serde(default)]
    usage: Option<ResourceList>,
}

/// `MetricValueList` of both versions of `custom.metrics.k8s.io`, and `ExternalMetricValueList`:
/// what differs between them is not looked at.
#[derive(Deserialize)]
pub(super) struct ValueList {
    #[serde(default)]
    items: Option<Vec<ValueItem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValueItem {
    #[serde(default)]
    described_object: Name,
    #[serde(default)]
    timestamp: Option<Timestamp>,
    /// Earlier versions call it `window`.
    #[serde(default, alias = "window")]
    window_seconds: Option<i64>,
    value: Quantity,
}

/// Values, at least one.
pub(super) struct Values(Vec<ValueItem>);

impl PodMetricsList {
    /// Of no pod at all there is nothing to decide on, as for the HPA.
    pub(super) fn into_pods(self) -> Result<Vec<PodMetrics>, SourceError> {
        let items = self.items.unwrap_or_default();
        if items.is_empty() {
            return Err(none_from("resource"));
        }
        items.into_iter().map(PodMetricsItem::into_pod).collect()
    }
}

impl PodMetricsItem {
    fn into_pod(self) -> Result<PodMetrics, SourceError> {
        let window = self.window.as_deref().map(span).transpose()?;
        let containers = self.containers.unwrap_or_default().into_iter();
        let containers = containers.map(|container| ContainerMetrics {
            name: container.name,
            usage: container.usage.unwrap_or_default(),
        });
        Ok(PodMetrics {
            pod: self.metadata.name,
            timestamp: self.timestamp,
            window_seconds: window,
            containers: containers.collect(),
        })
    }
}

impl ValueList {
    pub(super) fn of(self, api: &str) -> Result<Values, SourceError> {
        let items = self.items.unwrap_or_default();
        if items.is_empty() { Err(none_from(api)) } else { Ok(Values(items)) }
    }
}

impl Values {
    /// A value per pod. Of several for one pod the last counts.
    pub(super) fn into_pods(self) -> Read {
        let samples = self.0.into_iter().map(|item| {
            let sample = PodSample {
                value: item.value,
                timestamp: item.timestamp,
                window: item.window_seconds.map(Span::from_secs),
            };
            (item.described_object.name, sample)
        });
        let pods: BTreeMap<String, PodSample> = samples.collect();
        Read::Metric(ReadingRecord { pods: Some(pods), ..ReadingRecord::default() }, None)
    }

    /// The one value of an object.
    pub(super) fn into_value(self) -> Result<Read, SourceError> {
        let count = self.0.len();
        let [item]: [ValueItem; 1] = self.0.try_into().map_err(|_| {
            SourceError::Malformed(format!(
                "{count} values for one object, and there can be only one"
            ))
        })?;
        let at = item.timestamp;
        let reading = ReadingRecord { value: Some(item.value), ..ReadingRecord::default() };
        Ok(Read::Metric(reading, at))
    }

    /// The values of all series.
    pub(super) fn into_values(self) -> Read {
        let at = self.0.iter().filter_map(|item| item.timestamp).min();
        let values = self.0.into_iter().map(|item| item.value).collect();
        Read::Metric(ReadingRecord { values: Some(values), ..ReadingRecord::default() }, at)
    }
}

impl Read {
    /// Without what is older; of pods, without those whose value is.
    pub(super) fn no_older_than(
        mut self,
        limit: Span,
        now: Timestamp,
    ) -> Result<Self, SourceError> {
        let old = |at: Timestamp| now.since(at) > limit;
        let stale = |at: Timestamp| SourceError::Stale { age: now.since(at), limit };
        let newest = match self {
            Self::Metric(_, Some(at)) if old(at) => return Err(stale(at)),
            Self::Pods(ref mut pods) => {
                let newest = pods.iter().filter_map(|pod| pod.timestamp).max();
                pods.retain(|pod| !pod.timestamp.is_some_and(old));
                newest.filter(|_| pods.is_empty())
            }
            Self::Metric(ReadingRecord { pods: Some(ref mut pods), .. }, _) => {
                let newest = pods.values().filter_map(|sample| sample.timestamp).max();
                pods.retain(|_, sample| !sample.timestamp.is_some_and(old));
                newest.filter(|_| pods.is_empty())
            }
            Self::Metric(..) => None,
        };
        match newest {
            Some(newest) => Err(stale(newest)),
            None => Ok(self),
        }
    }
}

fn none_from(api: &str) -> SourceError {
    SourceError::Empty(format!("no metrics returned from the {api} metrics API"))
}

/// A length of time as Go writes it, to the millisecond: what is finer is cut off.
fn span(text: &str) -> Result<Span, SourceError> {
    let plain = text.parse::<Span>().ok();
    let cut = || {
        let (whole, fraction) = text.strip_suffix('s')?.rsplit_once('.')?;
        let fraction = fraction.get(..fraction.len().min(3))?;
        format!("{whole}.{fraction}s").parse::<Span>().ok()
    };
    let unreadable = || SourceError::Malformed(format!("`{text}` is no length of time"));
    plain.or_else(cut).ok_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_as_go_writes_them() {
        for (text, millis) in
            [("30s", 30_000), ("1m0s", 60_000), ("15.009s", 15_009), ("17.123456789s", 17_123)]
        {
            assert_eq!(span(text).map(Span::as_millis), Ok(millis), "{text}");
        }
        assert!(span("soon").is_err());
    }
}
