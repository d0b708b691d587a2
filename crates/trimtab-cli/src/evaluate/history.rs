//! Load and replicas over time, in as many buckets as a plot can show, however long the time is.

use trimtab_metric::{Span, Timestamp};

/// More columns than any plot has.
const MOST_BUCKETS: usize = 1024;

/// What happened in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bucket {
    /// The highest value of each metric.
    pub(super) load: Vec<Option<f64>>,
    /// The highest count.
    pub(super) replicas: Option<i32>,
}

impl Bucket {
    fn join(&mut self, other: Self) {
        self.replicas = self.replicas.max(other.replicas);
        if self.load.len() < other.load.len() {
            self.load.resize(other.load.len(), None);
        }
        for (own, value) in self.load.iter_mut().zip(other.load) {
            *own = match (*own, value) {
                (Some(own), Some(value)) => Some(own.max(value)),
                (own, value) => own.or(value),
            };
        }
    }
}

/// Buckets of equal width. Where they get too many, neighbours are joined.
#[derive(Debug, Default)]
pub(super) struct History {
    start: Timestamp,
    width: i64,
    buckets: Vec<Bucket>,
}

impl History {
    pub(super) fn new(width: Span) -> Self {
        Self { start: Timestamp::UNIX_EPOCH, width: width.as_millis().max(1), buckets: Vec::new() }
    }

    pub(super) fn take(&mut self, at: Timestamp, load: Vec<Option<f64>>, replicas: i32) {
        if self.buckets.is_empty() {
            self.start = at;
        }
        let mut index = self.index(at);
        while index >= MOST_BUCKETS {
            self.halve();
            index = self.index(at);
        }
        // Until the next decision there are as many replicas as before.
        let last = self.buckets.last().and_then(|bucket| bucket.replicas);
        while self.buckets.len() <= index {
            let between = self.buckets.len() < index;
            let replicas = last.filter(|_| between);
            self.buckets.push(Bucket { load: Vec::new(), replicas });
        }
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.join(Bucket { load, replicas: Some(replicas) });
        }
    }

    fn index(&self, at: Timestamp) -> usize {
        let millis = at.since(self.start).as_millis();
        usize::try_from(millis / self.width).unwrap_or(0)
    }

    fn halve(&mut self) {
        self.width = self.width.saturating_mul(2);
        let mut joined: Vec<Bucket> = Vec::with_capacity(self.buckets.len() / 2 + 1);
        for (index, bucket) in std::mem::take(&mut self.buckets).into_iter().enumerate() {
            match joined.last_mut().filter(|_| index % 2 == 1) {
                Some(last) => last.join(bucket),
                None => joined.push(bucket),
            }
        }
        self.buckets = joined;
    }

    /// The history in so many columns, each of which shows the highest of what falls into it.
    pub(super) fn columns(&self, count: usize) -> Vec<Bucket> {
        let buckets = self.buckets.len();
        (0..count)
            .map(|column| {
                let start = column * buckets / count;
                let end = ((column + 1) * buckets / count).max(start + 1);
                let mut joined = Bucket::default();
                for bucket in self.buckets.get(start..end).unwrap_or_default() {
                    joined.join(bucket.clone());
                }
                joined
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_survives_joining() {
        let mut history = History::new(Span::from_secs(1));
        for second in 0..10_000 {
            let value = if second == 7_777 { 9.0 } else { 1.0 };
            history.take(Timestamp::from_secs(second), vec![Some(value)], 3);
        }
        assert!(history.buckets.len() <= MOST_BUCKETS);
        let columns = history.columns(10);
        let highest: Vec<_> = columns.iter().map(|column| column.load[0].unwrap()).collect();
        assert_eq!(highest.iter().filter(|value| **value > 1.0).count(), 1);
        assert_eq!(highest[7], 9.0);
    }

    #[test]
    fn a_short_history_is_stretched_and_a_gap_keeps_the_count() {
        let mut history = History::new(Span::from_secs(1));
        history.take(Timestamp::from_secs(0), vec![Some(1.0)], 2);
        history.take(Timestamp::from_secs(3), vec![None], 5);
        let counts: Vec<_> = history.columns(8).iter().map(|column| column.replicas).collect();
        let expected = [2, 2, 2, 2, 2, 2, 5, 5].map(Some);
        assert_eq!(counts, expected);
    }
}
