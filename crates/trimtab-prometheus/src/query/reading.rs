//! An answer as a reading of the policy's metric.

use std::collections::{BTreeMap, BTreeSet};

use trimtab_engine::{Metric, MetricSource, PodSample, ReadingRecord, Unavailable};
use trimtab_metric::{InvalidReason, Quantity, Reading, Span, Timestamp};
use trimtab_runtime::{Problem, SourceError};

use super::{MetricQuery, POD_LABEL};
use crate::client::{Answer, Series, Shape};
use crate::promql::Outline;

/// A reading, and what went wrong with parts of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) reading: ReadingRecord,
    pub(crate) problems: Vec<Problem>,
}

/// What stands beside an answer.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Beside<'a> {
    /// The time of the observation.
    pub(crate) now: Timestamp,
    /// The time that was asked about.
    pub(crate) at: Timestamp,
    /// When the newest samples were taken that the query reads, by series; absent: it is not asked.
    pub(crate) newest: Option<&'a Answer>,
    /// How old those may be.
    pub(crate) max_age: Span,
    /// The pods that there are; without any, those of all series count.
    pub(crate) pods: &'a BTreeSet<&'a str>,
}

/// The reading of a metric.
pub(crate) fn read(
    metric: &Metric,
    query: &MetricQuery,
    answer: &Result<&Answer, SourceError>,
    beside: Beside<'_>,
) -> Read {
    let made = match answer {
        Ok(answer) => make(metric, query, answer, beside),
        Err(error) => Err(error.clone()),
    };
    let mut read = made.unwrap_or_else(|error| {
        let unavailable = Some(unavailable(&error));
        let problem = Problem { metric: metric.name().to_owned(), error };
        let reading = ReadingRecord { unavailable, ..ReadingRecord::default() };
        Read { reading, problems: vec![problem] }
    });
    metric.name().clone_into(&mut read.reading.metric);
    read.reading.container = metric.container().map(str::to_owned);
    read
}

/// What a policy may take an error for.
pub(crate) fn unavailable(error: &SourceError) -> Unavailable {
    match error {
        SourceError::Empty(_) => Unavailable::Missing,
        SourceError::Stale { .. } => Unavailable::Stale,
        SourceError::Invalid(_) => Unavailable::Invalid,
        _ => Unavailable::Failed,
    }
}

/// Whether a metric has a value per pod.
pub(crate) fn is_per_pod(metric: &Metric) -> bool {
    matches!(
        metric.source(),
        MetricSource::Pods | MetricSource::Resource { .. } | MetricSource::ContainerResource { .. }
    )
}

fn make(
    metric: &Metric,
    query: &MetricQuery,
    answer: &Answer,
    beside: Beside<'_>,
) -> Result<Read, SourceError> {
    if answer.series.is_empty() {
        check_age(beside)?;
        return Err(SourceError::Empty(format!("`{}` has no series", query.query)));
    }
    if is_per_pod(metric) {
        return per_pod(metric, query, answer, beside);
    }
    check_age(beside)?;
    no_histogram(&query.query, &answer.series)?;
    if answer.shape == Shape::Matrix {
        return sampled(answer);
    }
    let values: Vec<f64> = answer.series.iter().filter_map(last).collect();
    let mut reading = ReadingRecord::default();
    match (query.aggregate, metric.source(), answer.series.as_slice()) {
        (Some(how), _, _) => reading.value = Some(quantity(how.of(&values), None)?),
        (None, _, [series]) => {
            reading.value = Some(quantity(last(series).unwrap_or(f64::NAN), Some(series))?);
        }
        (None, MetricSource::External, series) => {
            let values: Result<_, _> = series
                .iter()
                .map(|series| quantity(last(series).unwrap_or(f64::NAN), Some(series)))
                .collect();
            reading.values = Some(values?);
        }
        (None, _, series) => return Err(many(series, "`aggregate` says what becomes of them")),
    }
    Ok(Read { reading, problems: Vec::new() })
}

