//! The course of a run: means over equal steps, for the timeline.

use trimtab_engine::Decision;

use super::latency::LatencyRecorder;
use super::replica::{STATES, State};
use crate::metrics::EPOCH;
use crate::{Explained, Moment, Timeline};

/// A timeline being recorded. Time never goes back.
#[derive(Debug)]
pub(super) struct Course {
    step_nanos: i64,
    /// The end of the present step.
    ends: Moment,
    /// What the present step has so far.
    arrivals: u64,
    counted: Moment,
    counts: Counts,
    sums: [f64; STATES + 1],
    queue: f64,
    queue_samples: u32,
    ttft: LatencyRecorder,
    decision: Option<Decision>,
    timeline: Timeline,
}

/// Replicas by state, and how many are wanted.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) by_state: [u32; STATES],
    pub(super) wanted: u32,
}

/// Digits of the quantiles in a step.
const DIGITS: u8 = 2;

impl Course {
    pub(super) fn new(step_seconds: f64) -> Self {
        let step_nanos = Moment::from_seconds(step_seconds).nanos().max(1);
        Self {
            step_nanos,
            ends: Moment::from_nanos(step_nanos),
            arrivals: 0,
            counted: Moment::START,
            counts: Counts::default(),
            sums: [0.0; STATES + 1],
            queue: 0.0,
            queue_samples: 0,
            ttft: LatencyRecorder::new(DIGITS),
            decision: None,
            timeline: Timeline {
                step_seconds: Moment::from_nanos(step_nanos).seconds(),
                ..Timeline::default()
            },
        }
    }

    /// A request arrives.
    pub(super) fn arrival(&mut self, now: Moment) {
        self.advance(now);
        self.arrivals += 1;
    }

    /// A request got its first token.
    pub(super) fn first_token(&mut self, now: Moment, ttft: f64) {
        self.advance(now);
        self.ttft.record(ttft, 1);
    }

    /// So many requests wait.
    pub(super) fn queue(&mut self, now: Moment, waiting: u32) {
        self.advance(now);
        self.queue += f64::from(waiting);
        self.queue_samples += 1;
    }

    /// From now on, these are the counts.
    pub(super) fn counts(&mut self, now: Moment, counts: Counts) {
        self.advance(now);
        self.integrate(now);
        self.counts = counts;
    }

    /// A decision was made. Of those in a step, the last one that changed the count is kept.
    pub(super) fn decision(&mut self, now: Moment, decision: Decision) {
        self.advance(now);
        let kept = self.decision.as_ref().is_some_and(|kept| kept.scale_to.is_some());
        if !kept || decision.scale_to.is_some() {
            self.decision = Some(decision);
        }
    }

    /// The timeline up to `now`; a last step that is not full counts as what there was of it.
    pub(super) fn finish(mut self, now: Moment) -> Timeline {
        self.advance(now);
        let begun = now.nanos_since(self.ends) + self.step_nanos;
        if begun > 0 {
            self.close(now, begun);
        }
        self.timeline
    }

    fn advance(&mut self, now: Moment) {
        while now >= self.ends {
            let ends = self.ends;
            self.close(ends, self.step_nanos);
            self.ends = ends.after_nanos(self.step_nanos);
        }
    }

    fn integrate(&mut self, now: Moment) {
        let seconds = now.seconds_since(self.counted);
        self.counted = now;
        let present = self.counts.by_state.iter().chain([&self.counts.wanted]);
        for (sum, count) in self.sums.iter_mut().zip(present) {
            *sum += f64::from(*count) * seconds;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "arrivals in a step are below 2^53")]
    fn close(&mut self, now: Moment, step_nanos: i64) {
        self.integrate(now);
        let seconds = Moment::from_nanos(step_nanos).seconds();
        let [pending, starting, waking, warm, ready, draining, wanted] =
            self.sums.map(|sum| round(sum / seconds));
        let timeline = &mut self.timeline;
        timeline.arrivals_per_second.push(round(self.arrivals as f64 / seconds));
        timeline.wanted.push(wanted);
        timeline.pending.push(pending);
        timeline.starting.push(starting);
        timeline.ready.push(ready);
        timeline.warm.push(round(warm + waking));
        timeline.draining.push(draining);
        timeline.queue.push(round(self.queue / f64::from(self.queue_samples.max(1))));
        let quantile = |q| (!self.ttft.is_empty()).then(|| self.ttft.quantile(q));
        timeline.ttft_p50.push(quantile(0.5));
        timeline.ttft_p95.push(quantile(0.95));
        timeline.ttft_p99.push(quantile(0.99));
        timeline.decision.push(self.decision.take().map(|decision| {
            timeline.decisions.push(explained(&decision));
            u32::try_from(timeline.decisions.len() - 1).unwrap_or(u32::MAX)
        }));
        self.ttft.clear();
        (self.arrivals, self.queue, self.queue_samples) = (0, 0.0, 0);
        self.sums = [0.0; STATES + 1];
    }
}

impl Counts {
    pub(super) fn of(&self, state: State) -> u32 {
        self.by_state.get(state as usize).copied().unwrap_or(0)
    }
}

fn explained(decision: &Decision) -> Explained {
    Explained {
        at_seconds: decision.at.since(EPOCH).as_millis() / 1000,
        from: decision.current_replicas,
        to: decision.desired_replicas,
        text: decision.explain().to_string(),
    }
}

/// To a thousandth: more is noise in a chart.
fn round(value: f64) -> f64 {
    libm::rint(value * 1e3) / 1e3
}
