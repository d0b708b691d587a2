//! What is written down during a run.

use trimtab_engine::Decision;

use super::Simulated;
use super::course::{Counts, Course};
use super::latency::LatencyRecorder;
use super::replica::State;
use crate::bound::BoundBuilder;
use crate::supply::PoolUse;
use crate::{
    Attained, Latency, Measure, Moment, Objective, ReplicaSeconds, Request, RequestCounts,
};

/// The records of a run.
#[derive(Debug)]
pub(super) struct Recorder {
    objectives: Vec<Objective>,
    pub(super) requests: RequestCounts,
    /// Requests within each objective.
    within: Vec<u64>,
    ttft: LatencyRecorder,
    itl: LatencyRecorder,
    tpot: LatencyRecorder,
    e2e: LatencyRecorder,
    /// The work of the requests that were within all objectives.
    timely: BoundBuilder,
    counts: Counts,
    counted: Moment,
    replica_seconds: ReplicaSeconds,
    /// Ready replica-seconds minute by minute.
    ready_minutes: Vec<f64>,
    course: Option<Course>,
    pub(super) starts: u64,
    pub(super) stops: u64,
    pub(super) losses: u64,
    pub(super) decisions: u64,
}

/// Nothing beyond three digits is reported.
const DIGITS: u8 = 3;
pub(super) const MINUTE_SECONDS: f64 = 60.0;

impl Recorder {
    pub(super) fn new(
        objectives: &[Objective],
        timely: BoundBuilder,
        step_seconds: Option<f64>,
    ) -> Self {
        Self {
            objectives: objectives.to_vec(),
            requests: RequestCounts::default(),
            within: vec![0; objectives.len()],
            ttft: LatencyRecorder::new(DIGITS),
            itl: LatencyRecorder::new(DIGITS),
            tpot: LatencyRecorder::new(DIGITS),
            e2e: LatencyRecorder::new(DIGITS),
            timely,
            counts: Counts::default(),
            counted: Moment::START,
            replica_seconds: ReplicaSeconds::default(),
            ready_minutes: Vec::new(),
            course: step_seconds.map(Course::new),
            starts: 0,
            stops: 0,
            losses: 0,
            decisions: 0,
        }
    }

    pub(super) fn arrival(&mut self, now: Moment) {
        self.requests.arrived += 1;
        if let Some(course) = &mut self.course {
            course.arrival(now);
        }
    }

    pub(super) fn first_token(&mut self, now: Moment, ttft: f64) {
        self.ttft.record(ttft, 1);
        if let Some(course) = &mut self.course {
            course.first_token(now, ttft);
        }
    }

    pub(super) fn tokens(&mut self, tokens: u64, gap: f64) {
        self.itl.record(gap, tokens);
    }

    /// A request got its last token; its latencies in seconds. Returns whether it was within all objectives.
    pub(super) fn served(
        &mut self,
        now: Moment,
        request: &Request,
        ttft: f64,
        tpot: Option<f64>,
        e2e: f64,
    ) -> bool {
        self.requests.served += 1;
        self.e2e.record(e2e, 1);
        if let Some(tpot) = tpot {
            self.tpot.record(tpot, 1);
        }
        let mut all = true;
        for (objective, within) in self.objectives.iter().zip(&mut self.within) {
            let seconds = match objective.measure {
                Measure::Ttft => ttft,
                Measure::Tpot => tpot.unwrap_or(0.0),
                Measure::E2e => e2e,
            };
            let met = seconds <= objective.seconds;
            *within += u64::from(met);
            all &= met;
        }
        if all {
            self.timely.add_served(request, now);
        }
        all
    }

    pub(super) fn queue(&mut self, now: Moment, waiting: u32) {
        if let Some(course) = &mut self.course {
            course.queue(now, waiting);
        }
    }

    /// From now on, these are the counts.
    pub(super) fn counts(&mut self, now: Moment, counts: Counts) {
        self.integrate(now);
        self.counts = counts;
        if let Some(course) = &mut self.course {
            course.counts(now, counts);
        }
    }

    /// A replica that was ready had something to do for so long.
    pub(super) fn busy(&mut self, nanos: i64) {
        self.replica_seconds.busy += Moment::from_nanos(nanos).seconds();
    }

    pub(super) fn decided(&mut self, now: Moment, decision: Decision) {
        self.decisions += 1;
        if let Some(course) = &mut self.course {
            course.decision(now, decision);
        }
    }

    /// Whether explanations are wanted.
    pub(super) fn explains(&self) -> bool {
        self.course.is_some()
    }

    fn integrate(&mut self, now: Moment) {
        let seconds = now.seconds_since(self.counted);
        let total = |state: State| f64::from(self.counts.of(state)) * seconds;
        let spent = &mut self.replica_seconds;
        spent.pending += total(State::Pending);
        spent.starting += total(State::Starting);
        spent.warm += total(State::Warm) + total(State::Waking);
        spent.draining += total(State::Draining);
        // All ready time, until `finish` takes the busy time out.
        spent.idle += total(State::Ready);
        self.integrate_minutes(now);
        self.counted = now;
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "minutes of a trace, not below 0"
    )]
    fn integrate_minutes(&mut self, now: Moment) {
        let ready = f64::from(self.counts.of(State::Ready));
        let (mut from, until) = (self.counted.seconds(), now.seconds());
        let mut minute = (from / MINUTE_SECONDS) as usize;
        while from < until {
            let ends = ((minute + 1) as f64 * MINUTE_SECONDS).min(until);
            if self.ready_minutes.len() <= minute {
                self.ready_minutes.resize(minute + 1, 0.0);
            }
            if let Some(sum) = self.ready_minutes.get_mut(minute) {
                *sum += ready * (ends - from);
            }
            from = ends;
            minute += 1;
        }
    }

    /// Requests that are known not to be within each objective.
    pub(super) fn missed(&self) -> impl Iterator<Item = u64> {
        let RequestCounts { served, rejected, cut, .. } = self.requests;
        let done = served + rejected + cut;
        self.within.iter().map(move |within| done - within)
    }

    /// All records, with what the nodes did until `ended`.
    pub(super) fn finish(mut self, ended: Moment, pools: Vec<PoolUse>) -> Simulated {
        self.integrate(ended);
        let busy = self.replica_seconds.busy;
        self.replica_seconds.idle = (self.replica_seconds.idle - busy).max(0.0);
        let arrived = self.requests.arrived;
        let attainment = self.objectives.iter().zip(&self.within).map(|(objective, within)| {
            let share = if arrived == 0 { 1.0 } else { ratio(*within, arrived) };
            Attained { share, met: share >= objective.share }
        });
        Simulated {
            ended_early: false,
            ended,
            pools,
            attainment: attainment.collect(),
            requests: self.requests,
            latency: Latency {
                ttft: self.ttft.quantiles(),
                itl: self.itl.quantiles(),
                tpot: self.tpot.quantiles(),
                e2e: self.e2e.quantiles(),
            },
            replica_seconds: self.replica_seconds,
            ready_minutes: self.ready_minutes,
            timely: self.timely,
            starts: self.starts,
            stops: self.stops,
            losses: self.losses,
            decisions: self.decisions,
            timeline: self.course.map(|course| course.finish(ended)).unwrap_or_default(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