/// A value per pod. One that can't be used is that pod's alone.
fn per_pod(
    metric: &Metric,
    query: &MetricQuery,
    answer: &Answer,
    beside: Beside<'_>,
) -> Result<Read, SourceError> {
    let label = query.per_replica.as_ref().map_or(POD_LABEL, |per| per.label.as_str());
    let mut by_pod: BTreeMap<&str, Vec<&Series>> = BTreeMap::new();
    for series in &answer.series {
        let pod = pod_of(series, label)?;
        if beside.pods.is_empty() || beside.pods.contains(pod) {
            by_pod.entry(pod).or_default().push(series);
        }
    }
    if by_pod.is_empty() {
        let message = format!("none of its {} series is of these pods", answer.series.len());
        return Err(SourceError::Empty(message));
    }
    let newest = beside.newest.map(|newest| by_label(newest, label));
    let mut problems = Vec::new();
    let mut pods = BTreeMap::new();
    for (pod, series) in by_pod {
        let taken = newest.as_ref().and_then(|newest| newest.get(pod).copied());
        let aged = taken.map_or(Ok(()), |taken| is_fresh(taken, beside));
        match aged.and_then(|()| one(query, &series)) {
            Ok(value) => {
                let sample = PodSample { value, timestamp: None, window: None };
                pods.insert(String::from(pod), sample);
            }
            Err(error) => problems.push((pod, error)),
        }
    }
    if pods.is_empty()
        && let Some((_, error)) = problems.first()
    {
        return Err(error.clone());
    }
    let problems = problems.into_iter().map(|(pod, error)| Problem {
        metric: metric.name().to_owned(),
        error: of_pod(pod, error),
    });
    let problems = problems.collect();
    Ok(Read { reading: ReadingRecord { pods: Some(pods), ..ReadingRecord::default() }, problems })
}

/// The one value of a pod's series.
fn one(query: &MetricQuery, series: &[&Series]) -> Result<Quantity, SourceError> {
    no_histogram(&query.query, series.iter().copied())?;
    match (query.aggregate, series) {
        (None, [series]) => quantity(last(series).unwrap_or(f64::NAN), Some(series)),
        (None, _) => {
            let series: Vec<Series> = series.iter().copied().cloned().collect();
            Err(many(
                &series,
                "`aggregate` says what becomes of them, or `sum by (…)` in the query",
            ))
        }
        (Some(how), _) => {
            let values: Vec<f64> = series.iter().copied().filter_map(last).collect();
            quantity(how.of(&values), None)
        }
    }
}

/// Every series with its values, for a strategy that averages over a window by itself.
fn sampled(answer: &Answer) -> Result<Read, SourceError> {
    let mut all = BTreeMap::new();
    for series in &answer.series {
        let points: Result<Vec<_>, _> = series
            .points
            .iter()
            .map(|(at, value)| Ok((*at, quantity(*value, Some(series))?)))
            .collect();
        all.insert(series.describe(), points?);
    }
    let reading = ReadingRecord { series: Some(all), ..ReadingRecord::default() };
    Ok(Read { reading, problems: Vec::new() })
}

/// The pod that a series is of.
pub(crate) fn pod_of<'s>(series: &'s Series, label: &str) -> Result<&'s str, SourceError> {
    series.labels.get(label).map(String::as_str).ok_or_else(|| {
        let described = series.describe();
        SourceError::Invalid(format!(
            "`{described}` has no label `{label}`, which names the pod: keep it by `by ({label})`, or name another as `podLabel`"
        ))
    })
}

/// A native histogram is no number, whatever is made of it here.
pub(crate) fn no_histogram<'s>(
    query: &str,
    series: impl IntoIterator<Item = &'s Series>,
) -> Result<(), SourceError> {
    let Some(series) = series.into_iter().find(|series| !series.histograms.is_empty()) else {
        return Ok(());
    };
    let query = query.trim();
    let outline = Outline::of(query);
    let is_bare = outline.selectors.first().is_some_and(|selector| selector.text == query);
    let of = if is_bare { format!("sum(rate({query}[2m]))") } else { String::from(query) };
    Err(SourceError::Invalid(format!(
        "`{}` is a native histogram and no number: ask for `histogram_quantile(0.95, {of})`, or for `histogram_avg` or \
         `histogram_count` of it",
        series.describe()
    )))
}

