//! What was seen before, and what follows from it: counters as rates, histograms as what they were given in a window.

use std::collections::{BTreeMap, VecDeque};

use trimtab_metric::{Bucket, CounterRate, Histogram, Span, Timestamp};
use trimtab_runtime::SourceError;

use super::page::Found;
use super::spec::{GaugeTake, ScrapeMetric, TakeSpec};
use crate::query::Aggregate;

/// What one replica says of one metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A number.
    Number(f64),
    /// What a histogram was given.
    Spread(Histogram),
    /// A sum and a count, per second.
    Mean {
        /// The sum.
        sum: f64,
        /// The count.
        count: f64,
    },
    /// It was never seen before: what it does will be known at the next scrape.
    New,
}

/// What is remembered of one metric of one replica.
#[derive(Clone, Debug)]
pub(crate) enum Memory {
    Nothing,
    Counters(BTreeMap<String, CounterRate>),
    Mean { sum: Option<CounterRate>, count: Option<CounterRate> },
    Histograms(VecDeque<(Timestamp, Histogram)>),
}

/// Scrapes that are remembered at most.
const MOST_SCRAPES: usize = 256;

impl Memory {
    pub(crate) fn of(metric: &ScrapeMetric) -> Self {
        match metric.take {
            TakeSpec::Gauge(_) => Self::Nothing,
            TakeSpec::Rate(_) => Self::Counters(BTreeMap::new()),
            TakeSpec::Mean(_) => Self::Mean { sum: None, count: None },
            TakeSpec::Quantile(_) => Self::Histograms(VecDeque::new()),
        }
    }

    /// Takes in what a page has of the metric.
    pub(crate) fn take(
        &mut self,
        metric: &ScrapeMetric,
        found: Option<Found>,
        now: Timestamp,
        window: Span,
    ) -> Result<Value, SourceError> {
        let Some(found) = found else {
            let names = metric.take.names().join("` or `");
            return Err(SourceError::Empty(format!("there is no `{names}` on its page")));
        };
        match (self, &metric.take) {
            (Self::Counters(counters), _) => rates(counters, &found, now, window),
            (Self::Mean { sum, count }, _) => {
                let growth = |counter: &mut Option<CounterRate>, value| {
                    let counter = counter.get_or_insert_with(|| counter_over(window));
                    grow(counter, value, now)
                };
                match (growth(sum, found.sum)?, growth(count, found.count)?) {
                    (Some(sum), Some(count)) => Ok(Value::Mean { sum, count }),
                    _ => Ok(Value::New),
                }
            }
            (Self::Histograms(past), _) => spread(past, found, now, window),
            (Self::Nothing, TakeSpec::Gauge(GaugeTake { series, .. })) => {
                let values: Vec<f64> = found.values.into_values().collect();
                Ok(Value::Number(series.unwrap_or(Aggregate::Sum).of(&values)))
            }
            (Self::Nothing, _) => Ok(Value::New),
        }
    }
}

fn counter_over(window: Span) -> CounterRate {
    CounterRate::new(window, MOST_SCRAPES)
}

/// The rate of all series together. One that is new counts from its next scrape on, one that is gone no longer.
fn rates(
    counters: &mut BTreeMap<String, CounterRate>,
    found: &Found,
    now: Timestamp,
    window: Span,
) -> Result<Value, SourceError> {
    counters.retain(|key, _| found.values.contains_key(key));
    let mut total = None;
    for (key, value) in &found.values {
        let counter = counters.entry(key.clone()).or_insert_with(|| counter_over(window));
        if let Some(rate) = grow(counter, *value, now)? {
            total = Some(total.unwrap_or(0.0) + rate);
        }
    }
    Ok(total.map_or(Value::New, Value::Number))
}

/// Takes in what a counter reads; its rate, once there are two scrapes.
fn grow(counter: &mut CounterRate, value: f64, now: Timestamp) -> Result<Option<f64>, SourceError> {
    use trimtab_metric::PushError::{NegativeCounter, NotFinite};
    if let Err(error @ (NotFinite | NegativeCounter)) = counter.push(now, value) {
        return Err(SourceError::Invalid(error.to_string()));
    }
    counter.advance(now);
    Ok(counter.rate())
}

/// What a histogram was given within the window.
fn spread(
    past: &mut VecDeque<(Timestamp, Histogram)>,
    found: Found,
    now: Timestamp,
    window: Span,
) -> Result<Value, SourceError> {
    let invalid = |error: trimtab_metric::HistogramError| SourceError::Invalid(error.to_string());
    if let [Bucket { upper_bound: f64::INFINITY, .. }] = found.buckets.as_slice() {
        return Err(SourceError::Invalid(String::from(
            "it has no bucket but `+Inf` on its page, as a native histogram has: take its `mean`, or ask a Prometheus that \
             scrapes it for a quantile",
        )));
    }
    let latest = Histogram::new(found.buckets).map_err(invalid)?;
    let is_newer = past.back().is_none_or(|(at, _)| *at < now);
    if is_newer {
        // Buckets that a new build chose otherwise do not go together with the old ones.
        if past.back().is_some_and(|(_, last)| latest.change_since(last).is_err()) {
            past.clear();
        }
        past.push_back((now, latest));
    }
    let start = now.saturating_sub(window);
    while past.len() > MOST_SCRAPES || past.front().is_some_and(|(at, _)| *at < start) {
        past.pop_front();
    }
    let mut added: Option<Histogram> = None;
    for ((_, before), (_, after)) in past.iter().zip(past.iter().skip(1)) {
        let change = after.change_since(before).map_err(invalid)?.added;
        added = Some(match added {
            Some(added) => added.merged(&change).map_err(invalid)?,
            None => change,
        });
    }
    Ok(added.map_or(Value::New, Value::Spread))
}
