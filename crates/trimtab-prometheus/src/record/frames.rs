//! Answers over a range, cut into what was seen at each time.

use std::collections::{BTreeMap, BTreeSet};

use trimtab_engine::{
    ObservationRecord, PodRecord, Policy, Readiness, ReadingRecord, ReadyCondition, Selector,
};
use trimtab_metric::{Span, Timestamp};

use super::max_age;
use crate::client::{Answer, Series, Shape};
use crate::query::MetricQuery;
use crate::query::reading::{Beside, read};

/// What was seen at each time.
pub(super) struct Frames<'p> {
    policy: &'p Policy,
    frames: BTreeMap<Timestamp, Frame>,
}

#[derive(Default)]
struct Frame {
    readings: Vec<ReadingRecord>,
    replicas: Option<i32>,
}

impl<'p> Frames<'p> {
    pub(super) fn new(policy: &'p Policy, start: Timestamp, end: Timestamp, step: Span) -> Self {
        let mut frames = BTreeMap::new();
        let mut at = start;
        while at <= end {
            frames.insert(at, Frame::default());
            let next = at.saturating_add(step);
            if next <= at {
                break;
            }
            at = next;
        }
        Self { policy, frames }
    }

    /// The readings of one metric, at each time as an instant query would have had them.
    pub(super) fn add(
        &mut self,
        index: usize,
        query: &MetricQuery,
        answer: Answer,
        newest: Option<Answer>,
    ) {
        let Some(metric) = self.policy.metrics().get(index) else { return };
        let mut answer = Cut::of(answer);
        let mut newest = newest.map(Cut::of);
        let pods = BTreeSet::new();
        for (at, frame) in &mut self.frames {
            let then = answer.at(*at);
            let newest = newest.as_mut().map(|newest| newest.at(*at));
            let beside = Beside {
                now: *at,
                at: *at,
                newest: newest.as_ref(),
                max_age: max_age(query),
                pods: &pods,
            };
            frame.readings.push(read(metric, query, &Ok(&then), beside).reading);
        }
    }

    /// How many replicas were asked for.
    pub(super) fn replicas(&mut self, answer: Answer) {
        let mut answer = Cut::of(answer);
        for (at, frame) in &mut self.frames {
            let then = answer.at(*at);
            let counts: Vec<f64> = then
                .series
                .iter()
                .filter_map(|series| series.points.last().map(|(_, value)| *value))
                .collect();
            // Several exporters that say the same are no reason to add.
            let count = counts.iter().copied().fold(f64::NAN, f64::max);
            frame.replicas = (0.0..=f64::from(i32::MAX)).contains(&count).then_some(count as i32);
        }
    }

    /// What was seen. Times before anything was are left out at the start.
    pub(super) fn into_observations(self) -> Vec<ObservationRecord> {
        self.frames.into_iter().map(|(time, frame)| frame.observation(time)).collect()
    }
}

impl Frame {
    fn observation(self, time: Timestamp) -> ObservationRecord {
        let names: BTreeSet<String> = self
            .readings
            .iter()
            .filter_map(|reading| reading.pods.as_ref())
            .flat_map(|pods| pods.keys().cloned())
            .collect();
        let ready = ReadyCondition { status: Readiness::True, last_transition_time: None };
        let seen = i32::try_from(names.len()).ok().filter(|count| *count > 0);
        let pods = names.into_iter().map(|name| PodRecord {
            name,
            ready: Some(ready),
            ..PodRecord::default()
        });
        ObservationRecord {
            time,
            replicas: self.replicas.or(seen),
            status_replicas: seen,
            selector: Selector::default(),
            pods: pods.collect(),
            pod_metrics: None,
            readings: self.readings,
            warm: None,
            supply: None,
        }
    }
}

/// Whether anything is known at that time.
pub(super) fn says_something(observation: &ObservationRecord) -> bool {
    observation.readings.iter().any(|reading| reading.unavailable.is_none())
}

/// An answer over a range, asked time by time from the first to the last.
struct Cut {
    series: Vec<(Series, usize)>,
    is_scalar: bool,
}

impl Cut {
    fn of(answer: Answer) -> Self {
        let is_scalar = answer.shape == Shape::Scalar;
        Self { series: answer.series.into_iter().map(|series| (series, 0)).collect(), is_scalar }
    }

    /// The series that have a value at a time, which is not before that of the last call.
    fn at(&mut self, time: Timestamp) -> Answer {
        let mut answer = Answer::default();
        if self.is_scalar {
            answer.shape = Shape::Scalar;
        }
        for (series, next) in &mut self.series {
            while series.points.get(*next).is_some_and(|(at, _)| *at < time) {
                *next += 1;
            }
            let points: Vec<_> = series
                .points
                .get(*next)
                .filter(|(at, _)| *at == time)
                .copied()
                .into_iter()
                .collect();
            let histograms: Vec<_> = series
                .histograms
                .binary_search(&time)
                .is_ok()
                .then_some(time)
                .into_iter()
                .collect();
            if !points.is_empty() || !histograms.is_empty() {
                let labels = series.labels.clone();
                answer.series.push(Series { labels, points, histograms });
            }
        }
        answer
    }
}