fn last(series: &Series) -> Option<f64> {
    series.points.last().map(|(_, value)| *value)
}

/// A value as the policy counts it, in thousandths.
pub(crate) fn quantity(value: f64, series: Option<&Series>) -> Result<Quantity, SourceError> {
    let of = || series.map(|series| format!(" of `{}`", series.describe())).unwrap_or_default();
    let why = match Reading::from_f64(value, Timestamp::UNIX_EPOCH, Span::ZERO) {
        Reading::Value(sample) => return Ok(Quantity::from_milli(sample.milli)),
        Reading::Invalid(InvalidReason::NotANumber) => {
            format!("the value{} is NaN, as a quotient is when nothing happened", of())
        }
        Reading::Invalid(InvalidReason::Infinite) => {
            format!("the value{} is infinite, as a quotient by 0 is", of())
        }
        _ => format!("the value{} is {value}, beyond what is counted with", of()),
    };
    Err(SourceError::Invalid(why))
}

fn many(series: &[Series], help: &str) -> SourceError {
    let count = series.len();
    let first: Vec<String> = series.iter().take(2).map(Series::describe).collect();
    SourceError::Invalid(format!(
        "there are {count} series where one value is wanted, such as `{}`: {help}",
        first.join("`, `")
    ))
}

/// Whether the newest of all samples is new enough.
fn check_age(beside: Beside<'_>) -> Result<(), SourceError> {
    let times = beside.newest.into_iter().flat_map(|newest| &newest.series).filter_map(last);
    let newest = times.fold(f64::NAN, f64::max);
    if newest.is_finite() { is_fresh(newest, beside) } else { Ok(()) }
}

fn is_fresh(taken: f64, beside: Beside<'_>) -> Result<(), SourceError> {
    let Some(taken) = Timestamp::from_secs_f64(taken) else { return Ok(()) };
    let age = beside.at.max(beside.now).since(taken);
    let limit = beside.max_age;
    if age > limit { Err(SourceError::Stale { age, limit }) } else { Ok(()) }
}

/// The newest time by the value of a label.
fn by_label<'a>(newest: &'a Answer, label: &str) -> BTreeMap<&'a str, f64> {
    let mut times = BTreeMap::new();
    for series in &newest.series {
        if let (Some(pod), Some(time)) = (series.labels.get(label), last(series)) {
            let slot = times.entry(pod.as_str()).or_insert(time);
            *slot = slot.max(time);
        }
    }
    times
}

