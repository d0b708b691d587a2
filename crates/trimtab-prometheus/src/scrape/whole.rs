//! What the replicas say, put together: a value for each, or one for all.

use std::collections::BTreeMap;

use trimtab_engine::{PodSample, ReadingRecord};
use trimtab_metric::{Histogram, Quantity};
use trimtab_runtime::SourceError;

use super::Given;
use super::memory::Value;
use super::spec::{QuantileTake, ScrapeMetric, TakeSpec};
use crate::query::Aggregate;
use crate::query::reading::quantity;

/// A value for each replica; that of one that has none is missing.
pub(super) fn per_pod(
    metric: &ScrapeMetric,
    index: usize,
    given: &[Given],
) -> Result<ReadingRecord, SourceError> {
    let mut pods = BTreeMap::new();
    let mut first = None;
    for replica in given {
        match value(replica, index).and_then(|value| single(metric, value)) {
            Ok(value) => {
                let sample = PodSample { value, timestamp: None, window: None };
                pods.insert(replica.name.clone(), sample);
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(error) if pods.is_empty() => Err(error),
        None if pods.is_empty() => Err(nobody()),
        _ => Ok(ReadingRecord { pods: Some(pods), ..ReadingRecord::default() }),
    }
}

/// One value for all replicas. A sum needs each of them, since without one it falls short; of anything else it is
/// enough when so many percent answer.
pub(super) fn total(
    metric: &ScrapeMetric,
    index: usize,
    given: &[Given],
    quorum_percent: u8,
) -> Result<ReadingRecord, SourceError> {
    let (mut values, mut first, mut failed) = (Vec::new(), None, 0_usize);
    let mut is_new = 0_usize;
    for replica in given {
        match value(replica, index) {
            Ok(Value::New) => is_new += 1,
            Ok(value) => values.push(value),
            Err(_) if replica.unready => {}
            Err(error) => {
                failed += 1;
                first = first.or_else(|| Some(named(&replica.name, error)));
            }
        }
    }
    let answered = values.len() + is_new;
    let how = metric.replicas.unwrap_or(Aggregate::Sum);
    let is_sum =
        how == Aggregate::Sum && matches!(metric.take, TakeSpec::Gauge(_) | TakeSpec::Rate(_));
    let needed = if is_sum { 100 } else { usize::from(quorum_percent) };
    if let Some(error) = first
        && answered.saturating_mul(100) < needed.saturating_mul(answered + failed)
    {
        return Err(error);
    }
    if values.is_empty() {
        return Err(if is_new > 0 { once() } else { nobody() });
    }
    let value = joined(metric, &values, how)?;
    Ok(ReadingRecord { value: Some(value), ..ReadingRecord::default() })
}

/// Why single replicas have no value.
pub(super) fn problems(index: usize, given: &[Given]) -> impl Iterator<Item = SourceError> {
    let failed = given.iter().filter(|replica| !replica.unready);
    failed.filter_map(move |replica| {
        let error = value(replica, index).err()?;
        Some(named(&replica.name, error))
    })
}

fn value(replica: &Given, index: usize) -> Result<&Value, SourceError> {
    match &replica.values {
        Err(error) => Err(error.clone()),
        Ok(values) => match values.get(index) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(error.clone()),
            None => Err(nobody()),
        },
    }
}

/// The value of one replica.
fn single(metric: &ScrapeMetric, value: &Value) -> Result<Quantity, SourceError> {
    match value {
        Value::Number(number) => quantity(*number, None),
        Value::Spread(added) => quantile(metric, added),
        Value::Mean { sum, count } => mean(*sum, *count),
        Value::New => Err(once()),
    }
}

/// The one value of several replicas.
fn joined(
    metric: &ScrapeMetric,
    values: &[&Value],
    how: Aggregate,
) -> Result<Quantity, SourceError> {
    let mut numbers = Vec::new();
    let (mut sums, mut counts) = (0.0, 0.0);
    let mut spread: Option<Histogram> = None;
    for value in values {
        match value {
            Value::Number(number) => numbers.push(*number),
            Value::Mean { sum, count } => {
                sums += sum;
                counts += count;
            }
            Value::Spread(added) => {
                let merged = match spread {
                    Some(spread) => spread.merged(added),
                    None => Ok(added.clone()),
                };
                spread = Some(merged.map_err(|error| SourceError::Invalid(error.to_string()))?);
            }
            Value::New => {}
        }
    }
    match (&metric.take, spread) {
        (TakeSpec::Quantile(_), Some(added)) => quantile(metric, &added),
        (TakeSpec::Mean(_), _) => mean(sums, counts),
        _ => quantity(how.of(&numbers), None),
    }
}

fn quantile(metric: &ScrapeMetric, added: &Histogram) -> Result<Quantity, SourceError> {
    if added.observations() <= 0.0 {
        return Err(idle());
    }
    match &metric.take {
        TakeSpec::Quantile(QuantileTake { quantile, .. }) => {
            quantity(added.quantile(*quantile), None)
        }
        _ => Err(idle()),
    }
}

fn mean(sum: f64, count: f64) -> Result<Quantity, SourceError> {
    if count > 0.0 { quantity(sum / count, None) } else { Err(idle()) }
}

fn idle() -> SourceError {
    SourceError::Empty(String::from("nothing was measured within the window"))
}

fn once() -> SourceError {
    SourceError::Empty(String::from("it was scraped once, and how it grows takes two scrapes"))
}

fn nobody() -> SourceError {
    SourceError::Empty(String::from("no replica is known"))
}

/// The same error with the replica's name, where it has room for one.
fn named(name: &str, error: SourceError) -> SourceError {
    let with = |why: String| format!("replica `{name}`: {why}");
    match error {
        SourceError::Unreachable(why) => SourceError::Unreachable(with(why)),
        SourceError::Denied(why) => SourceError::Denied(with(why)),
        SourceError::Refused(why) => SourceError::Refused(with(why)),
        SourceError::Malformed(why) => SourceError::Malformed(with(why)),
        SourceError::Empty(why) => SourceError::Empty(with(why)),
        SourceError::Invalid(why) => SourceError::Invalid(with(why)),
        other => other,
    }
}
