//! A load of a given size: so many replicas are kept busy by it.

use std::sync::Arc;

use trimtab_sim::{
    Moment, Objective, Request, Requests, ServiceProfile, Survey, SurveyError, Workload,
    WorkloadError, survey,
};

use crate::backtest::args::LoadArgs;
use crate::backtest::failure::workload_error;
use crate::backtest::setting;
use crate::error::CommandError;
use crate::process::Interrupt;

/// A first look takes so many requests at most.
const MOST_LOOKED_AT: u64 = 300_000;
/// A first look at fewer requests says too little of how much work a load is.
const FEWEST_LOOKED_AT: u64 = 3_000;
/// By how much a load is thinned out for the first look, and multiplied while that shows too little.
const FIRST_SCALE: f64 = 1e-4;
const STEP: f64 = 10.0;
/// How long a peak is that a fleet may be made for.
const PEAK_SECONDS: f64 = 10.0;
/// A load of so many requests at most, over all seeds, is made once, and kept for all who are compared.
const MOST_KEPT: u64 = 5_000_000;

/// A load as it is compared on.
pub(super) struct SizedLoad {
    /// As each of the seeds makes it.
    pub(super) workloads: Vec<Part>,
    /// By what its rate was multiplied.
    pub(super) rate_scale: f64,
    /// Requests per second that one replica does when it is busy all the time.
    pub(super) capacity: f64,
    /// What the busiest seconds keep busy, as a multiple of the mean.
    pub(super) peak: f64,
}

/// The load at a rate that keeps `replicas` busy in the mean over its first `most` requests and these seeds.
pub(super) fn sized(
    args: &LoadArgs,
    seeds: &[u64],
    profile: &ServiceProfile,
    objectives: &[Objective],
    (replicas, most): (f64, u64),
    interrupt: &Interrupt,
) -> Result<Result<SizedLoad, SurveyError>, CommandError> {
    let first_seed = seeds.first().copied().unwrap_or_default();
    let mut scale = FIRST_SCALE;
    let (seen, mean) = loop {
        let first = at_scale(args, first_seed, scale, MOST_LOOKED_AT, interrupt)?;
        let seen = match survey(&first, profile, objectives) {
            Ok(seen) => seen,
            // Thinned out to nothing, or to so few that one that nobody can serve in time is too many.
            Err(_) if scale < 1.0 => {
                scale *= STEP;
                continue;
            }
            Err(SurveyError::Workload(error)) => return Err(workload_error(error)),
            Err(impossible) => return Ok(Err(impossible)),
        };
        if seen.summary.requests >= FEWEST_LOOKED_AT || scale >= 1.0 {
            let mean = busy(&seen);
            break (seen, mean);
        }
        scale *= STEP;
    };
    let work = mean * seen.summary.seconds;
    let capacity = seen.summary.requests as f64 / work.max(f64::MIN_POSITIVE);
    let mut rate_scale = round(scale * replicas / mean.max(f64::MIN_POSITIVE));
    // What the first `most` requests span may be a quiet or a busy part of the whole.
    let (mut mean, mut peak): (f64, f64) = (0.0, 0.0);
    for seed in seeds {
        let part = at_scale(args, *seed, rate_scale, most, interrupt)?;
        let part = match survey(&part, profile, objectives) {
            Ok(part) => part,
            Err(SurveyError::Workload(error)) => return Err(workload_error(error)),
            Err(impossible) => return Ok(Err(impossible)),
        };
        mean += busy(&part) / seeds.len() as f64;
        peak = part.work.need(PEAK_SECONDS).into_iter().fold(peak, f64::max);
    }
    let mean = mean.max(f64::MIN_POSITIVE);
    rate_scale = round(rate_scale * replicas / mean);
    let mut workloads = Vec::new();
    for seed in seeds {
        let mut workload = at_scale(args, *seed, rate_scale, most, interrupt)?;
        if most.saturating_mul(seeds.len() as u64) <= MOST_KEPT {
            workload.keep().map_err(workload_error)?;
        }
        workloads.push(workload);
    }
    Ok(Ok(SizedLoad { workloads, rate_scale, capacity, peak: peak / mean }))
}

/// Replicas that the load keeps busy in the mean.
fn busy(seen: &Survey) -> f64 {
    let need = seen.work.need(seen.summary.seconds.max(1.0));
    need.first().copied().unwrap_or(0.0)
}

