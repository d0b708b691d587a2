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
/// So many times what is subtracted for the noise, and there is no doubt: what was read counts whole.
const CERTAIN: f64 = 4.0;

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

    /// What counts, where one replica takes `target` of it and a burst for so many is borne: the mean, or,
    /// if that is more, what the last stretch, the last two or the last four of them, and so on, say for
    /// sure: `times` the noise less than they read. Only where that is more than what is borne, since that
    /// is served; and where even four times as much less is more, there is no doubt that more is needed,
    /// and what was read is how much.
    pub fn load(&self, target: f64, noise: Option<Noise>, times: f64, borne: f64) -> f64 {
        let spread = noise.map_or(FIRST_SPREAD, |noise| noise.spread.get());
        let (mut read, mut load, mut next) = (0.0, self.mean, 1_usize);
        for (place, stretch) in (1_usize..).zip(&self.stretches) {
            read += (stretch - read) / from_count(place); // the mean so far: that of equals is theirs
            if place != next {
                continue;
            }
            next = next.saturating_mul(2);
            let replicas = read / target;
            let by_chance = times * sqrt(fmax(spread * replicas, 0.0) / from_count(place));
            let counts = if replicas - CERTAIN * by_chance > borne {
                read
            } else if replicas - by_chance > borne {
                target * (replicas - by_chance)
            } else {
                continue; // nothing is, where the target is 0
            };
            load = fmax(load, counts);
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    const SAMPLING: SloSampling = SloSampling {
        interval: Span::from_secs(2),
        window: Span::from_secs(60),
        recent: Span::from_secs(6),
        noise: 3.0,
        burst_threshold: 1.0,
    };
    const NOW: Timestamp = Timestamp::from_secs(1_000);

    /// Samples every two seconds up to now, the newest first.
    fn points(milli: impl IntoIterator<Item = i64>) -> Vec<Vec<Point>> {
        let point = |(back, milli): (i64, i64)| Point {
            at: NOW.saturating_sub(Span::from_secs(back * 2)),
            milli,
        };
        vec![(0_i64..).zip(milli).map(point).collect()]
    }

    fn average(milli: impl IntoIterator<Item = i64>) -> Average {
        Average::of(&points(milli), &SAMPLING, NOW).unwrap()
    }

    fn load(average: &Average, ready: f64) -> f64 {
        average.load(10.0, None, SAMPLING.noise, ready)
    }

    #[test]
    fn a_jump_counts_at_once_and_a_ripple_does_not() {
        let jump = average((0..30).map(|back| if back < 3 { 300_000 } else { 100_000 }));
        assert_eq!((jump.mean, jump.recent()), (120.0, 300.0));
        // 30 replicas, less three times a sixth of the root of 30.
        assert!((load(&jump, 20.0) - 10.0 * (30.0 - 0.5 * sqrt(30.0))).abs() < 1e-9);
        // 19 can't take it for sure, and so all of it counts; 28 can, and so it is no matter.
        assert_eq!([19.0, 28.0].map(|ready| load(&jump, ready)), [300.0, jump.mean]);
        let ripple = average((0..30).map(|back| if back < 3 { 112_000 } else { 100_000 }));
        assert_eq!(load(&ripple, 10.0), ripple.mean);
    }

    #[test]
    fn a_slow_growth_is_seen_in_a_longer_stretch() {
        let ramp = average((0..30).map(|back| 130_000 - back * 1_000));
        assert!(load(&ramp, 11.0) > ramp.mean, "{ramp:?}");
    }

    #[test]
    fn without_samples_nothing_is_known_and_a_gap_ends_the_stretches() {
        assert_eq!(Average::of(&[], &SAMPLING, NOW), None);
        let old = NOW.saturating_sub(Span::from_secs(60));
        assert_eq!(Average::of(&[vec![Point { at: old, milli: 1 }]], &SAMPLING, NOW), None);
        let milli = 5_000;
        let at = |back: i64| Point { at: NOW.saturating_sub(Span::from_secs(back)), milli };
        let gap = Average::of(&[vec![at(2), at(30)]], &SAMPLING, NOW).unwrap();
        assert_eq!((gap.mean, gap.stretches.len()), (5.0, 1));
    }

    #[test]
    fn sources_add_up() {
        let both = [points([1_000; 30]), points([2_000; 30])].concat();
        assert_eq!(Average::of(&both, &SAMPLING, NOW).unwrap().mean, 3.0);
    }

    /// A load that comes in bursts is taken for one within a quarter of an hour: what it does all the
    /// time is no growth any more.
    #[test]
    fn noise_is_learned() {
        let bursts = average((0..30).map(|back| if back % 6 < 3 { 140_000 } else { 60_000 }));
        assert!(load(&bursts, 10.0) > 1.05 * bursts.mean);
        let mut noise = None;
        for tick in 0..450 {
            noise = Noise::after(noise, &bursts, 10.0, Timestamp::from_secs(tick * 2));
        }
        assert_eq!(bursts.load(10.0, noise, 3.0, 10.0), bursts.mean);
    }

    proptest! {
        /// Samples that do not differ are the load, whatever is known of the noise; more in the last
        /// stretch is never less; and a target and its load may be doubled.
        #[test]
        fn laws(
            milli in prop::collection::vec(0_i64..1_000_000, 30), more in 0_i64..1_000_000,
            constant in 0_i64..1_000_000_000, times in 0.0..10.0_f64, ticks in 0_i64..40,
            ready in 0.0..200.0_f64,
        ) {
            let mut noise = None;
            for tick in 0..ticks {
                let average = average(milli.iter().copied());
                noise = Noise::after(noise, &average, 10.0, Timestamp::from_secs(tick * 2));
                prop_assert!(noise.is_none_or(|it| it.spread.get() >= 0.0));
            }
            let same = average(vec![constant; 30]);
            let exact = from_i64(constant) / 1000.0;
            prop_assert_eq!(same.load(10.0, noise, times, ready), exact);

            let before = average(milli.iter().copied());
            let plus = milli.iter().enumerate().map(|(back, own)| own + if back < 3 { more } else { 0 });
            let after = average(plus);
            prop_assert!(before.mean <= before.load(10.0, noise, times, ready));
            prop_assert!(before.load(10.0, noise, times, ready) <= after.load(10.0, noise, times, ready));

            let double = average(milli.iter().map(|own| own * 2));
            prop_assert_eq!(double.load(20.0, noise, times, ready), 2.0 * before.load(10.0, noise, times, ready));
        }
    }
}