/// The same error with the pod's name, where it has room for one.
fn of_pod(pod: &str, error: SourceError) -> SourceError {
    match error {
        SourceError::Invalid(why) => SourceError::Invalid(format!("pod `{pod}`: {why}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_engine::{ObservationRecord, Policy};

    use super::*;
    use crate::query::{Aggregate, PerReplica};

    fn policy() -> Policy {
        let spec = r#"{
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "maxReplicas": 9,
            "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}},
                {"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1"}}},
                {"type": "Object", "object": {
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "llm"},
                    "metric": {"name": "m"}, "target": {"type": "Value", "value": "1"}}}
            ]
        }"#;
        Policy::new(serde_json::from_str(spec).unwrap()).unwrap()
    }

    #[test]
    fn a_native_histogram_is_no_number() {
        let histogram = |pod: &str| Series {
            labels: [(String::from("pod"), String::from(pod))].into(),
            histograms: vec![Timestamp::from_secs(1)],
            ..Series::default()
        };
        let number = Series {
            labels: [(String::from("pod"), String::from("b"))].into(),
            points: vec![(Timestamp::from_secs(1), 7.0)],
            ..Series::default()
        };
        let answer = Answer { series: vec![histogram("a"), number], ..Answer::default() };
        let made = |aggregate, text: &str| {
            let query = text.into();
            let query =
                MetricQuery { metric: "m".into(), query, aggregate, ..MetricQuery::default() };
            let (now, pods) = (Timestamp::from_secs(1), BTreeSet::new());
            let beside = Beside { now, at: now, newest: None, max_age: Span::ZERO, pods: &pods };
            let policy = policy();
            let metrics = policy.metrics().iter();
            metrics.map(|metric| read(metric, &query, &Ok(&answer), beside)).collect::<Vec<_>>()
        };
        let [per_pod, external, object] = &made(None, "rate(ttft[1m])")[..] else { panic!() };
        assert_eq!(per_pod.reading.pods.as_ref().unwrap().len(), 1, "the other pod has its value");
        assert_eq!(
            per_pod.problems[0].error.to_string(),
            "the value can't be used: pod `a`: `{pod=\"a\"}` is a native histogram and no number: ask for \
             `histogram_quantile(0.95, rate(ttft[1m]))`, or for `histogram_avg` or `histogram_count` of it"
        );
        assert_eq!(external.reading.unavailable, Some(Unavailable::Invalid));
        assert_eq!(object.reading.unavailable, Some(Unavailable::Invalid));
        let bare = &made(Some(Aggregate::Max), "ttft")[1].problems[0].error.to_string();
        assert!(bare.contains("`histogram_quantile(0.95, sum(rate(ttft[2m])))`"), "{bare}");
    }

    fn answers() -> impl Strategy<Value = Answer> {
        let pod = prop::option::weighted(0.9, prop::sample::select(vec!["a", "b", "c", ""]));
        let value = prop_oneof![5 => -1e3..1e3, 1 => any::<f64>()];
        let series =
            (pod, prop::collection::vec((any::<i32>(), value), 0..3), prop::bool::weighted(0.1));
        let series = series.prop_map(|(pod, points, histogram)| {
            let labels = pod.map(|pod| (String::from("pod"), String::from(pod)));
            let points =
                points.into_iter().map(|(at, value)| (Timestamp::from_secs(at.into()), value));
            let labels = labels.into_iter().collect();
            let histograms = if histogram { vec![Timestamp::from_secs(1)] } else { Vec::new() };
            Series { labels, points: points.collect(), histograms }
        });
        let shape = prop::sample::select(vec![Shape::Vector, Shape::Scalar]);
        (shape, prop::collection::vec(series, 0..5)).prop_map(|(shape, series)| Answer {
            shape,
            series,
            ..Answer::default()
        })
    }

    proptest! {
        /// Whatever the answer, the reading has a form that the policy takes, and says no more than the answer.
        #[test]
        fn every_answer_is_a_reading(
            answer in answers(),
            newest in prop::option::of(answers()),
            how in prop::option::of(prop::sample::select(vec![
                Aggregate::Sum, Aggregate::Max, Aggregate::Min, Aggregate::Mean,
            ])),
            label in prop::option::of("pod|x"),
            known in prop::collection::btree_set(prop::sample::select(vec!["a", "b"]), 0..2),
        ) {
            let policy = policy();
            let now = Timestamp::from_secs(1_000);
            let query = MetricQuery {
                metric: "m".into(),
                query: "q".into(),
                aggregate: how,
                per_replica: label.map(|label| PerReplica { label }),
                ..MetricQuery::default()
            };
            let max_age = Span::from_secs(60);
            let beside = Beside { now, at: now, newest: newest.as_ref(), max_age, pods: &known };
            let mut readings = Vec::new();
            for metric in policy.metrics() {
                let Read { reading, problems } = read(metric, &query, &Ok(&answer), beside);
                prop_assert!(reading.unavailable.is_none() || !problems.is_empty(), "no reason");
                if let Some(pods) = &reading.pods {
                    prop_assert!(!pods.is_empty());
                    prop_assert!(known.is_empty() || pods.keys().all(|pod| known.contains(pod.as_str())));
                }
                readings.push(reading);
            }
            let record = serde_json::json!({"time": now, "replicas": 1, "readings": readings});
            let record: ObservationRecord = serde_json::from_value(record).unwrap();
            prop_assert!(record.resolve(&policy).is_ok());
        }
    }
}
