//! What is looked for on a page, and found.

use std::collections::{BTreeMap, HashMap};

use trimtab_metric::Bucket;
use trimtab_runtime::SourceError;

use super::spec::{ScrapeMetric, TakeSpec};
use crate::exposition::{Exposition, Line, TextSample};

/// A page as it came.
pub(crate) struct Page {
    pub(crate) format: Exposition,
    pub(crate) text: String,
}

/// What is looked for, by the name of a sample.
pub(crate) struct Plan {
    wanted: HashMap<String, Vec<Wanted>>,
    labels: Vec<BTreeMap<String, String>>,
}

/// A place where a sample of some name belongs.
struct Wanted {
    metric: usize,
    /// The first of several names counts.
    rank: usize,
    part: Part,
}

#[derive(Copy, Clone)]
enum Part {
    Value,
    Bucket,
    Sum,
    Count,
}

/// What was found on a page, metric by metric.
pub(crate) struct Seen {
    pub(crate) metrics: Vec<Option<Found>>,
}

/// What was found of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    rank: usize,
    /// Gauges and counters by their labels.
    pub(crate) values: BTreeMap<String, f64>,
    /// Buckets of all series, those of one bound added up.
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) sum: f64,
    pub(crate) count: f64,
}

/// Series of one metric on one page beyond this are an error.
const MOST_SERIES: usize = 10_000;

impl Plan {
    pub(crate) fn of(metrics: &[ScrapeMetric]) -> Self {
        let mut wanted: HashMap<String, Vec<Wanted>> = HashMap::new();
        for (metric, own) in metrics.iter().enumerate() {
            for (rank, name) in own.take.names().iter().enumerate() {
                let parts: &[(&str, Part)] = match own.take {
                    TakeSpec::Gauge(_) | TakeSpec::Rate(_) => &[("", Part::Value)],
                    TakeSpec::Quantile(_) => &[("_bucket", Part::Bucket)],
                    TakeSpec::Mean(_) => &[("_sum", Part::Sum), ("_count", Part::Count)],
                };
                for (suffix, part) in parts {
                    let place = Wanted { metric, rank, part: *part };
                    wanted.entry(format!("{name}{suffix}")).or_default().push(place);
                }
            }
        }
        Self { wanted, labels: metrics.iter().map(|own| own.take.labels().clone()).collect() }
    }

    /// What stands on a page of what is looked for.
    pub(crate) fn read(&self, page: &Page) -> Result<Seen, SourceError> {
        let mut seen = Seen { metrics: vec![None; self.labels.len()] };
        let mut crowded = false;
        let read = page.format.read(&page.text, &mut |line| {
            if let Line::Sample(sample) = line {
                let places = self.wanted.get(sample.name.as_ref()).into_iter().flatten();
                for place in places {
                    crowded |= !self.take(&mut seen, place, &sample);
                }
            }
        });
        read.map_err(|error| SourceError::Malformed(error.to_string()))?;
        if crowded {
            let message = format!("a metric has more than {MOST_SERIES} series");
            return Err(SourceError::Malformed(message));
        }
        Ok(seen)
    }

    /// Takes a sample to its place; `false` when there is no more room.
    fn take(&self, seen: &mut Seen, place: &Wanted, sample: &TextSample<'_>) -> bool {
        let mut labels = self.labels.get(place.metric).into_iter().flatten();
        if !labels.all(|(label, value)| sample.label(label) == Some(value)) {
            return true;
        }
        let Some(slot) = seen.metrics.get_mut(place.metric) else { return true };
        let found = slot.get_or_insert_with(|| Found { rank: place.rank, ..Found::default() });
        if place.rank > found.rank {
            return true;
        }
        if place.rank < found.rank {
            *found = Found { rank: place.rank, ..Found::default() };
        }
        match place.part {
            Part::Value => {
                if found.values.len() >= MOST_SERIES {
                    return false;
                }
                // Of one series that stands twice the first counts, as Prometheus has it.
                found.values.entry(key(sample)).or_insert(sample.value);
            }
            Part::Bucket => {
                let bound = sample.label("le").and_then(|bound| bound.parse().ok());
                let Some(upper_bound) = bound else { return true };
                let is_full = found.buckets.len() >= MOST_SERIES / 10;
                let mut buckets = found.buckets.iter_mut();
                match buckets.find(|bucket| bucket.upper_bound == upper_bound) {
                    Some(bucket) => bucket.count += sample.value,
                    None if is_full => return false,
                    None => found.buckets.push(Bucket { upper_bound, count: sample.value }),
                }
            }
            Part::Sum => found.sum += sample.value,
            Part::Count => found.count += sample.value,
        }
        true
    }
}

fn key(sample: &TextSample<'_>) -> String {
    let mut labels: Vec<_> = sample.labels.iter().collect();
    labels.sort();
    labels.into_iter().map(|(label, value)| format!("{label}={value:?},")).collect()
}