/// To three digits, so that a row can be run again by hand.
fn round(scale: f64) -> f64 {
    format!("{scale:.2e}").parse().unwrap_or(scale)
}

/// The first so many requests of the load as a seed makes it.
pub(super) fn at_scale(
    args: &LoadArgs,
    seed: u64,
    rate_scale: f64,
    most: u64,
    interrupt: &Interrupt,
) -> Result<Part, CommandError> {
    let args = LoadArgs { rate_scale, ..args.clone() };
    let workloads = setting::workloads(&args, seed, interrupt, &mut Vec::new())?;
    let inner = workloads.into_iter().next();
    let inner = inner.ok_or_else(|| CommandError::argument("there is no load"))?;
    Ok(Part { inner: inner.into(), after: 0, most, kept: None })
}

/// So many requests of a load, from the first one on or after so many.
#[derive(Clone)]
pub(super) struct Part {
    inner: Arc<dyn Workload>,
    after: u64,
    most: u64,
    kept: Option<Arc<[Request]>>,
}

impl Part {
    /// So many requests after these.
    pub(super) fn later(&self, most: u64) -> Self {
        let after = self.after.saturating_add(self.most);
        Self { after, most, kept: None, ..self.clone() }
    }

    /// Whether there are so many.
    pub(super) fn has(&self, requests: u64) -> Result<bool, WorkloadError> {
        let last = usize::try_from(requests.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(self.requests()?.nth(last).transpose()?.is_some())
    }

    /// Makes the requests, once for all.
    fn keep(&mut self) -> Result<(), WorkloadError> {
        let requests: Result<Vec<Request>, WorkloadError> = self.requests()?.collect();
        self.kept = Some(requests?.into());
        Ok(())
    }
}

impl Workload for Part {
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// A later part begins with its first request.
    fn requests(&self) -> Result<Requests, WorkloadError> {
        if let Some(kept) = self.kept.clone() {
            return Ok(Box::new((0..).map_while(move |at: usize| kept.get(at).copied().map(Ok))));
        }
        let [after, most] =
            [self.after, self.most].map(|of| usize::try_from(of).unwrap_or(usize::MAX));
        let requests = self.inner.requests()?.skip(after).take(most);
        if after == 0 {
            return Ok(Box::new(requests));
        }
        let mut first = None;
        Ok(Box::new(requests.map(move |request| {
            let request = request?;
            let first = *first.get_or_insert(request.arrival);
            let arrival = Moment::from_nanos(request.arrival.nanos_since(first));
            Ok(Request { arrival, ..request })
        })))
    }
}

#[cfg(test)]
mod tests {
    use trimtab_sim::Scenario;

    use super::*;

    fn all(part: &Part) -> Vec<Request> {
        part.requests().unwrap().map(Result::unwrap).collect()
    }

    /// What comes after a part are the requests that the part has not, as far from each other as they were; also
    /// where the part was kept.
    #[test]
    fn what_comes_after_goes_on_from_its_first_request() {
        let minute = Scenario::named("steady", 1).unwrap().with_duration_seconds(60.0);
        let whole = Part { inner: Arc::new(minute), after: 0, most: u64::MAX, kept: None };
        let whole_requests = all(&whole);
        let count = whole_requests.len() as u64;
        assert!(whole.has(count).unwrap() && !whole.has(count + 1).unwrap());

        let mut first = Part { most: 100, ..whole };
        first.keep().unwrap();
        let (before, after) = whole_requests.split_at(100);
        assert_eq!(all(&first), before);
        let begins = after.first().unwrap().arrival;
        let moved = |request: &Request| {
            let arrival = Moment::from_nanos(request.arrival.nanos_since(begins));
            Request { arrival, ..*request }
        };
        let moved: Vec<Request> = after.iter().map(moved).collect();
        assert_eq!(all(&first.later(u64::MAX)), moved);
        assert_eq!(all(&first.later(7)), moved.get(..7).unwrap());
        assert_eq!(all(&first.later(7).later(5)), {
            let begins = moved.get(7).unwrap().arrival;
            let again = moved.get(7..12).unwrap().iter().map(|request| Request {
                arrival: Moment::from_nanos(request.arrival.nanos_since(begins)),
                ..*request
            });
            again.collect::<Vec<_>>()
        });
        assert!(!first.later(u64::MAX).later(1).has(1).unwrap());
    }
}
