//! What samples of a load come to: its average, or what it has surely grown to in the last seconds.

use alloc::vec::Vec;

use libm::{fmax, fmin, sqrt};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::float::{from_count, from_i64};
use crate::observation::Point;
use crate::policy::{Finite, SloSampling};

/// So many stretches of a window are looked at, at most.
const MOST_STRETCHES: usize = 64;
/// How long noise is remembered.
const MEMORY: Span = Span::from_secs(600);
/// Before any is known: a stretch of a load that keeps one replica busy varies by a sixth of one.
const FIRST_SPREAD: f64 = 1.0 / 36.0;
/// Differences that are so many times what noise would make of them count as so many, squared: one jump
/// is no noise, and a load that jumps all the time is in the end.
const MOST_SQUARED: f64 = 16.0;

/// A load over the window, and over each stretch of it, the newest first, where there are samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    /// Over the window.
    pub mean: f64,
    stretches: Vec<f64>,
}

/// How much a load comes and goes from one stretch to the next, as a share of what it keeps busy.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Noise {
    /// The variance of a stretch over its mean, in replicas.
    spread: Finite,
    at: Timestamp,
}

impl Average {
    /// Of samples, source by source; nothing if there is none in the window.
    pub fn of(sources: &[Vec<Point>], sampling: &SloSampling, now: Timestamp) -> Option<Self> {
        let stretch = sampling.recent.as_millis().max(1);
        let count = sampling.window.as_millis() / stretch;
        let mut stretches: Vec<Option<f64>> = Vec::new();
        let count = usize::try_from(count).unwrap_or(0).clamp(1, MOST_STRETCHES);
        stretches.resize(count, None);
        let mut whole = None;
        for points in sources {
            let mut sums = [(0_i64, 0_usize); MOST_STRETCHES];
            let mut all = (0_i64, 0_usize);
            for Point { at, milli } in points {
                let age = now.since(*at);
                if age < Span::ZERO || age >= sampling.window {
                    continue;
                }
                add(&mut all, *milli);
                let place = usize::try_from(age.as_millis() / stretch).unwrap_or(usize::MAX);
                if let Some(sum) = sums.get_mut(place) {
                    add(sum, *milli);
                }
            }
            let more = |to: &mut Option<f64>, (sum, count): (i64, usize)| {
                if count > 0 {
                    let mean = from_i64(sum) / from_count(count) / 1000.0;
                    *to = Some(to.unwrap_or(0.0) + mean);
                }
            };
            more(&mut whole, all);
            stretches.iter_mut().zip(sums).for_each(|(to, sum)| more(to, sum));
        }
        // What lies behind a gap is not next to anything.
        let stretches = stretches.into_iter().map_while(|stretch| stretch).collect();
        Some(Self { mean: whole?, stretches })
    }

    /// Over the last stretch; without, over the window.
    pub fn recent(&self) -> f64 {
        self.stretches.first().copied().unwrap_or(self.mean)
    }

    /// What counts, where one replica takes `target` of it: the mean, or what the last stretch, the last
    /// two or the last four of them, and so on, say for sure, if that is more: `times` the noise less
    /// than they read.
    pub fn load(&self, target: f64, noise: Option<Noise>, times: f64) -> f64 {
        let spread = noise.map_or(FIRST_SPREAD, |noise| noise.spread.get());
        let (mut sum, mut load, mut next) = (0.0, self.mean, 1_usize);
        for (place, stretch) in (1_usize..).zip(&self.stretches) {
            sum += stretch;
            if place != next {
                continue;
            }
            next = next.saturating_mul(2);
            let replicas = sum / from_count(place) / target;
            let by_chance = times * sqrt(fmax(spread * replicas, 0.0) / from_count(place));
            let sure = target * (replicas - by_chance);
            load = if sure > load { sure } else { load }; // nothing is, where the target is 0
        }
        load
    }
}

impl Noise {
    /// What is known now, with what the stretches differ from their neighbours by.
    pub fn after(
        before: Option<Self>,
        average: &Average,
        target: f64,
        now: Timestamp,
    ) -> Option<Self> {
        let (spread, at) = before.map_or((FIRST_SPREAD, None), |it| (it.spread.get(), Some(it.at)));
        let replicas = average.mean / target;
        let pairs = average.stretches.iter().zip(average.stretches.iter().skip(1));
        let count = from_count(average.stretches.len().saturating_sub(1));
        if !(replicas > 0.0 && count > 0.0) {
            return before;
        }
        let most = MOST_SQUARED * 2.0 * spread * replicas;
        let squared = |(one, other): (&f64, &f64)| {
            let difference = (one - other) / target;
            fmin(difference * difference, most)
        };
        // Two that differ by chance differ by twice the variance of one.
        let seen = pairs.map(squared).sum::<f64>() / count / 2.0 / replicas;
        let elapsed = at.map_or(Span::ZERO, |at| now.since(at));
        let weight = from_i64(elapsed.as_millis()) / from_i64(MEMORY.as_millis());
        let spread = spread + fmin(fmax(weight, 0.0), 1.0) * (seen - spread);
        Some(Self { spread: Finite::new(spread)?, at: now })
    }
}

fn add((sum, count): &mut (i64, usize), milli: i64) {
    *sum = sum.saturating_add(milli);
    *count = count.saturating_add(1);
}
